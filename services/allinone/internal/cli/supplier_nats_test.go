package cli

import "testing"

// TestNATSUsers: each supplier has its nkey or a password of its own, and what is named wrongly is refused.
func TestNATSUsers(t *testing.T) {
	t.Parallel()
	users, err := natsUsers([]string{"a", "b", "c"}, []string{"b=UKEY"})
	if err != nil || len(users) != 3 || users[0].Password == "" || users[0].Password == users[2].Password || users[1].Password != "" || users[1].NKey != "UKEY" {
		t.Errorf("got %+v, %v", users, err)
	}
	for _, tt := range []struct{ names, keys []string }{
		{[]string{"a", "a"}, nil}, {[]string{"A"}, nil}, {[]string{"a"}, []string{"b=UKEY"}}, {[]string{"a"}, []string{"UKEY"}},
	} {
		if _, err := natsUsers(tt.names, tt.keys); err == nil {
			t.Errorf("%v with %v was taken", tt.names, tt.keys)
		}
	}
}
