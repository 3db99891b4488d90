package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// bucket is a server that speaks S3, with one bucket "deliveries".
type bucket struct {
	t   *testing.T
	url string
	cfg source.Config

	mu       sync.Mutex
	requests []*http.Request
	before   func(n int, w http.ResponseWriter, r *http.Request) bool // may answer instead
	cut      int                                                      // breaks off the first answer after so many bytes; 0: none
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	b := &bucket{t: t}
	store := gofakes3.New(s3mem.New()).Server()
	b.url = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			store.ServeHTTP(w, r)
			return
		}
		b.mu.Lock()
		n := len(b.requests)
		b.requests = append(b.requests, r)
		b.mu.Unlock()
		switch {
		case b.before != nil && b.before(n, w, r):
		case b.cut > 0 && n == 0:
			rec := httptest.NewRecorder()
			store.ServeHTTP(rec, r)
			for name, values := range rec.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes()[:b.cut])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			store.ServeHTTP(w, r)
		}
	}))
	b.cfg = quick()
	b.cfg.Account = func() (s3.Account, error) {
		return s3.Config{Endpoint: b.url, AccessKey: "key", SecretKey: "hunter2"}.Account("clinic")
	}
	b.put("", "")
	return b
}

// put makes an object, or with "" the bucket.
func (b *bucket) put(key, content string) {
	b.t.Helper()
	account, err := b.cfg.Account()
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPut, account.URL("deliveries", key, nil).String(), strings.NewReader(content))
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only its status counts
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("put %q: %s", key, resp.Status)
	}
}

func (b *bucket) list(url string) ([]source.File, []source.Skipped, error) {
	return source.List(b.t.Context(), fhirmsg.Source{URL: url, Type: "Patient"}, b.cfg)
}

// file is the one file that a URL lists.
func (b *bucket) file(url string) source.File {
	b.t.Helper()
	files, _, err := b.list(url)
	if err != nil || len(files) != 1 {
		b.t.Fatalf("%s: %d files, %v", url, len(files), err)
	}
	b.requests = nil
	return files[0]
}

func (b *bucket) read(f source.File) ([]byte, error) {
	r, err := source.Open(b.t.Context(), f, b.cfg)
	if err != nil {
		return nil, err
	}
	defer closeReader(b.t, r)
	return io.ReadAll(r)
}

func TestListBucket(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	for _, key := range []string{
		"clinic/b.ndjson", "clinic/a/z.NDJSON.GZ", "clinic/a&b +ä%20.json", "clinic/x.txt", "clinic/.hidden.ndjson", "clinic/.git/a.ndjson",
		"clinic/folder/", "clinic-b/secret.ndjson", "clinic.ndjson", "other/a.ndjson",
	} {
		content := "x"
		if strings.HasSuffix(key, "/") {
			content = "" // as tools make folders
		}
		b.put(key, content)
	}
	names := func(files []source.File) (names []string) {
		for _, f := range files {
			names = append(names, f.Name)
		}
		return names
	}
	in := []string{"a&b +ä%20.json", "a/z.NDJSON.GZ", "b.ndjson"}
	tests := []struct {
		url  string
		want []string
		err  error
	}{
		{"s3://deliveries/clinic/", in, nil},
		{"s3://deliveries/clinic", in, nil}, // and not clinic-b
		{"s3://deliveries/clinic/b.ndjson", []string{"s3://deliveries/clinic/b.ndjson"}, nil},
		{"s3://deliveries/clinic/x.txt", []string{"s3://deliveries/clinic/x.txt"}, nil}, // it was named
		{"s3://deliveries/clinic/a&b +ä%20.json", []string{"s3://deliveries/clinic/a&b +ä%20.json"}, nil},
		{"s3://deliveries/clin", nil, fs.ErrNotExist},
		{"s3://deliveries/nothing/", nil, fs.ErrNotExist},
	}
	for _, tt := range tests {
		files, _, err := b.list(tt.url)
		if diff := cmp.Diff(tt.want, names(files)); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v (-want +got):\n%s", tt.url, err, diff)
		}
		for _, f := range files {
			if f.Type != "Patient" || f.Size < 0 || f.Locator.Object.ETag == "" {
				t.Errorf("%s: %+v, %+v", tt.url, f, f.Locator.Object)
			}
			if _, err := b.read(f); err != nil {
				t.Errorf("%s: read %s: %v", tt.url, f.Name, err)
			}
		}
	}
	_, skipped, err := b.list("s3://deliveries/clinic/")
	want := []source.Skipped{{Name: ".git/a.ndjson", Reason: "hidden"}, {Name: ".hidden.ndjson", Reason: "hidden"}, {Name: "x.txt", Reason: "its ending is not one that is taken"}}
	if diff := cmp.Diff(want, skipped); err != nil || diff != "" {
		t.Errorf("skipped: %v (-want +got):\n%s", err, diff)
	}
	if _, _, err := b.list("s3://nowhere/"); err == nil || !strings.Contains(err.Error(), "404 Not Found: there is no such bucket") {
		t.Errorf("no such bucket: %v", err)
	}
}

func TestListManyObjects(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	const n = s3.MaxKeys + 5
	for i := range n {
		b.put(fmt.Sprintf("%04d.ndjson", i), "")
	}
	files, _, err := b.list("s3://deliveries")
	if err != nil || len(files) != n || files[n-1].Name != fmt.Sprintf("%04d.ndjson", n-1) || len(b.requests) != 2 {
		t.Errorf("%d files by %d requests, %v", len(files), len(b.requests), err)
	}
}

// TestCutObject: an object that is cut is continued, by the same process and by another, and is the same.
func TestCutObject(t *testing.T) {
	t.Parallel()
	content := string(noise(100_000))
	for _, cut := range []int{1, 5000, 99_999} {
		b := newBucket(t)
		b.put("a.ndjson", content)
		f := b.file("s3://deliveries/a.ndjson")
		b.cut = cut
		r, err := source.Open(t.Context(), f, b.cfg)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		closeReader(t, r)
		if err != nil || string(got) != content || len(b.requests) != 2 {
			t.Fatalf("cut at %d: %d bytes by %d requests, %v", cut, len(got), len(b.requests), err)
		}
		second := b.requests[1].Header
		if second.Get("Range") != fmt.Sprintf("bytes=%d-", cut) || second.Get("If-Match") != f.Locator.Object.ETag {
			t.Errorf("cut at %d: asked for %q of %q", cut, second.Get("Range"), second.Get("If-Match"))
		}
		again, err := source.OpenAt(t.Context(), f, b.cfg, r.Validator(), int64(cut))
		if err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(again)
		closeReader(t, again)
		if err != nil || string(rest) != content[cut:] {
			t.Errorf("resumed at %d: %d bytes, %v", cut, len(rest), err)
		}
	}
}

// TestChangedObject: what changed since it was listed, or opened, is never joined.
func TestChangedObject(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.put("a.ndjson", "one")
	f := b.file("s3://deliveries/a.ndjson")
	r, err := source.Open(t.Context(), f, b.cfg)
	if err != nil {
		t.Fatal(err)
	}
	v := r.Validator()
	closeReader(t, r)
	b.put("a.ndjson", "two")
	if _, err := b.read(f); !errors.Is(err, source.ErrChanged) {
		t.Errorf("since it was listed: %v", err)
	}
	for _, offset := range []int64{0, 1, 2, 4} {
		if _, err := source.OpenAt(t.Context(), f, b.cfg, v, offset); !errors.Is(err, source.ErrChanged) {
			t.Errorf("resumed at %d: %v", offset, err)
		}
	}
	if r, err = source.OpenAt(t.Context(), f, b.cfg, v, 3); err != nil { // all of the old state was read
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("resumed at the end: %q, %v", rest, err)
	}
	closeReader(t, r)
	b.before = func(_ int, w http.ResponseWriter, r *http.Request) bool { // as a store that knows If-Match
		if r.Header.Get("If-Match") != "" {
			w.WriteHeader(http.StatusPreconditionFailed)
		}
		return r.Header.Get("If-Match") != ""
	}
	if _, err := b.read(f); !errors.Is(err, source.ErrChanged) {
		t.Errorf("a store that says so: %v", err)
	}
	b.before = nil
	named, _, err := source.List(t.Context(), fhirmsg.Source{URL: "s3://deliveries/a.ndjson", ETag: f.Locator.Object.ETag}, b.cfg)
	if err != nil || len(named) != 1 {
		t.Fatal(named, err)
	}
	if _, err := b.read(named[0]); !errors.Is(err, source.ErrChanged) {
		t.Errorf("since it was announced: %v", err)
	}
}

// TestSitesAsStores: objects are read as URLs are, however a store behaves.
func TestSitesAsStores(t *testing.T) {
	t.Parallel()
	content := noise(100_000)
	for name, tr := range map[string]traits{
		"ranges": {etag: `"a"`, ranges: true}, "no If-Range": {etag: `"a"`, ranges: true, noIfRange: true}, "no ranges": {etag: `"a"`},
		"parts": {etag: `"a"`, ranges: true, part: 30_000}, "chunked": {etag: `"a"`, ranges: true, chunked: true}, "times": {lastModified: longAgo, ranges: true},
	} {
		s := &site{traits: tr, content: content, cut: func(n int) int {
			if n == 0 {
				return 5000
			}
			return -1
		}}
		url := serve(t, s)
		cfg := quick()
		cfg.Account = func() (s3.Account, error) { return s3.Config{Endpoint: url}.Account("clinic") }
		r, err := source.Open(t.Context(), source.File{Locator: source.Locator{Object: &source.Object{Bucket: "deliveries", Key: "a"}}}, cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(r)
		closeReader(t, r)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestStoreErrors: errors say what to do, repeat nothing that the store sent, and are tried again if that may help.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	const body = `<?xml version="1.0"?><Error><Code>%s</Code><Message>hunter2</Message><BucketName>hunter2</BucketName></Error>`
	tests := []struct {
		status    int
		code      string
		want      string
		attempts  int
		wantError bool
	}{
		{403, "AccessDenied", "403 Forbidden: the key may not do that; it needs s3:GetObject", 1, true},
		{403, "SignatureDoesNotMatch", "the secret key is not that of the access key", 1, true},
		{404, "NoSuchKey", "there is no such object, or no longer", 1, true},
		{404, "NoSuchBucket", "there is no such bucket", 1, true},
		{400, "AuthorizationHeaderMalformed", "set the region", 1, true},
		{400, "ExpiredToken", "renew the key", 1, true},
		{301, "PermanentRedirect", "set them", 1, true},
		{403, "InvalidObjectState", "archived", 1, true},
		{418, "hunter2", "418", 1, true},
		{503, "SlowDown", "", 3, false},
		{400, "RequestTimeout", "", 3, false},
	}
	for _, tt := range tests {
		b := newBucket(t)
		b.put("a.ndjson", "content")
		f := b.file("s3://deliveries/a.ndjson")
		b.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if !tt.wantError && n == 2 {
				return false
			}
			w.WriteHeader(tt.status)
			_, _ = fmt.Fprintf(w, body, tt.code)
			return true
		}
		_, err := b.read(f)
		if (err != nil) != tt.wantError || len(b.requests) != tt.attempts {
			t.Errorf("%s: %d requests, %v", tt.code, len(b.requests), err)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: got %v, want %s", tt.code, err, tt.want)
		}
	}
}

// TestBucketPolicy: for a supplier nothing is read but what lies under its bucket, and keys go to the endpoint only.
func TestBucketPolicy(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.put("clinic/a.ndjson", "mine")
	b.put("other/a.ndjson", "theirs")
	b.cfg.Policy = &outbound.Policy{}
	for _, tt := range []struct {
		bucket, url string
		allowed     bool
	}{
		{"s3://deliveries/clinic/", "s3://deliveries/clinic/a.ndjson", true}, // although the endpoint's address is not public
		{"s3://deliveries/clinic/", "s3://deliveries/clinic/", true},
		{"s3://deliveries/clinic/", "s3://deliveries/other/a.ndjson", false},
		{"s3://deliveries/clinic/", "s3://deliveries/", false},
		{"s3://deliveries/clinic/", "s3://deliveries/clinic", false},
		{"s3://deliveries/clinic/", "s3://deliveries/clinic/../other/a.ndjson", false},
		{"s3://elsewhere/", "s3://deliveries/clinic/a.ndjson", false},
		{"", "s3://deliveries/clinic/a.ndjson", false},
	} {
		b.cfg.Bucket = tt.bucket
		files, _, err := b.list(tt.url)
		if (err == nil) != tt.allowed || tt.allowed && len(files) != 1 {
			t.Errorf("%s of %q: %d files, %v", tt.url, tt.bucket, len(files), err)
		}
		b.requests = nil
		object := source.Object{Bucket: "deliveries", Key: strings.TrimPrefix(tt.url, "s3://deliveries/")}
		if _, err := b.read(source.File{Locator: source.Locator{Object: &object}}); !tt.allowed && (err == nil || len(b.requests) > 0) {
			t.Errorf("%s of %q is read, %v", tt.url, tt.bucket, err)
		}
	}

	b.cfg.Bucket = "s3://deliveries/"
	f := b.file("s3://deliveries/clinic/a.ndjson")
	var elsewhere http.Header
	other := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere = r.Header }))
	b.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other, http.StatusTemporaryRedirect)
		return true
	}
	if _, err := b.read(f); err == nil || elsewhere != nil {
		t.Errorf("a redirect elsewhere was followed, %v", err)
	}
	if h := b.requests[0].Header.Get("Authorization"); !strings.HasPrefix(h, "AWS4-HMAC-SHA256 Credential=key/") {
		t.Errorf("signed with %q", h)
	}
	b.cfg.Policy = nil
	_, _ = b.read(f) // what comes from there is not the object
	if elsewhere == nil || elsewhere.Get("Authorization") != "" || elsewhere.Get("X-Amz-Date") != "" {
		t.Errorf("to another origin: %v", elsewhere)
	}
}

func TestNoStore(t *testing.T) {
	t.Parallel()
	if _, _, err := source.List(t.Context(), fhirmsg.Source{URL: "s3://deliveries/"}, source.Config{}); err == nil {
		t.Error("a bucket is listed without an account")
	}
}

// TestEndlessListing: a listing that goes in circles, or never comes to an object, ends.
func TestEndlessListing(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"same", "%d"} {
		b := newBucket(t)
		b.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
			next := strings.Replace(token, "%d", fmt.Sprint(n), 1)
			_, _ = fmt.Fprintf(w, `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken></ListBucketResult>`, next)
			return true
		}
		if _, _, err := b.list("s3://deliveries/"); err == nil || !strings.Contains(err.Error(), "does not come to its end") {
			t.Errorf("%s: %v", token, err)
		}
	}
}
