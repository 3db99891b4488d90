package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// TestSyncs: declared, shown without secrets, run, paused, resumed and removed, by operators only.
func TestSyncs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{URLPrefixes: []string{"https://a.example/"}})
	const declared = `{"name":"a","from":"https://a.example/m?sig=hunter2","every":"0 2 * * *","zone":"Europe/Berlin",
		"supplier":"clinic-a","headers":[{"name":"Authorization","value":"Bearer hunter2"}]}`
	const exported = `{"name":"e","from":"https://a.example/fhir","every":"@daily","supplier":"clinic-a","export":{"group":"7"}}`
	for _, tt := range []struct {
		method, path, token, body string
		status                    int
		want                      string // part of the answer
	}{
		{"POST", "/syncs", token, declared, http.StatusForbidden, "for operators"},
		{"POST", "/syncs", "", `{"name":"a","form":"x"}`, http.StatusBadRequest, "form"},
		{"POST", "/syncs", "", `{"name":"a","from":"https://a.example/m","every":"never"}`, http.StatusUnprocessableEntity, "cron expression"},
		{"POST", "/syncs", "", strings.Replace(declared, "https://a", "https://b", 1), http.StatusUnprocessableEntity, "URL prefixes"},
		{"POST", "/syncs", "", declared, http.StatusCreated, `"next":`},
		{"POST", "/syncs", "", declared, http.StatusUnprocessableEntity, "--replace"},
		{"POST", "/syncs?replace=1", "", declared, http.StatusCreated, `"zone":"Europe/Berlin"`},
		{"GET", "/syncs", "", "", http.StatusOK, `"supplier":"clinic-a"`},
		{"GET", "/syncs/a", "", "", http.StatusOK, `"headers":[{"name":"Authorization","value":""}]`},
		{"GET", "/syncs/b", "", "", http.StatusNotFound, "no such sync"},
		{"POST", "/syncs/a/pause", "", "", http.StatusOK, `"paused":true`},
		{"POST", "/syncs/a/run?reconcile=1", "", "", http.StatusUnprocessableEntity, "kind publish"},
		{"POST", "/syncs/a/run", "", "", http.StatusAccepted, `"state":"asking"`},
		{"POST", "/syncs/a/run?full=1", "", "", http.StatusConflict, "under way"},
		{"POST", "/syncs/a/resume", "", "", http.StatusOK, `"paused":false`},
		{"POST", "/syncs/b/run", "", "", http.StatusNotFound, "no such sync"},
		{"POST", "/syncs", "", exported, http.StatusCreated, `"kind":"export"`},
		{"POST", "/syncs?replace=1", "", strings.Replace(exported, "a.example", "b.example", 1), http.StatusUnprocessableEntity, "URL prefixes"},
		{"POST", "/syncs", "", strings.Replace(exported, "group", "groups", 1), http.StatusBadRequest, "groups"},
		{"POST", "/syncs/e/run?reconcile=1&max_deletes=many", "", "", http.StatusUnprocessableEntity, "max_deletes"},
		{"POST", "/syncs/e/run?reconcile=1&max_deletes=0", "", "", http.StatusUnprocessableEntity, "sync a delivers into dataset clinic-a"},
		{"DELETE", "/syncs/a", token, "", http.StatusForbidden, "for operators"},
		{"DELETE", "/syncs/a", "", "", http.StatusNoContent, ""},
		{"GET", "/syncs/a", "", "", http.StatusNotFound, "no such sync"},
		{"POST", "/syncs/e/run?reconcile=1&max_deletes=0", "", "", http.StatusAccepted, `"max_deletes":"0"`},
	} {
		got := f.do(tt.method, tt.path, tt.token, tt.body)
		if got.status != tt.status || !strings.Contains(got.body, tt.want) {
			t.Errorf("%s %s: %d %s; want %d, %s", tt.method, tt.path, got.status, got.body, tt.status, tt.want)
		}
		if strings.Contains(got.body, "hunter2") {
			t.Errorf("%s %s shows a secret: %s", tt.method, tt.path, got.body)
		}
	}
}
