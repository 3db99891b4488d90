package generate

import (
	"context"
	"errors"
	"fmt"
)

const (
	// patientsPerSite is how many patients share one organization with its staff.
	patientsPerSite = 50
	// maxRevision keeps meta.lastUpdated of every revision within a year after the cutoff.
	maxRevision = 365
)

// Options say what to generate.
type Options struct {
	// Dir is the folder that [Run] writes to; it is made where it is missing.
	Dir string
	// Patients is their number, at least 1. One comes with about 300 resources in 400 kB.
	Patients int
	// Seed selects the dataset: equal seeds give equal bytes.
	Seed uint64
	// Revision makes the same resources again as they would be after their k-th update:
	// equal ids, different content. 0 is the original, 365 the last.
	Revision int
	// Progress, where not nil, is called now and then with the totals so far.
	Progress func(resources, bytes int64)
}

func (o Options) validate() error {
	if o.Patients < 1 {
		return errors.New("the number of patients must be at least 1")
	}
	if o.Revision < 0 || o.Revision > maxRevision {
		return fmt.Errorf("the revision must be between 0 and %d", maxRevision)
	}
	return nil
}

// Summary is what was generated.
type Summary struct {
	// Types lists every resource type once, in a fixed order.
	Types []TypeSummary
	// Resources and Bytes (line ends included) are the totals.
	Resources, Bytes int64
}

// TypeSummary is one resource type's part of a [Summary].
type TypeSummary struct {
	// Type is the resource type, "Patient".
	Type string
	// Resources and Bytes (line ends included) are its totals.
	Resources, Bytes int64
}

// Stream generates the resources that [Run] would write and hands them to emit one by one,
// in the order of their files' lines. A line is one resource, its line end included, and is
// valid until emit returns. An error of emit, or the context's, ends it and is returned
// unchanged. [Options.Dir] and [Options.Progress] are not used.
func Stream(ctx context.Context, opts Options, emit func(resourceType string, line []byte) error) error {
	if err := opts.validate(); err != nil {
		return err
	}
	return stream(ctx, opts, func(k kind, line []byte) error { return emit(k.String(), line) })
}

func stream(ctx context.Context, opts Options, emit func(kind, []byte) error) error {
	g := &generator{seed: opts.Seed, revision: opts.Revision, emit: emit}
	g.insurers()
	for i := range opts.Patients {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i%patientsPerSite == 0 {
			g.site(uint64(i / patientsPerSite))
		}
		g.patient(uint64(i))
		if g.err != nil {
			return g.err
		}
	}
	return nil
}

// Run writes the dataset to [Options.Dir], one file per resource type: Patient.ndjson and so
// on. Files get their names only when all are complete; an earlier dataset there is replaced.
// It refuses a folder that holds anything else. Two runs into one folder at a time are not
// guarded against.
func Run(ctx context.Context, opts Options) (Summary, error) {
	if err := opts.validate(); err != nil {
		return Summary{}, err
	}
	out, err := openOutput(opts.Dir)
	if err != nil {
		return Summary{}, fmt.Errorf("generate: %w", err)
	}
	defer out.discard()

	var sum Summary
	for k := range kinds {
		sum.Types = append(sum.Types, TypeSummary{Type: k.String()})
	}
	reported := int64(0)
	err = stream(ctx, opts, func(k kind, line []byte) error {
		sum.Types[k].Resources++
		sum.Types[k].Bytes += int64(len(line))
		sum.Resources++
		sum.Bytes += int64(len(line))
		if opts.Progress != nil && sum.Bytes-reported >= progressBytes {
			reported = sum.Bytes
			opts.Progress(sum.Resources, sum.Bytes)
		}
		return out.write(k, line)
	})
	if err == nil {
		err = out.commit()
	}
	if err != nil {
		return Summary{}, fmt.Errorf("generate: %w", err)
	}
	if opts.Progress != nil {
		opts.Progress(sum.Resources, sum.Bytes)
	}
	return sum, nil
}
