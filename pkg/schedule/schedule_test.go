package schedule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/schedule"
)

func parse(t testing.TB, every, zone string) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(every, zone)
	if err != nil {
		t.Fatalf("%q in %q: %v", every, zone, err)
	}
	return s
}

// dues are the next times from one on, with their offsets.
func dues(t *testing.T, s schedule.Schedule, from string, n int) (list []string) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		at = s.Next(at)
		list = append(list, at.Format("01-02 15:04 -07"))
	}
	return list
}

// TestDaylightSaving: nothing is left out and nothing comes twice where clocks are changed.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	const berlin, newYork = "Europe/Berlin", "America/New_York"
	tests := []struct {
		name, every, zone, from string
		want                    []string
	}{
		{"left out, Berlin", "30 2 * * *", berlin, "2026-03-28T00:00:00Z", []string{"03-28 02:30 +01", "03-29 03:00 +02", "03-30 02:30 +02"}},
		{"at the edge, Berlin", "0 2 * * *", berlin, "2026-03-28T12:00:00Z", []string{"03-29 03:00 +02", "03-30 02:00 +02"}},
		{"before and after, Berlin", "59 1,3 * * *", berlin, "2026-03-28T22:00:00Z", []string{"03-29 01:59 +01", "03-29 03:59 +02", "03-30 01:59 +02"}},
		{"left out and there, Berlin", "0 2,3 * * *", berlin, "2026-03-28T22:00:00Z", []string{"03-29 03:00 +02", "03-30 02:00 +02"}},
		{"twice, Berlin", "30 2 * * *", berlin, "2026-10-24T12:00:00Z", []string{"10-25 02:30 +02", "10-26 02:30 +01"}},
		{"between the two, Berlin", "30 2 * * *", berlin, "2026-10-25T01:00:00Z", []string{"10-26 02:30 +01"}},
		{"around it, Berlin", "0 1-3 * * *", berlin, "2026-10-24T22:00:00Z", []string{"10-25 01:00 +02", "10-25 02:00 +02", "10-25 03:00 +01", "10-26 01:00 +01"}},
		{"every half hour, Berlin", "*/30 * * * *", berlin, "2026-10-25T00:00:00Z", []string{"10-25 02:30 +02", "10-25 02:00 +01", "10-25 02:30 +01", "10-25 03:00 +01"}},
		{"every hour, Berlin", "@hourly", berlin, "2026-03-28T23:30:00Z", []string{"03-29 01:00 +01", "03-29 03:00 +02", "03-29 04:00 +02"}},
		{"every second hour, Berlin", "0 */2 * * *", berlin, "2026-10-24T21:00:00Z", []string{"10-25 00:00 +02", "10-25 02:00 +02", "10-25 04:00 +01"}},
		{"left out, New York", "30 2 * * *", newYork, "2026-03-07T12:00:00Z", []string{"03-08 03:00 -04", "03-09 02:30 -04"}},
		{"twice, New York", "30 1 * * *", newYork, "2026-10-31T12:00:00Z", []string{"11-01 01:30 -04", "11-02 01:30 -05"}},
		{"not touched, New York", "0 2 * * *", newYork, "2026-10-31T12:00:00Z", []string{"11-01 02:00 -05", "11-02 02:00 -05"}},
		{"every quarter, New York", "45 * * * *", newYork, "2026-11-01T05:00:00Z", []string{"11-01 01:45 -04", "11-01 01:45 -05", "11-01 02:45 -05"}},
		{"half an hour, Lord Howe", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", []string{"10-04 02:30 +11", "10-05 02:15 +11"}},
		{"a day left out, Apia", "0 2 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", []string{"12-29 02:00 -10", "12-31 00:00 +14", "12-31 02:00 +14"}},
		{"no zone", "0 2 * * *", "", "2026-03-28T12:00:00Z", []string{"03-29 02:00 +00", "03-30 02:00 +00"}},
		{"days", "0 6 1 * 1", berlin, "2026-03-28T12:00:00Z", []string{"03-30 06:00 +02", "04-01 06:00 +02", "04-06 06:00 +02"}},
		{"now is not next", "0 2 * * *", "UTC", "2026-01-01T02:00:00Z", []string{"01-02 02:00 +00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, dues(t, parse(t, tt.every, tt.zone), tt.from, len(tt.want))); diff != "" {
				t.Errorf("%q in %s (-want +got):\n%s", tt.every, tt.zone, diff)
			}
		})
	}
}

// TestEveryDayOnce: what is due daily is due as often as there are days, wherever and whenever.
func TestEveryDayOnce(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			for minute := 0; minute < 4*60; minute += 30 {
				s := parse(t, fmt.Sprintf("%d %d * * *", minute%60, minute/60), zone)
				begin := time.Date(2009, 1, 1, 12, 0, 0, 0, loc)
				at, got := begin, 0
				for end := time.Date(2019, 1, 1, 12, 0, 0, 0, loc); ; got++ {
					next := s.Next(at)
					if !next.After(at) {
						t.Fatalf("%s comes after %s", next, at)
					}
					if at = next; at.After(end) {
						break
					}
				}
				if want := 3652; got != want {
					t.Errorf("%02d:%02d is due %d times in %d days", minute/60, minute%60, got, want)
				}
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ every, zone, want string }{
		{"", "", "cron expression"},
		{"every night", "", "cron expression"},
		{"0 2 * *", "", "cron expression"},
		{"0 25 * * *", "", "cron expression"},
		{"TZ=Europe/Berlin 0 2 * * *", "", "cron expression"},
		{"TZ=0", "", "cron expression"},
		{"@every 6h", "", "@every"},
		{"@reboot", "", "cron expression"},
		{"0 0 30 2 *", "", "no such day"},
		{strings.Repeat("1,", 200) + "1 * * * *", "", "cron expression"},
		{"0 2 * * *", "Europe/Bärlin", "zone"},
		{"0 2 * * *", "Local", "zone"},
		{"0 2 * * *", "../etc", "zone"},
	} {
		if _, err := schedule.Parse(tt.every, tt.zone); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q in %q: %v, want %s", tt.every, tt.zone, err, tt.want)
		}
	}
}

// FuzzParse: whatever it is, it is refused, or has a next time that comes later.
func FuzzParse(f *testing.F) {
	for _, every := range []string{"0 2 * * *", "*/5 * * * *", "@daily", "TZ=", "1-5/2 1,2 ? jan mon", "@every 1s"} {
		f.Add(every, "Europe/Berlin", int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, every, zone string, at int64) {
		s, err := schedule.Parse(every, zone)
		if err != nil || at < 0 || at > 4_000_000_000 {
			return
		}
		now := time.Unix(at, 0)
		if next := s.Next(now); !next.IsZero() && !next.After(now) {
			t.Errorf("%s comes after %s", next, now)
		}
	})
}
