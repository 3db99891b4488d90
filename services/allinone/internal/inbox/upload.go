package inbox

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Upload is a file that is received in as many requests as it takes. It has the id of its import, also
// where it becomes part of a delivery, and that has another one.
type Upload struct {
	UploadInfo
	*Delivery
}

// UploadInfo is what an upload was announced as.
type UploadInfo struct {
	Request fhirmsg.ImportRequest `json:"request"` // without sources
	File    string                `json:"file"`
	Into    string                `json:"into,omitempty"` // the delivery that the supplier named; "": an import of its own
	Length  int64                 `json:"length"`         // in bytes
	SHA256  []byte                `json:"sha256,omitempty"`
}

// What can be wrong with a part of an upload.
var (
	ErrOffset = errors.New("the upload is at another offset")
	ErrDigest = errors.New("what arrived does not have the digest that was announced")
)

// Announce opens an upload. Errors: [ErrExists], [ErrTooMany], [ErrNoSpace].
func (b *Inbox) Announce(info UploadInfo) error {
	if _, err := b.Upload(info.Request.Supplier, info.Request.ID); !errors.Is(err, ErrNotFound) {
		if err == nil {
			err = ErrExists
		}
		return err
	}
	d, err := b.begin(info.Request.Supplier, uploadKind+info.Request.ID.String())
	if err != nil && !errors.Is(err, fs.ErrExist) { // else one whose announcement was cut off
		return err
	}
	f, err := os.OpenFile(d.path(filesDir, info.File), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = writeJSON(d.path(uploadFile), info)
	}
	return cmp.Or(err, b.syncUp(d.path(filesDir)))
}

// Upload returns an upload, also one that was handed over a while ago. Errors: [ErrNotFound].
func (b *Inbox) Upload(supplier string, id fhirmsg.ImportID) (*Upload, error) {
	for _, d := range []*Delivery{
		{inbox: b, supplier: supplier, name: uploadKind + id.String()}, {inbox: b, supplier: supplier, name: id.String(), ready: true},
	} {
		u := &Upload{Delivery: d}
		err := readJSON(d.path(uploadFile), &u.UploadInfo)
		if err == nil {
			return u, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, ErrNotFound
}

// Uploads calls for every upload that is not handed over.
func (b *Inbox) Uploads(do func(*Upload) error) error {
	return b.each(openDir, func(d *Delivery) error {
		if !strings.HasPrefix(d.name, uploadKind) {
			return nil
		}
		u := &Upload{Delivery: d}
		if err := readJSON(d.path(uploadFile), &u.UploadInfo); err != nil {
			return err
		}
		return do(u)
	})
}

// Offset is how much there is of the file, in bytes.
func (u *Upload) Offset() (int64, error) {
	info, err := os.Stat(u.path(filesDir, u.File))
	switch {
	case u.ready, errors.Is(err, fs.ErrNotExist): // it has gone where it belongs
		return u.Length, nil
	case err != nil:
		return 0, err
	}
	return info.Size(), nil
}

// Expires is when the upload is removed if nothing more of it arrives.
func (u *Upload) Expires() (time.Time, error) {
	changed, err := u.changed()
	return changed.Add(u.inbox.Expiry), err
}

// Append adds what comes at an offset, and keeps it whatever becomes of the rest. Of content with a digest, nil is
// none, all is kept or nothing. Errors: [ErrOffset], [ErrDigest], [ErrTooLarge], [ErrNoSpace], and those of the content's reader.
func (u *Upload) Append(content io.Reader, offset int64, sum []byte) (err error) {
	at, err := u.Offset()
	if err != nil {
		return err
	}
	if at != offset {
		return ErrOffset
	}
	if at == u.Length {
		return nil
	}
	f, err := os.OpenFile(u.path(filesDir, u.File), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var h hash.Hash
	if sum != nil {
		h = sha256.New()
		content = io.TeeReader(content, h)
	}
	_, err = u.inbox.copy(f, content, u.Length-at)
	if h != nil && err == nil && !bytes.Equal(h.Sum(nil), sum) {
		err = ErrDigest
	}
	if h != nil && err != nil || errors.Is(err, ErrTooLarge) {
		return errors.Join(err, f.Truncate(at), f.Sync())
	}
	return err
}

// Check reports [ErrDigest] where the whole file does not have the digest that was announced.
func (u *Upload) Check() error {
	if u.SHA256 == nil {
		return nil
	}
	f, err := os.Open(u.path(filesDir, u.File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was checked before it was moved
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if !bytes.Equal(h.Sum(nil), u.SHA256) {
		return ErrDigest
	}
	return nil
}

// Moved says that the upload's file has become part of a delivery.
func (u *Upload) Moved() error {
	u.inbox.mu.Lock()
	defer u.inbox.mu.Unlock()
	return u.rename(u.Request.ID.String())
}
