package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// TestReport: a supplier compares its own deliveries, and sees none of others.
func TestReport(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	a, b := f.supplier("clinic-a", supplier.Policy{}), f.supplier("clinic-b", supplier.Policy{})
	first, second, theirs := f.accepted("clinic-a"), f.accepted("clinic-a"), f.accepted("clinic-b")
	path := "/imports/" + second.String() + "/report"
	for _, tt := range []struct {
		what, path, token string
		status            int
	}{
		{"its own", path, a, http.StatusOK},
		{"beside another of its own", path + "?against=" + first.String(), a, http.StatusOK},
		{"beside another's", path + "?against=" + theirs.String(), a, http.StatusNotFound},
		{"another's", path, b, http.StatusNotFound},
		{"beside nothing", path + "?against=x", a, http.StatusBadRequest},
		{"without a token", path, "", http.StatusUnauthorized},
	} {
		got := f.do(http.MethodGet, tt.path, tt.token, "")
		if got.status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.what, got.status, got.body, tt.status)
		}
		var c ledger.Comparison
		if tt.status == http.StatusOK && (json.Unmarshal([]byte(got.body), &c) != nil || c.Import != second || c.Supplier != "clinic-a") {
			t.Errorf("%s: %s", tt.what, got.body)
		}
	}
}
