package fhirmsg

import (
	"fmt"
	"strings"
)

// Subject prefixes. What follows a prefix is one token each: a name of a supplier or
// a dataset (see [CheckName]) or a FHIR resource type.
const (
	SubjectFetch     = "stoker.fetch"     // stoker.fetch.<supplier>, and stoker.fetch.<supplier>.operator
	SubjectDeliver   = "stoker.deliver"   // stoker.deliver.<supplier>
	SubjectChunk     = "stoker.chunk"     // stoker.chunk.<supplier>
	SubjectResource  = "stoker.resource"  // stoker.resource.<dataset>.<Type>
	SubjectReject    = "stoker.reject"    // stoker.reject.<supplier>
	SubjectStatement = "stoker.statement" // stoker.statement.<supplier>
	SubjectJournal   = "stoker.journal"   // stoker.journal.<what>.<supplier or dataset>
	SubjectDead      = "stoker.dead"      // stoker.dead.<stream>, and stoker.dead.FETCH.<supplier>

	// SubjectBucket is where object stores publish their events, in the form of S3. It is of no stream: what is
	// missed is found by looking.
	SubjectBucket = "stoker.bucket"
)

// Headers of a message in the dead letter stream.
const (
	HeaderReason  = "Stoker-Reason"
	HeaderSubject = "Stoker-Subject" // where it was published at first
)

// Headers of a message on [DeliverSubject], besides Content-Encoding of HTTP.
const (
	HeaderDelivery = "Stoker-Delivery" // the delivery that it is part of, as the supplier names it
	HeaderEnd      = "Stoker-End"      // there, with any value: the delivery ends with this message
)

// FetchSubject is where import requests for a supplier are published by the operator and by
// Stoker's services. They may name files of the server.
func FetchSubject(supplier string) string { return SupplierFetchSubject(supplier) + operator }

// SupplierFetchSubject is where a supplier itself publishes its import requests. They are held to its policy.
func SupplierFetchSubject(supplier string) string { return SubjectFetch + "." + supplier }

const operator = ".operator"

// FetchSupplier returns whose requests are on a subject, and whether it is the operator's.
func FetchSupplier(subject string) (supplier string, isOperators bool) {
	supplier = strings.TrimPrefix(subject, SubjectFetch+".")
	return strings.CutSuffix(supplier, operator)
}

// DeliverSubject is where a supplier publishes resources.
func DeliverSubject(supplier string) string { return SubjectDeliver + "." + supplier }

// ChunkSubject is where the chunks of a supplier's files are published.
func ChunkSubject(supplier string) string { return SubjectChunk + "." + supplier }

// ResourceSubject is where batches of one resource type for one dataset are published.
func ResourceSubject(dataset, resourceType string) string {
	return SubjectResource + "." + dataset + "." + resourceType
}

// RejectSubject is where what could not be taken from a supplier is published.
func RejectSubject(supplier string) string { return SubjectReject + "." + supplier }

// StatementSubject is where parsers state what they made of a supplier's chunks.
func StatementSubject(supplier string) string { return SubjectStatement + "." + supplier }

// What the stream JOURNAL holds, as the third token of its subjects.
const (
	JournalImport  = "import"  // [ImportStatement], on stoker.journal.import.<supplier>.<import>
	JournalFiles   = "files"   // [FileList], on stoker.journal.files.<supplier>
	JournalFile    = "file"    // [FileStatement], on stoker.journal.file.<supplier>
	JournalWritten = "written" // [Written], on stoker.journal.written.<dataset>
	JournalDataset = "dataset" // [DatasetStatement], on stoker.journal.dataset.<dataset>
)

// JournalSubject is where statements of a kind are published; name is a supplier or a dataset.
func JournalSubject(kind, name string) string { return SubjectJournal + "." + kind + "." + name }

// JournalImportSubject is where the states of one import are published. The last one counts.
func JournalImportSubject(supplier string, id ImportID) string {
	return JournalSubject(JournalImport, supplier) + "." + id.String()
}

// DeadSubject is where messages of a stream go that can never be processed.
func DeadSubject(stream string) string { return SubjectDead + "." + stream }

// DeadRequestSubject is where requests go that a supplier published and that can never be processed.
func DeadRequestSubject(supplier string) string { return DeadSubject(StreamFetch) + "." + supplier }

// MaxNameLength is the greatest length in bytes of a dataset's or supplier's name.
// PostgreSQL cuts identifiers at 63 bytes; a dataset is a schema.
const MaxNameLength = 48

// CheckName reports whether s can name a dataset or a supplier: 1 to 48 bytes,
// lower-case letters, digits, '_' and '-', beginning with a letter. Such a name is
// one token of a NATS subject and, quoted, a PostgreSQL identifier.
func CheckName(s string) error {
	if s == "" {
		return fmt.Errorf("a name must not be empty")
	}
	if len(s) > MaxNameLength {
		return fmt.Errorf("name of %d bytes is too long: at most %d", len(s), MaxNameLength)
	}
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '_' || c == '-'):
		default:
			return fmt.Errorf("name %q: use lower-case letters, digits, '_' and '-', beginning with a letter", s)
		}
	}
	return nil
}

// reservedDatasets are schemas that a dataset must never be.
var reservedDatasets = [...]string{"stoker", "public", "information_schema"}

// CheckDataset is [CheckName] and refuses the schemas that are not for data.
func CheckDataset(s string) error {
	if err := CheckName(s); err != nil {
		return err
	}
	for _, r := range reservedDatasets {
		if s == r {
			return fmt.Errorf("dataset %q: that schema is reserved", s)
		}
	}
	if strings.HasPrefix(s, "pg_") {
		return fmt.Errorf("dataset %q: names beginning with pg_ are PostgreSQL's", s)
	}
	return nil
}
