package telemetry

// Names of fields in log lines.
const (
	FieldService  = "service"  // fetcher | parser | writer | stoker
	FieldImport   = "import"   // id of an import
	FieldSupplier = "supplier" // name
	FieldDataset  = "dataset"  // name
	FieldSync     = "sync"     // name
	FieldFile     = "file"     // index of a file in its import, from 0
	FieldLine     = "line"     // number of a line in its file, from 1
	FieldType     = "type"     // resource type
	FieldSubject  = "subject"  // of NATS
	FieldStream   = "stream"   // of JetStream
	FieldConsumer = "consumer" // of JetStream
	FieldSequence = "sequence" // of a message in its stream
	FieldState    = "state"    // of an import
	FieldAttempt  = "attempt"  // from 1
	FieldRows     = "rows"     // resources
	FieldBytes    = "bytes"
	FieldDuration = "duration" // milliseconds
	FieldAddress  = "address"  // that is listened on
	FieldError    = "error"    // set by zerolog's Err
)
