package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

// maxEmpty is how many pages of a listing in a row may have no object, as where many were deleted.
const maxEmpty = 100

// listBucket lists the object that an s3 URL names, or what lies below it as in a folder.
func listBucket(ctx context.Context, s fhirmsg.Source, cfg Config) ([]File, []Skipped, error) {
	at, err := s3.ParseURL(s.URL)
	if err != nil {
		return nil, nil, err
	}
	if s.ETag != "" {
		o := Object{Bucket: at.Bucket, Key: at.Key, ETag: s3.QuoteETag(s.ETag)}
		return []File{{Name: Name(s), Locator: Locator{Object: &o}, Type: s.Type, Size: -1}}, nil, nil
	}
	cfg = cfg.WithDefaults()
	inTime, cancel := context.WithTimeout(ctx, cfg.ListTime)
	defer cancel()
	files, skipped, err := listObjects(inTime, s, at, cfg)
	if err != nil && inTime.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("the bucket was not listed within %s", cfg.ListTime)
	}
	return files, skipped, err
}

func listObjects(ctx context.Context, s fhirmsg.Source, at s3.Location, cfg Config) (files []File, skipped []Skipped, err error) {
	if at.Key != "" && !strings.HasSuffix(at.Key, "/") {
		one, err := FindObject(ctx, cfg, at)
		if err == nil {
			o := Object{Bucket: at.Bucket, Key: at.Key, ETag: one.ETag}
			return []File{{Name: Name(s), Locator: Locator{Object: &o}, Type: s.Type, Size: one.Size}}, nil, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		at.Key += "/" // and not what is only called alike
	}
	err = Objects(ctx, cfg, at, s3.MaxKeys, func(page []s3.Object) error {
		for _, o := range page {
			name := strings.TrimPrefix(o.Key, at.Key)
			switch reason := Reason(name); {
			case name == "" || strings.HasSuffix(name, "/") && o.Size == 0: // stands for a folder
			case reason != "":
				skipped = append(skipped, Skipped{Name: printable(name), Reason: reason})
			default:
				object := Object{Bucket: at.Bucket, Key: o.Key, ETag: o.ETag}
				files = append(files, File{Name: printable(name), Locator: Locator{Object: &object}, Type: s.Type, Size: o.Size})
			}
		}
		if len(files)+len(skipped) > manifest.MaxFiles {
			return fmt.Errorf("more than %d objects lie there; import what lies below longer prefixes", manifest.MaxFiles)
		}
		return nil
	})
	if err == nil && len(files)+len(skipped) == 0 {
		err = fmt.Errorf("no object lies there: %w", fs.ErrNotExist)
	}
	if err != nil {
		return nil, nil, err
	}
	return files, skipped, nil
}

// Reason is why a name below a prefix is passed over, "" if it is not: it is hidden, its ending is not one that is
// taken, or it cannot be asked for.
func Reason(name string) string {
	last := name
	for segment := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(segment, ".") {
			return reasonHidden
		}
		last = segment
	}
	if !taken(last) {
		return reasonEnding
	}
	if err := s3.CheckKey(name); err != nil {
		return err.Error()
	}
	return ""
}

// FindObject returns one object as it is listed now. Errors: [fs.ErrNotExist], and those of [Objects].
func FindObject(ctx context.Context, cfg Config, at s3.Location) (found s3.Object, err error) {
	errFound := errors.New("found")
	err = Objects(ctx, cfg, at, 1, func(page []s3.Object) error {
		if len(page) > 0 && page[0].Key == at.Key { // the first of all that begin so
			found = page[0]
			return errFound
		}
		return fs.ErrNotExist
	})
	switch {
	case errors.Is(err, errFound):
		return found, nil
	case err == nil:
		err = fs.ErrNotExist
	}
	return found, err
}

// Objects lists what begins with a key, page by page of at most so many objects, in the order of the store. It ends with
// an error of each. Errors besides are those of [Open], and of listings that cannot be read.
func Objects(ctx context.Context, cfg Config, at s3.Location, most int, each func([]s3.Object) error) error {
	cfg = cfg.WithDefaults()
	token, empty := "", 0
	for {
		objects, next, err := readListing(ctx, cfg, at, token, most)
		if err != nil {
			return fmt.Errorf("list the bucket: %w", err)
		}
		if empty++; len(objects) > 0 {
			empty = 0
		}
		if next != "" && next == token || empty > maxEmpty {
			return errors.New("list the bucket: the listing does not come to its end")
		}
		if err := each(objects); err != nil || next == "" {
			return err
		}
		token = next
	}
}

// readListing reads one page, anew where it was cut.
func readListing(ctx context.Context, cfg Config, at s3.Location, token string, most int) ([]s3.Object, string, error) {
	for attempt := 1; ; attempt++ {
		page, err := readListingOnce(ctx, cfg, at, s3.ListQuery(at.Key, token, most))
		if attempt < pageAttempts && (errors.Is(err, ErrCut) || errors.Is(err, ErrChanged)) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		return s3.ParseList(page, at.Key)
	}
}

func readListingOnce(ctx context.Context, cfg Config, at s3.Location, query url.Values) ([]byte, error) {
	s, err := newStoreStream(ctx, Locator{Object: &Object{Bucket: at.Bucket, Key: at.Key}}, cfg, "", query)
	if err != nil {
		return nil, err
	}
	defer s.Close() //nolint:errcheck // only read from
	s.accept, s.maxBody = "application/xml", s3.MaxPage
	if err := s.connect(); err != nil {
		return nil, err
	}
	return io.ReadAll(s)
}
