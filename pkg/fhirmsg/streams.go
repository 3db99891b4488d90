package fhirmsg

import "time"

// Names of the streams.
const (
	StreamFetch      = "FETCH"    // requests that suppliers publish themselves
	StreamOperator   = "OPERATOR" // requests of the operator and of Stoker's services
	StreamDeliver    = "DELIVER"
	StreamChunks     = "CHUNKS"
	StreamResources  = "RESOURCES"
	StreamRejects    = "REJECTS"
	StreamStatements = "STATEMENTS"
	StreamJournal    = "JOURNAL"
	StreamDead       = "DEAD"
)

// Stream is a JetStream stream that Stoker needs. None has an age limit, and all refuse
// new messages when full (discard new): a full queue slows the sender, it never drops.
type Stream struct {
	Name     string
	Subjects []string
	Queue    bool  // a message goes once acknowledged (work-queue retention); else it stays to be replayed
	MaxBytes int64 // the default; 0 is without limit

	MaxPerSubject int64 // messages; 0 is without limit
}

// Consumer is a durable pull consumer with explicit acknowledgement and unlimited deliveries.
type Consumer struct {
	Stream   string
	Name     string
	Filter   string
	AckWait  time.Duration
	Inactive time.Duration // it goes when nobody asked it for messages for so long; 0 is never
}

// AckWait is how long a message may be in hand without a sign of life.
const AckWait = 15 * time.Second

// Streams are the streams of the pipeline. JetStream reserves their sizes, so the defaults fit
// a disk with 9 GB free; RESOURCES is the one to enlarge, as far back as replays are to reach, and
// [Retained] says how the others that are kept grow with it.
func Streams() []Stream {
	return []Stream{
		// Of streams that suppliers publish to, nothing else is a part: ids, by which repetitions are dropped, are a stream's.
		{Name: StreamFetch, Subjects: []string{SupplierFetchSubject("*")}, Queue: true, MaxBytes: 64 << 20, MaxPerSubject: 1000},
		{Name: StreamOperator, Subjects: []string{FetchSubject("*")}, Queue: true, MaxBytes: 64 << 20},
		{Name: StreamDeliver, Subjects: []string{DeliverSubject("*")}, MaxBytes: 256 << 20, MaxPerSubject: 1 << 16},
		{Name: StreamChunks, Subjects: []string{SubjectChunk + ".*"}, Queue: true, MaxBytes: 512 << 20},
		{Name: StreamResources, Subjects: []string{SubjectResource + ".*.*"}, MaxBytes: 4 << 30},
		{Name: StreamRejects, Subjects: []string{SubjectReject + ".*"}, MaxBytes: 512 << 20},
		{Name: StreamStatements, Subjects: []string{SubjectStatement + ".*"}, MaxBytes: 128 << 20},
		{Name: StreamJournal, Subjects: []string{SubjectJournal + ".>"}, MaxBytes: 128 << 20},
		{Name: StreamDead, Subjects: []string{DeadSubject("*"), DeadRequestSubject("*")}, MaxBytes: 256 << 20},
	}
}

// Retained are the streams that are kept beyond their acknowledgement, so that the ledger and the
// rows can be brought back after a restore of the database, and their sizes in bytes where that of
// RESOURCES is given: shares that reach back about as far, and the defaults at least.
func Retained(resources int64) map[string]int64 {
	return map[string]int64{
		StreamResources:  resources,
		StreamRejects:    max(resources/8, 512<<20),
		StreamStatements: max(resources/32, 128<<20),
		StreamJournal:    max(resources/32, 128<<20),
	}
}

// Names of the consumers that are not per type.
const (
	ConsumerFetcher    = "fetcher" // of requests that suppliers publish themselves
	ConsumerOperator   = "fetcher-operator"
	ConsumerParser     = "parser"
	ConsumerRejects    = "ledger-rejects"
	ConsumerStatements = "ledger-statements"
)

// noSupplier is no name of a supplier, so nothing is published for it.
const noSupplier = "-"

// SupplierConsumer is the consumer of one supplier's chunks. Whoever parses makes it when there are
// some, so that suppliers are served in turn; while there are none it may be missing.
func SupplierConsumer(supplier string) Consumer {
	return Consumer{
		Stream: StreamChunks, Name: ConsumerParser + "-" + supplier, Filter: ChunkSubject(supplier),
		AckWait: AckWait, Inactive: time.Hour,
	}
}

// WriterConsumer is the name of the consumer of one resource type, for all datasets.
func WriterConsumer(resourceType string) string { return "writer-" + resourceType }

// ReplayConsumerPrefix is what the names of consumers of replays begin with.
const ReplayConsumerPrefix = "replay-"

// ReplayConsumer is the name of the consumer by which a replay reads one resource type.
func ReplayConsumer(replay ImportID, resourceType string) string {
	return ReplayConsumerPrefix + replay.String() + "-" + resourceType
}

// Consumers are the consumers of the pipeline. All resource types have one from the
// beginning, so that what is acknowledged is known for each before anything is trimmed. Those
// of suppliers come and go; see [SupplierConsumer]. The parser's is what all chunks came by
// before there were any: it stays, for nothing, since an older service makes it anew
// where it is missing, and it would be in the way.
func Consumers(resourceTypes []string) []Consumer {
	consumers := []Consumer{
		{Stream: StreamFetch, Name: ConsumerFetcher, Filter: SupplierFetchSubject("*"), AckWait: AckWait},
		{Stream: StreamOperator, Name: ConsumerOperator, Filter: FetchSubject("*"), AckWait: AckWait},
		{Stream: StreamChunks, Name: ConsumerParser, Filter: ChunkSubject(noSupplier), AckWait: AckWait},
		{Stream: StreamRejects, Name: ConsumerRejects, Filter: SubjectReject + ".*", AckWait: AckWait},
		{Stream: StreamStatements, Name: ConsumerStatements, Filter: SubjectStatement + ".*", AckWait: AckWait},
	}
	for _, t := range resourceTypes {
		consumers = append(consumers, Consumer{
			Stream: StreamResources, Name: WriterConsumer(t), Filter: ResourceSubject("*", t), AckWait: AckWait,
		})
	}
	return consumers
}
