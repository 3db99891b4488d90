package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// pageBlock is a block of commands of a page of docs, and what the page shows of their output.
type pageBlock struct {
	commands string
	shown    string // "" is nothing; … is anything within a line
}

// blocksOf are the blocks of commands of a page, fenced as sh, with their output, fenced as text behind them.
func blocksOf(t *testing.T, page string) (blocks []pageBlock) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "```")
	for i := 1; i < len(parts); i += 2 {
		language, content, _ := strings.Cut(parts[i], "\n")
		switch {
		case language == "sh":
			blocks = append(blocks, pageBlock{commands: content})
		case language == "text" && len(blocks) > 0:
			blocks[len(blocks)-1].shown = content
		}
	}
	return blocks
}

// runPage runs the commands of a page in one shell, in their order and as they are, and compares their output with what is shown. It
// returns what each block printed, and what the commands did that come behind them.
func runPage(t *testing.T, page, dir string, env []string, behind string) (printed []string) {
	t.Helper()
	const end = "\n--- end of a block ---\n"
	blocks := blocksOf(t, page)
	// Who reads the page waits for a second where the test need not.
	script := "set -euo pipefail\ncurl() { command curl --fail-with-body -sS \"$@\"; }\nsleep() { command sleep 0.05; }\n"
	for _, b := range blocks {
		script += b.commands + fmt.Sprintf("printf %q\n", end)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script+behind)
	cmd.WaitDelay = 5 * time.Second // for what the shell has begun, which has its output too
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), env...), "PATH="+programs+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	printed = strings.Split(string(out), end)
	for i, b := range blocks[:min(len(blocks), len(printed)-1)] {
		if b.shown == "" {
			continue
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(b.shown)), "…", `[^\n]*`)
		if got := strings.TrimSpace(printed[i]); !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
			t.Errorf("%s shows other than these commands print:\n%s\nshown:\n%s\nprinted:\n%s", page, b.commands, b.shown, got)
		}
	}
	if err != nil || len(blocks) < 4 || len(printed) != len(blocks)+1 {
		t.Fatalf("%s: %d of %d blocks were run, %v: %s", page, len(printed)-1, len(blocks), err, printed[len(printed)-1])
	}
	return printed
}

// TestDeliverByCurl: the commands of docs/deliver-by-curl.md deliver in every way, and tell what became of it; those of docs/uploads.md do
// what they say.
func TestDeliverByCurl(t *testing.T) {
	t.Parallel()
	dir, drop, store := t.TempDir(), t.TempDir(), newObjectStore(t)
	www := filepath.Join(dir, "www")
	for _, folder := range []string{www, filepath.Join(drop, "clinic")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(http.FileServer(http.Dir(www)))
	t.Cleanup(web.Close)
	fhir := exporttest.New(t, exporttest.Options{
		Resources: []exporttest.Resource{{Type: "Patient", ID: "10"}, {Type: "Patient", ID: "11"}}, PerFile: 1, Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	})
	const operator = "a token that only the operator has"
	env, _ := up(t, pgtest.Dir(t), "STOKER_AUTH=token", "STOKER_OPERATOR_TOKEN="+operator, "STOKER_FETCHER_DROP="+drop,
		"STOKER_FETCHER_S3_ENDPOINT="+store.url, "STOKER_FETCHER_S3_ACCESS_KEY=key", "STOKER_FETCHER_S3_SECRET_KEY=secret")
	base := strings.TrimPrefix(env[0], "STOKER_URL=")
	runPage(t, "deliver-by-curl.md", dir, []string{
		"STOKER=" + base, "OPERATOR=" + operator, "CLINIC=" + web.URL, "FHIR=" + strings.TrimSuffix(fhir.URL, "/fhir"), "S3=" + store.url, "S3_KEY=key:secret", "DROP=" + drop,
	}, "")
	if begun, left := fhir.Jobs(); begun != 1 || left != 0 {
		t.Errorf("%d exports were begun, and %d are left", begun, left)
	}
	url := databaseURL(t, env)
	if got := digest(t, url, "clinic"); !strings.HasPrefix(got, "5 ") { // Patients 1 and 2, those of the export, and that 3 is deleted
		t.Errorf("the dataset: %s", got)
	}

	for name, content := range map[string]string{
		"Patient.ndjson": `{"resourceType":"Patient","id":"a"}` + "\n", "Observation.ndjson": `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"}}` + "\n",
		"patient.json": `{"resourceType":"Patient","id":"b"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, b := send(t, 201, "POST", base+"/suppliers/clinic/tokens", nil, "Authorization", "Bearer "+operator)
	var token api.NewToken
	if err := json.Unmarshal(b, &token); err != nil {
		t.Fatal(err)
	}
	runPage(t, "uploads.md", dir, []string{"STOKER=" + base, "TOKEN=" + token.Token}, "")
	waitFor(t, "both patients and the observation", func() bool { return strings.HasPrefix(digest(t, url, "clinic"), "8 ") })
}
