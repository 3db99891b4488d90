package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// slowBody has a byte after each while.
type slowBody struct {
	each time.Duration
	left int
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(b.each)
	b.left--
	return copy(p, "x"), nil
}

func (b *slowBody) Close() error { return nil }

// deadlined is an answer that notes until when its request is read.
type deadlined struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (d *deadlined) SetReadDeadline(t time.Time) error {
	d.read = t
	return nil
}

// TestPacedBody: only the time counts for which a sender is waited for.
func TestPacedBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w deadlined
		p := &paced{ReadCloser: &slowBody{20 * time.Second, 3}, control: http.NewResponseController(&w), period: time.Minute, least: 3}
		for _, left := range []time.Duration{60, 40, 20} {
			begun := time.Now()
			if _, err := p.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if got := w.read.Sub(begun); got != left*time.Second {
				t.Errorf("%s are left, want %d s", got, left)
			}
			time.Sleep(time.Hour) // as for a disk
		}
		if p.waited != 0 || p.got != 0 {
			t.Errorf("after enough bytes %s and %d bytes count", p.waited, p.got)
		}
		for range 2 { // who reads behind the end sets no deadline for the answer
			if _, err := p.Read(make([]byte, 1)); err != io.EOF || !w.read.IsZero() { //nolint:errorlint // a reader's end
				t.Errorf("at the end: %v, read until %s", err, w.read)
			}
		}
	})
}
