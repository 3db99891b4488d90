package e2e

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// guessesTokens: what is not a supplier's token is nobody's.
func (h *hostile) guessesTokens(t *testing.T) {
	own := tokenOf("hostile")
	for _, token := range []string{
		"", "x", "stk", "stk.", "stk.victim", "stk.victim.", "stk.victim.x", strings.Replace(own, "hostile", "flooder", 1) + "2", strings.ToUpper(own), own + "x", own[:len(own)-1],
		supplier.HashOf(own), supplier.HashOf(tokenOf("victim")), "stk.hostile", "stk.nobody.secret", "stk.(nobody).secret", "stk..secret", "sta.x", own + " " + own, own + ",x",
	} {
		for _, scheme := range []string{"Bearer ", "bearer  ", "Basic ", ""} {
			if resp, text := h.ask(t, "GET", "/imports", "", "Authorization", scheme+token); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%q: %d %s", scheme+token, resp.StatusCode, text)
			}
		}
	}
	for _, path := range []string{"/imports?access_token=" + own, "/imports?token=" + own, "/fhir/$import/status/" + h.victim, "/suppliers", "/streams"} {
		if resp, text := h.ask(t, "GET", path, ""); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d %s", path, resp.StatusCode, text)
		}
	}
}

// forgesHeaders: no header makes somebody of nobody, an operator of a supplier, or another place of an answer.
func (h *hostile) forgesHeaders(t *testing.T) {
	for _, header := range [][]string{
		{"X-Forwarded-For", "127.0.0.1"}, {"Forwarded", "for=127.0.0.1"}, {"X-Real-IP", "127.0.0.1"}, {"X-Remote-User", "operator"}, {"X-Forwarded-User", "stoker"}, {"Host", "localhost"},
		{"X-Original-URL", "/healthz"}, {"X-Rewrite-URL", "/healthz"}, {"X-HTTP-Method-Override", "GET"}, {"Cookie", "token=" + tokenOf("victim")}, {"Proxy-Authorization", "Bearer " + tokenOf("victim")},
	} {
		if resp, text := h.ask(t, "GET", "/streams", "", header...); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%v: %d %s", header, resp.StatusCode, text)
		}
		if resp, text := h.ask(t, "GET", "/streams", "", append(h.as("hostile"), header...)...); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%v with a token: %d %s", header, resp.StatusCode, text)
		}
	}
	for _, origin := range []string{"https://evil.example", "null"} { // a page in a browser
		if resp, text := h.ask(t, "POST", "/imports", "{}", append(h.as("hostile"), "Origin", origin, "Sec-Fetch-Site", "cross-site")...); resp.StatusCode != http.StatusForbidden {
			t.Errorf("of %s: %d %s", origin, resp.StatusCode, text)
		}
	}
	for _, header := range []string{`X\r\nX-Injected: 1`, `X: 1`, ``, `Transfer Encoding`} {
		if resp, text := h.submit(t, "headers", `,{"name":"manifestUrl","valueUrl":"`+h.site+`/bulk/x"},{"name":"fhirBaseUrl","valueUrl":"https://a.example/fhir"},
			{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"`+header+`"},{"name":"headerValue","valueString":"x"}]}`); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("a header %q: %d %s", header, resp.StatusCode, text)
		}
	}
}

// submit sends $bulk-submit under the submitter and the id of the victim's own, as anybody may who knows them.
func (h *hostile) submit(t *testing.T, id, more string) (*http.Response, string) {
	t.Helper()
	return h.ask(t, "POST", "/fhir/$bulk-submit", `{"resourceType":"Parameters","parameter":[{"name":"submitter","valueIdentifier":{"system":"https://a.example","value":"victim"}},
		{"name":"submissionId","valueString":"`+id+`"}`+more+`]}`, append(h.as("hostile"), "Content-Type", "application/fhir+json")...)
}

// playsOperator: suppliers, datasets, streams, syncs and replays are the operator's.
func (h *hostile) playsOperator(t *testing.T) {
	for _, request := range []string{
		"GET /suppliers", "POST /suppliers", "DELETE /suppliers/victim", "POST /suppliers/victim/tokens", "POST /suppliers/hostile/tokens", "GET /datasets", "DELETE /datasets/victim",
		"POST /datasets/victim/swap?with=hostile", "PUT /datasets/victim/history", "GET /datasets/victim/Patient/a", "POST /replays", "POST /restore", "GET /streams", "GET /pressure",
		"POST /types/Patient/pause", "GET /syncs", "POST /syncs", "POST /imports/" + h.victim + "/discard", "POST /imports/" + h.victim + "/snapshot",
	} {
		method, path, _ := strings.Cut(request, " ")
		if resp, text := h.ask(t, method, path, "{}", h.as("hostile")...); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d %s", request, resp.StatusCode, text)
		}
	}
	for _, body := range []string{
		`{"supplier":"victim","sources":[{"url":"` + h.site + `/bulk/x"}]}`, `{"dataset":"victim","sources":[{"url":"` + h.site + `/bulk/x"}]}`,
		`{"id":"` + h.victim + `","sources":[{"url":"` + h.site + `/bulk/x"}]}`, `{"attempt":9,"sources":[{"url":"` + h.site + `/bulk/x"}]}`,
	} {
		if resp, text := h.ask(t, "POST", "/imports", body, h.as("hostile")...); resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", body, resp.StatusCode, text)
		}
	}
	for _, path := range []string{"/fhir/victim", "/fhir/victim/$import", "/suppliers/hostile/files/x?dataset=victim", "/fhir/hostile?supplier=victim&dataset=victim"} {
		method := "POST"
		if strings.HasPrefix(path, "/suppliers") {
			method = "PUT"
		}
		body := listed(h.site + "/bulk/x")
		if !strings.Contains(path, "$import") {
			body = `{"resourceType":"Patient","id":"a"}`
		}
		resp, text := h.ask(t, method, path, body, append(h.as("hostile"), "Content-Type", "application/fhir+json")...)
		if resp.StatusCode < 400 && strings.Contains(path, "/fhir/hostile") { // the supplier is that of the token
			if s := h.ended(t, "hostile", []byte(text)); s.Supplier != "hostile" || s.Dataset != "hostile" {
				t.Errorf("%s: of %s, into %s", path, s.Supplier, s.Dataset)
			}
		} else if resp.StatusCode < 400 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
}

// meddles: another's import is answered as one that there is not, whatever is asked of it and however its id was come by.
func (h *hostile) meddles(t *testing.T) {
	// It is no secret how ids are made of keys and what is sent.
	header, _ := send(t, 202, "PUT", h.base+"/suppliers/victim/files/Patient.ndjson", strings.NewReader(`{"resourceType":"Patient","id":"a"}`), append(h.as("victim"), "Idempotency-Key", "november")...)
	key := strings.TrimPrefix(header.Get("Location"), "/imports/")
	none, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	unknown := none.String()
	for _, request := range []string{
		"GET /imports/{}", "POST /imports/{}/cancel", "POST /imports/{}/pause", "POST /imports/{}/resume", "POST /imports/{}/retry", "GET /imports/{}/rejects?lines=1", "GET /imports/{}/issues",
		"GET /fhir/$import/status/{}", "DELETE /fhir/$import/status/{}", "GET /fhir/$import/outcome/{}/rejected.ndjson", "GET /fhir/$bulk-submit/status/{}", "DELETE /fhir/$bulk-submit/status/{}",
		"HEAD /suppliers/hostile/uploads/{}", "DELETE /suppliers/hostile/uploads/{}", "PUT /suppliers/hostile/files/x?mends={}",
	} {
		method, path, _ := strings.Cut(request, " ")
		ask := func(id string) (int, string) {
			resp, text := h.ask(t, method, strings.ReplaceAll(path, "{}", id), "", append(h.as("hostile"), "Tus-Resumable", "1.0.0")...)
			if strings.Contains(path, "mends") && resp.StatusCode < 400 { // whether it is refused is told later
				s := h.ended(t, "hostile", []byte(text))
				return resp.StatusCode, string(s.State) + s.Reason
			}
			return resp.StatusCode, text
		}
		wantStatus, wantText := ask(unknown)
		for _, id := range []string{h.victim, key, strings.ToUpper(h.victim)} {
			if status, text := ask(id); status != wantStatus || strings.ReplaceAll(text, strings.ToLower(id), unknown) != wantText || status < 300 && wantText == "" {
				t.Errorf("%s: %d %s; of what there is not %d %s", strings.ReplaceAll(request, "{}", id), status, text, wantStatus, wantText)
			}
		}
	}
	_, own := h.ask(t, "PUT", "/suppliers/hostile/files/x", `{"resourceType":"Patient","id":"x"}`, append(h.as("hostile"), "Idempotency-Key", "november")...)
	if strings.Contains(own, key) {
		t.Errorf("the victim's key is its import: %s", own)
	}
	if _, list := h.ask(t, "GET", "/imports", "", h.as("hostile")...); strings.Contains(list, `"import":"`+h.victim) || strings.Contains(list, `"supplier":"victim"`) {
		t.Errorf("the list has the victim's: %s", list)
	}
}

// replacesAnothersManifest: a submission is of its supplier, whoever the submitter says it is, and whatever its id.
func (h *hostile) replacesAnothersManifest(t *testing.T) {
	// The victim submits what cannot be fetched; the manifest is known all the same.
	begun := `{"resourceType":"Parameters","parameter":[{"name":"submitter","valueIdentifier":{"system":"https://a.example","value":"victim"}},{"name":"submissionId","valueString":"november"}]}`
	resp, text := h.ask(t, "POST", "/fhir/$bulk-submit", begun, append(h.as("victim"), "Content-Type", "application/fhir+json")...)
	if resp.StatusCode >= 500 {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	for _, more := range []string{
		`,{"name":"replacesManifestUrl","valueUrl":"https://victim.example/bulk/1.json"}`,
		`,{"name":"manifestUrl","valueUrl":"` + h.site + `/bulk/x"},{"name":"fhirBaseUrl","valueUrl":"https://a.example/fhir"},{"name":"replacesManifestUrl","valueUrl":"https://victim.example/bulk/1.json"}`,
	} {
		if resp, text := h.submit(t, "november", more); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %s", more, resp.StatusCode, text)
		}
	}
	resp, text = h.ask(t, "POST", "/fhir/$bulk-submit-status", begun, append(h.as("hostile"), "Content-Type", "application/fhir+json")...)
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("status: %d %s", resp.StatusCode, text)
	}
}
