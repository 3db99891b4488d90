package compose_test

import (
	"context"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/nats-server/v2/server"
)

// environment is what .env must hold.
func environment() types.Mapping {
	return types.Mapping{"POSTGRES_PASSWORD": "p4ss", "NATS_PASSWORD": "n4ts", "DATA_DIR": "/srv/data"}
}

// load reads a compose file, checked against the schema of the Compose specification.
func load(ctx context.Context, content []byte, env types.Mapping) (*types.Project, error) {
	return loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir:  ".",
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: content}},
		Environment: env,
	})
}

func composeFile(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestComposeFile(t *testing.T) {
	t.Parallel()
	project, err := load(t.Context(), composeFile(t), environment())
	if err != nil {
		t.Fatalf("compose.yaml: %v", err)
	}
	want := []string{"fetcher", "migrate", "nats", "parser", "postgres", "stoker", "writer"}
	if got := project.ServiceNames(); !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	for _, name := range []string{"fetcher", "migrate", "parser", "stoker", "writer"} {
		service := project.Services[name]
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: want a read-only root and no capabilities", name)
		}
		if service.Build == nil || service.Build.Target != strings.TrimPrefix(service.Image, "stoker-") {
			t.Errorf("%s: image %s is not built from the target of its name", name, service.Image)
		}
		if service.PullPolicy != types.PullPolicyNever {
			t.Errorf("%s: image %s can come from a registry, where the name may be anyone's", name, service.Image)
		}
	}
	for _, name := range []string{"parser", "writer"} {
		// Either would keep a second one from starting.
		if service := project.Services[name]; service.ContainerName != "" || len(service.Ports) > 0 {
			t.Errorf("%s: a container name or a port keeps it from being scaled", name)
		}
	}
	for _, name := range []string{"fetcher", "parser", "writer"} {
		on := project.Services[name].DependsOn["migrate"]
		if on.Condition != types.ServiceConditionCompletedSuccessfully {
			t.Errorf("%s: waits for migrate with condition %q", name, on.Condition)
		}
	}
	for _, name := range []string{"nats", "postgres"} {
		service := project.Services[name]
		if service.HealthCheck == nil || project.Services["migrate"].DependsOn[name].Condition != types.ServiceConditionHealthy {
			t.Errorf("migrate does not wait until %s is healthy", name)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %d is open to others", name, port.Target)
			}
		}
	}
	for _, volume := range project.Services["fetcher"].Volumes {
		if !volume.ReadOnly {
			t.Errorf("fetcher: %s can be written to", volume.Target)
		}
	}
}

// Either of the two fetches what the command line asks for: they must see the same files.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	project, err := load(t.Context(), composeFile(t), environment())
	if err != nil {
		t.Fatalf("compose.yaml: %v", err)
	}
	stoker, fetcher := project.Services["stoker"], project.Services["fetcher"]
	if stoker.GetScale() != 0 {
		t.Errorf("up starts %d of it, want none", stoker.GetScale())
	}
	if !reflect.DeepEqual(stoker.Volumes, fetcher.Volumes) {
		t.Errorf("volumes %v, want the fetcher's, %v", stoker.Volumes, fetcher.Volumes)
	}
	const roots = "STOKER_FETCHER_ROOTS"
	if got, want := *stoker.Environment[roots], *fetcher.Environment[roots]; got != want {
		t.Errorf("%s is %s, want the fetcher's, %s", roots, got, want)
	}
}

func TestEverySecretMustBeSet(t *testing.T) {
	t.Parallel()
	for name := range environment() {
		env := environment()
		delete(env, name)
		if _, err := load(t.Context(), composeFile(t), env); err == nil || !strings.Contains(err.Error(), "set "+name) {
			t.Errorf("without %s: error %v, want one that names it", name, err)
		}
	}
}

// A check that finds nothing in a broken file would check nothing.
func TestBrokenFilesAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, old, broken string }{
		{"unknown key", "shm_size:", "shm_sise:"},
		{"wrong type", "disable: true", "disable: [true]"},
		{"unknown condition", "service_completed_successfully", "service_is_happy"},
		{"unknown service", "      migrate: {", "      migration: {"},
		{"unknown volume", "- nats:/data", "- natz:/data"},
		{"not YAML", "services:", "services: ["},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			content := string(composeFile(t))
			if !strings.Contains(content, tt.old) {
				t.Fatalf("compose.yaml has no %q to break", tt.old)
			}
			if _, err := load(t.Context(), []byte(strings.ReplaceAll(content, tt.old, tt.broken)), environment()); err == nil {
				t.Error("want an error")
			}
		})
	}
}

// The password comes by the environment, which the server reads as its configuration
// language: it must stay one string, whatever it looks like.
func TestNATSConfiguration(t *testing.T) { // not parallel: it sets the environment
	for _, password := range []string{"n4ts", "12345", "12k", "true", "0xff", "2026-01-02T03:04:05Z", "a#b//c"} {
		env := environment()
		env["NATS_PASSWORD"] = password
		project, err := load(t.Context(), composeFile(t), env)
		if err != nil {
			t.Fatalf("compose.yaml: %v", err)
		}
		t.Setenv("NATS_PASSWORD", *project.Services["nats"].Environment["NATS_PASSWORD"])
		opts, err := server.ProcessConfigFile("nats.conf")
		if err != nil {
			t.Fatalf("nats.conf with password %q: %v", password, err)
		}
		if opts.Username != "stoker" || opts.Password != password {
			t.Errorf("user %q and password %q, want stoker and %q", opts.Username, opts.Password, password)
		}
		if !opts.JetStream || !opts.SyncAlways {
			t.Errorf("JetStream %v, synced always %v: want both", opts.JetStream, opts.SyncAlways)
		}
	}
}
