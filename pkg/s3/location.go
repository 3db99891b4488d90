package s3

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Scheme begins the URLs of buckets and objects.
const Scheme = "s3://"

// maxKey is the greatest length of a key in bytes.
const maxKey = 1024

// Location is a bucket, or what in it begins with a key, or one object.
type Location struct {
	Bucket string
	Key    string // "" is the bucket
}

// IsURL reports whether a text is meant to be a URL of this scheme.
func IsURL(s string) bool { return strings.HasPrefix(s, Scheme) }

// ParseURL reads s3://bucket/key. As everywhere, the key is what stands there: nothing in it is
// encoded. Errors do not repeat it.
func ParseURL(s string) (Location, error) {
	rest, ok := strings.CutPrefix(s, Scheme)
	if !ok {
		return Location{}, errors.New("not a URL of a bucket, such as s3://bucket/folder/")
	}
	var l Location
	l.Bucket, l.Key, _ = strings.Cut(rest, "/")
	if err := checkBucket(l.Bucket); err != nil {
		return Location{}, err
	}
	return l, CheckKey(l.Key)
}

// checkBucket reports why a text cannot name a bucket: 3 to 63 letters, digits, dots, hyphens and, in old
// ones, underscores.
func checkBucket(name string) error {
	if len(name) < 3 || len(name) > 63 {
		return errors.New("the name of a bucket has 3 to 63 characters")
	}
	for _, c := range []byte(name) {
		if !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune("-._", rune(c)) {
			return errors.New("the name of a bucket has letters, digits, dots and hyphens only")
		}
	}
	if strings.Contains(name, "..") || strings.Trim(name, ".-_") != name {
		return errors.New("the name of a bucket begins and ends with a letter or a digit, and has no two dots in a row")
	}
	return nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// CheckKey reports why an object cannot be asked for by its key: servers, and what lies between, may take
// dot segments for another path.
func CheckKey(key string) error {
	switch {
	case len(key) > maxKey:
		return fmt.Errorf("a key of more than %d bytes", maxKey)
	case !utf8.ValidString(key):
		return errors.New("a key that is not UTF-8")
	case strings.ContainsRune(key, 0):
		return errors.New("a key with a byte 0")
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return errors.New("a key with . or .. as a segment")
		}
	}
	return nil
}

// ParsePrefix reads the URL of a prefix: of a bucket, or one that ends with a slash, so that what is called
// alike, such as clinic-b beside clinic, does not lie under it.
func ParsePrefix(s string) (Location, error) {
	l, err := ParseURL(s)
	if err == nil && l.Key != "" && !strings.HasSuffix(l.Key, "/") {
		err = errors.New("must end with a slash, or name a bucket only: s3://bucket/folder/")
	}
	return l, err
}

// String is the URL.
func (l Location) String() string { return Scheme + l.Bucket + "/" + l.Key }

// Covers reports whether a key of a bucket lies under the prefix.
func (l Location) Covers(bucket, key string) bool {
	return l.Bucket == bucket && strings.HasPrefix(key, l.Key)
}
