package growth

import (
	"fmt"
	"math"
)

// Cost is what a million resources cost: means over the second half of the steps, where tables
// are large.
type Cost struct {
	CPU     map[string]float64 // seconds, by process
	NDJSON  float64            // bytes, as all that follow
	Queue   float64            // that RESOURCES takes to keep them for replays
	Sizes   map[string]float64 // on disk: heap, TOAST, indexes, ledger
	WAL     float64
	Written float64 // to disks, by PostgreSQL and JetStream
	Rate    float64 // resources a second
}

// Cost works out what a million resources cost.
func (r *Report) Cost() Cost {
	half := len(r.Steps) / 2
	first := Step{}
	if half > 0 {
		first = r.Steps[half-1]
	}
	last := r.last()
	millions := float64(last.Resources-first.Resources) / 1e6
	perMillion := func(bytes int64) float64 { return float64(bytes) / millions }
	c := Cost{CPU: map[string]float64{}, Sizes: map[string]float64{
		"heap": perMillion(last.Sizes.Heap - first.Sizes.Heap), "TOAST": perMillion(last.Sizes.TOAST - first.Sizes.TOAST),
		"indexes": perMillion(last.Sizes.Index - first.Sizes.Index), "ledger": perMillion(last.Sizes.Ledger - first.Sizes.Ledger),
	}}
	var seconds float64
	steps := r.Steps[half:]
	for _, s := range steps {
		for _, p := range processes {
			c.CPU[p] += s.CPU[p] / float64(len(steps))
		}
		c.NDJSON += float64(s.Bytes) / millions
		c.Queue += s.Stream / millions
		c.WAL += perMillion(s.WAL)
		c.Written += perMillion(s.Written["postgres"] + s.Written["nats-server"])
		seconds += s.Seconds
	}
	c.Rate = millions * 1e6 / seconds
	return c
}

// onDisk is what PostgreSQL keeps of a million resources, in bytes.
func (c Cost) onDisk() (sum float64) {
	for _, n := range c.Sizes {
		sum += n
	}
	return sum
}

// Costs is a table of what a number of resources cost, stage by stage.
func (c Cost) Costs(resources float64) string {
	millions := resources / 1e6
	name := short(resources)
	rows := [][]string{{"", "a million", name}}
	var sum float64
	for _, p := range processes {
		sum += c.CPU[p]
		rows = append(rows, []string{"CPU, " + p, fmt.Sprintf("%.1f s", c.CPU[p]), hours(c.CPU[p] * millions)})
	}
	rows = append(rows, []string{"CPU, all", fmt.Sprintf("%.1f s", sum), hours(sum * millions)})
	for _, item := range []struct {
		name  string
		bytes float64
	}{
		{"ndjson", c.NDJSON}, {"kept in `RESOURCES`, if it is to hold all", c.Queue}, {"heap", c.Sizes["heap"]}, {"TOAST", c.Sizes["TOAST"]},
		{"indexes", c.Sizes["indexes"]}, {"ledger", c.Sizes["ledger"]}, {"heap, TOAST, indexes and ledger", c.onDisk()},
		{"WAL", c.WAL}, {"written to disks, PostgreSQL and JetStream", c.Written},
	} {
		rows = append(rows, []string{item.name, megabytes(item.bytes) + " MB", gigabytes(item.bytes * millions)})
	}
	return markdown(rows, true)
}

func hours(seconds float64) string      { return fmt.Sprintf("%.2f core hours", seconds/3600) }
func gigabytes(bytes float64) string    { return fmt.Sprintf("%.0f GB", bytes/1e9) }
func perSecond(bytes float64) string    { return fmt.Sprintf("%.0f MB/s", bytes/1e6) }
func coresFor(cores float64) string     { return fmt.Sprintf("%.0f", max(math.Ceil(cores), 1)) }
func deadline(seconds float64) string   { return fmt.Sprintf("%g h", seconds/3600) }
func ratePerSecond(rate float64) string { return fmt.Sprintf("%.0f", rate) }

// busy is the share of a core that counts on: the rest is for what comes unevenly, for the kernel
// and for queries.
const busy = 0.7

// Needs is a table of what a number of resources need to be stored in so many seconds each: cores
// for each process, and bytes a second.
func (c Cost) Needs(resources float64, seconds ...float64) string {
	rows := [][]string{{"in"}, {"resources/s"}}
	for _, p := range processes {
		rows = append(rows, []string{"cores, " + p})
	}
	rows = append(rows, []string{"cores, all"}, []string{"read from the source"}, []string{"WAL"}, []string{"written to disks"})
	for _, s := range seconds {
		millions := resources / 1e6 / s // a second
		cells := []string{deadline(s), ratePerSecond(resources / s)}
		var all float64
		for _, p := range processes {
			cores := c.CPU[p] * millions / busy
			all += cores
			cells = append(cells, coresFor(cores))
		}
		cells = append(cells, coresFor(all), perSecond(c.NDJSON*millions), perSecond(c.WAL*millions), perSecond(c.Written*millions))
		for i := range rows {
			rows[i] = append(rows[i], cells[i])
		}
	}
	return markdown(rows, true)
}
