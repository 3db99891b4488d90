package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// send sends a request and returns its answer, which must be of a status.
func send(t *testing.T, want int, method, url string, body io.Reader, headers ...string) (http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: %d %s (%v), want %d", method, url, resp.StatusCode, b, err, want)
	}
	return resp.Header, b
}

// ended waits for the import that an answer tells of.
func ended(t *testing.T, env []string, created []byte) (s ledger.Status) {
	t.Helper()
	var c api.Created
	if err := json.Unmarshal(created, &c); err != nil {
		t.Fatal(err)
	}
	return untilEnded(t, env, c.Import.String())
}

// TestPostAndWait: one resource is answered with what became of it.
func TestPostAndWait(t *testing.T) {
	t.Parallel()
	env := shared(t)
	base := strings.TrimPrefix(env[0], "STOKER_URL=")
	post := func(want int, body string) string {
		_, b := send(t, want, "POST", base+"/fhir/posted?validation=strict", strings.NewReader(body), "Content-Type", "application/fhir+json", "Prefer", "wait=30")
		return string(b)
	}
	const patient = `{"resourceType":"Patient","id":"a","active":%s}`
	if got := post(200, fmt.Sprintf(patient, "true")); !strings.Contains(got, "1 inserted") {
		t.Errorf("stored: %s", got)
	}
	if got := post(422, fmt.Sprintf(patient, `"x"`)); !strings.Contains(got, "1 rejected") || !strings.Contains(got, "Patient.active") {
		t.Errorf("rejected: %s", got)
	}
	bundle := `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","id":"b"},"request":{"method":"PUT","url":"Patient/b"}}]}`
	if got := post(200, bundle); !strings.Contains(got, "1 inserted") {
		t.Errorf("of a Bundle: %s", got)
	}
}

// TestKillInMidUpload: kill -9 while a file is being uploaded. What was received in one request is nothing; what is resumable goes on, and both are stored once.
func TestKillInMidUpload(t *testing.T) {
	t.Parallel()
	home := pgtest.Dir(t)
	env, p := up(t, home)
	base := strings.TrimPrefix(env[0], "STOKER_URL=")
	content := strings.Repeat(`{"resourceType":"Patient","id":"a"}`+"\n", 10_000)
	tus := []string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream"}
	header, _ := send(t, 201, "POST", base+"/suppliers/local/uploads", nil, append(tus, "Upload-Length", fmt.Sprint(len(content)), "Upload-Metadata", "filename UC5uZGpzb24=")...)
	upload := header.Get("Location")

	// Both have sent half, and wait.
	half := len(content) / 2
	done := make(chan struct{}, 2)
	var pipes []*io.PipeWriter
	for _, r := range []struct{ method, path string }{{"PUT", "/suppliers/local/files/x"}, {"PATCH", upload}} {
		body, in := io.Pipe()
		pipes = append(pipes, in)
		go func() {
			defer func() { done <- struct{}{} }()
			req, err := http.NewRequest(r.method, base+r.path, body)
			if err != nil {
				t.Error(err)
				return
			}
			req.ContentLength = int64(len(content))
			for i := 0; i < len(tus); i += 2 {
				req.Header.Set(tus[i], tus[i+1])
			}
			req.Header.Set("Upload-Offset", "0")
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_ = resp.Body.Close() // answered without an end
				t.Errorf("%s: answered %d before its end", r.method, resp.StatusCode)
			}
		}()
		if _, err := io.WriteString(in, content[:half]); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "both to be on their way", func() bool {
		files, err := filepath.Glob(filepath.Join(home, "spool/uploads/local/open/*/files/*"))
		for _, name := range files {
			if info, statErr := os.Stat(name); statErr != nil || info.Size() == 0 {
				return false
			}
		}
		return err == nil && len(files) == 2
	})
	p.kill()
	for _, in := range pipes {
		_ = in.CloseWithError(io.ErrClosedPipe) // the server is gone
		<-done
	}

	env, _ = up(t, home)
	base = strings.TrimPrefix(env[0], "STOKER_URL=")
	if left, err := filepath.Glob(filepath.Join(home, "spool/uploads/local/open/*")); err != nil || len(left) != 1 {
		t.Errorf("%d uploads are open after the kill, want one: %v", len(left), err)
	}
	header, _ = send(t, 200, "HEAD", base+upload, nil, tus...)
	var at int
	if _, err := fmt.Sscan(header.Get("Upload-Offset"), &at); err != nil || at == 0 || at > half {
		t.Fatalf("the upload is at %q, half are %d bytes", header.Get("Upload-Offset"), half)
	}
	header, _ = send(t, 204, "PATCH", base+upload, strings.NewReader(content[at:]), append(tus, "Upload-Offset", fmt.Sprint(at))...)
	id := strings.TrimPrefix(header.Get("Location"), "/imports/")
	s := ended(t, env, []byte(`{"import":"`+id+`"}`))
	wantBalanced(t, "resumed", s)
	if s.State != ledger.StateComplete || s.Lines.Plain != 10_000 {
		t.Errorf("%s %s, %+v", s.State, s.Reason, s.Lines)
	}
	var all []ledger.Summary
	_, list := send(t, 200, "GET", base+"/imports", nil)
	if err := json.Unmarshal(list, &all); err != nil || len(all) != 1 {
		t.Errorf("%d imports, want one: %v", len(all), err)
	}
}
