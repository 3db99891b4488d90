package api

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// Headers of RFC 9530. What is sent is the whole representation, in its content coding, so that for a
// request with all of a file both are of the same bytes.
const (
	headerContentDigest = "Content-Digest"
	headerReprDigest    = "Repr-Digest"
)

var errNoDigest = errors.New("headers " + headerContentDigest + ", " + headerReprDigest + ": only sha-256=:BASE64: (RFC 9530) is checked here")

// digest reads a header with digests. Nil is that there is none. One that cannot be checked is refused, since
// its sender counts on it.
func digest(r *http.Request, header string) ([]byte, error) {
	values := r.Header.Values(header)
	if len(values) == 0 {
		return nil, nil
	}
	for member := range strings.SplitSeq(strings.Join(values, ","), ",") {
		text, ok := strings.CutPrefix(strings.TrimSpace(member), "sha-256=:")
		if text, closed := strings.CutSuffix(text, ":"); ok && closed {
			if sum, err := base64.StdEncoding.DecodeString(text); err == nil && len(sum) == sha256.Size {
				return sum, nil
			}
		}
	}
	return nil, errNoDigest
}
