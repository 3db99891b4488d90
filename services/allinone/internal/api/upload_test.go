package api

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
)

const line = `{"resourceType":"Patient","id":"a"}` + "\n"

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// handed is what the files of an import have, by name, and of what its request leaves open.
func (f *fixture) handed(name string, id fhirmsg.ImportID) map[string]string {
	f.t.Helper()
	files := map[string]string{}
	dir := filepath.Join(f.Inbox.Spool, "uploads", name, "ready", id.String(), "files")
	entries, err := os.ReadDir(dir)
	check(f.t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		check(f.t, err)
		files[e.Name()] = string(b)
	}
	return files
}

// openFolders is how many uploads of a supplier are open.
func (f *fixture) openFolders(name string) int {
	entries, _ := os.ReadDir(filepath.Join(f.Inbox.Spool, "uploads", name, "open")) // none: not there
	return len(entries)
}

func TestPutFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{MaxBytes: 100})
	other := f.supplier("clinic-b", supplier.Policy{})
	const path = "/suppliers/clinic-a/files/Patient.ndjson"
	for _, tt := range []struct {
		name, path, token, body string
		headers                 []string
		want                    int
	}{
		{"a file", path, token, line, nil, 202},
		{"compressed", path, token, "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 202},
		{"in another coding", path, token, line, []string{"Content-Encoding", "br"}, 415},
		{"by the operator", path, "", line, nil, 202},
		{"the operator's own", "/suppliers/local/files/x", "", line, nil, 202},
		{"of nobody", "/suppliers/clinic-c/files/x", "", line, nil, 404},
		{"another supplier's", path, other, line, nil, 404},
		{"its digest", path, token, line, []string{"Content-Digest", "md5=:AA==:, " + digestOf(line), "Repr-Digest", digestOf(line)}, 202},
		{"another digest", path, token, line, []string{"Content-Digest", digestOf("x")}, 400},
		{"another digest of all", path, token, line, []string{"Repr-Digest", digestOf("x")}, 400},
		{"a digest that is not checked", path, token, line, []string{"Content-Digest", "md5=:AA==:"}, 400},
		{"too large", path, token, strings.Repeat("x", 101), nil, 413},
		{"a path", "/suppliers/clinic-a/files/..%2Fx", token, line, nil, 400},
		{"hidden", "/suppliers/clinic-a/files/.x", token, line, nil, 400},
		{"control characters", "/suppliers/clinic-a/files/a%0Ab", token, line, nil, 400},
		{"a long name", "/suppliers/clinic-a/files/" + strings.Repeat("x", 201), token, line, nil, 400},
		{"another dataset", path + "?dataset=fhir", token, line, nil, 422},
		{"no such mode", path + "?mode=merge", token, line, nil, 400},
	} {
		before := f.requests()
		got := f.do(http.MethodPut, tt.path, tt.token, tt.body, tt.headers...)
		if got.status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, got.status, got.body, tt.want)
		}
		queued := f.requests() - before
		if (queued == 1) != (tt.want == 202) {
			t.Errorf("%s: %d requests", tt.name, queued)
		}
		if tt.want == 202 {
			id := got.imported(t)
			for _, content := range f.handed(strings.Split(tt.path, "/")[2], id) {
				if content != tt.body || got.header.Get("Location") != "/imports/"+id.String() {
					t.Errorf("%s: %q at %s", tt.name, content, got.header.Get("Location"))
				}
			}
		}
	}
	if n := f.openFolders("clinic-a"); n != 0 {
		t.Errorf("%d uploads are left open", n)
	}
}

// TestPutFileCutOff: what does not come to its end is nothing, however it says what its end is.
func TestPutFileCutOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	for _, head := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		check(t, err)
		_, err = fmt.Fprintf(conn, "PUT /suppliers/local/files/x HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n24\r\n%s\r\n", head, line)
		check(t, err)
		check(t, conn.(*net.TCPConn).CloseWrite())
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(answer, "400") {
			t.Errorf("%s: %q, %v", head, answer, err)
		}
		check(t, conn.Close())
	}
	if f.requests() != 0 || f.openFolders("local") != 0 {
		t.Errorf("%d requests, %d open", f.requests(), f.openFolders("local"))
	}
}

// TestPutFileSlowly: who sends nothing, or next to nothing, is not waited for.
func TestPutFileSlowly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	f.Inbox.Idle, f.Inbox.MinRate = 200*time.Millisecond, 1<<20
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	check(t, err)
	defer conn.Close() //nolint:errcheck // only read
	_, err = fmt.Fprintf(conn, "PUT /suppliers/local/files/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n%s", line)
	check(t, err)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(answer, "408") {
		t.Errorf("%q, %v", answer, err)
	}
	if f.requests() != 0 || f.openFolders("local") != 0 {
		t.Errorf("%d requests, %d open", f.requests(), f.openFolders("local"))
	}
}

func TestPutFileWithAKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{})
	put := func(body string) answer {
		return f.do(http.MethodPut, "/suppliers/clinic-a/files/x", token, body, headerKey, "k")
	}
	id := put(line).imported(t)
	if again := put(line); again.imported(t) != id || again.header.Get("Idempotency-Replayed") == "" {
		t.Errorf("again: %+v, want import %s", again, id)
	}
	if got := put(line + line); got.status != http.StatusUnprocessableEntity {
		t.Errorf("the key of another file: %d %s", got.status, got.body)
	}
	f.forgetsKeys() // its answer was lost with the process
	if got := put(line).imported(t); got != id || f.requests() != 1 || f.openFolders("clinic-a") != 0 {
		t.Errorf("import %s, want %s; %d requests, %d open", got, id, f.requests(), f.openFolders("clinic-a"))
	}
	f.forgetsKeys() // after seven days
	f.accept(id, "clinic-a", []fhirmsg.Source{{Spool: "x"}})
	check(t, f.Ledger.Cancel(t.Context(), id))
	check(t, f.Inbox.Tidy(time.Now(), f.hasEnded(t.Context())))
	other := put(line + line).imported(t)
	if got := f.handed("clinic-a", other); other == id || got["x"] != line+line || f.requests() != 2 {
		t.Errorf("another file is import %s with %v; %d requests", other, got, f.requests())
	}
}

// TestUploadLimits: what is too much at once, and a disk that is nearly full.
func TestUploadLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	for i := range uploads.Open {
		if got := f.do(http.MethodPut, fmt.Sprintf("/suppliers/local/files/x?delivery=%d", i), "", line); got.status != 201 && i < uploads.Open-1 {
			t.Errorf("delivery %d: %d %s", i, got.status, got.body)
		}
	}
	f.Inbox.Open = 1
	if got := f.do(http.MethodPut, "/suppliers/local/files/x", "", line); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("too many: %d %s", got.status, got.body)
	}
	f.Inbox.MinFree = 1 << 60
	if got := f.do(http.MethodPut, "/suppliers/local/files/x", "", line); got.status != http.StatusInsufficientStorage {
		t.Errorf("no space: %d %s", got.status, got.body)
	}
	check(t, f.Inbox.Tidy(time.Now().Add(2*uploads.Expiry), func(fhirmsg.ImportID) bool { return false }))
	if n := f.openFolders("local"); n != 0 {
		t.Errorf("%d are open after their time", n)
	}
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{MaxBytes: int64(3 * len(line))})
	other := f.supplier("clinic-b", supplier.Policy{})
	const files, delivery = "/suppliers/clinic-a/files/", "/suppliers/clinic-a/deliveries/2026-11"
	ask := func(method, path, token, body string, want int, headers ...string) answer {
		t.Helper()
		got := f.do(method, path, token, body, headers...)
		if got.status != want {
			t.Errorf("%s %s: %d %s, want %d", method, path, got.status, got.body, want)
		}
		return got
	}
	ask("PUT", files+"b?delivery=2026-11", token, "x", 201)
	ask("PUT", files+"b?delivery=2026-11", token, line, 201) // replaces it
	ask("PUT", files+"a?delivery=2026-11", token, line, 201)
	ask("PUT", files+"c?delivery=2026-11", token, line+"x", 413)
	ask("PUT", files+"c?delivery=a%2Fb", token, line, 400)
	var got OpenDelivery
	check(t, json.Unmarshal([]byte(ask("GET", delivery, token, "", 200).body), &got))
	if fmt.Sprint(got) != fmt.Sprintf("{2026-11 [{a %d} {b %d}]}", len(line), len(line)) {
		t.Errorf("delivery: %+v", got)
	}
	for _, method := range []string{"GET", "DELETE"} {
		ask(method, delivery, other, "", 404)
	}
	ask("POST", delivery+"/complete", other, "", 404)
	if f.requests() != 0 {
		t.Errorf("%d requests before it is complete", f.requests())
	}
	id := ask("POST", delivery+"/complete", token, "", 202, headerKey, "k").imported(t)
	if handed := f.handed("clinic-a", id); len(handed) != 2 || handed["b"] != line || f.requests() != 1 {
		t.Errorf("handed over: %v, %d requests", handed, f.requests())
	}
	ask("POST", delivery+"/complete", token, "", 404)
	f.forgetsKeys() // its answer was lost with the process
	if again := ask("POST", delivery+"/complete", token, "", 202, headerKey, "k").imported(t); again != id || f.requests() != 1 {
		t.Errorf("completed again: %s, want %s; %d requests", again, id, f.requests())
	}
	f.forgetsKeys() // after seven days
	ask("PUT", files+"a?delivery=2026-11", token, line, 201)
	if refused := ask("POST", delivery+"/complete", token, "", 422, headerKey, "k"); !strings.Contains(refused.body, id.String()) || f.requests() != 1 {
		t.Errorf("another delivery of the name: %s, %d requests", refused.body, f.requests())
	}
	if other := ask("POST", delivery+"/complete", token, "", 202, headerKey, "l").imported(t); other == id || len(f.handed("clinic-a", other)) != 1 || f.requests() != 2 {
		t.Errorf("with another key: %s, %d requests", other, f.requests())
	}
	ask("PUT", files+"a?delivery=2026-12", token, line, 201)
	ask("DELETE", "/suppliers/clinic-a/deliveries/2026-12", token, "", 204)
	ask("GET", "/suppliers/clinic-a/deliveries/2026-12", token, "", 404)
}

// TestDeliveryOfManyFiles: a delivery has no more files than an import can have, also of those that come at once.
func TestDeliveryOfManyFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	into, err := f.Inbox.Named("local", "all")
	check(t, err)
	for i := range fhirmsg.MaxSources - 1 {
		check(t, os.WriteFile(filepath.Join(f.Inbox.Spool, "uploads/local/open/delivery-all/files", fmt.Sprint(i)), nil, 0o600))
	}
	create := func() string {
		t.Helper()
		created := f.tusDo("POST", "/suppliers/local/uploads", "", "", "Upload-Length", strconv.Itoa(len(line)), "Upload-Metadata", metadata("filename", "z", "delivery", "all"))
		if created.status != http.StatusCreated {
			t.Fatalf("%d %s", created.status, created.body)
		}
		return created.header.Get("Location")
	}
	begun, whole := create(), create() // while there was room
	for _, tt := range []struct {
		name string
		want error
	}{{"x", nil}, {"y", inbox.ErrTooLarge}, {"x", nil}} {
		d, err := f.Inbox.Begin("local")
		check(t, err)
		check(t, d.Receive(tt.name, strings.NewReader(line), 0))
		if err := d.Move(tt.name, into); !errors.Is(err, tt.want) {
			t.Errorf("file %s: %v, want %v", tt.name, err, tt.want)
		}
		check(t, d.Remove())
	}
	if got := f.do(http.MethodPut, "/suppliers/local/files/z?delivery=all", "", line); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("one more: %d %s", got.status, got.body)
	}
	if got := f.tusDo("PATCH", begun, "", line, "Upload-Offset", "0"); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("an upload that ends too late: %d %s", got.status, got.body)
	}
	// Another one had come whole when the process ended.
	id, err := fhirmsg.ParseImportID(whole[strings.LastIndexByte(whole, '/')+1:])
	check(t, err)
	u, err := f.Inbox.Upload("local", id)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(f.Inbox.Spool, "uploads/local/open/upload-"+id.String(), "files/z"), []byte(line), 0o600))
	if at, err := u.Offset(); err != nil || at != u.Length {
		t.Fatalf("it is at %d of %d, %v", at, u.Length, err)
	}
	check(t, f.Recover())
	if n := f.openFolders("local"); n != 1 {
		t.Errorf("%d folders are open, want that of the delivery", n)
	}
}

// TestHandedIsQueued: a delivery whose process ended before its request was queued is queued after the start.
func TestHandedIsQueued(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	d, err := f.Inbox.Begin("local")
	check(t, err)
	check(t, d.Receive("x", strings.NewReader(line), 0))
	_, err = d.Hand(fhirmsg.ImportRequest{ID: fhirmsg.ImportIDFromKey("", "k"), Supplier: "local"})
	check(t, err)
	_, err = f.Inbox.Begin("local") // which the process was receiving
	check(t, err)
	check(t, f.Recover())
	for range 2 { // published once
		check(t, f.publishWaiting(t.Context()))
	}
	if f.requests() != 1 || f.openFolders("local") != 0 || len(f.handed("local", fhirmsg.ImportIDFromKey("", "k"))) != 1 {
		t.Errorf("%d requests, %d open", f.requests(), f.openFolders("local"))
	}
}

// TestTidy: files of an import that has ended without them are removed, and those of others are not.
func TestTidy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	ended := f.do(http.MethodPut, "/suppliers/local/files/x", "", line).imported(t)
	waits := f.do(http.MethodPut, "/suppliers/local/files/x", "", line).imported(t)
	check(t, f.Inbox.Tidy(time.Now().Add(2*uploads.Expiry), func(id fhirmsg.ImportID) bool { return id == ended }))
	if f.Inbox.IsHanded("local", ended) || f.handed("local", waits)["x"] != line {
		t.Errorf("of the import that ended: %v; of the other: %v", f.Inbox.IsHanded("local", ended), f.handed("local", waits))
	}
}
