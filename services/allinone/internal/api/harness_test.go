package api

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
	"github.com/stoker-fhir/stoker/services/allinone/internal/submission"
	"github.com/stoker-fhir/stoker/services/writer"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// fixture is the interface over servers of its own.
type fixture struct {
	*Server
	t   *testing.T
	url string
}

// uploads are the settings of uploads, which the disk of a test does not limit.
var uploads = inbox.Config{Open: 4, Expiry: time.Hour, Kept: 24 * time.Hour, Idle: time.Minute, MinRate: 1, Posted: 1 << 20}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newFixture(t *testing.T, auth Auth) *fixture {
	t.Helper()
	servers := ledgertest.NewServers(t)
	pool, b := servers.Pool, servers.Bus
	l, spool := ledger.New(pool), t.TempDir()
	j, operator := journal.Journal{Bus: b, Ledger: l}, &operate.Operator{Bus: b, Ledger: l, Pool: pool}
	s := &Server{
		Bus: b, Ledger: l, Journal: j, Store: &writer.Reader{Pool: pool}, Operator: operator,
		Submissions: &submission.Keeper{Bus: b, Ledger: l, Journal: j, Operator: operator, Pool: pool, Log: zerolog.Nop()},
		Inbox:       &inbox.Inbox{Spool: spool, Config: uploads}, Auth: auth, Log: zerolog.Nop(),
	}
	health := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	server := httptest.NewServer(checkedAll(t, s.Handler(health)))
	t.Cleanup(server.Close)
	return &fixture{Server: s, t: t, url: server.URL}
}

// supplier declares one and returns its token.
func (f *fixture) supplier(name string, p supplier.Policy) (token string) {
	f.t.Helper()
	token, hash := supplier.NewToken(name)
	check(f.t, f.Ledger.AddSupplier(f.t.Context(), supplier.Supplier{
		Name: name, Policy: p, Credentials: supplier.Credentials{TokenHashes: []string{hash}},
	}, true))
	return token
}

// accepted is an import of a supplier that a fetcher has accepted.
func (f *fixture) accepted(name string) fhirmsg.ImportID {
	f.t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	check(f.t, err)
	_, _, err = f.Ledger.Accept(f.t.Context(), fhirmsg.ImportRequest{ID: id, Supplier: name, Sources: []fhirmsg.Source{{Path: "/x"}}}, 3, "d")
	check(f.t, err)
	return id
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is what an answer that is an error says.
func (a answer) problem() string {
	var p Problem
	_ = json.Unmarshal([]byte(a.body), &p) // else it is none
	return p.Error
}

// imported is the id of the import that was asked for.
func (a answer) imported(t *testing.T) fhirmsg.ImportID {
	t.Helper()
	var c Created
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.status != http.StatusAccepted {
		t.Fatalf("%d: %s (%v)", a.status, a.body, err)
	}
	return c.Import
}

// do sends a request. Headers are pairs of name and value; the one of a token is "" for none.
func (f *fixture) do(method, path, token, body string, headers ...string) answer {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, bytes.NewReader([]byte(body)))
	check(f.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	check(f.t, err)
	defer resp.Body.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(resp.Body)
	check(f.t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// requests is how many import requests were queued. A consumer would tell how many wait, but a moment later.
func (f *fixture) requests() uint64 {
	f.t.Helper()
	n, err := f.Bus.LastSequence(f.t.Context(), fhirmsg.StreamOperator)
	check(f.t, err)
	return n
}
