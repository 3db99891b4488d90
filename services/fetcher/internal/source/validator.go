package source

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Validator tells one state of a file from another. It is stored as JSON before the file's
// first chunk is published, and compared by [Validator.Same].
type Validator struct {
	Size         int64  `json:"size"`                    // bytes, -1 unknown
	ModTime      int64  `json:"mtime,omitempty"`         // of local files: nanoseconds since 1970
	Inode        uint64 `json:"inode,omitempty"`         // of local files
	ETag         string `json:"etag,omitempty"`          // RFC 9110, section 8.8.3
	LastModified string `json:"last_modified,omitempty"` // as the server wrote it
	Strong       bool   `json:"strong,omitempty"`        // equal validators mean equal bytes
}

// Same reports whether v and w are of the same state, as far as they tell; see Strong.
func (v Validator) Same(w Validator) bool {
	if v.Size != w.Size && v.Size >= 0 && w.Size >= 0 || v.ModTime != w.ModTime || v.Inode != w.Inode {
		return false
	}
	if strongTag(v.ETag) || strongTag(w.ETag) {
		return v.ETag == w.ETag // a size may be unknown, and times differ between servers
	}
	return v.ETag == w.ETag && v.LastModified == w.LastModified && v.Size == w.Size
}

func strongTag(tag string) bool { return strings.HasPrefix(tag, `"`) }

// condition is the validator for an If-Range header, empty if there is none that is strong.
func (v Validator) condition() string {
	switch {
	case !v.Strong:
		return ""
	case strongTag(v.ETag):
		return v.ETag
	default:
		return v.LastModified
	}
}

// conditions asks for the content unless it is that of the validator (RFC 9110, sections 13.1.2 and 13.1.3), of which
// a weak one does.
func (v Validator) conditions(header http.Header) {
	if v.ETag != "" {
		header.Set("If-None-Match", v.ETag)
	}
	if v.LastModified != "" {
		header.Set("If-Modified-Since", v.LastModified)
	}
}

// httpValidator reads the validator from an answer that has the whole content.
func httpValidator(resp *http.Response, now time.Time) Validator {
	v := Validator{Size: resp.ContentLength, ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")}
	if !utf8.ValidString(v.ETag) {
		v.ETag = "" // would not be stored as it is
	}
	modified, err := http.ParseTime(v.LastModified)
	if err != nil {
		v.LastModified = ""
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		now = date // by the server's clock, like the time of the change
	}
	// A time in whole seconds is strong once the second has passed: RFC 9110, section 8.8.2.2.
	v.Strong = strongTag(v.ETag) || v.LastModified != "" && v.Size >= 0 && now.Sub(modified) >= time.Second
	return v
}
