package fetcher

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// tokenServer is a supplier's server that gives tokens of which only the newest is good, and files.
type tokenServer struct {
	*httptest.Server
	*bulkServer

	mu     sync.Mutex
	tokens int
	seen   map[string][]string // path to the tokens that came with its requests
	cut    map[string]bool     // paths whose first answer breaks off, and ends the token with it
	ends   map[string]bool     // paths to whose first request the token has ended already
	open   map[string]bool     // paths that need no token

	metadata map[string]string // path to what it says of where tokens are given
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if said, ok := s.metadata[r.URL.Path]; ok {
		_, _ = io.WriteString(w, said)
		return
	}
	s.mu.Lock()
	switch r.URL.Path {
	case "/fhir/.well-known/smart-configuration":
		s.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"token_endpoint":%q}`, s.URL+"/token")
		return
	case "/token":
		s.tokens++
		n := s.tokens
		s.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer","expires_in":300}`, n)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.seen[r.URL.Path] = append(s.seen[r.URL.Path], token)
	first := len(s.seen[r.URL.Path]) == 1
	if s.ends[r.URL.Path] && first {
		s.tokens++
	}
	isGood := s.open[r.URL.Path] || token == fmt.Sprintf("t%d", s.tokens)
	breaks := s.cut[r.URL.Path] && first
	if breaks {
		s.tokens++
	}
	s.mu.Unlock()
	switch {
	case !isGood:
		w.WriteHeader(http.StatusUnauthorized)
	case breaks:
		s.bulkServer.mu.Lock()
		content := s.files[r.URL.Path]
		s.bulkServer.mu.Unlock()
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(content)))
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = io.WriteString(w, content[:len(content)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		s.bulkServer.ServeHTTP(w, r)
	}
}

// TestTokens: what is fetched from a supplier's server that gives tokens has one, also where it ends in the middle of a file;
// what says that it needs none has none, unless it does; and another server has none at all.
func TestTokens(t *testing.T) {
	t.Parallel()
	f, _ := newFetcher(t)
	other := &tokenServer{bulkServer: &bulkServer{asked: map[string]int{}, files: map[string]string{"/other": patients(3)}}, seen: map[string][]string{}, open: map[string]bool{"/other": true}}
	other.Server = httptest.NewTLSServer(other)
	t.Cleanup(other.Close)
	s := &tokenServer{bulkServer: &bulkServer{asked: map[string]int{}}, seen: map[string][]string{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	s.cut, s.ends, s.open = map[string]bool{"/long": true}, map[string]bool{"/ended": true}, map[string]bool{"/open": true}
	s.files = map[string]string{
		"/m": `{"requiresAccessToken":true,"output":[{"url":"long"},{"url":"ended"},{"url":"` + other.URL + `/other"}],"link":[{"relation":"next","url":"/2"}]}`,
		// The second page is of a server that says false where it means true, as one of the reference servers does.
		"/2":    `{"requiresAccessToken":false,"output":[{"url":"open"},{"url":"strict"}]}`,
		"/long": patients(500), "/ended": patients(2), "/open": patients(4), "/strict": patients(5),
	}
	f.trust(t, s.URL+"/fhir", s, other)
	req := manifestRequest(t, s.URL)
	req.Supplier, req.Dataset = "clinic-a", ""
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	files, _, err := f.ledger.Files(t.Context(), req.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.State != "closed" {
			t.Errorf("file %d is %s: %s", file.Index, file.State, file.Reason)
		}
	}
	content, _, _ := f.published(t, 5)
	for i, path := range []string{"/long", "/ended", "", "/open", "/strict"} {
		want := other.files["/other"]
		if path != "" {
			want = s.files[path]
		}
		if content[i] != want {
			t.Errorf("file %d has %d bytes, want %d", i, len(content[i]), len(want))
		}
	}
	want := map[string][]string{
		"/m": {"t1"}, "/2": {"t1"}, "/long": {"t1", "t1", "t3"}, "/ended": {"t3", "t5"}, "/open": {""}, "/strict": {"", "t5"},
	}
	if diff := cmp.Diff(want, s.seen); diff != "" {
		t.Errorf("tokens of requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]string{"/other": {""}}, other.seen); diff != "" {
		t.Errorf("the other server was told (-want +got):\n%s", diff)
	}
}

// trust declares clinic-a, whose FHIR server is at base, and has the fetcher get tokens for it.
func (f *fetcher) trust(t *testing.T, base string, servers ...*tokenServer) {
	t.Helper()
	policy, trusted := supplier.Policy{Base: base}, []byte(nil)
	for _, s := range servers {
		trusted = append(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})...)
		policy.URLPrefixes = append(policy.URLPrefixes, s.URL)
		policy.InternalHosts = append(policy.InternalHosts, strings.TrimPrefix(s.URL, "https://"))
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	key, err := smart.NewPrivateKey()
	if err == nil {
		err = os.WriteFile(file, trusted, 0o600)
	}
	if err == nil {
		err = f.ledger.AddSupplier(t.Context(), supplier.Supplier{
			Name: "clinic-a", Policy: policy, Credentials: supplier.Credentials{FetchOAuth: &supplier.FetchOAuth{ClientID: "stoker"}},
		}, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.cfg.HTTP = outbound.Config{CAFile: file}
	f.cfg.OAuthKey, f.source.HTTP = config.Secret(key), f.cfg.HTTP
}

// TestTokensByMetadata: where a submission names the metadata of its authorization server, the token is had there, for the manifest and
// for files that need one, and for no other server.
func TestTokensByMetadata(t *testing.T) {
	t.Parallel()
	f, _ := newFetcher(t)
	server := func(files map[string]string) *tokenServer {
		s := &tokenServer{bulkServer: &bulkServer{asked: map[string]int{}, files: files}, seen: map[string][]string{}, open: map[string]bool{"/open": true, "/other": true}}
		s.Server = httptest.NewTLSServer(s)
		t.Cleanup(s.Close)
		return s
	}
	other := server(map[string]string{"/other": patients(3)})
	s := server(map[string]string{
		"/m":      `{"requiresAccessToken":true,"output":[{"url":"closed"},{"url":"` + other.URL + `/other"}],"link":[{"relation":"next","url":"/2"}]}`,
		"/2":      `{"requiresAccessToken":false,"output":[{"url":"open"}]}`,
		"/closed": patients(2), "/open": patients(4),
	})
	s.metadata = map[string]string{
		"/resource": `{"resource":"x","authorization_servers":["` + s.URL + `/as"]}`,
		"/.well-known/oauth-authorization-server/as": `{"issuer":"x","token_endpoint":"` + s.URL + `/token"}`,
	}
	f.trust(t, s.URL+"/nothing", s, other) // which names no token endpoint
	req := manifestRequest(t, s.URL)
	req.Supplier, req.Dataset = "clinic-a", ""
	req.Sources[0].OAuth = []string{s.URL + "/resource"}
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	files, _, err := f.ledger.Files(t.Context(), req.ID)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if file.State != "closed" {
			t.Errorf("file %d is %s: %s", file.Index, file.State, file.Reason)
		}
	}
	if diff := cmp.Diff(map[string][]string{"/m": {"t1"}, "/2": {"t1"}, "/closed": {"t1"}, "/open": {""}}, s.seen); diff != "" {
		t.Errorf("tokens of requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]string{"/other": {""}}, other.seen); diff != "" {
		t.Errorf("the other server was told (-want +got):\n%s", diff)
	}
}

// TestPollWithToken: a source that is polled on a schedule is asked with a token too.
func TestPollWithToken(t *testing.T) {
	t.Parallel()
	s := &tokenServer{seen: map[string][]string{}, bulkServer: &bulkServer{asked: map[string]int{}, files: map[string]string{
		"/m": `{"transactionTime":"2026-01-01T00:00:00Z","requiresAccessToken":true,"output":[{"url":"a"}]}`,
	}}}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	key, err := smart.NewPrivateKey()
	if err == nil {
		err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	found, err := Config{HTTP: outbound.Config{CAFile: file}, OAuthKey: config.Secret(key)}.Poll(t.Context(), ledger.SyncAsk{
		Sync: supplier.Sync{Name: "nightly", Supplier: "clinic-a", From: s.URL + "/m"},
		Declared: &supplier.Supplier{
			Name:        "clinic-a",
			Policy:      supplier.Policy{Base: s.URL + "/fhir", URLPrefixes: []string{s.URL}, InternalHosts: []string{strings.TrimPrefix(s.URL, "https://")}},
			Credentials: supplier.Credentials{FetchOAuth: &supplier.FetchOAuth{ClientID: "stoker"}},
		},
	})
	if err != nil || len(found.Sources) != 1 {
		t.Errorf("%d sources, %v", len(found.Sources), err)
	}
	if diff := cmp.Diff(map[string][]string{"/m": {"t1"}}, s.seen); diff != "" {
		t.Errorf("tokens of requests (-want +got):\n%s", diff)
	}
}
