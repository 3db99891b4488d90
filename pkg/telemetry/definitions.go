package telemetry

import (
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is a kind of metric, by Prometheus's word.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Definition is all there is to know of a metric.
type Definition struct {
	Name    string
	Kind    Kind
	Labels  []string // besides stage, which all have
	Help    string
	Buckets []float64 // upper bounds, of a histogram
}

// labelStage is on every metric: fetcher | parser | writer.
const labelStage = "stage"

var (
	resources = Definition{
		Name: "stoker_resources_total", Kind: Counter, Labels: []string{"type", "outcome"},
		Help: "Resources by type and by what became of them in this stage.",
	}
	bytesTotal = Definition{
		Name: "stoker_bytes_total", Kind: Counter,
		Help: "Bytes of resources or lines processed, before compression.",
	}
	unitSeconds = Definition{
		Name: "stoker_unit_seconds", Kind: Histogram, Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		Help: "Seconds from taking a unit of work in hand to its being durable downstream. A unit is a chunk, or the batches of a transaction.",
	}
	unitResources = Definition{
		Name: "stoker_unit_resources", Kind: Histogram, Buckets: prometheus.ExponentialBuckets(1, 4, 8),
		Help: "Resources in a unit of work; in the fetcher, lines.",
	}
	retries = Definition{
		Name: "stoker_retries_total", Kind: Counter,
		Help: "Units that were tried again after a failure of the database, the queue or a source.",
	}
	rejects = Definition{
		Name: "stoker_rejects_total", Kind: Counter,
		Help: "Lines and entries that could not be taken.",
	}
	foreign = Definition{
		Name: "stoker_foreign_total", Kind: Counter,
		Help: "Resources that took the place of what another supplier had delivered under the same ids.",
	}
	backlog = Definition{
		Name: "stoker_backlog_messages", Kind: Gauge, Labels: []string{"subject"},
		Help: "Messages that wait to be acknowledged, by the subject that the consumer reads.",
	}
	missing = Definition{
		Name: "stoker_missing", Kind: Gauge,
		Help: "Lines and resources of unfinished imports that are not accounted for yet, those in flight included.",
	}
	syncLag = Definition{
		Name: "stoker_sync_lag_seconds", Kind: Gauge, Labels: []string{"sync"},
		Help: "Seconds since the newest run of a sync began that left nothing to import, or since the sync was declared.",
	}
)

// Definitions are all metrics of the stages.
func Definitions() []Definition {
	return []Definition{resources, bytesTotal, unitSeconds, unitResources, retries, rejects, foreign, backlog, missing, syncLag}
}

// Markdown writes a table of the metrics that definitions describe.
func Markdown(w io.Writer, definitions []Definition) error {
	var b strings.Builder
	b.WriteString("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	for _, d := range definitions {
		labels := strings.Join(append([]string{labelStage}, d.Labels...), "`, `")
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", d.Name, d.Kind, labels, d.Help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
