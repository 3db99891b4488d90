package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
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

// TestOneReportAtATime: who asks while another report is made is told to come back, and one that takes too long says so.
func TestOneReportAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	f.supplier("clinic-a", supplier.Policy{})
	path := "/imports/" + f.accepted("clinic-a").String() + "/report"
	f.reporting <- struct{}{} // as one that is being made
	if got := f.do(http.MethodGet, path, "", ""); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "5" || got.problem() != "another report is being made" {
		t.Errorf("meanwhile: %d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.body)
	}
	<-f.reporting
	for range 2 { // the first gives its place back
		if got := f.do(http.MethodGet, path, "", ""); got.status != http.StatusOK {
			t.Errorf("afterwards: %d %s", got.status, got.body)
		}
	}
	late := httptest.NewRecorder()
	f.failReport(late, fmt.Errorf("compare: %w", context.DeadlineExceeded))
	if late.Code != http.StatusServiceUnavailable || !strings.Contains(late.Body.String(), "more than a minute") {
		t.Errorf("too long: %d %s", late.Code, late.Body)
	}
}
