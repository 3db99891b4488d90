package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

func trial(name string) supplier.Sync {
	return supplier.Sync{Name: name, From: "https://a.example/fhir", Every: "0 2 * * *", Dataset: "trial", Export: &supplier.Export{Group: "7"}}
}

// exporting is a source that asks for an export, and for another one of those who joined.
func exporting(joined int) func(context.Context, SyncAsk) (SyncFound, error) {
	return func(_ context.Context, a SyncAsk) (SyncFound, error) {
		var c ExportCursor
		if a.Cursor != nil {
			if err := json.Unmarshal(a.Cursor, &c); err != nil {
				return SyncFound{}, err
			}
		}
		c.Members = []string{"a"}
		found := SyncFound{Joined: joined, Notices: []string{"looked"}}
		if c.Time != nil {
			found.Since = c.Time.Add(-time.Minute)
		}
		for range 1 + min(joined, 1) {
			found.Sources = append(found.Sources, fhirmsg.Source{Export: &fhirmsg.Export{URL: "https://a.example/fhir/$export"}})
		}
		var err error
		found.Cursor, err = json.Marshal(c)
		return found, err
	}
}

// exported ends the import of a run whose exports have a state and a transaction time each.
func (l *Ledger) exported(t *testing.T, req fhirmsg.ImportRequest, at *time.Time, states ...ExportState) {
	t.Helper()
	imp := l.mustAccept(t, req)
	var files []File
	for i, state := range states {
		e, _, err := l.ClaimExport(t.Context(), imp.ID, int32(i), noon, noon)
		check(t, err)
		e.State, e.Job, e.Next = state, json.RawMessage(`{}`), noon
		if i == ExportChanges {
			e.At = at
		} else {
			later := noon.Add(time.Hour)
			e.At = &later
		}
		check(t, l.KeepExport(t.Context(), e))
		f := File{Index: int32(i), Name: "f", Locator: json.RawMessage(`{}`), State: "closed"}
		if state == ExportFailed {
			f.State, f.Reason = "failed", "refused"
		}
		files = append(files, f)
	}
	check(t, l.PinFiles(t.Context(), imp.ID, files, nil))
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	check(t, l.CloseList(t.Context(), imp.ID))
	check(t, l.Settle(t.Context(), imp.ID))
}

// TestExportCursor: what is asked for next moves with an import that is complete, to the time of its export, and with nothing else.
func TestExportCursor(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSync(t.Context(), trial("a"), false, noon))
	first, second, future := noon.Add(-48*time.Hour), noon.Add(-24*time.Hour), time.Now().Add(1000*24*time.Hour)
	at := noon
	for _, tt := range []struct {
		what    string
		time    *time.Time // of the export
		states  []ExportState
		notes   []string
		accept  bool // errors
		state   SyncState
		want    *time.Time // that the next run asks since; nil: as the import was accepted
		refused bool       // what the next run is told of those who joined
	}{
		{"a night that fails first of all", nil, []ExportState{ExportFailed}, nil, false, SyncFailed, &time.Time{}, false},
		{"without a time", nil, []ExportState{ExportReady}, nil, false, SyncComplete, &time.Time{}, false},
		{"the first", &first, []ExportState{ExportReady}, nil, false, SyncComplete, &first, false},
		{"a night that fails", &second, []ExportState{ExportFailed}, nil, false, SyncFailed, &first, false},
		{"those who joined were refused", &second, []ExportState{ExportReady, ExportFailed}, nil, false, SyncFailed, &first, true},
		{"nothing is new, without a time", nil, []ExportState{ExportReady}, nil, false, SyncComplete, &first, false},
		{"the server reports errors", &second, []ExportState{ExportReady}, []string{NoteOutcome + "warning x", NoteOutcome + "error not-found"}, false, SyncFailed, &first, false},
		{"the server reports warnings", &second, []ExportState{ExportReady, ExportReady}, []string{NoteOutcome + "warning error"}, false, SyncComplete, &second, false},
		{"errors are accepted", &first, []ExportState{ExportReady}, []string{NoteOutcome + "fatal x"}, true, SyncComplete, &first, false},
		{"far in the future", &future, []ExportState{ExportReady}, nil, true, SyncComplete, nil, false},
	} {
		s := trial("a")
		s.Export.AcceptErrors = tt.accept
		check(t, l.AddSync(t.Context(), s, true, noon))
		at = at.Add(time.Minute)
		check(t, l.RunSync(t.Context(), "a", false, at))
		r := l.ask(t, at, exporting(len(tt.states)-1))
		if r.request.Mode != fhirmsg.ModeSync || r.request.Base != "https://a.example/fhir" || r.request.IsSnapshot() {
			t.Errorf("%s: asks for %+v", tt.what, r.request)
		}
		before, _ := l.mustSync(t, "a")
		check(t, l.Note(t.Context(), r.request.ID, tt.notes...))
		l.exported(t, *r.request, tt.time, tt.states...)
		if now, _ := l.mustSync(t, "a"); string(now.cursor) != string(before.cursor) {
			t.Errorf("%s: the cursor moved before the run was settled", tt.what)
		}
		ended, err := l.SettleSyncRuns(t.Context(), at)
		if err != nil || len(ended) != 1 || ended[0].State != tt.state {
			t.Fatalf("%s: ended %+v, %v", tt.what, ended, err)
		}
		now, runs := l.mustSync(t, "a")
		var c ExportCursor
		if now.cursor != nil {
			check(t, json.Unmarshal(now.cursor, &c))
		}
		var got time.Time
		if c.Time != nil {
			got = *c.Time
		}
		if tt.want != nil && !got.Equal(*tt.want) || tt.want == nil && (time.Since(got) > time.Hour || got.After(time.Now().Add(time.Hour))) {
			t.Errorf("%s: the next run asks since %s, want %v", tt.what, got, tt.want)
		}
		if runs[0].Joined != len(tt.states)-1 || runs[0].Notices[0] != "looked" || len(runs[0].Notices) != 1+len(tt.notes) {
			t.Errorf("%s: shown as %+v", tt.what, runs[0])
		}
		var refused bool
		at = at.Add(time.Minute)
		check(t, l.RunSync(t.Context(), "a", false, at))
		l.ask(t, at, func(_ context.Context, a SyncAsk) (SyncFound, error) {
			refused = a.JoinedRefused
			return SyncFound{}, nil
		})
		if refused != tt.refused {
			t.Errorf("%s: the next run is told %v", tt.what, refused)
		}
	}
}

// TestReconcileSync: what cannot tell what its source lacks is refused; what can asks for a snapshot of all.
func TestReconcileSync(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	other := trial("other")
	other.Dataset = "elsewhere"
	for _, s := range []supplier.Sync{trial("a"), other, nightly("published")} {
		check(t, l.AddSync(t.Context(), s, false, noon))
	}
	refused := func(what, name, most, want string) {
		t.Helper()
		err := l.ReconcileSync(t.Context(), name, most, noon)
		if !errors.Is(err, ErrSync) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	refused("a manifest", "published", "", "kind publish")
	refused("no limit", "a", "many", "max_deletes")
	for what, change := range map[string]func(*supplier.Export){
		"type filters": func(e *supplier.Export) { e.TypeFilters = []string{"Observation?code=x"} },
		"_elements":    func(e *supplier.Export) { e.Parameters = []fhirmsg.ExportParameter{{Name: "_elements", Value: "id"}} },
	} {
		s := trial("part")
		change(s.Export)
		check(t, l.AddSync(t.Context(), s, true, noon))
		refused(what, "part", "", what)
	}
	refused("two of one supplier", "a", "", "part")
	check(t, l.RemoveSync(t.Context(), "part"))
	s := trial("a")
	s.Export.Types = []string{"Patient"}
	check(t, l.AddSync(t.Context(), s, true, noon))
	check(t, l.ReconcileSync(t.Context(), "a", "0", noon))
	if err := l.ReconcileSync(t.Context(), "a", "0", noon.Add(time.Second)); !errors.Is(err, ErrSyncState) {
		t.Errorf("a second run: %v", err)
	}
	r := l.ask(t, noon, exporting(0))
	if !r.request.IsSnapshot() || r.request.MaxDeletes != "0" || !cmp.Equal(r.request.SnapshotTypes, []string{"Patient"}) || !r.Full || *r.MaxDeletes != "0" {
		t.Errorf("asks for %+v", r.request)
	}
}

// TestFullKeepsWhatIsOfTheServer: where all is asked for, what was imported is forgotten, and not what the server refuses.
func TestFullKeepsWhatIsOfTheServer(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSync(t.Context(), trial("a"), false, noon))
	for i, tt := range []struct{ cursor, want string }{
		{`{"time":"2026-03-01T00:00:00Z","members":["a"],"whole":true}`, `{"members":null,"whole":true}`}, {`{"time":"2026-03-01T00:00:00Z","members":["a"]}`, ""}, {`[]`, ""},
	} {
		_, err := l.pool.Exec(t.Context(), `UPDATE stoker.sync SET cursor = $1`, tt.cursor)
		check(t, err)
		at, got := noon.Add(time.Duration(i)*time.Minute), "not asked"
		check(t, l.RunSync(t.Context(), "a", true, at))
		l.ask(t, at, func(_ context.Context, a SyncAsk) (SyncFound, error) {
			got = string(a.Cursor)
			return SyncFound{}, nil
		})
		if got != tt.want {
			t.Errorf("of %s: %q, want %q", tt.cursor, got, tt.want)
		}
	}
}

// TestReconcileIsCheckedAgain: what changed between the beginning of a run and its source being asked does not make it delete what was not meant.
func TestReconcileIsCheckedAgain(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	published := nightly("a")
	published.Dataset = "trial"
	elsewhere, same := trial("a"), trial("a")
	elsewhere.Dataset, same.Every = "elsewhere", "0 3 * * *"
	for i, tt := range []struct {
		what   string
		change supplier.Sync
		reason string // "": it goes on
	}{
		{"of another kind", published, "kind publish"},
		{"another dataset", elsewhere, "begin it again"},
		{"another sync into the dataset", trial("b"), "sync b delivers into dataset trial"},
		{"another schedule", same, ""},
	} {
		at := noon.Add(time.Duration(i) * time.Minute)
		check(t, l.AddSync(t.Context(), trial("a"), true, noon))
		check(t, l.ReconcileSync(t.Context(), "a", "", at))
		check(t, l.AddSync(t.Context(), tt.change, true, noon))
		asked := false
		r := l.ask(t, at, func(ctx context.Context, a SyncAsk) (SyncFound, error) {
			asked = true
			return exporting(0)(ctx, a)
		})
		if tt.reason == "" {
			if r.State != SyncImporting || !r.request.IsSnapshot() {
				t.Errorf("%s: %+v", tt.what, r)
			}
		} else if r.State != SyncFailed || !strings.Contains(r.Reason, tt.reason) || r.Ended == nil || asked {
			t.Errorf("%s: %+v, want %q; asked: %v", tt.what, r, tt.reason, asked)
		}
		if tt.change.Name == "b" {
			check(t, l.RemoveSync(t.Context(), "b"))
		}
	}
}

// TestRejectedKeys: the newest reject of each key counts, with when it was changed at its source; none that was resolved, discarded or is of another dataset.
func TestRejectedKeys(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSync(t.Context(), trial("a"), false, noon))
	asOf := noon.Add(-time.Hour)
	rejects := [][]fhirmsg.Reject{
		{
			{Type: "Patient", ID: "1", Raw: []byte(`{"meta":{"lastUpdated":"2026-02-01T00:00:00Z"}}`), Issues: []fhirmsg.Issue{{Severity: "error", Code: "value", Expression: "Patient.gender"}}},
			{Type: "Patient", ID: "2", Raw: []byte(`{"resource":{"meta":{"lastUpdated":"2026-02-02T00:00:00Z"}}}`)},
			{Type: "Patient", ID: "resolved", Raw: []byte(`{}`)}, {Type: "", ID: "", Raw: []byte(`broken`)}, {Type: "Patient", ID: "stored", Stored: true},
		},
		{{Type: "Patient", ID: "1", Raw: []byte(`{"id":"1"}`)}},
	}
	var imports []fhirmsg.ImportID
	for i, list := range rejects {
		at := noon.Add(time.Duration(i) * time.Minute)
		check(t, l.RunSync(t.Context(), "a", false, at))
		r := l.ask(t, at, exporting(0))
		imp := l.mustAccept(t, *r.request)
		imports = append(imports, imp.ID)
		us := asOf.UnixMicro()
		check(t, l.PinFiles(t.Context(), imp.ID, []File{{Name: "f", Locator: json.RawMessage(`{}`), State: "closed", AsOf: &us}}, nil))
		for line, reject := range list {
			_, err := l.pool.Exec(t.Context(), `INSERT INTO stoker.reject (import, file, line, entry, off, type, id, issues, raw, cut, stored) VALUES ($1, 0, $2, 0, 0, $3, $4, $5, $6, false, $7)`,
				[16]byte(imp.ID), line+1, reject.Type, reject.ID, append([]fhirmsg.Issue{}, reject.Issues...), append([]byte{}, reject.Raw...), reject.Stored)
			check(t, err)
		}
		_, err := l.BeginFetch(t.Context(), imp.ID)
		check(t, err)
		check(t, l.CloseList(t.Context(), imp.ID))
		check(t, l.Settle(t.Context(), imp.ID))
		_, err = l.SettleSyncRuns(t.Context(), at)
		check(t, err)
	}
	_, err := l.pool.Exec(t.Context(), `INSERT INTO stoker.resolved (import, file, line, entry, by, by_file) VALUES ($1, 0, 3, 0, $1, 0)`, [16]byte(imports[0]))
	check(t, err)
	look := func() (got []string, unknown int64) {
		t.Helper()
		s, _ := l.mustSync(t, "a")
		list, unknown, err := l.RejectedKeys(t.Context(), s, 10)
		check(t, err)
		for _, k := range list {
			got = append(got, k.Type+"/"+k.ID+" "+k.Stamp.UTC().Format("01-02 15:04")+" "+k.Reason)
		}
		return got, unknown
	}
	got, unknown := look()
	if diff := cmp.Diff([]string{"Patient/1 03-01 11:00 ", "Patient/2 02-02 00:00 "}, got); diff != "" || unknown != 1 {
		t.Errorf("%d unknown, rejected (-want +got):\n%s", unknown, diff)
	}
	_, err = l.pool.Exec(t.Context(), `INSERT INTO stoker.discard (import, file) VALUES ($1, -1)`, [16]byte(imports[1]))
	check(t, err)
	if got, _ := look(); !cmp.Equal(got, []string{"Patient/1 02-01 00:00 error value at Patient.gender", "Patient/2 02-02 00:00 "}) {
		t.Errorf("after a discard %q", got)
	}
}
