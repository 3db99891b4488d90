package bus

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// The objects are those of NATS's object store, so that its tools read them. They are put and
// read here part by part, each acknowledged or asked for by itself: the client's way sends all
// parts at once, of which a busy server drops some, and gives all of them together five seconds.
// NUIDs have the object's name, so that it is known for each part what it is of.

const (
	metaPrefix = "$O." + largeBucket + ".M."
	partPrefix = "$O." + largeBucket + ".C."
	// chunkMark begins the NUIDs of objects that hold chunks, so that their parts have a subject of their own and can be counted.
	chunkMark = "chunk."
	// maxPart is the most bytes of a part.
	maxPart = 1 << 20
	// askTimeout is how long an answer of the stream's leader may take.
	askTimeout = 5 * time.Second
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

// fromLeader gets a message of the object store from the stream's leader: the one of a sequence, or the next or last of a subject. Any server
// of a cluster may answer what is asked by the client, one too that does not have the newest yet. Errors: [jetstream.ErrMsgNotFound].
func (b *Bus) fromLeader(ctx context.Context, which which) (*jetstream.RawStreamMsg, error) {
	request, err := json.Marshal(which)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	reply, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+largeStream, request)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Sequence uint64    `json:"seq"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		if answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil, jetstream.ErrMsgNotFound
		}
		return nil, answer.Error
	}
	return &jetstream.RawStreamMsg{Sequence: answer.Message.Sequence, Data: answer.Message.Data, Time: answer.Message.Time}, nil
}

// which says which message is asked for, as the server's API has it.
type which struct {
	Last string `json:"last_by_subj,omitempty"` // the last one of a subject
	Next string `json:"next_by_subj,omitempty"` // the first one of a subject
	From uint64 `json:"seq,omitempty"`          // from here on
}

// lastObject returns the description of an object, or [jetstream.ErrMsgNotFound].
func (b *Bus) lastObject(ctx context.Context, subject string) (object, error) {
	msg, err := b.fromLeader(ctx, which{Last: subject})
	if err != nil {
		return object{}, err
	}
	o := object{subject: subject, sequence: msg.Sequence, at: msg.Time}
	if err := json.Unmarshal(msg.Data, &o.ObjectInfo); err != nil {
		return o, errors.New("an object is not described as JSON")
	}
	return o, nil
}

// newNUID names the parts of a new revision of an object.
func newNUID(name string, chunk bool) string {
	nuid := name + "." + rand.Text()
	if chunk {
		return chunkMark + nuid
	}
	return nuid
}

// objectOf is the name of the object that parts of a subject were put for. Those that another program put do not tell.
func objectOf(subject string) (name string, ok bool) {
	nuid := strings.TrimPrefix(strings.TrimPrefix(subject, partPrefix), chunkMark)
	name, _, ok = strings.Cut(nuid, ".")
	return name, ok
}

// putObject stores content as a new revision of an object, with parts of its own under the NUID, and removes
// those of the revision before. It returns when it began to describe it. A process that ends in between leaves parts that no object has.
func (b *Bus) putObject(ctx context.Context, name, nuid string, content []byte) (since time.Time, err error) {
	stream, err := b.js.Stream(ctx, largeStream)
	if err != nil {
		return since, err
	}
	before, err := b.lastObject(ctx, metaSubject(name))
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return since, err
	}
	sum := sha256.Sum256(content)
	size := b.partSize()
	info := jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: uint32(size)}},
		Bucket:     largeBucket, NUID: nuid, Size: uint64(len(content)),
		Digest: "SHA-256=" + base64.URLEncoding.EncodeToString(sum[:]),
	}
	parts := partPrefix + nuid
	series := series{js: b.js, parts: parts}
	for rest := content; len(rest) > 0; info.Chunks++ {
		n := min(size, len(rest))
		if err := series.store(ctx, &nats.Msg{Subject: parts, Data: rest[:n]}); err != nil {
			_ = stream.Purge(context.WithoutCancel(ctx), jetstream.WithPurgeSubject(parts)) // or a collector does
			return since, err
		}
		rest = rest[n:]
	}
	description, err := json.Marshal(info)
	if err != nil {
		return since, err
	}
	meta := &nats.Msg{Subject: metaSubject(name), Data: description, Header: nats.Header{}}
	meta.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	described := time.Now()
	if err := series.store(ctx, meta); err != nil {
		return since, err
	}
	if before.NUID != "" {
		return described, stream.Purge(ctx, jetstream.WithPurgeSubject(partPrefix+before.NUID))
	}
	return described, nil
}

// series stores the parts of an object and its description, each only if the part before is there still, and soon after it: a
// collector may be removing them if this process was stopped for long.
type series struct {
	js    jetstream.JetStream
	parts string    // their subject
	last  uint64    // sequence of the last part
	at    time.Time // when it was sent
}

func (s *series) store(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	before := s.at
	s.at = time.Now()
	ack, err := s.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequenceForSubject(s.last, s.parts))
	if err != nil {
		return err
	}
	if s.last > 0 && time.Since(before) >= 2*collectAfter {
		return errors.New("a large payload took so long that it may have been removed")
	}
	s.last = ack.Sequence
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
	fromAny := func(ctx context.Context, which which) (*jetstream.RawStreamMsg, error) {
		return stream.GetMsg(ctx, which.From, jetstream.WithGetMsgSubject(which.Next))
	}
	for tried := ""; ; {
		o, err := b.lastObject(ctx, metaSubject(name))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, errNoObject
		}
		if err != nil {
			return nil, fmt.Errorf("object store: %w", err)
		}
		get, last := fromAny, o.NUID == tried
		if last {
			get = b.fromLeader // which has all parts, if they are there
		}
		content, err := content(ctx, o, get)
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, fmt.Errorf("object store: %w", err)
		}
		if sum := sha256.Sum256(content); err == nil && hex.EncodeToString(sum[:]) == name {
			return content, nil
		}
		if last {
			return nil, errNoObject
		}
		tried = o.NUID // it may have been put anew meanwhile, and these parts removed
	}
}

// content reads the parts of an object. Errors: [jetstream.ErrMsgNotFound] where one is not there.
func content(ctx context.Context, o object, get func(context.Context, which) (*jetstream.RawStreamMsg, error)) ([]byte, error) {
	content := make([]byte, 0, min(o.Size, fhirmsg.MaxBody))
	var sequence uint64
	for range o.Chunks {
		part, err := get(ctx, which{Next: partPrefix + o.NUID, From: sequence + 1})
		if err != nil {
			return nil, err
		}
		content, sequence = append(content, part.Data...), part.Sequence
	}
	return content, nil
}
