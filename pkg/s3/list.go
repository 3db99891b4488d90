package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxPage is the greatest size of a page of a listing in bytes: of 1,000 objects, whose keys may be encoded.
const MaxPage = 8 << 20

// MaxKeys is how many objects a page has at most.
const MaxKeys = 1000

// Object is an object as it is listed.
type Object struct {
	Key      string
	ETag     string    // in quotes
	Size     int64     // bytes
	Modified time.Time // in whole seconds, as not all stores tell more
}

// ListQuery asks for a page of what begins with a prefix (ListObjectsV2), of at most max objects. Token is "" for the first page.
func ListQuery(prefix, token string, most int) url.Values {
	q := url.Values{"list-type": {"2"}, "encoding-type": {"url"}, "max-keys": {strconv.Itoa(most)}}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	if token != "" {
		q.Set("continuation-token", token)
	}
	return q
}

// ParseList reads a page of a listing under a prefix, and the token of the next one, "" for none. What is not
// as it was asked for is an error: nothing else may be read by what a store says. Errors repeat nothing of it.
func ParseList(page []byte, prefix string) (objects []Object, next string, err error) {
	var doc struct {
		XMLName   xml.Name `xml:"ListBucketResult"`
		Encoding  string   `xml:"EncodingType"`
		Truncated bool     `xml:"IsTruncated"`
		Next      string   `xml:"NextContinuationToken"`
		Contents  []struct {
			Key          string `xml:"Key"`
			ETag         string `xml:"ETag"`
			Size         int64  `xml:"Size"`
			LastModified string `xml:"LastModified"`
		} `xml:"Contents"`
	}
	if err := xml.Unmarshal(page, &doc); err != nil {
		return nil, "", errors.New("the answer is no listing of objects")
	}
	if len(doc.Contents) > MaxKeys {
		return nil, "", fmt.Errorf("a page of the listing has more than the %d objects that were asked for", MaxKeys)
	}
	for i, c := range doc.Contents {
		o := Object{Key: c.Key, ETag: QuoteETag(c.ETag), Size: c.Size}
		if doc.Encoding == "url" {
			if o.Key, err = url.QueryUnescape(c.Key); err != nil {
				return nil, "", fmt.Errorf("object %d of the listing: its key is not encoded as the store says", i+1)
			}
		}
		if o.Modified, err = time.Parse(time.RFC3339, c.LastModified); err != nil {
			return nil, "", fmt.Errorf("object %d of the listing: its time of change cannot be read", i+1)
		}
		o.Modified = o.Modified.UTC().Truncate(time.Second)
		if !strings.HasPrefix(o.Key, prefix) || o.Size < 0 {
			return nil, "", fmt.Errorf("object %d of the listing is not what was asked for", i+1)
		}
		objects = append(objects, o)
	}
	if !doc.Truncated {
		return objects, "", nil
	}
	if doc.Next == "" {
		return nil, "", errors.New("the listing goes on, and does not tell where")
	}
	return objects, doc.Next, nil
}

// QuoteETag is an entity tag in quotes, which some stores leave out; "" stays.
func QuoteETag(tag string) string {
	if tag = strings.Trim(tag, `"`); tag == "" {
		return ""
	}
	return `"` + tag + `"`
}
