// Package telemetry is what services tell about themselves: log lines, metrics and
// whether they are alive and ready.
//
// Names of log fields are constants ([FieldImport] and the rest), so that a search finds
// them all. Metrics are data ([Definitions]), from which both the instruments ([NewMetrics])
// and docs/metrics.md ([Markdown]) are made. The registry and the logger are passed in.
//
// Invariant 8: neither logs nor metrics hold patients' data. Labels are stage, type,
// outcome and subject, each of few values; never an id. The package cannot check what its
// callers hand over.
//
// It does not guarantee that a ready service stays so: /readyz tells of the moment.
package telemetry

//go:generate go run ./gen ../../docs/metrics.md
