package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
	"github.com/stoker-fhir/stoker/services/allinone/internal/client"
)

// TestAccessToken: the commands of docs/smart.md get tokens by signed assertions and deliver; the supplier reads what became of it,
// another one does not, and the assertion is worth nothing after a crash either.
func TestAccessToken(t *testing.T) {
	t.Parallel()
	home, dir := pgtest.Dir(t), t.TempDir()
	env, p := up(t, home)
	base := strings.TrimPrefix(env[0], "STOKER_URL=")
	if err := os.WriteFile(filepath.Join(dir, "Patient.ndjson"), []byte(`{"resourceType":"Patient","id":"a"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := runPage(t, "smart.md", dir, append(slices.Clone(env), "STOKER="+base), `printf '%s %s %s\n' "$TOKEN" "$endpoint" "$header.$claims.$signature"`)
	fields := strings.Fields(out[len(out)-1])
	if len(fields) != 3 {
		t.Fatalf("the page leaves %q", fields)
	}
	token, endpoint, assertion := fields[0], fields[1], fields[2]

	var created api.Created
	for line := range strings.Lines(strings.Join(out, "\n")) {
		if json.Unmarshal([]byte(line), &created) == nil && created.Import.String() != (api.Created{}).Import.String() {
			break
		}
	}
	status := base + "/imports/" + created.Import.String()
	waitFor(t, "the end of the import, as the supplier sees it", func() bool {
		s, err := client.New(base, token).Status(t.Context(), created.Import)
		if err != nil && !errors.Is(err, client.ErrNotFound) { // it may not be accepted yet
			t.Fatal(err)
		}
		return err == nil && s.State == ledger.StateComplete && s.Resources.Inserted == 1 && s.Supplier == "clinic"
	})

	// Another supplier, with a key of its own.
	key := filepath.Join(dir, "other.key")
	set := stoker(t, env, "", "supplier", "key", key)
	if err := os.WriteFile(key+".jwks", []byte(set.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := stoker(t, env, "", "supplier", "add", "other", "--client-id", "other", "--jwks-file", key+".jwks"); r.code != 0 {
		t.Fatal(r.stderr, set.stderr)
	}
	other := stoker(t, env, "", "supplier", "access-token", "--client-id", "other", "--key-file", key)
	if other.code != 0 {
		t.Fatal(other.stderr)
	}
	theirs := []string{"Authorization", "Bearer " + strings.TrimSpace(other.stdout)}
	send(t, 404, "GET", status, nil, theirs...)
	send(t, 404, "PUT", base+"/suppliers/clinic/files/Patient.ndjson", strings.NewReader("{}"), theirs...)
	send(t, 403, "GET", base+"/streams", nil, theirs...)

	p.kill()
	env, _ = up(t, home, "STOKER_PUBLIC_URL="+base) // at another address, behind the same URL
	base = strings.TrimPrefix(env[0], "STOKER_URL=")
	again := url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	_, b := send(t, http.StatusUnauthorized, "POST", base+"/auth/token", strings.NewReader(again.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	if !strings.Contains(string(b), "jti was used before") || !strings.HasSuffix(endpoint, "/auth/token") {
		t.Errorf("at %s: %s", endpoint, b)
	}
	send(t, 200, "GET", base+"/imports/"+created.Import.String(), nil, "Authorization", "Bearer "+token)
}
