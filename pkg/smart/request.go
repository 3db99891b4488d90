package smart

import (
	"crypto/rand"
	"encoding/base64"
	"mime"
	"net/http"
	"strings"
	"time"
)

const (
	grantType     = "client_credentials"
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	maxForm     = 64 << 10 // bytes of a request
	formTimeout = 10 * time.Second
)

// oauthError is the answer to who got none (RFC 6749, section 5.2).
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`

	status     int
	retryAfter time.Duration
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

func refuse(code, description string) *oauthError {
	status := http.StatusBadRequest
	if code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	return &oauthError{Code: code, Description: description, status: status}
}

// readForm reads what was sent, with no parameter twice (RFC 6749, section 3.2).
func readForm(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, refuse("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	// Who sends half a request and waits is not waited for. Where no deadline can be set there is no connection.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(formTimeout))
	err := r.ParseForm()
	_ = control.SetReadDeadline(time.Time{}) // the answer may take longer
	if err != nil {
		return nil, refuse("invalid_request", "the form cannot be read, came too slowly, or has more than 64 KiB")
	}
	form := map[string]string{}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, refuse("invalid_request", "a parameter is there twice")
		}
		form[name] = values[0]
	}
	switch {
	case form["grant_type"] == "":
		return nil, refuse("invalid_request", "grant_type is missing")
	case form["grant_type"] != grantType:
		return nil, refuse("unsupported_grant_type", "grant_type must be "+grantType)
	case form["client_assertion_type"] != assertionType:
		return nil, refuse("invalid_client", "client_assertion_type must be "+assertionType)
	}
	return form, nil
}

// accessPrefix begins every access token, so that it is told from the other tokens of suppliers.
const accessPrefix = "sta."

func newAccessToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails, and ends the process if the system has no random numbers
	return accessPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
}

// IsAccessToken reports whether a bearer token is one that an [Endpoint] may have given; whether it has, the ledger knows.
func IsAccessToken(token string) bool { return strings.HasPrefix(token, accessPrefix) }
