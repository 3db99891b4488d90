package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi/openapitest"
)

// worse is a delivery as it should not be: every fourth Condition lacks its encounter, every tenth Encounter has no id, and there are
// no Immunizations.
func worse(t *testing.T, dir string) string {
	t.Helper()
	out := t.TempDir()
	files, err := filepath.Glob(filepath.Join(dir, "[A-Z]*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s (%v)", dir, err)
	}
	seen := map[any]int{}
	for _, file := range files {
		packed, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		content, err := gzip.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		var changed bytes.Buffer
		lines := bufio.NewScanner(content)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var resource map[string]any
			if err := json.Unmarshal(lines.Bytes(), &resource); err != nil {
				t.Fatal(err)
			}
			kind := resource["resourceType"]
			seen[kind]++
			switch {
			case kind == "Immunization":
				continue
			case kind == "Condition" && seen[kind]%4 == 0:
				delete(resource, "encounter")
			case kind == "Encounter" && seen[kind]%10 == 0:
				delete(resource, "id")
			}
			line, err := json.Marshal(resource)
			if err != nil {
				t.Fatal(err)
			}
			changed.Write(append(line, '\n'))
		}
		if err := errors.Join(lines.Err(), packed.Close()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(out, strings.TrimSuffix(filepath.Base(file), ".gz")), changed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestReport: what is worse about a delivery than about the last one is told, also after it was discarded; and what a real server
// answers is what the OpenAPI document says.
func TestReport(t *testing.T) {
	t.Parallel()
	env, dataset, dir := shared(t), ownDataset(t), data(t, "suppliers/smart-bulk-10")
	if r := stoker(t, env, "", "dataset", "history", dataset, "on"); r.code != 0 {
		t.Fatalf("dataset history: %s%s", r.stdout, r.stderr)
	}
	deliver := func(paths ...string) ledger.Status {
		t.Helper()
		return importJSON(t, env, append([]string{"--dataset", dataset, "--supplier", dataset, "--max-rejects", "off"}, paths...)...)
	}
	files, err := filepath.Glob(filepath.Join(dir, "[A-Z]*.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	first := deliver(files...)
	second := deliver(worse(t, dir))
	id := second.Import.String()
	printed := stoker(t, env, "", "report", id)
	t.Log("\n" + printed.stdout)
	if printed.code != 0 || !strings.Contains(printed.stdout, "beside import "+first.Import.String()) || !strings.Contains(printed.stdout, "! Immunization: none, ") ||
		!strings.Contains(printed.stdout, "! Condition.encounter is there in ") {
		t.Errorf("report ended with %d: %s%s", printed.code, printed.stdout, printed.stderr)
	}
	report := func() (c ledger.Comparison) {
		t.Helper()
		r := stoker(t, env, "", "report", "--json", id)
		if err := json.Unmarshal([]byte(r.stdout), &c); err != nil {
			t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
		}
		return c
	}
	before := report()
	for _, of := range before.Types {
		if of.Now.Profiled != of.Now.Resources && of.Type != "Encounter" || of.Before.Profiled != of.Before.Resources || of.Type == "Encounter" && of.Before.First == "" {
			t.Errorf("%s: %+v", of.Type, of)
		}
	}
	if n := before.Now.Rejected; n == 0 || before.Before.Rejected != 0 {
		t.Errorf("%d rejected", n)
	}
	if r := stoker(t, env, "", "discard", id); r.code != 0 {
		t.Errorf("discard: %s%s", r.stdout, r.stderr)
	}
	after := report()
	for i, of := range after.Types {
		if of.Now.Profiled != before.Types[i].Now.Profiled || !maps.Equal(rates(of), rates(before.Types[i])) {
			t.Errorf("after a discard %s: %+v", of.Type, of)
		}
	}
	documented(t, env, dataset, id)
}

func rates(of ledger.TypeComparison) map[string]float64 {
	m := map[string]float64{}
	for _, e := range of.Elements {
		m[e.Element] = e.Rate
	}
	return m
}

// documented holds answers of a real server to its OpenAPI document.
func documented(t *testing.T, env []string, dataset, id string) {
	t.Helper()
	url := strings.TrimPrefix(env[0], "STOKER_URL=")
	get := func(path string) *http.Response {
		t.Helper()
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	read := func(resp *http.Response) []byte {
		t.Helper()
		defer resp.Body.Close() //nolint:errcheck // only read from
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	checker, err := openapitest.New(read(get("/openapi.json")))
	if err != nil {
		t.Fatal(err)
	}
	for pattern, path := range map[string]string{
		"/imports": "", "/imports/{id}": "/imports/" + id, "/imports/{id}/report": "/imports/" + id + "/report", "/imports/{id}/issues": "/imports/" + id + "/issues",
		"/imports/{id}/rejects": "/imports/" + id + "/rejects", "/suppliers": "", "/syncs": "", "/datasets": "", "/streams": "", "/pressure": "", "/replays": "",
		"/datasets/{dataset}/{type}/{id}": "/datasets/" + dataset + "/Patient/none", "/fhir/metadata": "", "/.well-known/smart-configuration": "",
		"/healthz": "", "/readyz": "", "/metrics": "", "/openapi.json": "",
	} {
		if path == "" {
			path = pattern
		}
		resp := get(path)
		e := openapitest.Exchange{Request: resp.Request, Status: resp.StatusCode, Header: resp.Header, Body: read(resp)}
		e.Request.Pattern = http.MethodGet + " " + pattern
		if err := checker.Check(e); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d: %v", path, resp.StatusCode, err)
		}
	}
}
