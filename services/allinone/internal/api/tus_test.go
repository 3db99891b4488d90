package api

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

func metadata(pairs ...string) string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(all, ",")
}

// tusDo sends a request of the protocol.
func (f *fixture) tusDo(method, path, token, body string, headers ...string) answer {
	f.t.Helper()
	return f.do(method, path, token, body, append([]string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream"}, headers...)...)
}

// TestResumable: an upload that is cut off goes on where it was, in a process that knows it only from disk.
func TestResumable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	other := f.supplier("clinic-b", supplier.Policy{})
	const uploads = "/suppliers/clinic-a/uploads"
	content := strings.Repeat(line, 10)
	announce := []string{"Upload-Length", strconv.Itoa(len(content)), "Upload-Metadata", metadata("filename", "P.ndjson"), "Repr-Digest", digestOf(content), headerKey, "k"}
	created := f.tusDo("POST", uploads, token, "", announce...)
	path := created.header.Get("Location")
	if created.status != 201 || created.header.Get("Upload-Expires") == "" {
		t.Fatalf("%d %s", created.status, created.body)
	}
	if again := f.tusDo("POST", uploads, token, "", announce...); again.header.Get("Location") != path {
		t.Errorf("announced again: %d %s", again.status, again.header.Get("Location"))
	}

	// Half of a part arrives, then the connection is gone.
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	check(t, err)
	_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nTus-Resumable: 1.0.0\r\nContent-Type: %s\r\nUpload-Offset: 0\r\nContent-Length: 1000\r\n\r\n%s",
		path, token, tusContent, content[:50])
	check(t, err)
	check(t, conn.(*net.TCPConn).CloseWrite())
	_, _ = conn.Read(make([]byte, 1)) // it has been answered, or ended
	check(t, conn.Close())
	check(t, f.Recover())

	head := f.tusDo("HEAD", path, token, "")
	if head.header.Get("Upload-Offset") != "50" || head.header.Get("Upload-Length") != strconv.Itoa(len(content)) || f.requests() != 0 {
		t.Fatalf("after the cut: %d %v, %d requests", head.status, head.header, f.requests())
	}
	for _, tt := range []struct {
		name, method, token, body string
		headers                   []string
		want                      int
	}{
		{"another offset", "PATCH", token, "x", []string{"Upload-Offset", "10"}, 409},
		{"no offset", "PATCH", token, "x", nil, 400},
		{"too long", "PATCH", token, content, []string{"Upload-Offset", "50"}, 413},
		{"another digest", "PATCH", token, "x", []string{"Upload-Offset", "50", "Content-Digest", digestOf("y")}, 400},
		{"another type", "PATCH", token, "x", []string{"Upload-Offset", "50", "Content-Type", "text/plain"}, 415},
		{"another version", "HEAD", token, "", []string{"Tus-Resumable", "0.2.2"}, 412},
		{"another supplier's", "HEAD", other, "", nil, 404},
		{"another supplier's part", "PATCH", other, "x", []string{"Upload-Offset", "50"}, 404},
		{"another supplier's end", "DELETE", other, "", nil, 404},
	} {
		if got := f.tusDo(tt.method, path, tt.token, tt.body, tt.headers...); got.status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, got.status, got.body, tt.want)
		}
	}
	one := f.tusDo("PATCH", path, token, content[50:70], "Upload-Offset", "50", "Content-Digest", digestOf(content[50:70]))
	last := f.tusDo("POST", path, token, content[70:], "Upload-Offset", "70", "X-HTTP-Method-Override", "PATCH")
	if one.status != 204 || one.header.Get("Upload-Offset") != "70" || last.status != 204 || f.requests() != 1 {
		t.Fatalf("%d %s, then %d %s; %d requests", one.status, one.body, last.status, last.body, f.requests())
	}
	want := strings.Replace(path, uploads, "/imports", 1)
	if head = f.tusDo("HEAD", path, token, ""); last.header.Get("Location") != want || head.header.Get("Location") != want || head.header.Get("Upload-Offset") != strconv.Itoa(len(content)) {
		t.Errorf("at its end: %v, %v", last.header, head.header)
	}
	if got := f.tusDo("DELETE", path, token, ""); got.status != http.StatusConflict || f.requests() != 1 {
		t.Errorf("ended after its end: %d; %d requests", got.status, f.requests())
	}
}

// TestResumableWithAKey: an upload is another one's only as long as that is there, and announced in the same way.
func TestResumableWithAKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	announce := func(headers ...string) answer {
		return f.tusDo("POST", "/suppliers/local/uploads", "", "", append([]string{
			"Upload-Length", strconv.Itoa(len(line)), "Upload-Metadata", metadata("filename", "x"), headerKey, "k"}, headers...)...)
	}
	path := announce().header.Get("Location")
	id, err := fhirmsg.ParseImportID(filepath.Base(path))
	check(t, err)
	if got := f.tusDo("PATCH", path, "", line, "Upload-Offset", "0"); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	f.forgetsKeys() // its answer was lost with the process
	if got := announce(); got.header.Get("Location") != path {
		t.Errorf("announced again: %d %v", got.status, got.header)
	}
	if got := announce("Repr-Digest", digestOf(line)); got.status != http.StatusUnprocessableEntity {
		t.Errorf("the key of another upload: %d %s", got.status, got.body)
	}
	f.forgetsKeys() // after seven days
	f.accept(id, "local", []fhirmsg.Source{{Spool: "x"}})
	check(t, f.Ledger.Cancel(t.Context(), id))
	check(t, f.Inbox.Tidy(time.Now().Add(2*uploads.Expiry), f.hasEnded(t.Context())))
	if got := announce(); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, id.String()) {
		t.Errorf("what may be another one: %d %s", got.status, got.body)
	}
	if got := announce("Repr-Digest", digestOf(line)); got.status != http.StatusUnprocessableEntity { // of the same key
		t.Errorf("the key of the one before: %d %s", got.status, got.body)
	}
	f.forgetsKeys()
	if got := announce("Repr-Digest", digestOf(line)); got.status != 201 || got.header.Get("Location") == path {
		t.Errorf("another one: %d %v", got.status, got.header)
	}
}

func TestResumableIntoADelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	upload := func(name, content string, headers ...string) (path string, last answer) {
		created := f.tusDo("POST", "/suppliers/local/uploads", "", "", append([]string{
			"Upload-Length", strconv.Itoa(len(line)), "Upload-Metadata", metadata("filename", name, "delivery", "d")}, headers...)...)
		path = created.header.Get("Location")
		return path, f.tusDo("PATCH", path, "", content, "Upload-Offset", "0")
	}
	for _, name := range []string{"a", "b"} {
		if path, got := upload(name, line); got.status != 204 || f.tusDo("HEAD", path, "", "").status != 200 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	path, wrong := upload("c", line, "Repr-Digest", digestOf("x"))
	if wrong.status != 400 || f.tusDo("HEAD", path, "", "").status != 404 {
		t.Errorf("with another digest: %d %s", wrong.status, wrong.body)
	}
	path, part := upload("d", line[:5])
	if part.status != 204 || f.tusDo("DELETE", path, "", "").status != 204 || f.tusDo("HEAD", path, "", "").status != 404 {
		t.Errorf("given up: %d %s", part.status, part.body)
	}
	id := f.do("POST", "/suppliers/local/deliveries/d/complete", "", "").imported(t)
	if got := f.handed("local", id); len(got) != 2 || got["a"] != line || f.openFolders("local") != 0 || f.requests() != 1 {
		t.Errorf("handed over: %v, %d open", got, f.openFolders("local"))
	}
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{MaxBytes: 10})
	const path = "/suppliers/clinic-a/uploads"
	for _, tt := range []struct {
		name, length, metadata string
		want                   int
	}{
		{"nothing", "", metadata("filename", "x"), 400}, {"less than nothing", "-1", metadata("filename", "x"), 400},
		{"no name", "1", "", 400}, {"a path", "1", metadata("filename", "a/b"), 400}, {"no base64", "1", "filename ?", 400},
		{"too large", "11", metadata("filename", "x"), 413}, {"a delivery with a path", "1", metadata("filename", "x", "delivery", "../x"), 400},
		{"empty", "0", metadata("filename", "x"), 201},
	} {
		if got := f.tusDo("POST", path, token, "", "Upload-Length", tt.length, "Upload-Metadata", tt.metadata); got.status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, got.status, got.body, tt.want)
		}
	}
	if got := f.do("OPTIONS", path, token, ""); got.status != 204 || got.header.Get("Tus-Extension") != tusExtensions || got.header.Get("Tus-Max-Size") != "10" {
		t.Errorf("options: %d %v", got.status, got.header)
	}
}

// TestResumedBeforeTheCutIsKnown: a part that hangs gives way to the next one of its upload, with what arrived of it kept.
func TestResumedBeforeTheCutIsKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	created := f.tusDo("POST", "/suppliers/local/uploads", "", "", "Upload-Length", strconv.Itoa(len(line)), "Upload-Metadata", metadata("filename", "x"))
	path := created.header.Get("Location")
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	check(t, err)
	defer conn.Close() //nolint:errcheck // it hangs
	_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nContent-Type: %s\r\nUpload-Offset: 0\r\nContent-Length: %d\r\n\r\n%s",
		path, tusContent, len(line), line[:5])
	check(t, err)
	for f.tusDo("HEAD", path, "", "").header.Get("Upload-Offset") != "5" { // the test's own time is the limit
	}
	last := f.tusDo("PATCH", path, "", line[5:], "Upload-Offset", "5")
	if last.status != 204 || last.header.Get("Location") == "" || f.requests() != 1 {
		t.Errorf("%d %s, %d requests", last.status, last.body, f.requests())
	}
}
