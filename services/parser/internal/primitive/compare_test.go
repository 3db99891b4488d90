package primitive

import (
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	const undetermined = 2
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"2020", "2020", 0},
		{"2020", "2021", -1},
		{"2020-02", "2020-02", 0},
		{"2020-02", "2020-03", -1},
		{"2019-12-31", "2020-01-01", -1},
		{"2020-02-29", "2020-03-01", -1},
		{"2020-05-05", "2020-05-05", 0},

		// Of different precision: determined where one is over when the other begins.
		{"2020", "2020-05", undetermined},
		{"2020-01", "2020-01-01", undetermined},
		{"2020", "2021-01-01", -1},
		{"2020-12", "2021", -1},
		{"2020-12-31", "2020", undetermined},

		// Times: the zone counts, a fraction of a second is no other precision.
		{"2020-05-05T10:00:00Z", "2020-05-05T10:00:00Z", 0},
		{"2020-05-05T10:00:00Z", "2020-05-05T12:00:00+02:00", 0},
		{"2020-05-05T10:00:00Z", "2020-05-05T10:00:00-00:01", -1},
		{"2020-05-05T23:00:00-05:00", "2020-05-06T03:59:59Z", 1},
		{"2020-05-05T10:00:00.1Z", "2020-05-05T10:00:00Z", 1},
		{"2020-05-05T10:00:00.10Z", "2020-05-05T10:00:00.1Z", 0},
		{"2020-05-05T10:00:00.09Z", "2020-05-05T10:00:00.1Z", -1},
		{"2020-05-05T10:00:00.000Z", "2020-05-05T10:00:00Z", 0},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.5Z", -1},
		{"2000-02-29T00:00:00Z", "1999-12-31T23:59:59Z", 1},

		// One with a zone, one without: determined from 14 hours on.
		{"2020-05-05", "2020-05-05T10:00:00Z", undetermined},
		{"2020-05-05", "2020-05-06T10:00:00Z", undetermined},
		{"2020-05-05", "2020-05-06T14:00:00Z", -1},
		{"2020-05-05", "2020-05-04T10:00:00Z", undetermined},
		{"2020-05-05", "2020-05-04T09:59:59.999Z", 1},
		{"2020-05-05", "2020-05-04T10:00:00Z", undetermined},
		{"2019", "2020-05-05T10:00:00Z", -1},
		{"2021", "2020-05-05T10:00:00Z", 1},

		{"", "2020", undetermined},
		{"2020", "2020-13", undetermined},
		{"2020-05-05T10:00:00", "2020-05-06", undetermined},
		{"2020-05-05X10:00:00Z", "2020-05-06", undetermined},
		{"2020-05-05T10:00Z", "2020-05-06", undetermined},
	} {
		for _, turned := range []bool{false, true} {
			a, b, want := test.a, test.b, test.want
			if turned {
				a, b = b, a
				if want != undetermined {
					want = -want
				}
			}
			got, determined := Compare([]byte(a), []byte(b))
			if !determined {
				got = undetermined
			}
			if got != want {
				t.Errorf("Compare(%q, %q): got %d, want %d (2 is undetermined)", a, b, got, want)
			}
		}
	}
}

func TestCompareDecimals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"0", "0", 0},
		{"0", "-0.000e5", 0},
		{"0", "1e-400", -1},
		{"0", "-1", 1},
		{"-1", "1", -1},
		{"1", "1.0", 0},
		{"1", "10e-1", 0},
		{"1", "0.001E+3", 0},
		{"1", "1.0000000000000000000000000001", -1},
		{"-1", "-1.0000000000000000000000000001", 1},
		{"9", "10", -1},
		{"99.9", "100", -1},
		{"0.05", "0.5", -1},
		{"0.05", "0.049", 1},
		{"12.5", "125e-1", 0},
		{"12.5", "1.25e1", 0},
		{"12.5", "0.125e2", 0},
		{"100", "1e2", 0},
		{"123456789012345678901234567890", "123456789012345678901234567891", -1},
		{"1e400", "1e401", -1},
		{"1e-400", "1e-401", 1},
		{"-1e400", "1e-400", -1},
		{"1e1000000000000", "1", 1},
		{"1e-1000000000000", "1", -1},
		{"1" + strings.Repeat("0", 1000), "1e1000", 0},
		{"0." + strings.Repeat("0", 1000) + "1", "1e-1001", 0},
	} {
		if got := CompareDecimals([]byte(test.a), []byte(test.b)); got != test.want {
			t.Errorf("CompareDecimals(%.40q, %.40q): got %d, want %d", test.a, test.b, got, test.want)
		}
		if got := CompareDecimals([]byte(test.b), []byte(test.a)); got != -test.want {
			t.Errorf("CompareDecimals(%.40q, %.40q): got %d, want %d", test.b, test.a, got, -test.want)
		}
	}
}

func TestCompareAllocatesNothing(t *testing.T) {
	instants := [][]byte{[]byte("2020-05-05T10:00:00.123Z"), []byte("2020-05-05T12:00:00.1230+02:00")}
	numbers := [][]byte{[]byte("12.50"), []byte("1.25e1")}
	if n := testing.AllocsPerRun(10, func() {
		Compare(instants[0], instants[1])
		CompareDecimals(numbers[0], numbers[1])
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func BenchmarkCompare(b *testing.B) {
	x, y := []byte("2020-05-05T10:00:00.123Z"), []byte("2020-05-05T12:00:01+02:00")
	b.ReportAllocs()
	for b.Loop() {
		if order, determined := Compare(x, y); order != -1 || !determined {
			b.Fatal(order, determined)
		}
	}
}

func BenchmarkCompareDecimals(b *testing.B) {
	x, y := []byte("120.50"), []byte("1.2051e2")
	b.ReportAllocs()
	for b.Loop() {
		if order := CompareDecimals(x, y); order != -1 {
			b.Fatal(order)
		}
	}
}
