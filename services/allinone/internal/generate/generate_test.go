package generate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// dataset is what a run gives, by type.
func dataset(t *testing.T, opts Options) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := Stream(t.Context(), opts, func(typ string, line []byte) error {
		out[typ] = append(out[typ], line...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGolden pins the bytes of a seed. A change here is a change of every dataset that was
// ever named by its seed: it belongs in the change log.
func TestGolden(t *testing.T) {
	t.Parallel()
	const want = "12403dbfb241907161d4c9c528c6b874d151aa1a847401617da9c96cc523aac5"
	dir := t.TempDir()
	if _, err := Run(t.Context(), Options{Dir: dir, Patients: 20, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		h.Write(fmt.Appendf(nil, "%s %d\n", e.Name(), len(content)))
		h.Write(content)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLargerRunBeginsWithSmaller(t *testing.T) {
	t.Parallel()
	small := dataset(t, Options{Patients: 45, Seed: 3})
	large := dataset(t, Options{Patients: 52, Seed: 3})
	for k := range kinds {
		if !bytes.HasPrefix(large[k.String()], small[k.String()]) {
			t.Errorf("%s of 52 patients does not begin with that of 45", k)
		}
		if len(large[k.String()]) <= len(small[k.String()]) {
			t.Errorf("%s of 52 patients is not larger than that of 45", k)
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	t.Parallel()
	a, b := dataset(t, Options{Patients: 1, Seed: 0}), dataset(t, Options{Patients: 1, Seed: 1})
	for k := range kinds {
		if len(a[k.String()]) > 0 && bytes.Equal(a[k.String()], b[k.String()]) {
			t.Errorf("%s is the same for two seeds", k)
		}
	}
}

// TestMix holds the sizes to what datasets of real systems look like.
func TestMix(t *testing.T) {
	t.Parallel()
	const patients = 200
	var sum Summary
	var observations, bytesOfBenefits, benefits int64
	err := Stream(t.Context(), Options{Patients: patients, Seed: 1}, func(typ string, line []byte) error {
		n := int64(len(line))
		sum.Resources++
		sum.Bytes += n
		switch typ {
		case "Observation":
			observations++
		case "ExplanationOfBenefit":
			benefits++
			bytesOfBenefits += n
		case "DocumentReference":
			if n < 3_000 || n > 21_000 {
				t.Errorf("a DocumentReference of %d bytes", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name           string
		got, low, high int64
	}{
		{"resources a patient", sum.Resources / patients, 250, 400},
		{"mean bytes", sum.Bytes / sum.Resources, 1300, 1500},
		{"percent Observations", observations * 100 / sum.Resources, 50, 60},
		{"mean bytes of an ExplanationOfBenefit", bytesOfBenefits / benefits, 5000, 8000},
	} {
		if tc.got < tc.low || tc.got > tc.high {
			t.Errorf("%s: got %d, want %d to %d", tc.name, tc.got, tc.low, tc.high)
		}
	}
}

// TestRevision compares a dataset with its revisions, line by line.
func TestRevision(t *testing.T) {
	t.Parallel()
	original := dataset(t, Options{Patients: 15, Seed: 2})
	first := dataset(t, Options{Patients: 15, Seed: 2, Revision: 1})
	second := dataset(t, Options{Patients: 15, Seed: 2, Revision: 2})
	for k := range kinds {
		lines := bytes.Split(original[k.String()], []byte("\n"))
		firsts := bytes.Split(first[k.String()], []byte("\n"))
		seconds := bytes.Split(second[k.String()], []byte("\n"))
		if len(lines) < 2 || len(lines) != len(firsts) || len(lines) != len(seconds) {
			t.Fatalf("%s: %d, %d and %d lines", k, len(lines), len(firsts), len(seconds))
		}
		for i := range lines[:len(lines)-1] {
			a, b := parse(t, lines[i]).(map[string]any), parse(t, firsts[i]).(map[string]any)
			if a["id"] != b["id"] {
				t.Fatalf("%s, line %d: the id is another", k, i+1)
			}
			if !updated(a).Before(updated(b)) {
				t.Fatalf("%s, line %d: not updated later", k, i+1)
			}
			if bytes.Equal(firsts[i], seconds[i]) {
				t.Fatalf("%s, line %d: revisions 1 and 2 are equal", k, i+1)
			}
			delete(a, "meta")
			delete(b, "meta")
			if reflect.DeepEqual(a, b) {
				t.Fatalf("%s, line %d: only meta differs: %s", k, i+1, lines[i])
			}
		}
	}
}

func TestSummaryAndProgress(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	var calls int
	var resources, size int64
	got, err := Run(t.Context(), Options{Dir: dir, Patients: 8, Seed: 1, Progress: func(r, b int64) {
		if r < resources || b < size {
			t.Errorf("progress from %d, %d back to %d, %d", resources, size, r, b)
		}
		calls, resources, size = calls+1, r, b
	}})
	if err != nil {
		t.Fatal(err)
	}
	var want Summary
	for k := range kinds {
		content, err := os.ReadFile(filepath.Join(dir, k.String()+".ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		typ := TypeSummary{Type: k.String(), Resources: int64(bytes.Count(content, []byte("\n"))), Bytes: int64(len(content))}
		want.Types = append(want.Types, typ)
		want.Resources += typ.Resources
		want.Bytes += typ.Bytes
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if calls < 2 || resources != got.Resources || size != got.Bytes {
		t.Errorf("progress ended after %d calls at %d, %d, want %d, %d", calls, resources, size, got.Resources, got.Bytes)
	}
}

func TestRefusedOptions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]Options{
		"no patients":       {},
		"negative patients": {Patients: -1},
		"negative revision": {Patients: 1, Revision: -1},
		"too many":          {Patients: 1, Revision: 366},
		"no folder":         {Patients: 1},
	} {
		if _, err := Run(t.Context(), opts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStreamEndsWithError(t *testing.T) {
	t.Parallel()
	want := errors.New("full")
	calls := 0
	got := Stream(t.Context(), Options{Patients: 5}, func(string, []byte) error {
		calls++
		if calls == 100 {
			return want
		}
		return nil
	})
	if !errors.Is(got, want) || calls != 100 {
		t.Errorf("got %v after %d calls, want %v after 100", got, calls, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Stream(ctx, Options{Patients: 5}, func(string, []byte) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// BenchmarkGenerate is how fast one core makes resources, without writing them.
func BenchmarkGenerate(b *testing.B) {
	opts := Options{Patients: 20, Seed: 1}
	total := int64(0)
	count := func(_ string, line []byte) error {
		total += int64(len(line))
		return nil
	}
	b.ReportAllocs()
	for b.Loop() {
		total = 0
		if err := Stream(b.Context(), opts, count); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(total)
}
