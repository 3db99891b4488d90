package primitive

import (
	"testing"
	"time"
)

func TestMicros(t *testing.T) {
	t.Parallel()
	good := map[string]string{ // the same in RFC 3339, which time.Parse reads
		"1970-01-01T00:00:00Z":                "1970-01-01T00:00:00Z",
		"2015-02-07T13:28:17.239+02:00":       "2015-02-07T11:28:17.239Z",
		"2024-02-29T23:59:59.999999999-14:00": "2024-03-01T13:59:59.999999Z",
		"2000-02-29T00:00:00.1234567Z":        "2000-02-29T00:00:00.123456Z",
		"1969-12-31T23:59:59.9999999Z":        "1969-12-31T23:59:59.999999Z",
		"0001-01-01T00:00:00+14:00":           "0000-12-31T10:00:00Z",
		"9999-12-31T23:59:59-00:00":           "9999-12-31T23:59:59Z",
		"2016-12-31T23:59:60Z":                "2017-01-01T00:00:00Z",
		"2110-06-15T12:00:00.5+05:45":         "2110-06-15T06:15:00.5Z",
	}
	for text, same := range good {
		want, err := time.Parse(time.RFC3339Nano, same)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := Micros([]byte(text)); !ok || got != want.UnixMicro() {
			t.Errorf("%s: %d, %v; want %d", text, got, ok, want.UnixMicro())
		}
	}
	bad := []string{
		"", "2020", "2020-01", "2020-01-01", "2020-01-01T00:00Z", "2020-01-01T00:00:00", "2020-01-01 00:00:00Z", "2020-01-01t00:00:00z",
		"2020-1-01T00:00:00Z", "0000-01-01T00:00:00Z", "2020-00-01T00:00:00Z", "2020-13-01T00:00:00Z", "2020-01-00T00:00:00Z",
		"2020-04-31T00:00:00Z", "2021-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2020-01-01T24:00:00Z", "2020-01-01T00:60:00Z",
		"2020-01-01T00:00:61Z", "2020-01-01T00:00:00.Z", "2020-01-01T00:00:00,5Z", "2020-01-01T00:00:00+0100", "2020-01-01T00:00:00+01",
		"2020-01-01T00:00:00+15:00", "2020-01-01T00:00:00+14:01", "2020-01-01T00:00:00+01:60", "2020-01-01T00:00:00Z ", " 2020-01-01T00:00:00Z",
		"+020-01-01T00:00:00Z", "2020-01-01T00:00:00.5", "2020-01-01T00:00:00ZZ", "2020-01-01T00:00:00+a1:00", "20200-01-01T00:00:00Z",
	}
	for _, text := range bad {
		if got, ok := Micros([]byte(text)); ok {
			t.Errorf("%q is accepted as %d", text, got)
		}
	}
}

// TestEveryDay compares the calendar with the standard library's.
func TestEveryDay(t *testing.T) {
	t.Parallel()
	day := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	for ; day.Year() < 2500; day = day.AddDate(0, 0, 1) {
		got, ok := Micros(day.AppendFormat(nil, time.RFC3339))
		if !ok || got != day.UnixMicro() {
			t.Fatalf("%s: %d, %v; want %d", day, got, ok, day.UnixMicro())
		}
	}
}

// FuzzInstant: what is accepted is accepted by time.Parse with the same result, but for leap
// seconds.
func FuzzInstant(f *testing.F) {
	f.Add("2015-02-07T13:28:17.239+02:00")
	f.Add("2016-12-31T23:59:60Z")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := Micros([]byte(text))
		if !ok || text[17:19] == "60" {
			return
		}
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || got != want.UnixMicro() {
			t.Fatalf("%q: %d; time.Parse %d, %v", text, got, want.UnixMicro(), err)
		}
	})
}

func BenchmarkMicros(b *testing.B) {
	text := "2015-02-07T13:28:17.239+02:00"
	b.Run("Micros", func(b *testing.B) {
		for b.Loop() {
			if _, ok := Micros([]byte(text)); !ok {
				b.Fatal("refused")
			}
		}
	})
	b.Run("time.Parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
