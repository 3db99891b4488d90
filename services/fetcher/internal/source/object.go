package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// Object is an object of a bucket, in the state in which it was listed.
type Object struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	ETag   string `json:"etag,omitempty"` // in quotes; "": whatever it is when it is first opened
}

// is reports whether an answer has the object as it was listed. Stores differ in whether the tag has quotes.
func (o *Object) is(v Validator) bool {
	return o == nil || o.ETag == "" || s3.QuoteETag(v.ETag) == o.ETag
}

var (
	errNoStore      = errors.New("this service reads no buckets")
	errObjectPolicy = errors.New("refused by the supplier's policy: the object does not lie under its bucket; to allow it, declare the supplier with a bucket and prefix that it lies under")
)

// newObjectStream is a stream of an object, that nothing was asked for yet.
func newObjectStream(ctx context.Context, l Locator, cfg Config) (*httpStream, error) {
	return newStoreStream(ctx, l, cfg, l.Object.Key, nil)
}

// newStoreStream is a stream of what a store answers about a bucket: an object, or with a query a listing.
// l names the bucket.
func newStoreStream(ctx context.Context, l Locator, cfg Config, key string, query url.Values) (*httpStream, error) {
	if cfg.Account == nil {
		return nil, errNoStore
	}
	if err := cfg.allowsObject(s3.Location{Bucket: l.Object.Bucket, Key: l.Object.Key}); err != nil {
		return nil, err
	}
	account, err := cfg.Account()
	if err != nil {
		return nil, err
	}
	u := account.URL(l.Object.Bucket, key, query)
	policy := cfg.Policy
	if policy != nil { // the endpoint is the operator's, and redirects lead nowhere else
		policy = &outbound.Policy{Prefixes: []string{outbound.Origin(u)}, InternalHosts: []string{u.Host}, MaxBody: policy.MaxBody}
	}
	how := access{home: outbound.Origin(u)}
	if how.web, err = outbound.New(cfg.HTTP, policy); err != nil {
		return nil, err
	}
	return &httpStream{ctx: ctx, cfg: cfg, at: l, access: how, url: u, account: &account, accept: "*/*", size: -1}, nil
}

// allowsObject says why an object, or what lies under a prefix, may not be read.
func (c Config) allowsObject(at s3.Location) error {
	if err := s3.CheckKey(at.Key); err != nil {
		return err
	}
	if c.Policy == nil {
		return nil
	}
	if c.Bucket == "" {
		return errObjectPolicy
	}
	prefix, err := s3.ParsePrefix(c.Bucket)
	if err != nil {
		return fmt.Errorf("the bucket of the supplier's policy: %w", err)
	}
	if !prefix.Covers(at.Bucket, at.Key) {
		return errObjectPolicy
	}
	return nil
}

// pinned is the entity tag that the object must have, "" if it may have any.
func (s *httpStream) pinned() string {
	if s.known && strongTag(s.v.ETag) {
		return s.v.ETag
	}
	return s.at.Object.ETag
}

// storeRefused is the error for a store's answer that has no content. It says what to do about it, as far as that is known.
func (s *httpStream) storeRefused(resp *http.Response) error {
	if resp.StatusCode == http.StatusPreconditionFailed {
		return ErrChanged
	}
	body, err := io.ReadAll(io.LimitReader(s.body, s3.MaxError))
	if err != nil {
		body = nil // its status says enough
	}
	hint, mayPass := s3.ReadError(body)
	err = refusal(resp, s.cfg.Now(), "")
	if hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	} else if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		err = fmt.Errorf("%w: the bucket is in another region, or at another endpoint; set them", err)
	}
	var f *failure
	if mayPass && !errors.As(err, &f) {
		err = &failure{err: err}
	}
	return err
}
