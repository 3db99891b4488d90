package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/config"
)

type logConfig struct {
	Level  string `env:"LEVEL" envDefault:"info" doc:"Least level that is logged: debug | info | warn | error."`
	Format string `env:"FORMAT" envDefault:"json" doc:"json or console."`
}

func (c logConfig) Validate() error {
	if c.Format != "json" && c.Format != "console" {
		return fmt.Errorf("STOKER_LOG_FORMAT: must be one of json | console")
	}
	return nil
}

type testConfig struct {
	NATS    config.Secret `env:"STOKER_NATS_URL,required" envAlias:"NATS_URL" doc:"URL of the NATS server."`
	Workers int           `env:"STOKER_WORKERS" envDefault:"2" doc:"Units in hand at once."`
	Grace   time.Duration `env:"STOKER_GRACE" envDefault:"20s" doc:"How long a unit may go on after the first signal."`
	Roots   []string      `env:"STOKER_ROOTS" doc:"Folders."`
	Log     logConfig     `envPrefix:"STOKER_LOG_"`
	Code    struct{ N int }
	Ignored string
}

func (c *testConfig) Validate() error {
	if c.Workers < 1 {
		return errors.New("STOKER_WORKERS: must be at least 1")
	}
	return nil
}

func TestLoad(t *testing.T) {
	t.Parallel()
	withDefaults := func(change func(*testConfig)) testConfig {
		c := testConfig{NATS: "nats://a", Workers: 2, Grace: 20 * time.Second, Log: logConfig{Level: "info", Format: "json"}}
		change(&c)
		return c
	}
	tests := []struct {
		name    string
		environ []string
		want    testConfig
		wantErr []string // parts of the error, one a line, in order
	}{{
		name:    "defaults",
		environ: []string{"STOKER_NATS_URL=nats://a"},
		want:    withDefaults(func(*testConfig) {}),
	}, {
		name: "everything set",
		environ: []string{
			"STOKER_NATS_URL=nats://a", "STOKER_WORKERS=4", "STOKER_GRACE=1m", "STOKER_ROOTS=/a,/b",
			"STOKER_LOG_LEVEL=debug", "STOKER_LOG_FORMAT=console", "PATH=/bin",
		},
		want: testConfig{
			NATS: "nats://a", Workers: 4, Grace: time.Minute, Roots: []string{"/a", "/b"},
			Log: logConfig{Level: "debug", Format: "console"},
		},
	}, {
		name:    "alias",
		environ: []string{"NATS_URL=nats://a"},
		want:    withDefaults(func(*testConfig) {}),
	}, {
		name:    "the variable goes before its alias",
		environ: []string{"NATS_URL=nats://b", "STOKER_NATS_URL=nats://a"},
		want:    withDefaults(func(*testConfig) {}),
	}, {
		name:    "empty counts as not set",
		environ: []string{"STOKER_NATS_URL=nats://a", "STOKER_WORKERS=", "STOKER_LOG_LEVEL="},
		want:    withDefaults(func(*testConfig) {}),
	}, {
		name:    "all problems at once",
		environ: []string{"STOKER_NATS_URL=", "STOKER_WORKERS=many", "STOKER_GRACE=5"},
		wantErr: []string{
			"STOKER_NATS_URL: must be set",
			`STOKER_WORKERS: want a value of type whole number`,
			`STOKER_GRACE: want a value of type duration`,
		},
	}, {
		name:    "validation of inner and outer structs",
		environ: []string{"STOKER_NATS_URL=nats://a", "STOKER_WORKERS=0", "STOKER_LOG_FORMAT=xml"},
		wantErr: []string{"STOKER_LOG_FORMAT: must be one of", "STOKER_WORKERS: must be at least 1"},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got testConfig
			err := config.Load(&got, tt.environ)
			if tt.wantErr == nil {
				if err != nil {
					t.Fatalf("Load: %v", err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("settings (-want +got):\n%s", diff)
				}
				return
			}
			wantLines(t, err, tt.wantErr)
		})
	}
}

func TestLoadKeepsWhatCodeSet(t *testing.T) {
	t.Parallel()
	got := testConfig{Roots: []string{"/preset"}}
	if err := config.Load(&got, []string{"STOKER_NATS_URL=nats://a"}); err != nil {
		t.Fatalf("Load: %v", err)
	}
	if diff := cmp.Diff([]string{"/preset"}, got.Roots); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
}

func TestLoadRefusesWhatIsNoPointerToAStruct(t *testing.T) {
	t.Parallel()
	for _, into := range []any{nil, testConfig{}, new(int), (*testConfig)(nil)} {
		if err := config.Load(into, nil); err == nil {
			t.Errorf("Load(%T): want an error", into)
		}
	}
}

type PartA struct{ Name string }

func (*PartA) Validate() error { return errors.New("A: asked") }

type PartB struct{ Name string }

func (PartB) Validate() error { return errors.New("B: asked") }

func TestValidateAsksEmbeddedStructsOnce(t *testing.T) {
	t.Parallel()
	var promoted struct{ PartA } // has A's method
	wantLines(t, config.Load(&promoted, nil), []string{"A: asked"})
	var ambiguous struct { // has no method
		PartA
		PartB
	}
	wantLines(t, config.Load(&ambiguous, nil), []string{"A: asked", "B: asked"})
}

func TestSecretFromFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(name, []byte("nats://from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got testConfig
	if err := config.Load(&got, []string{"STOKER_NATS_URL_FILE=" + name}); err != nil {
		t.Fatalf("Load: %v", err)
	}
	if got, want := got.NATS.Reveal(), "nats://from-file"; got != want {
		t.Errorf("secret %q, want %q", got, want)
	}
	err := config.Load(&got, []string{"STOKER_NATS_URL_FILE=" + name, "STOKER_NATS_URL=nats://hunter2"})
	wantLines(t, err, []string{"STOKER_NATS_URL: set it or STOKER_NATS_URL_FILE, not both"})
	err = config.Load(&got, []string{"STOKER_NATS_URL_FILE=" + name + ".missing"})
	wantLines(t, err, []string{"STOKER_NATS_URL: read the file that STOKER_NATS_URL_FILE names"})
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const value = "hunter2"
	s := config.Secret(value)
	c := testConfig{NATS: s}
	encoded, err := json.Marshal([]any{s, &s, c})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(encoded), s.String(), s.GoString(), fmt.Sprint(s, &s, c, &c, []config.Secret{s})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%T", "%10.3s"} {
		texts = append(texts, fmt.Sprintf(verb, s), fmt.Sprintf(verb, c))
	}
	for _, text := range texts {
		if strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) {
			t.Errorf("the secret shows in %q", text)
		}
	}
	if got := s.Reveal(); got != value {
		t.Errorf("Reveal() = %q, want %q", got, value)
	}
}

func TestCheckUnknown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ []string
		wantErr []string
	}{{
		name: "known ones and those of others",
		environ: []string{
			"STOKER_NATS_URL=x", "STOKER_NATS_URL_FILE=x", "NATS_URL=x", "STOKER_LOG_LEVEL=x", "HOME=/", "STOKERX=1",
		},
	}, {
		name:    "misspelt",
		environ: []string{"STOKER_LOG_LEVLE=hunter2", "STOKER_WORKER=1"},
		wantErr: []string{
			"STOKER_LOG_LEVLE: no such setting; did you mean STOKER_LOG_LEVEL?",
			"STOKER_WORKER: no such setting; did you mean STOKER_WORKERS?",
		},
	}, {
		name:    "nothing like it",
		environ: []string{"STOKER_COMPLETELY_DIFFERENT=hunter2"},
		wantErr: []string{"STOKER_COMPLETELY_DIFFERENT: no such setting"},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := config.CheckUnknown(tt.environ, "STOKER_", &testConfig{})
			if tt.wantErr == nil {
				if err != nil {
					t.Fatalf("CheckUnknown: %v", err)
				}
				return
			}
			wantLines(t, err, tt.wantErr)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := config.Markdown(&b, "parser", &testConfig{}); err != nil {
		t.Fatal(err)
	}
	want := "## parser\n\n" +
		"| Variable | Type | Default | Meaning |\n|---|---|---|---|\n" +
		"| `STOKER_NATS_URL` or `NATS_URL` | secret | must be set | URL of the NATS server. |\n" +
		"| `STOKER_WORKERS` | whole number | `2` | Units in hand at once. |\n" +
		"| `STOKER_GRACE` | duration | `20s` | How long a unit may go on after the first signal. |\n" +
		"| `STOKER_ROOTS` | list of text |  | Folders. |\n" +
		"| `STOKER_LOG_LEVEL` | text | `info` | Least level that is logged: debug \\| info \\| warn \\| error. |\n" +
		"| `STOKER_LOG_FORMAT` | text | `json` | json or console. |\n\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func wantLines(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("error %q, want %d lines: %q", err, len(want), want)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d of the error: %q, want %q", i+1, line, want[i])
		}
	}
}
