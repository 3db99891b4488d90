package ledger

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestAnnounced: what a manifest counts is compared with what was read, once that is known, and
// with the patience that servers' ways of counting need.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	tests := []struct {
		kind      string
		statement fhirmsg.Statement // of the file's one chunk
		fine      []int64
		differs   []int64
	}{
		{"", fhirmsg.Statement{Lines: 10, Plain: 10}, []int64{10, 11}, []int64{0, 9, 12}},
		{"", fhirmsg.Statement{Lines: 10, Plain: 6, Blank: 1, Control: 2, Rejected: 1}, []int64{7, 8, 9, 10, 11}, []int64{6, 12}},
		{"", fhirmsg.Statement{}, []int64{0, 1}, []int64{2}},
		{KindDeleted, fhirmsg.Statement{Lines: 2, Bundles: 2, Entries: 40}, []int64{2, 3, 40}, []int64{1, 39, 41}},
		{KindOutcome, fhirmsg.Statement{Lines: 5, Control: 5}, []int64{5, 6}, []int64{0, 4, 7}},
	}
	imp := l.mustAccept(t, newRequest(t))
	var files []File
	var statements []fhirmsg.Statement
	var want []bool
	for _, tt := range tests {
		for i, count := range append(append([]int64{-1}, tt.fine...), tt.differs...) {
			f := File{Index: int32(len(files)), Name: fmt.Sprintf("%+v counted %d", tt, count), Locator: json.RawMessage(`{}`), State: "waiting", Kind: tt.kind}
			if count >= 0 {
				f.Count = &count
			}
			s := tt.statement
			s.Import, s.File, s.Length = imp, f.Index, 10
			files, statements, want = append(files, f), append(statements, s), append(want, i > len(tt.fine))
		}
	}
	check(t, l.PinFiles(t.Context(), imp.ID, files, nil))
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	differ := func() (got []bool) {
		s, err := l.Status(t.Context(), imp.ID)
		check(t, err)
		for i, f := range s.Files {
			got = append(got, f.Differs)
			if f.Kind != files[i].Kind || (f.Announced == nil) != (files[i].Count == nil) {
				t.Errorf("%s: %+v", f.Name, f)
			}
		}
		return got
	}
	for i, s := range statements {
		if s.Lines > 0 {
			_, err := l.RecordFetched(t.Context(), imp.ID, int32(i), 10, []Fetched{{Length: 10, Lines: s.Lines}})
			check(t, err)
		}
	}
	for i, d := range differ() {
		if d {
			t.Errorf("%s: differs before it is known", files[i].Name)
		}
		check(t, l.CloseFile(t.Context(), imp.ID, int32(i), ""))
	}
	check(t, l.RecordParsed(t.Context(), statements))
	for i, d := range differ() {
		if d != want[i] {
			t.Errorf("%s: differs: %v", files[i].Name, d)
		}
	}
}

// TestTransactionTimeIsKept: with the file, and for a retry of it.
func TestTransactionTimeIsKept(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	asOf := int64(1_750_000_000_000_001)
	check(t, l.PinFiles(t.Context(), imp.ID, []File{
		{Index: 0, Locator: json.RawMessage(`{}`), State: "waiting", Kind: KindDeleted, AsOf: &asOf},
		{Index: 1, Locator: json.RawMessage(`{}`), State: "waiting"},
	}, nil))
	files, _, err := l.Files(t.Context(), imp.ID)
	check(t, err)
	if files[0].AsOf == nil || *files[0].AsOf != asOf || files[1].AsOf != nil {
		t.Errorf("files %+v", files)
	}
	rejects := fhirmsg.Rejects{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: []fhirmsg.Reject{reject(1, 0, "x")}}
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{rejects}))
	files, _, err = l.RejectedFiles(t.Context(), imp.ID)
	check(t, err)
	if len(files) != 1 || files[0].AsOf == nil || *files[0].AsOf != asOf || files[0].Kind != KindDeleted {
		t.Errorf("of a retry: %+v", files)
	}
}
