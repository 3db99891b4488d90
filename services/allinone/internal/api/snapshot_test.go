package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// asked returns the request of a supplier that was queued last, which is for the import.
func (f *fixture) asked(name string, id fhirmsg.ImportID) fhirmsg.ImportRequest {
	f.t.Helper()
	msg, ok, err := f.Bus.Last(f.t.Context(), fhirmsg.StreamOperator, fhirmsg.FetchSubject(name))
	check(f.t, err)
	req, err := fhirmsg.DecodeImportRequest(msg.Data)
	if err != nil || !ok || req.ID != id {
		f.t.Fatalf("the request queued last is %+v, %v", req, err)
	}
	return req
}

// TestDeclaredUploads: what a query says of an upload is in its request, and what it cannot say is refused.
func TestDeclaredUploads(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{MaxDeletes: "3%"})
	every := f.supplier("clinic-b", supplier.Policy{Snapshot: true})
	const mends = "01890a5d-ac96-774b-bcce-b302099a8057"
	req := f.asked("clinic-a", f.do(http.MethodPut, "/suppliers/clinic-a/files/p.ndjson?snapshot=true&snapshot_types=Patient,Group&max_deletes=3%25&mends="+mends, token, line).imported(t))
	if !req.IsSnapshot() || strings.Join(req.SnapshotTypes, " ") != "Patient Group" || req.MaxDeletes != "3%" || req.Mends.String() != mends {
		t.Errorf("request %+v", req)
	}
	for query, want := range map[string]int{
		"snapshot=perhaps": 400, "snapshot=true&snapshot_types=patient": 400, "max_deletes=all": 400, "mends=1": 400,
		"snapshot=true&max_deletes=off": 422, // the policy says 3 %
	} {
		if got := f.do(http.MethodPut, "/suppliers/clinic-a/files/p.ndjson?"+query, token, line); got.status != want {
			t.Errorf("%s: %d %s, want %d", query, got.status, got.body, want)
		}
	}
	// The policy is not the upload's to know, and one resource is not all.
	if req := f.asked("clinic-b", f.do(http.MethodPut, "/suppliers/clinic-b/files/p.ndjson", every, line).imported(t)); req.Snapshot != nil {
		t.Errorf("a file: snapshot %v", *req.Snapshot)
	}
	if req := f.asked("clinic-b", f.do(http.MethodPost, "/fhir/clinic-b", every, line, "Content-Type", typeFHIR).imported(t)); req.Snapshot == nil || *req.Snapshot {
		t.Error("one resource is a snapshot")
	}
}

// TestConfirmSnapshot: who may, and what can be confirmed.
func TestConfirmSnapshot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	id := f.accepted("clinic-a").String()
	for _, tt := range []struct {
		path, token string
		want        int
	}{
		{"/imports/" + id + "/snapshot?max_deletes=off", token, 403},
		{"/imports/" + id + "/snapshot?max_deletes=off", "", 409},
		{"/imports/" + id + "/snapshot", "", 400},
		{"/imports/" + id + "/snapshot?max_deletes=some", "", 400},
		{"/imports/01890a5d-ac96-774b-bcce-b302099a8057/snapshot?max_deletes=1", "", 404},
	} {
		if got := f.do(http.MethodPost, tt.path, tt.token, ""); got.status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.path, got.status, got.body, tt.want)
		}
	}
}

// TestSweptReports: reports that were removed are gone, and not none.
func TestSweptReports(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{KeepReportsDays: 7})
	id := f.accepted("clinic-a")
	path := "/imports/" + id.String() + "/rejects"
	if got := f.do(http.MethodGet, path, token, ""); got.status != 200 {
		t.Errorf("before: %d %s", got.status, got.body)
	}
	_, err := f.Store.Pool.Exec(t.Context(), `UPDATE stoker.import SET state = 'complete', ended = clock_timestamp() - interval '8 days' WHERE id = $1`, [16]byte(id))
	check(t, err)
	_, err = f.Ledger.SweepReports(t.Context())
	check(t, err)
	for _, path := range []string{path, "/imports/" + id.String() + "/issues", outcomePath + id.String() + "/rejected.ndjson"} {
		if got := f.do(http.MethodGet, path, token, ""); got.status != http.StatusGone || !strings.Contains(got.body, "7 days") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := f.do(http.MethodGet, path, f.supplier("clinic-b", supplier.Policy{}), ""); got.status != http.StatusNotFound {
		t.Errorf("of another supplier: %d", got.status)
	}
}
