package s3

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/config"
)

// TestSign: the examples of AWS's documentation, "Signature Calculations for the Authorization Header".
func TestSign(t *testing.T) {
	t.Parallel()
	a, err := Config{
		AccessKey: "AKIAIOSFODNN7EXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		Endpoint: "https://s3.amazonaws.com", Region: "us-east-1",
	}.Account("any")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	tests := []struct{ query, want string }{
		{"lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	}
	for _, tt := range tests {
		query, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		u := a.URL("examplebucket", "", query)
		if u.Host != "examplebucket.s3.amazonaws.com" || u.Path != "/" {
			t.Errorf("%s: at %s", tt.query, u)
		}
		h := a.Sign(u, now)
		want := "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=" + tt.want
		if diff := cmp.Diff(http.Header{
			"Authorization": {want}, "X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Content-Sha256": {emptyHash},
		}, h); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
}

func TestSignedWithToken(t *testing.T) {
	t.Parallel()
	a, err := Config{AccessKey: "k", SecretKey: "s", SessionToken: "t", Endpoint: "http://127.0.0.1:9000"}.Account("any")
	if err != nil {
		t.Fatal(err)
	}
	h := a.Sign(a.URL("bucket", "key", nil), time.Now())
	if h.Get("X-Amz-Security-Token") != "t" || !strings.Contains(h.Get("Authorization"), ";x-amz-security-token,") {
		t.Errorf("got %v", h)
	}
	if a, err = (Config{}).Account("any"); err != nil || a.Sign(a.URL("bucket", "key", nil), time.Now()) != nil {
		t.Errorf("without a key: signed all the same, %v", err)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ endpoint, region, addressing, bucket, key, want string }{
		{"", "", "", "deliveries", "a/b.ndjson", "https://deliveries.s3.us-east-1.amazonaws.com/a/b.ndjson"},
		{"", "eu-central-1", "", "with.dot", "a", "https://s3.eu-central-1.amazonaws.com/with.dot/a"},
		{"", "cn-north-1", "path", "deliveries", "a", "https://s3.cn-north-1.amazonaws.com.cn/deliveries/a"},
		{"http://127.0.0.1:9000/", "", "", "deliveries", "", "http://127.0.0.1:9000/deliveries/"},
		{"https://MinIO.example:443", "", "virtual", "deliveries", "x", "https://deliveries.minio.example/x"},
		{"http://minio.example:80", "", "", "b-1", "ä +%=&?#:@!.ndjson", "http://minio.example/b-1/%C3%A4%20%2B%25%3D%26%3F%23%3A%40%21.ndjson"},
		{"http://minio.example", "", "", "b-1", "a//b", "http://minio.example/b-1/a//b"},
	}
	for _, tt := range tests {
		a, err := Config{Endpoint: tt.endpoint, Region: tt.region, Addressing: tt.addressing}.Account("any")
		if err != nil {
			t.Errorf("%s: %v", tt.want, err)
			continue
		}
		u := a.URL(tt.bucket, tt.key, nil)
		if got := u.String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if again, err := url.Parse(u.String()); err != nil || !strings.HasSuffix(again.Path, "/"+tt.key) {
			t.Errorf("%s: read again as %v, %v", u, again, err)
		}
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  Config
		want string // "" is none
	}{
		{"none", Config{}, ""},
		{"not a URL", Config{Endpoint: "minio:9000"}, "endpoint: must be a URL"},
		{"a path", Config{Endpoint: "https://a.example/s3"}, "endpoint: must be a URL"},
		{"a user", Config{Endpoint: "https://me:hunter2@a.example"}, "endpoint: must be a URL"},
		{"region", Config{Region: "EU/central"}, "region: must be"},
		{"addressing", Config{Addressing: "dns"}, "addressing: must be auto, path or virtual"},
		{"half a key", Config{AccessKey: "hunter2"}, "set both, or neither"},
		{"a key with a line", Config{AccessKey: "a\nb", SecretKey: "hunter2"}, "has characters that none has"},
		{"no file", Config{Profiles: "/does/not/exist"}, "read the file of S3 profiles"},
	}
	for _, tt := range tests {
		err := tt.cfg.Validate()
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s3.ini")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# keys\n[default]\naws_access_key_id = D\naws_secret_access_key=DS\naws_session_token=DT\n\n" +
		"[profile clinic-a]\naws_access_key_id=A\naws_secret_access_key = a=b/c+\nregion = eu-west-1\n" +
		"; another store, by the key of the environment\n[clinic-b]\nendpoint_url=https://b.example\naddressing=virtual\n")
	cfg := Config{Endpoint: "http://env.example", Region: "r-1", AccessKey: "E", SecretKey: "ES", Profiles: path}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ supplier, want string }{
		{"clinic-a", "http://env.example eu-west-1 auto A a=b/c+ "},
		{"clinic-b", "https://b.example r-1 virtual E ES "},
		{"clinic-c", "http://env.example r-1 auto D DS DT"},
	}
	for _, tt := range tests {
		a, err := cfg.Account(tt.supplier)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join([]string{a.endpoint.String(), a.region, a.addressing, a.key.Reveal(), a.secret.Reveal(), a.token.Reveal()}, " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.supplier, got, tt.want)
		}
	}
	write("[clinic-c]\naws_access_key_id=N\naws_secret_access_key=NS\n")
	if a, err := cfg.Account("clinic-c"); err != nil || a.key != config.Secret("N") {
		t.Errorf("after a change of the file: %v, %v", a.key.Reveal(), err)
	}
	for content, want := range map[string]string{
		"aws_access_key_id=hunter2\n":      "s3.ini:1: belongs to no profile",
		"[a\n":                             "s3.ini:1: must be the name of a profile",
		"[a]\n[b]\n[a]\n":                  "s3.ini:3: must be the name of a profile in brackets, each once",
		"[a]\naws_secret_key=hunter2\n":    "s3.ini:2: this field is not known here; did you mean aws_secret_access_key?",
		"[a]\nhunter2\n":                   "s3.ini:2: must be a field",
		"[a]\nregion=x\nregion=y\n":        "s3.ini:3: region is there twice",
		"[a]\nregion=X\n":                  "S3, for supplier a: region: must be",
		"[a]\naws_access_key_id=hunter2\n": "S3, for supplier a: access key and secret key: set both",
		"[a]\nregion=x\n#" + strings.Repeat(" ", 1<<20) + "": "larger than",
	} {
		write(content)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.40q: got %v, want %s", content, err, want)
		}
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		url    string
		want   Location
		ok     bool
		prefix bool
	}{
		{"s3://deliveries", Location{"deliveries", ""}, true, true},
		{"s3://deliveries/", Location{"deliveries", ""}, true, true},
		{"s3://deliveries/clinic-a/", Location{"deliveries", "clinic-a/"}, true, true},
		{"s3://deliveries/clinic-a", Location{"deliveries", "clinic-a"}, true, false},
		{"s3://deliveries/a?b%20#c d+.ndjson", Location{"deliveries", "a?b%20#c d+.ndjson"}, true, false},
		{"s3://de", Location{}, false, false},
		{"s3:///key", Location{}, false, false},
		{"s3://user:password@host/key", Location{}, false, false},
		{"s3://127.0.0.1..x/key", Location{}, false, false},
		{"s3://-abc/key", Location{}, false, false},
		{"s3://deliveries/a/../b", Location{"deliveries", "a/../b"}, false, false},
		{"s3://deliveries/./b", Location{"deliveries", "./b"}, false, false},
		{"s3://deliveries/\xff", Location{"deliveries", "\xff"}, false, false},
		{"s3://deliveries/a\x00", Location{"deliveries", "a\x00"}, false, false},
		{"s3://deliveries/" + strings.Repeat("x", 1025), Location{}, false, false},
		{"https://deliveries/", Location{}, false, false},
	}
	for _, tt := range tests {
		got, err := ParseURL(tt.url)
		if (err == nil) != tt.ok || tt.ok && got != tt.want {
			t.Errorf("%.60q: got %+v, %v", tt.url, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "password") {
			t.Errorf("%q: the error repeats it: %v", tt.url, err)
		}
		if tt.ok && strings.TrimSuffix(got.String(), "/") != strings.TrimSuffix(tt.url, "/") {
			t.Errorf("%q: is written %q", tt.url, got)
		}
		if _, err := ParsePrefix(tt.url); (err == nil) != tt.prefix {
			t.Errorf("%.60q as a prefix: %v", tt.url, err)
		}
	}
	l := Location{"deliveries", "clinic/"}
	for key, want := range map[string]bool{"clinic/x": true, "clinic/": true, "clinic-b/x": false, "clinic": false, "": false} {
		if l.Covers("deliveries", key) != want || l.Covers("other", key) {
			t.Errorf("%q: want %v", key, want)
		}
	}
}
