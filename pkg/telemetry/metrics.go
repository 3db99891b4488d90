package telemetry

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are the instruments of one stage. Its methods do nothing on nil, so that tests
// and tools need no registry. They may be called from any number of goroutines.
type Metrics struct {
	resources     *prometheus.CounterVec
	bytes         *prometheus.CounterVec
	unitSeconds   *prometheus.HistogramVec
	unitResources *prometheus.HistogramVec
	retries       *prometheus.CounterVec
	rejects       *prometheus.CounterVec
	foreign       *prometheus.CounterVec
	backlog       *prometheus.GaugeVec
	missing       *prometheus.GaugeVec
	syncLag       *prometheus.GaugeVec

	mu    sync.Mutex
	syncs map[string]float64 // the lags that were set last
}

// NewRegistry makes a registry with the metrics of Go and of the process.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), // the registry is new: nothing can be in the way
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// NewMetrics registers the instruments of a stage: fetcher, parser or writer. Where the
// stage is registered already, as by several workers in one process, they are shared.
func NewMetrics(reg prometheus.Registerer, stage string) (*Metrics, error) {
	m := &Metrics{}
	err := errors.Join(
		counter(reg, stage, resources, &m.resources),
		counter(reg, stage, bytesTotal, &m.bytes),
		histogram(reg, stage, unitSeconds, &m.unitSeconds),
		histogram(reg, stage, unitResources, &m.unitResources),
		counter(reg, stage, retries, &m.retries),
		counter(reg, stage, rejects, &m.rejects),
		counter(reg, stage, foreign, &m.foreign),
		gauge(reg, stage, backlog, &m.backlog),
		gauge(reg, stage, missing, &m.missing),
		gauge(reg, stage, syncLag, &m.syncLag),
	)
	if err != nil {
		return nil, err
	}
	// What has no labels of its own is there from the beginning, as 0.
	m.bytes.WithLabelValues()
	m.retries.WithLabelValues()
	m.rejects.WithLabelValues()
	m.foreign.WithLabelValues()
	return m, nil
}

// Resources counts resources of a type by what became of them.
func (m *Metrics) Resources(resourceType, outcome string, n int64) {
	if m != nil && n > 0 {
		m.resources.WithLabelValues(resourceType, outcome).Add(float64(n))
	}
}

// Unit records a unit of work that is durable downstream.
func (m *Metrics) Unit(took time.Duration, resources, bytes int64) {
	if m == nil {
		return
	}
	m.unitSeconds.WithLabelValues().Observe(took.Seconds())
	m.unitResources.WithLabelValues().Observe(float64(resources))
	m.bytes.WithLabelValues().Add(float64(bytes))
}

// Retry counts a unit that is tried again.
func (m *Metrics) Retry() {
	if m != nil {
		m.retries.WithLabelValues().Inc()
	}
}

// Rejects counts lines and entries that could not be taken.
func (m *Metrics) Rejects(n int64) {
	if m != nil && n > 0 {
		m.rejects.WithLabelValues().Add(float64(n))
	}
}

// Foreign counts resources that took the place of another supplier's.
func (m *Metrics) Foreign(n int64) {
	if m != nil && n > 0 {
		m.foreign.WithLabelValues().Add(float64(n))
	}
}

// Backlog sets how many messages wait for a consumer, named by the subject it reads.
func (m *Metrics) Backlog(subject string, messages uint64) {
	if m != nil {
		m.backlog.WithLabelValues(subject).Set(float64(messages))
	}
}

// Missing sets how much of the unfinished imports is not accounted for yet.
func (m *Metrics) Missing(n int64) {
	if m != nil {
		m.missing.WithLabelValues().Set(float64(n))
	}
}

// SyncLags sets the lags of all syncs in seconds, by name.
func (m *Metrics) SyncLags(lags map[string]float64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.syncs {
		if _, is := lags[name]; !is {
			m.syncLag.DeleteLabelValues(name)
		}
	}
	m.syncs = maps.Clone(lags)
	for name, lag := range lags {
		m.syncLag.WithLabelValues(name).Set(lag)
	}
}

func counter(reg prometheus.Registerer, stage string, d Definition, into **prometheus.CounterVec) error {
	return register(reg, d, into, prometheus.NewCounterVec(prometheus.CounterOpts(d.opts(stage)), d.Labels))
}

func gauge(reg prometheus.Registerer, stage string, d Definition, into **prometheus.GaugeVec) error {
	return register(reg, d, into, prometheus.NewGaugeVec(prometheus.GaugeOpts(d.opts(stage)), d.Labels))
}

func histogram(reg prometheus.Registerer, stage string, d Definition, into **prometheus.HistogramVec) error {
	o := d.opts(stage)
	return register(reg, d, into, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: o.Name, Help: o.Help, ConstLabels: o.ConstLabels, Buckets: d.Buckets,
	}, d.Labels))
}

func (d Definition) opts(stage string) prometheus.Opts {
	return prometheus.Opts{Name: d.Name, Help: d.Help, ConstLabels: prometheus.Labels{labelStage: stage}}
}

// register puts a collector into the registry, or takes the equal one that is there.
func register[C prometheus.Collector](reg prometheus.Registerer, d Definition, into *C, c C) error {
	err := reg.Register(c)
	if there := (prometheus.AlreadyRegisteredError{}); errors.As(err, &there) {
		if existing, ok := there.ExistingCollector.(C); ok {
			*into = existing
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("register metric %s: %w", d.Name, err)
	}
	*into = c
	return nil
}
