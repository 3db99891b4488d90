package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// hostile is a supplier with a token, a key and a server of its own, at a running Stoker with another supplier, the victim.
type hostile struct {
	env    []string // the operator's
	base   string   // of Stoker
	site   string   // of its server; what lies below bulk/ may be fetched for it
	inside string   // of a server that nobody may reach, as clouds' metadata
	drop   string   // the drop folder
	secret string   // a file of the machine
	victim string   // an import of the victim
	key    *ecdsa.PrivateKey
	stoker *process

	mu    sync.Mutex
	asked []string // paths of site and inside that nobody may ask for
}

// TestHostileSupplier: what a supplier with credentials of its own could try against the others, the machine and the network, at a
// server as in production but for limits that are small. docs/security.md has the threats.
func TestHostileSupplier(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	t.Run("attacks", func(t *testing.T) {
		for name, attack := range map[string]func(*testing.T){
			"SSRF": h.forgesRequests, "SSRF by a manifest": h.listsForgedRequests, "URLs outside of its prefixes": h.asksBeyondItsPrefixes,
			"endless manifests": h.chainsManifests, "a million files": h.listsMillions, "a slow server": h.servesSlowly, "an endless line": h.sendsAnEndlessLine,
			"zip bombs": h.sendsBombs, "lines to break the parser": h.sendsPoison,
			"path traversal": h.leavesItsFolder, "links in the drop folder": h.linksOut,
			"slow requests": h.sendsSlowly, "slow reading": h.readsSlowly, "a flood of requests": h.floods, "large headers": h.sendsLargeHeaders,
			"wrong tokens": h.guessesTokens, "forged headers": h.forgesHeaders, "the operator's part": h.playsOperator,
			"another's import": h.meddles, "another's submission": h.replacesAnothersManifest,
			"forged assertions": h.forgesAssertions, "an assertion used again": h.replaysAssertion,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				attack(t)
			})
		}
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) > 0 {
		t.Errorf("these were asked for: %v", h.asked)
	}
	_, status := send(t, 200, "GET", h.base+"/imports/"+h.victim, nil, h.as("victim")...)
	var s ledger.Status
	if err := json.Unmarshal(status, &s); err != nil || s.State != ledger.StateComplete || s.Resources.Inserted != 1 {
		t.Errorf("the victim's import: %s, %v", status, err)
	}
	if got := digest(t, databaseURL(t, h.env), "victim"); !strings.HasPrefix(got, "1 ") {
		t.Errorf("the victim's dataset: %s", got)
	}
	for _, secret := range []string{tokenOf("victim"), tokenOf("hostile"), "swordfish"} {
		if strings.Contains(h.stoker.output(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{drop: t.TempDir(), secret: write(t, "secret.ndjson", `{"resourceType":"Patient","id":"swordfish"}`+"\n")}
	site, inside := httptest.NewServer(h.serve()), httptest.NewServer(http.HandlerFunc(h.forbidden))
	t.Cleanup(func() {
		site.CloseClientConnections() // some answers have no end
		site.Close()
		inside.Close()
	})
	h.site, h.inside = site.URL, inside.URL
	port := inside.URL[strings.LastIndex(inside.URL, ":"):]
	var err error
	if h.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	coordinates, err := h.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	fetched := fmt.Sprintf("url_prefixes: [%s/bulk/%s], internal_hosts: [%q]", h.site, prefixes(port), strings.TrimPrefix(h.site, "http://"))
	file := write(t, "suppliers.yaml", fmt.Sprintf(`suppliers:
  victim: {token_hashes: [%q]}
  hostile:
    {token_hashes: [%q], %s, max_line: 65536, client_id: hostile, jwks: {keys: [{kty: EC, crv: P-384, kid: k, x: %s, y: %s}]}}
  greedy: {token_hashes: [%q], %s, max_bytes: 1_000_000}
  flooder: {token_hashes: [%q], requests_per_minute: 5}
`, supplier.HashOf(tokenOf("victim")), supplier.HashOf(tokenOf("hostile")), fetched, base64.RawURLEncoding.EncodeToString(coordinates[1:49]),
		base64.RawURLEncoding.EncodeToString(coordinates[49:]), supplier.HashOf(tokenOf("greedy")), fetched, supplier.HashOf(tokenOf("flooder"))))
	for _, name := range []string{"hostile", "victim"} {
		if err := os.Mkdir(filepath.Join(h.drop, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const operator = "STOKER_OPERATOR_TOKEN=an operator's token of many characters"
	h.env, h.stoker = up(t, pgtest.Dir(t), operator, "STOKER_AUTH=token", "STOKER_SUPPLIERS="+file, "STOKER_FETCHER_DROP="+h.drop,
		"STOKER_UPLOAD_IDLE_TIMEOUT=2s", "STOKER_FETCHER_HTTP_IDLE_TIMEOUT=2s", "STOKER_FETCHER_HTTP_MIN_RATE=65536")
	h.base = strings.TrimPrefix(h.env[0], "STOKER_URL=")
	h.env = append(h.env, operator)
	_, created := send(t, 202, "PUT", h.base+"/suppliers/victim/files/Patient.ndjson", strings.NewReader(`{"resourceType":"Patient","id":"a"}`), h.as("victim")...)
	h.victim = h.ended(t, "victim", created).Import.String()
	return h
}

// prefixes are of hosts that a careless operator allowed, and whose addresses are internal all the same.
func prefixes(port string) (list string) {
	for _, host := range internalHosts {
		list += fmt.Sprintf(", \"http://%s%s/\"", host, port)
	}
	return list
}

// internalHosts are names and notations of addresses that are not public. A name that changes its address is one as localhost is.
var internalHosts = []string{"localhost", "127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "169.254.169.254", "[64:ff9b::7f00:1]"}

// as is the header by which a supplier is known.
func (h *hostile) as(name string) []string {
	return []string{"Authorization", "Bearer " + tokenOf(name)}
}

// forbidden answers who should not have come so far.
func (h *hostile) forbidden(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, r.Host+r.URL.Path)
	_, _ = io.WriteString(w, `{"resourceType":"Patient","id":"swordfish"}`)
}

// ended waits for an import as its supplier sees it.
func (h *hostile) ended(t *testing.T, name string, created []byte) (s ledger.Status) {
	t.Helper()
	var c struct{ Import string }
	if err := json.Unmarshal(created, &c); err != nil || c.Import == "" {
		t.Fatalf("%s: %v", created, err)
	}
	waitFor(t, "the end of the import", func() bool {
		resp, body := h.ask(t, "GET", "/imports/"+c.Import, "", h.as(name)...)
		s = ledger.Status{}
		return resp.StatusCode == 200 && json.Unmarshal([]byte(body), &s) == nil && s.State.Ended()
	})
	return s
}

// ask sends a request as it is, and returns whatever is answered.
func (h *hostile) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	target, err := url.Parse(h.base)
	if err != nil {
		t.Fatal(err)
	}
	path, query, found := strings.Cut(path, "?")
	if target.Opaque = "//" + target.Host + path; found { // sent as it is
		target.RawQuery = query
	}
	req := (&http.Request{Method: method, URL: target, Host: target.Host, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}).WithContext(t.Context())
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // no redirect is followed
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, string(answer)
}

// pull asks by $import, and returns what became of it: the status in the end, and all that is told of files, in their order.
func (h *hostile) pull(t *testing.T, name, body string) (status int, told []string) {
	t.Helper()
	resp, text := h.ask(t, "POST", "/fhir/$import", body, append(h.as(name), "Content-Type", "application/json")...)
	if resp.StatusCode != http.StatusAccepted {
		return resp.StatusCode, []string{text}
	}
	at := strings.TrimPrefix(resp.Header.Get("Content-Location"), h.base)
	waitFor(t, "the end of the import", func() bool {
		resp, text = h.ask(t, "GET", at, "", h.as(name)...)
		return resp.StatusCode != http.StatusAccepted
	})
	var answer struct {
		Issue   []struct{ Diagnostics string }
		Outcome []struct{ URL string }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, issue := range answer.Issue {
		told = append(told, issue.Diagnostics)
	}
	for _, file := range answer.Outcome {
		_, lines := h.ask(t, "GET", strings.TrimPrefix(file.URL, h.base), "", h.as(name)...)
		told = append(told, strings.Split(strings.TrimSpace(lines), "\n")...)
	}
	return resp.StatusCode, told
}

// listed is the manifest form of $import.
func listed(urls ...string) string {
	var input []map[string]string
	for _, u := range urls {
		input = append(input, map[string]string{"type": "Patient", "url": u})
	}
	b, _ := json.Marshal(map[string]any{"inputFormat": "application/fhir+ndjson", "input": input}) // texts only
	return string(b)
}

// static is the form of $import that names a manifest.
func static(manifest string) string {
	b, _ := json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": []map[string]string{ // texts only
		{"name": "exportUrl", "valueUrl": manifest}, {"name": "exportType", "valueCode": "static"},
	}})
	return string(b)
}

// raw sends the beginning of a request, and no more.
func (h *hostile) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // it may be closed
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answered is the status of an answer on a connection that is closed then.
func answered(t *testing.T, conn net.Conn) string {
	t.Helper()
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	if err != nil && line == "" {
		t.Errorf("no answer: %v", err)
	}
	return line
}
