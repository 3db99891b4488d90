package supplier

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

const example = `# who delivers
suppliers:
  clinic-a:
    mode: sync
    keys: scoped
    base: https://fhir.clinic-a.example/r4
    max_bytes: 10_000_000
    max_imports: 2
    url_prefixes: [https://bulk.clinic-a.example/]
    client_id: clinic-a
    jwks: {keys: [{kty: EC, kid: a, crv: P-384, x: x, y: y}]}
  clinic-b:
    dataset: research
    fhir_version: 4.0.1
    validation: strict
    token_hashes:
      - sha256:1f825aa2f0020ef7cf91dfa30da4668d791c5d4824fc8e41354b89ec05795ab3
  clinic-c:
`

func TestReadFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "suppliers.yaml")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Supplier{
		{
			Name: "clinic-a",
			Policy: Policy{
				Mode: fhirmsg.ModeSync, Keys: fhirmsg.KeysScoped, Base: "https://fhir.clinic-a.example/r4", MaxBytes: 10_000_000,
				MaxImports: 2, URLPrefixes: []string{"https://bulk.clinic-a.example/"},
			},
			Credentials: Credentials{ClientID: "clinic-a", JWKS: json.RawMessage(`{"keys":[{"crv":"P-384","kid":"a","kty":"EC","x":"x","y":"y"}]}`)},
		},
		{
			Name:   "clinic-b",
			Policy: Policy{Dataset: "research", FHIRVersion: "4.0.1", Validation: fhirmsg.ValidationStrict},
			Credentials: Credentials{
				TokenHashes: []string{"sha256:1f825aa2f0020ef7cf91dfa30da4668d791c5d4824fc8e41354b89ec05795ab3"},
			},
		},
		{Name: "clinic-c"},
	}
	if diff := cmp.Diff(want, got.Suppliers); diff != "" {
		t.Errorf("suppliers (-want +got):\n%s", diff)
	}
	if _, err := ReadFile(path + ".not"); err == nil || !strings.Contains(err.Error(), "suppliers.yaml.not") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestFileErrors: what is wrong is told with line and field, and all of it at once.
func TestFileErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		want          []string // nil: nothing is wrong
	}{
		{"empty", "", nil},
		{"comments", "# nobody\n", nil},
		{"nobody", "suppliers: {}\n", nil},
		{"no YAML", "suppliers:\n\t- a\n", []string{"f.yaml: line 2"}},
		{"a list", "- a\n", []string{"f.yaml:1: must be a mapping"}},
		{"another field", "supplier:\n  a:\n", []string{`f.yaml:1: supplier: is not known here`}},
		{"a sync", "syncs:\n  a: {from: https://a.example/m, every: '@daily', zone: Europe/Berlin, headers: [{name: X-Key, value: hunter2}]}\n", nil},
		{"a sync of nothing", "syncs:\n  a:\n", []string{"f.yaml:2: a.from: must be the URL", "f.yaml:2: a.every: must be a cron expression"}},
		{"a sync misspelt", "syncs:\n  a:\n    form: https://a.example/m\n", []string{"f.yaml:3: a.form: is no field of a sync; did you mean from?"}},
		{
			"a sync with much wrong", "syncs:\n  a:\n    from: https://hunter2@a.example/m\n    every: 0 2 * *\n    headers:\n      - {name: Range, value: hunter2}\n    kind: other\n",
			[]string{"f.yaml:7: a.kind", "f.yaml:3: a.from: must have no user", "f.yaml:4: a.every", "f.yaml:6: a.headers[0]: Range is not"},
		},
		{"a zone", "syncs:\n  a:\n    from: https://a.example/m\n    every: '@daily'\n    zone: Berlin\n", []string{"f.yaml:5: a.zone: zone \"Berlin\""}},
		{"a header misspelt", "syncs:\n  a:\n    from: https://a.example/m\n    every: '@daily'\n    headers: [{nam: x, value: hunter2}]\n", []string{"f.yaml:5: a.headers: json: unknown field"}},
		{"suppliers in a list", "suppliers:\n  - name: a\n", []string{"f.yaml:2: suppliers: must be a mapping"}},
		{"twice", "suppliers:\n  a:\n  b:\n  a:\n", []string{"f.yaml:4: suppliers: a is there twice"}},
		{"a field twice", "suppliers:\n  a:\n    mode: sync\n    mode: sync\n", []string{"f.yaml:4: a: mode is there twice"}},
		{"misspelt", "suppliers:\n  a:\n    datset: x\n", []string{"f.yaml:3: a.datset: is no field of a supplier; did you mean dataset?"}},
		{"type", "suppliers:\n  a:\n    max_bytes: many\n", []string{"f.yaml:3: a.max_bytes: must be a whole number, not a string"}},
		{"number", "suppliers:\n  a:\n    fhir_version: 4.0\n", []string{"f.yaml:3: a.fhir_version: must be text"}},
		{"name", "suppliers:\n  Clinic A:\n", []string{`f.yaml:2: Clinic A.name: name "Clinic A": use lower-case`}},
		{"dataset", "suppliers:\n  a:\n    dataset: public\n", []string{"f.yaml:3: a.dataset: dataset \"public\": that schema is reserved"}},
		{"reserved by its name", "suppliers:\n  public:\n", []string{"f.yaml:2: public.dataset"}},
		{
			"several", "suppliers:\n  a:\n    mode: up\n    keys: hash\n    validation: some\n    base: nowhere\n  b:\n    max_line: 1\n    max_bytes: -1\n",
			[]string{"f.yaml:3: a.mode", "f.yaml:4: a.keys", "f.yaml:5: a.validation", "f.yaml:6: a.base", "f.yaml:8: b.max_line", "f.yaml:9: b.max_bytes: must not be negative"},
		},
		{"item", "suppliers:\n  a:\n    url_prefixes:\n      - https://a.example/\n      - ftp://a.example/\n", []string{"f.yaml:4: a.url_prefixes[1]: URL prefix: not an http or https URL"}},
		{"hash", "suppliers:\n  a:\n    token_hashes: [hunter2]\n", []string{"f.yaml:3: a.token_hashes[0]: must be sha256:"}},
		{"client without keys", "suppliers:\n  a:\n    client_id: a\n", []string{"f.yaml:3: a.client_id: needs its public keys"}},
		{"keys without client", "suppliers:\n  a:\n    jwks_url: https://a.example/jwks\n", []string{"a.client_id: must be set"}},
		{"private key", "suppliers:\n  a:\n    client_id: a\n    jwks: {keys: [{kty: EC, d: hunter2}]}\n", []string{"f.yaml:4: a.jwks: keys[0]: is a secret key"}},
		{"keys in the clear", "suppliers:\n  a:\n    client_id: a\n    jwks_url: http://a.example/jwks\n", []string{"f.yaml:4: a.jwks_url: must begin with https"}},
		{
			"keys in the clear, internal", "suppliers:\n  a:\n    client_id: a\n    jwks_url: http://a.example:8080/jwks\n    internal_hosts: [A.example]\n    " +
				"base: http://b.example\n    fetch_oauth: {client_id: b, token_url: 'https://b.example/token', url_prefixes: ['https://c.example']}\n", nil,
		},
		{"fetch without a server", "suppliers:\n  a:\n    fetch_oauth: {client_id: b}\n", []string{"f.yaml:3: a.fetch_oauth.token_url: must be set", "f.yaml:3: a.fetch_oauth.url_prefixes: must be set"}},
		{"fetch without a client", "suppliers:\n  a:\n    base: https://a.example\n    fetch_oauth: {}\n", []string{"f.yaml:4: a.fetch_oauth.client_id: must be set"}},
		{
			"fetch in the clear", "suppliers:\n  a:\n    base: http://a.example\n    fetch_oauth: {client_id: b}\n",
			[]string{"f.yaml:4: a.fetch_oauth.token_url: must begin with https", "f.yaml:4: a.fetch_oauth.url_prefixes[0]: must begin with https"},
		},
		{"fetch, misspelt", "suppliers:\n  a:\n    base: https://a.example\n    fetch_oauth: {client_id: b, key: hunter2}\n", []string{`f.yaml:4: a.fetch_oauth: unknown field "key"`}},
		{"fetch, text", "suppliers:\n  a:\n    fetch_oauth: hunter2\n", []string{"f.yaml:3: a.fetch_oauth: must be a mapping"}},
		{"no keys", "suppliers:\n  a:\n    client_id: a\n    jwks: {keys: []}\n", []string{"a.jwks: must be a JSON Web Key Set"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := parse("f.yaml", []byte(tt.content))
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				return
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Errorf("got %d errors, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got\n%v\nwant %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a credential is shown: %v", err)
			}
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	token, hash := NewToken("clinic-a")
	other, otherHash := NewToken("clinic-a")
	if token == other || hash == otherHash || checkHash(hash) != nil || len(token) != len("stk.clinic-a.")+43 {
		t.Errorf("tokens of %d bytes, %v", len(token), checkHash(hash))
	}
	if name, ok := TokenName(token); !ok || name != "clinic-a" {
		t.Errorf("of %q, %v", name, ok)
	}
	c := Credentials{TokenHashes: []string{otherHash, hash}}
	for _, tt := range []struct {
		token string
		want  bool
	}{
		{token, true}, {other, true}, {token + "x", false}, {token[:len(token)-1], false}, {"", false}, {hash, false},
	} {
		if c.Accepts(tt.token) != tt.want {
			t.Errorf("accepts a token of %d bytes: %v", len(tt.token), !tt.want)
		}
	}
	if (Credentials{}).Accepts(token) {
		t.Error("a supplier without tokens accepts one")
	}
	for _, token := range []string{"", "stk.", "stk.clinic-a", "clinic-a.x"} {
		if name, ok := TokenName(token); ok {
			t.Errorf("%q is of %q", token, name)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	policy := Policy{Dataset: "d", Mode: fhirmsg.ModeSync, Validation: fhirmsg.ValidationWarn, MaxLine: 2048, Base: "https://a.example"}
	type req = fhirmsg.ImportRequest
	messages, object, rest := []fhirmsg.Source{{Delivered: &fhirmsg.Delivered{}}}, []fhirmsg.Source{{URL: "s3://b/k", ETag: "e"}}, []fhirmsg.Source{{After: &fhirmsg.ManifestPlace{}}}
	tests := []struct {
		name    string
		policy  Policy
		in      req
		want    req
		refusal string // a part of it
	}{
		{"silent", policy, req{}, req{Dataset: "d", Mode: "sync", Validation: "warn", MaxLine: 2048, Base: "https://a.example"}, ""},
		{
			"the same", policy, req{Dataset: "d", Mode: "sync", Validation: "warn", MaxLine: 2048},
			req{Dataset: "d", Mode: "sync", Validation: "warn", MaxLine: 2048, Base: "https://a.example"}, "",
		},
		{
			"stricter", policy, req{Validation: "strict", MaxLine: 1024, Base: "https://b.example"},
			req{Dataset: "d", Mode: "sync", Validation: "strict", MaxLine: 1024, Base: "https://b.example"}, "",
		},
		{"no policy", Policy{}, req{Mode: "sync", Validation: "off"}, req{Dataset: "a", Mode: "sync", Validation: "off"}, ""},
		{"dataset", policy, req{Dataset: "fhir"}, req{}, "supplier a delivers with dataset d; the request says fhir"},
		{"dataset of its name", Policy{}, req{Dataset: "fhir"}, req{}, "dataset a; the request says fhir"},
		{"mode", policy, req{Mode: "overwrite"}, req{}, "mode sync; the request says overwrite"},
		{"version", Policy{FHIRVersion: "4.0.1"}, req{FHIRVersion: "5.0.0"}, req{}, "fhir_version 4.0.1"},
		{"laxer", policy, req{Validation: "off"}, req{}, "validated as warn at least"},
		{"a snapshot by the policy", Policy{Snapshot: true, MaxDeletes: "2%"}, req{}, req{Dataset: "a", Snapshot: new(true), MaxDeletes: "2%"}, ""},
		{"not a snapshot all the same", Policy{Snapshot: true}, req{Snapshot: new(false)}, req{Dataset: "a", Snapshot: new(false)}, ""},
		{"mends others", Policy{Snapshot: true}, req{Mends: fhirmsg.ImportID{1}}, req{Dataset: "a", Mends: fhirmsg.ImportID{1}}, ""},
		{"a retry", Policy{Snapshot: true}, req{Retry: fhirmsg.ImportID{1}}, req{Dataset: "a", Retry: fhirmsg.ImportID{1}}, ""},
		{"messages", Policy{Snapshot: true}, req{Sources: messages}, req{Dataset: "a", Sources: messages}, ""},
		{"one object", Policy{Snapshot: true}, req{Sources: object}, req{Dataset: "a", Sources: object}, ""},
		{"the rest of a chain", Policy{Snapshot: true}, req{Sources: rest}, req{Dataset: "a", Sources: rest}, ""},
		{"a snapshot by itself", Policy{}, req{Snapshot: new(true), MaxDeletes: "9"}, req{Dataset: "a", Snapshot: new(true), MaxDeletes: "9"}, ""},
		{"more deletions", Policy{MaxDeletes: "2%"}, req{MaxDeletes: "off"}, req{}, "max_deletes 2%; the request says off"},
		{"long lines", policy, req{MaxLine: 4096}, req{}, "at most 2048 bytes"},
	}
	for _, tt := range tests {
		tt.in.Supplier, tt.want.Supplier = "a", "a"
		got, refusal := tt.policy.Fill(tt.in)
		if tt.refusal == "" && (refusal != "" || !reflect.DeepEqual(got, tt.want)) || !strings.Contains(refusal, tt.refusal) {
			t.Errorf("%s: got %+v, %q; want %+v, %q", tt.name, got, refusal, tt.want, tt.refusal)
		}
	}
}

// TestSchema: the JSON Schema has the fields that there are.
func TestSchema(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "suppliers.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Suppliers, Syncs struct {
				AdditionalProperties struct {
					Properties map[string]any `json:"properties"`
				} `json:"additionalProperties"`
			}
		} `json:"properties"`
	}
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(schema.Properties.Suppliers.AdditionalProperties.Properties))
	if diff := cmp.Diff(slices.Sorted(slices.Values(Fields())), got); diff != "" {
		t.Errorf("fields of docs/suppliers.schema.json (-want +got):\n%s", diff)
	}
	got = slices.Sorted(maps.Keys(schema.Properties.Syncs.AdditionalProperties.Properties))
	if diff := cmp.Diff(slices.Sorted(slices.Values(SyncFields())), got); diff != "" {
		t.Errorf("fields of syncs in docs/suppliers.schema.json (-want +got):\n%s", diff)
	}
}

// TestDocumented: docs/suppliers.md names every field, and its example can be read.
func TestDocumented(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "suppliers.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range Fields() {
		if !strings.Contains(string(content), "`"+field+"`") {
			t.Errorf("docs/suppliers.md lacks the field %s", field)
		}
	}
	syncs, err := os.ReadFile(filepath.Join("..", "..", "docs", "sync.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range SyncFields() {
		if !strings.Contains(string(syncs), "`"+field+"`") {
			t.Errorf("docs/sync.md lacks the field %s", field)
		}
	}
	_, rest, _ := strings.Cut(string(syncs), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	if declared, err := parse("docs/sync.md", []byte(example)); err != nil || len(declared.Syncs) != 1 {
		t.Errorf("the example has %d syncs, %v", len(declared.Syncs), err)
	}
	trial, err := os.ReadFile(filepath.Join("..", "..", "docs", "use-cases", "trial-server.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ = strings.Cut(string(trial), "```yaml\n")
	example, _, _ = strings.Cut(rest, "```")
	if declared, err := parse("trial-server.md", []byte(example)); err != nil || len(declared.Syncs) != 1 || declared.Syncs[0].Export.Group != "cohort" {
		t.Errorf("the example of the trial has %d syncs, %v", len(declared.Syncs), err)
	}
	_, rest, _ = strings.Cut(string(content), "```yaml\n")
	example, _, _ = strings.Cut(rest, "```")
	if list, err := parse("docs/suppliers.md", []byte(example)); err != nil || len(list.Suppliers) != 3 {
		t.Errorf("the example has %d suppliers, %v", len(list.Suppliers), err)
	}
}

// TestSyncSource: headers of the file are read when it is asked for, and errors show none.
func TestSyncSource(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "headers")
	s := Sync{Name: "a", From: "https://a.example/m?sig=hunter2", Headers: []fhirmsg.Header{{Name: "X-Key", Value: "hunter2"}}, HeaderFile: path}
	if _, err := s.Source(); err == nil || !strings.Contains(err.Error(), "header_file") {
		t.Errorf("a file that is not there: %v", err)
	}
	for content, want := range map[string]int{"": 1, "Authorization: Bearer t\n": 2, "hunter2": 0} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := s.Source()
		if (err == nil) != (want > 0) || err == nil && len(got.Headers) != want || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%d bytes: %d headers, %v; want %d", len(content), len(got.Headers), err, want)
		}
	}
	shown, err := json.Marshal(s.WithoutSecrets())
	if err != nil || strings.Contains(string(shown), "hunter2") || !strings.Contains(string(shown), "X-Key") || s.Headers[0].Value != "hunter2" {
		t.Errorf("shown as %s, %v", shown, err)
	}
	s.HeaderFile = "headers"
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("a relative path: %v", err)
	}
}

// TestSyncExport: which export is asked for, and what cannot be one.
func TestSyncExport(t *testing.T) {
	t.Parallel()
	sync := func(e *Export) Sync {
		return Sync{Name: "a", From: "https://a.example/fhir/", Every: "@daily", Export: e}.WithDefaults()
	}
	since := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		export   *Export
		patients []string
		want     string // URL, and parameters
	}{
		{"all", &Export{}, nil, "https://a.example/fhir/$export _since=2026-03-01T00:00:00Z"},
		{"patients", &Export{PatientLevel: true, Types: []string{"Patient", "Observation"}}, nil, "https://a.example/fhir/Patient/$export _type=Patient,Observation _since=2026-03-01T00:00:00Z"},
		{"a group", &Export{Group: "a/b", TypeFilters: []string{"Observation?x=1"}, Parameters: []fhirmsg.ExportParameter{{Name: "_own", Value: "y"}}}, []string{"1", "2"},
			"https://a.example/fhir/Group/a%2Fb/$export _since=2026-03-01T00:00:00Z _typeFilter=Observation?x=1 patient=Patient/1 patient=Patient/2 _own=y"},
	} {
		s := sync(tt.export)
		got, err := s.ExportSource(since, tt.patients)
		if err != nil || s.Kind != SyncExport {
			t.Fatalf("%s, of kind %s: %v", tt.name, s.Kind, err)
		}
		text := got.Export.URL
		for _, p := range got.Export.Parameters {
			text += " " + p.Name + "=" + p.Value
		}
		if text != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, text, tt.want)
		}
	}
	for want, change := range map[string]func(*Sync){
		"":               func(*Sync) {},
		"two different":  func(s *Sync) { s.Export.Group, s.Export.PatientLevel = "1", true },
		"overlap":        func(s *Sync) { s.Export.Overlap = "-1m" },
		"31 days":        func(s *Sync) { s.Export.Overlap = "1000h" },
		"export.types[":  func(s *Sync) { s.Export.Types = []string{"Patient,Observation"} },
		"itself asks":    func(s *Sync) { s.Export.Parameters = []fhirmsg.ExportParameter{{Name: "_since", Value: "x"}} },
		"have a value":   func(s *Sync) { s.Export.Parameters = []fhirmsg.ExportParameter{{Name: "_own"}} },
		"base URL":       func(s *Sync) { s.From = "" },
		"no user":        func(s *Sync) { s.From = "https://u:p@a.example/fhir" },
		"as https://exa": func(s *Sync) { s.From = "https://a.example/fhir?x=y" },
		"is for syncs":   func(s *Sync) { s.Kind = SyncPublish },
		"must be publis": func(s *Sync) { s.Kind = "other" },
	} {
		s := sync(&Export{})
		change(&s)
		if err := s.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if s := (Sync{Name: "a", From: "https://a.example/fhir", Every: "@daily", Kind: SyncExport}); s.Check() != nil || s.WithDefaults().Export == nil {
		t.Errorf("without a description: %v", s.Check())
	}
	p := Policy{URLPrefixes: []string{"https://a.example/fhir/"}, MaxDeletes: "2%"}
	if refusal := p.Refusal(sync(&Export{Group: "1"})); refusal != "" {
		t.Errorf("refused: %s", refusal)
	}
	if _, refusal := p.Fill(fhirmsg.ImportRequest{MaxDeletes: fhirmsg.NoDeletes}); refusal != "" {
		t.Errorf("to delete nothing is refused: %s", refusal)
	}
	if mode := sync(&Export{}).Complete(fhirmsg.ImportRequest{}, Policy{}).Mode; mode != fhirmsg.ModeSync {
		t.Errorf("mode %q", mode)
	}
	if mode := sync(&Export{}).Complete(fhirmsg.ImportRequest{}, Policy{Mode: fhirmsg.ModeOverwrite}).Mode; mode != fhirmsg.ModeOverwrite {
		t.Errorf("mode %q under a policy", mode)
	}
}
