package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// packed is content with gzip, and with zstd around that or instead.
func packed(t *testing.T, content []byte) (gz, both, zs []byte) {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close() //nolint:errcheck // it writes nowhere
	return b.Bytes(), encoder.EncodeAll(b.Bytes(), nil), encoder.EncodeAll(content, nil)
}

// put uploads a file and waits for its import.
func (h *hostile) put(t *testing.T, name string, content []byte) ledger.Status {
	t.Helper()
	_, created := send(t, 202, "PUT", h.base+"/suppliers/hostile/files/"+name, bytes.NewReader(content), h.as("hostile")...)
	return h.ended(t, "hostile", created)
}

// sendsBombs: what becomes out of all proportion large is given up, and one compression within another is not undone.
func (h *hostile) sendsBombs(t *testing.T) {
	gz, _, zs := packed(t, make([]byte, 80<<20))
	for name, content := range map[string][]byte{"bomb.gz": gz, "bomb.zst": zs} {
		if s := h.put(t, name, content); s.State != ledger.StateFailed || !strings.Contains(s.Files[0].Reason, "decompression bomb") {
			t.Errorf("%s: %s, %+v", name, s.State, s.Files)
		}
	}
	_, both, _ := packed(t, []byte(`{"resourceType":"Patient","id":"nested"}`+"\n"))
	if s := h.put(t, "nested.ndjson", both); s.Resources.Inserted != 0 || s.Lines.Plain != 0 {
		t.Errorf("gzip within zstd: %+v, %+v", s.Lines, s.Resources.Counts)
	}
}

// sendsPoison: each line is rejected by itself, or stored as the text that it is, and so is the one behind them.
func (h *hostile) sendsPoison(t *testing.T) {
	lines := []string{
		strings.Repeat("[", 60_000), strings.Repeat(`{"a":`, 12_000), strings.Repeat("x", 100_000), "\x00\x01\xff\xfe", "{}", "null", `"Patient"`,
		`{"resourceType":"Patient","id":"x'; DROP SCHEMA victim CASCADE; --"}`, `{"resourceType":"../victim","id":"a"}`, `{"resourceType":"Patient\" CASCADE","id":"a"}`,
		`{"resourceType":"Patient","id":"../a"}`, `{"resourceType":"Patient","id":"a\u0000"}`, `{"resourceType":"Patient","id":"` + strings.Repeat("x", 1000) + `"}`,
		`{"resourceType":"Observation","id":"n","status":"final","code":{"text":"x"},"valueQuantity":{"value":1e` + strings.Repeat("9", 1000) + `}}`,
	}
	s := h.put(t, "poison.ndjson", []byte(strings.Join(lines, "\n")+"\n"+`{"resourceType":"Patient","id":"behind"}`+"\n"))
	wantBalanced(t, "poison", s)
	if got := s.Lines.Rejected + s.Resources.Rejected; s.State != ledger.StateComplete || got != int64(len(lines)-1) || s.Resources.Inserted != 2 { // an id is only a text, whatever it is in
		_, issues := h.ask(t, "GET", "/imports/"+s.Import.String()+"/issues", "", h.as("hostile")...)
		t.Errorf("%s %s: %d rejected, want %d; %+v\n%s", s.State, s.Reason, got, len(lines)-1, s.Resources.Counts, issues)
	}
}

// leavesItsFolder: names of files, deliveries and spooled content are names, not paths.
func (h *hostile) leavesItsFolder(t *testing.T) {
	for _, name := range []string{
		"..%2fx", "..%2f..%2fvictim%2fx", "..%5cx", "%2fetc%2fpasswd", ".hidden", "%2e%2e", "a%00b", "a%0d%0ab", "a%1b%5b2J", "%ff", strings.Repeat("x", 201),
	} {
		for _, path := range []string{"/suppliers/hostile/files/" + name, "/suppliers/hostile/files/x?delivery=" + name} {
			if resp, text := h.ask(t, "PUT", path, "{}", h.as("hostile")...); resp.StatusCode < 300 { // or it is redirected to what there is not
				t.Errorf("PUT %s: %d %s", path, resp.StatusCode, text)
			}
		}
	}
	for _, path := range []string{"/suppliers/victim/files/x", "/suppliers/..%2fvictim/files/x", "/suppliers/hostile%2f..%2fvictim/files/x", "/suppliers/hostile/../victim/files/x"} {
		if resp, text := h.ask(t, "PUT", path, "{}", h.as("hostile")...); resp.StatusCode < 300 {
			t.Errorf("PUT %s: %d %s", path, resp.StatusCode, text)
		}
	}
	for _, name := range []string{"../x", "a/b", "..", "a\x00", "a\nb"} {
		metadata := "filename " + encode64(name)
		for _, m := range []string{metadata, "filename eA==,delivery " + encode64(name)} {
			resp, text := h.ask(t, "POST", "/suppliers/hostile/uploads", "", append(h.as("hostile"), "Tus-Resumable", "1.0.0", "Upload-Length", "2", "Upload-Metadata", m)...)
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("upload %q: %d %s", m, resp.StatusCode, text)
			}
		}
	}
	for _, source := range []string{
		`{"path":"` + h.secret + `"}`, `{"spool":"../../secret.ndjson"}`, `{"spool":"uploads/victim/ready/` + h.victim + `/files/Patient.ndjson"}`, `{"spool":"hostile.../../victim.x"}`,
		`{"spool":"hostile.\u0000"}`, `{"spool":"victim.x.ndjson"}`, `{"url":"file://` + h.secret + `"}`, `{"url":"s3://deliveries/victim/x"}`, `{"delivered":{"first":1,"last":9}}`,
	} {
		resp, text := h.ask(t, "POST", "/imports", `{"sources":[`+source+`]}`, h.as("hostile")...)
		if resp.StatusCode < 400 {
			if s := h.ended(t, "hostile", []byte(text)); s.Lines.Read > 0 {
				t.Errorf("%s: %s, %+v", source, s.State, s.Lines)
			}
		}
	}
}

// linksOut: links lead nowhere, neither as a delivery nor within one.
func (h *hostile) linksOut(t *testing.T) {
	own, part := filepath.Join(h.drop, "hostile"), filepath.Join(h.drop, "hostile", "november.part")
	for _, link := range []struct{ to, at string }{
		{h.secret, filepath.Join(own, "link.ndjson")}, {filepath.Dir(h.secret), filepath.Join(own, "folder")}, {"../victim", filepath.Join(own, "other")},
		{h.secret, filepath.Join(part, "link.ndjson")}, {filepath.Dir(h.secret), filepath.Join(part, "folder")}, {"/dev/zero", filepath.Join(part, "zero.ndjson")},
	} {
		if err := os.MkdirAll(filepath.Dir(link.at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link.to, link.at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(part, "own.ndjson"), []byte(`{"resourceType":"Patient","id":"own"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, filepath.Join(own, "november")); err != nil {
		t.Fatal(err)
	}
	if s := putAway(t, own, 1); s.Lines.Read != 1 || s.Lines.Plain != 1 {
		t.Errorf("%s %s: %+v", s.State, s.Reason, s.Lines)
	}
}

// sendsSlowly: who sends half a request and waits is not waited for, whoever it is and whatever it asks.
func (h *hostile) sendsSlowly(t *testing.T) {
	const head = "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Type: application/fhir+json\r\nTus-Resumable: 1.0.0\r\nContent-Length: 100000\r\n\r\n{"
	bearer := "Authorization: Bearer " + tokenOf("hostile") + "\r\n"
	conns := map[string]net.Conn{}
	for _, path := range []string{
		"PUT /suppliers/hostile/files/x", "PUT /spool", "POST /imports", "POST /fhir/hostile", "POST /fhir/$import", "POST /fhir/$bulk-submit", "POST /fhir/$bulk-submit-status", "POST /buckets/events",
	} {
		method, target, _ := strings.Cut(path, " ")
		conns[path] = h.raw(t, fmt.Sprintf(head, method, target, bearer))
	}
	for path, conn := range conns {
		if got := answered(t, conn); !strings.Contains(got, "408") {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := answered(t, h.raw(t, fmt.Sprintf(head, "POST", "/imports", bearer+"Idempotency-Key: k\r\n"))); !strings.Contains(got, "408") {
		t.Errorf("with a key: %q", got)
	}
	if got := answered(t, h.raw(t, fmt.Sprintf(head, "POST", "/imports", ""))); !strings.Contains(got, "401") {
		t.Errorf("of nobody: %q", got)
	}
}

// readsSlowly: those who ask for much and take nothing hold nothing that others need, and are not waited for.
func (h *hostile) readsSlowly(t *testing.T) {
	line := strings.Repeat("x", 2_000) + "\n"
	path := write(t, "garbage.ndjson", strings.Repeat(line, 8_000))
	s := importJSON(t, h.env, "--supplier", "hostile", "--max-rejects", "off", path)
	if s.Lines.Rejected != 8_000 {
		t.Fatalf("%s %s: %+v", s.State, s.Reason, s.Lines)
	}
	var conns []net.Conn
	for range 16 {
		conn := h.raw(t, "GET /imports/"+s.Import.String()+"/rejects?lines=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+tokenOf("hostile")+"\r\n\r\n")
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // it has begun
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	// The others go on meanwhile.
	send(t, 200, "GET", h.base+"/imports/"+h.victim, nil, h.as("victim")...)
	waitFor(t, "all of them to be cut off", func() bool {
		return strings.Count(h.stoker.output(), "rejects were not sent to the end") >= len(conns)
	})
}

// floods: more requests than the policy allows are refused, and cost the others nothing.
func (h *hostile) floods(t *testing.T) {
	refused := 0
	for range 50 {
		resp, _ := h.ask(t, "GET", "/imports/"+h.victim, "", h.as("flooder")...)
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" {
			refused++
		}
	}
	if refused < 40 {
		t.Errorf("%d of 50 requests were refused", refused)
	}
	send(t, 200, "GET", h.base+"/imports", nil, h.as("victim")...)
}

func (h *hostile) sendsLargeHeaders(t *testing.T) {
	if resp, _ := h.ask(t, "GET", "/imports", "", append(h.as("hostile"), "X-Large", strings.Repeat("x", 100<<10))...); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("100 KiB of headers: %d", resp.StatusCode)
	}
	for _, split := range []string{"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 2\r\nContent-Length: 3\r\n", "Transfer-Encoding: chunked, identity\r\n"} { // request smuggling
		conn := h.raw(t, "POST /imports HTTP/1.1\r\nHost: localhost\r\n"+split+"\r\n{}GET /streams HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		all, _ := io.ReadAll(conn) // until it is closed
		if n := strings.Count(string(all), "HTTP/1.1 "); n != 1 || strings.Contains(string(all), "HTTP/1.1 2") {
			t.Errorf("%q: %d answers: %s", split, n, all)
		}
	}
}
