package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// emptyHash is the SHA-256 of no bytes, which is what a GET sends.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Sign returns the headers that prove the right to GET a URL of [Account.URL] at a time (AWS Signature Version 4,
// "Authenticating Requests: Using the Authorization Header"). There are none without a key. They are secret:
// whoever has them may make the same request for 15 minutes.
func (a Account) Sign(u *url.URL, now time.Time) http.Header {
	if a.key == "" {
		return nil
	}
	stamp := now.UTC().Format("20060102T150405Z")
	day := stamp[:len("20060102")]
	names := "host;x-amz-content-sha256;x-amz-date"
	values := "host:" + u.Host + "\nx-amz-content-sha256:" + emptyHash + "\nx-amz-date:" + stamp + "\n"
	h := http.Header{}
	h.Set("X-Amz-Content-Sha256", emptyHash)
	h.Set("X-Amz-Date", stamp)
	if token := a.token.Reveal(); token != "" {
		h.Set("X-Amz-Security-Token", token)
		names += ";x-amz-security-token"
		values += "x-amz-security-token:" + token + "\n"
	}
	request := strings.Join([]string{http.MethodGet, u.EscapedPath(), u.RawQuery, values, names, emptyHash}, "\n")
	scope := day + "/" + a.region + "/s3/aws4_request"
	sum := sha256.Sum256([]byte(request))
	toSign := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + a.secret.Reveal())
	for _, part := range []string{day, a.region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	h.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%x",
		a.key.Reveal(), scope, names, mac(key, toSign)))
	return h
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

// encodePath encodes a path as it is signed: all but letters, digits and -._~ and the slashes.
func encodePath(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if isLetter(c) || c >= '0' && c <= '9' || strings.ContainsRune("-._~/", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
