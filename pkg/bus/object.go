package bus

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// The objects are those of NATS's object store, so that its tools read them. They are put and
// read here part by part, each acknowledged or asked for by itself: the client's way sends all
// parts at once, of which a busy server drops some, and gives all of them together five seconds.

const (
	metaPrefix = "$O." + largeBucket + ".M."
	partPrefix = "$O." + largeBucket + ".C."
	// chunkMark begins the NUIDs of objects that hold chunks, so that their parts have a subject of their own and can be counted.
	chunkMark = "chunk."
	// maxPart is the most bytes of a part.
	maxPart = 1 << 20
)

// partSize is the size of all parts of an object but the last, in bytes.
func (b *Bus) partSize() int { return min(maxPart, int(b.nc.MaxPayload())-headerRoom) }

func metaSubject(name string) string {
	return metaPrefix + base64.URLEncoding.EncodeToString([]byte(name))
}

// object is an object in the store, as its newest revision has it.
type object struct {
	jetstream.ObjectInfo
	subject  string // of its description
	sequence uint64
	at       time.Time
}

// lastObject returns the description of an object, or [jetstream.ErrMsgNotFound].
func lastObject(ctx context.Context, stream jetstream.Stream, subject string) (object, error) {
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return object{}, err
	}
	o := object{subject: subject, sequence: msg.Sequence, at: msg.Time}
	if err := json.Unmarshal(msg.Data, &o.ObjectInfo); err != nil {
		return o, errors.New("an object is not described as JSON")
	}
	return o, nil
}

// putObject stores content as a new revision of an object, with parts of its own under the NUID, and removes
// those of the revision before. A process that ends in between leaves parts that no object has.
func (b *Bus) putObject(ctx context.Context, name, nuid string, content []byte) error {
	stream, err := b.js.Stream(ctx, largeStream)
	if err != nil {
		return err
	}
	before, err := lastObject(ctx, stream, metaSubject(name))
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	sum := sha256.Sum256(content)
	size := b.partSize()
	info := jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: uint32(size)}},
		Bucket:     largeBucket, NUID: nuid, Size: uint64(len(content)),
		Digest: "SHA-256=" + base64.URLEncoding.EncodeToString(sum[:]),
	}
	for rest := content; len(rest) > 0; info.Chunks++ {
		n := min(size, len(rest))
		if err := b.publishOnce(ctx, &nats.Msg{Subject: partPrefix + info.NUID, Data: rest[:n]}); err != nil {
			_ = stream.Purge(context.WithoutCancel(ctx), jetstream.WithPurgeSubject(partPrefix+info.NUID)) // or it is left
			return err
		}
		rest = rest[n:]
	}
	description, err := json.Marshal(info)
	if err != nil {
		return err
	}
	meta := &nats.Msg{Subject: metaSubject(name), Data: description, Header: nats.Header{}}
	meta.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	if err := b.publishOnce(ctx, meta); err != nil {
		return err
	}
	if before.NUID != "" {
		return stream.Purge(ctx, jetstream.WithPurgeSubject(partPrefix+before.NUID))
	}
	return nil
}

// chunkBytes is about how many bytes of chunks are in the object store: of each the last part counts as half of one.
func (b *Bus) chunkBytes(ctx context.Context, stream jetstream.Stream) (n int64, err error) {
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(partPrefix+chunkMark+">"))
	if err != nil {
		return 0, err
	}
	for _, parts := range info.State.Subjects {
		n += int64(parts)*int64(b.partSize()) - int64(b.partSize()/2)
	}
	return n, nil
}

// errNoObject is returned for an object that is not there, or not whole, as while it is removed
// or put again.
var errNoObject = errors.New("the payload is not in the object store, or not all of it")

// getObject reads an object that has its content's name. Errors: errNoObject.
func (b *Bus) getObject(ctx context.Context, name string) ([]byte, error) {
	stream, err := b.js.Stream(ctx, largeStream)
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	o, err := lastObject(ctx, stream, metaSubject(name))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, errNoObject
	}
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	content := make([]byte, 0, min(o.Size, fhirmsg.MaxBody))
	var sequence uint64
	for range o.Chunks {
		part, err := stream.GetMsg(ctx, sequence+1, jetstream.WithGetMsgSubject(partPrefix+o.NUID))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, errNoObject
		}
		if err != nil {
			return nil, fmt.Errorf("object store: %w", err)
		}
		content, sequence = append(content, part.Data...), part.Sequence
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != name {
		return nil, errNoObject
	}
	return content, nil
}
