package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// Report is what was measured: medians over the rounds.
type Report struct {
	Resources int64              `json:"resources"`
	Bytes     int64              `json:"bytes"`
	Rounds    int                `json:"rounds"` // that counted
	Rates     map[string]float64 `json:"-"`      // resources a second, by scenario
	Megabytes map[string]float64 `json:"megabytes_per_second"`
	Ratios    map[string]float64 `json:"ratio_to_ceiling"` // median of the ratios within rounds
	ToBinary  map[string]float64 `json:"ratio_to_binary"`  // likewise
	CPU       map[string]Usage   `json:"cpu_seconds_per_million"`
	Peak      map[string]int64   `json:"peak_bytes"` // resident, by process

	measured map[string][]measurement
}

// Usage is a figure for each process.
type Usage map[string]float64

func newReport(b *bench) *Report {
	return &Report{
		Resources: b.resources, Bytes: b.bytes, Rates: map[string]float64{}, Megabytes: map[string]float64{},
		Ratios: map[string]float64{}, ToBinary: map[string]float64{}, CPU: map[string]Usage{}, Peak: map[string]int64{}, measured: map[string][]measurement{},
	}
}

func (r *Report) add(scenario string, m measurement) {
	r.measured[scenario] = append(r.measured[scenario], m)
}

func (r *Report) finish(b *bench) {
	ceiling, binary := r.measured["ceiling"], r.measured["binary"]
	r.Rounds = len(ceiling)
	for name, all := range r.measured {
		r.Rates[name] = median(all, func(_ int, m measurement) float64 { return m.rate })
		r.Megabytes[name] = median(all, func(_ int, m measurement) float64 { return m.megabytes })
		r.Ratios[name] = median(all, func(i int, m measurement) float64 { return m.rate / ceiling[i].rate })
		r.ToBinary[name] = median(all, func(i int, m measurement) float64 { return m.rate / binary[i].rate })
		usage := Usage{}
		for _, p := range b.processes {
			usage[p.name] = median(all, func(_ int, m measurement) float64 { return m.cpu[p.name] })
		}
		r.CPU[name] = usage
	}
	for _, p := range b.processes {
		r.Peak[p.name] = Peak(p.pid)
	}
}

func median(all []measurement, figure func(int, measurement) float64) float64 {
	var values []float64
	for i, m := range all {
		values = append(values, figure(i, m))
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// JSON is the report with the rates under the scenarios' names, in resources a second.
func (r *Report) JSON() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	flat := map[string]any{}
	if err := json.Unmarshal(b, &flat); err != nil {
		return nil, err
	}
	for name, rate := range r.Rates {
		flat[name] = rate
	}
	return json.MarshalIndent(flat, "", "  ")
}

// Print writes the report as tables.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	processes := slices.Sorted(maps.Keys(r.Peak))
	_, _ = fmt.Fprintf(t, "\nscenario\tresources/s\tMB/s\tof ceiling\tof binary\t")
	for _, p := range processes {
		_, _ = fmt.Fprintf(t, "CPU s/M %s\t", p)
	}
	_, _ = fmt.Fprintln(t)
	for _, s := range scenarios {
		_, _ = fmt.Fprintf(t, "%s\t%.0f\t%.1f\t%.2f\t%.2f\t", s.name, r.Rates[s.name], r.Megabytes[s.name], r.Ratios[s.name], r.ToBinary[s.name])
		for _, p := range processes {
			_, _ = fmt.Fprintf(t, "%.1f\t", r.CPU[s.name][p])
		}
		_, _ = fmt.Fprintln(t)
	}
	_, _ = fmt.Fprintf(t, "peak MB\t\t\t\t\t")
	for _, p := range processes {
		_, _ = fmt.Fprintf(t, "%d\t", r.Peak[p]>>20)
	}
	_, _ = fmt.Fprintln(t)
	return t.Flush()
}
