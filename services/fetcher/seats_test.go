package fetcher

import "testing"

// TestSeats: a supplier has its number of seats and no more, whatever others have.
func TestSeats(t *testing.T) {
	t.Parallel()
	s := &seats{each: 2}
	leave, ok := s.take("a")
	if _, again := s.take("a"); !ok || !again {
		t.Fatal("a has no two seats")
	}
	if _, ok := s.take("a"); ok {
		t.Error("a has a third seat")
	}
	if _, ok := s.take("b"); !ok {
		t.Error("b has none")
	}
	leave()
	if _, ok := s.take("a"); !ok {
		t.Error("a does not get back what it gave back")
	}
}
