package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// importFlags are the flags of `stoker import`.
type importFlags struct {
	dataset, supplier, mode, asOf, resume string
	validation, maxRejects                string
	maxDeletes, mends                     string
	snapshotTypes                         []string
	snapshot, snapshotSet                 bool
	manifests, headers                    []string
	chunkSize                             int
	export                                exportFlags
	pull                                  pullFlags
	endFlags
}

// endFlags are the flags about how an import is watched and ended.
type endFlags struct{ json, noWait, strict bool }

func (f *endFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print the import as one JSON object at the end, and no progress")
	flags.BoolVar(&f.noWait, "no-wait", false, "print the import's id and return; needs a running stoker up")
	flags.BoolVar(&f.strict, "strict", false, "exit with 3 when lines were rejected")
}

func (a *app) importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import PATH|URL|- …",
		Short: "Import FHIR resources from files, folders, URLs, buckets or standard input",
		Long: `Import FHIR resources. A folder is read recursively: .ndjson, .jsonl and .json, plain or
as .gz or .zst. The content tells the format, not the name: ndjson, a single resource, a
Bundle, compressed or not. "-" is standard input.

Resources are checked against FHIR's definitions. Those with errors are stored and the errors
reported, unless --validation says otherwise. Rejected in any case: what is not JSON, unknown
resource types, resources without an id. When too much is rejected, the import pauses and says
what it looks like; "stoker import --resume ID" goes on whatever is rejected.

Importing the same again changes nothing. Ctrl-C pauses the import, also where "stoker up" does
it; "stoker import --resume ID" goes on.

A FHIR server is asked for what it has by --export (bulk export, docs/export.md) or, patient by
patient, by --everything or --search (a pull, docs/pull.md).

Exit codes: 0 complete (rejected lines allowed), 1 failed, 2 wrong usage,
3 complete with rejected lines under --strict, 4 paused, 5 complete, but what the
snapshot lacks was not deleted.`,
		Example: `  stoker import data/
  stoker import Patient.ndjson.gz https://example.org/Observation.ndjson
  stoker import s3://deliveries/2026-05/
  zcat dump.gz | stoker import - --dataset research
  stoker import --manifest https://example.org/bulk/manifest.json --mode sync --header @token
  stoker import --export https://example.org/fhir --group 7 --type Patient --since 2026-05-01T00:00:00Z --mode sync --header @token
  stoker import --everything https://example.org/fhir --patients ids.txt --follow Practitioner,Organization --mode sync --header @token
  stoker import data/ --validation strict --max-rejects 2.5%`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.snapshotSet = cmd.Flags().Changed("snapshot")
			return a.runImport(cmd.Context(), f, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dataset, "dataset", "", "dataset to import into, a schema in PostgreSQL (default: the supplier's, or fhir)")
	flags.StringVar(&f.supplier, "supplier", "", "who delivers (default local); one that was declared delivers by its policy, see: stoker supplier --help")
	flags.StringVar(&f.mode, "mode", "", "overwrite: the later import wins; sync: the later meta.lastUpdated wins. Fixed by a dataset's first import (default: the supplier's, or overwrite)")
	flags.StringVar(&f.asOf, "as-of", "", "mode sync: the time (RFC 3339) of resources without meta.lastUpdated")
	flags.IntVar(&f.chunkSize, "chunk-size", 0, "bytes of a chunk, before compression (default 2 MiB)")
	flags.StringVar(&f.validation, "validation", "",
		"strict: a resource with an error is rejected; warn: it is stored, and the error reported; off: not checked (default: the supplier's, or warn)")
	flags.StringVar(&f.maxRejects, "max-rejects", fhirmsg.DefaultMaxRejects,
		"pause when more is rejected: a number, a share, which counts from 1,000 lines on, or off")
	f.add(cmd)
	flags.BoolVar(&f.snapshot, "snapshot", false, "it has all that its supplier has: rows of the supplier that it lacks are deleted (default: the supplier's, or not)")
	flags.StringSliceVar(&f.snapshotTypes, "snapshot-types", nil, "only rows of these resource types are, such as Patient,Observation (default: of all)")
	flags.StringVar(&f.maxDeletes, "max-deletes", "", "delete nothing when it lacks more of the supplier's rows: a number, a share, or off (default: the supplier's, or "+fhirmsg.DefaultMaxDeletes+")")
	flags.StringVar(&f.mends, "mends", "", "id of an import of the supplier whose rejects this delivers anew")
	flags.StringArrayVar(&f.manifests, "manifest", nil, "URL of a manifest, as a bulk export ends with; its files are imported. May be repeated")
	f.export.add(cmd)
	f.pull.add(cmd)
	flags.StringArrayVar(&f.headers, "header", nil, `header of requests for URLs, exports, pulls and manifests, as in "X-Key: value"; @FILE has one on each line. May be repeated`)
	flags.StringVar(&f.resume, "resume", "", "go on with a paused or interrupted import, by its id")
	return cmd
}

func (a *app) runImport(ctx context.Context, f importFlags, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	req, err := f.request()
	if err != nil {
		return err
	}
	paths, err := a.sources(args)
	if err != nil {
		return err
	}
	if paths, err = f.remote(paths); err != nil {
		return err
	}
	a.noteSince(f.export.since)
	return a.follow(ctx, f.endFlags, func(ctx context.Context, conn *connection) (fhirmsg.ImportID, error) {
		return a.begin(ctx, conn, f, req, paths)
	})
}

// follow begins an import and watches it to its end.
func (a *app) follow(ctx context.Context, f endFlags, begin func(context.Context, *connection) (fhirmsg.ImportID, error)) error {
	conn, err := a.connect(ctx, true)
	if err != nil {
		return err
	}
	defer conn.close(ctx)
	if f.noWait && conn.own != nil {
		return usage("--no-wait needs a running stoker up: without it the import would end with this command")
	}
	id, err := begin(ctx, conn)
	if err != nil {
		return err
	}
	if f.noWait {
		a.printf("%s\n", id)
		return nil
	}
	status, err := a.watch(ctx, conn, id, !f.json)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		return a.interrupted(ctx, conn, id, f)
	}
	return a.finish(status, f)
}

func (f importFlags) check(args []string) error {
	switch {
	case f.resume == "" && len(args)+len(f.manifests)+len(f.export.server)+len(f.pull.server()) == 0:
		return usage("name at least one file, folder, URL or - for standard input\nsee: stoker import --help")
	case f.resume != "" && len(args)+len(f.manifests)+len(f.export.server)+len(f.pull.server()) > 0:
		return usage("--resume goes on with what the import named; name no sources")
	}
	if f.pull.server() != "" {
		return f.pull.check(f.export)
	}
	if err := f.pull.alone(); err != nil {
		return err
	}
	return f.export.check()
}

// request is the import that the flags ask for, without its sources.
func (f importFlags) request() (req fhirmsg.ImportRequest, err error) {
	req = fhirmsg.ImportRequest{
		Supplier: f.supplier, Dataset: f.dataset, Mode: fhirmsg.Mode(f.mode), ChunkSize: f.chunkSize,
		Validation: fhirmsg.Validation(f.validation), MaxRejects: f.maxRejects, SnapshotTypes: f.snapshotTypes, MaxDeletes: f.maxDeletes,
	}
	if f.snapshotSet {
		req.Snapshot = &f.snapshot
	}
	if f.mends != "" {
		if req.Mends, err = fhirmsg.ParseImportID(f.mends); err != nil {
			return req, usage("--mends: %w", err)
		}
	}
	if f.asOf != "" {
		t, err := time.Parse(time.RFC3339, f.asOf)
		if err != nil {
			return req, usage("--as-of %s: want a time such as 2026-05-01T00:00:00Z", f.asOf)
		}
		req.AsOf = &t
	}
	check := req
	check.ID = fhirmsg.ImportID{1}                // the other side chooses it
	check.Sources = []fhirmsg.Source{{Path: "/"}} // they are checked where they are read
	checked := check.CheckOpen
	if f.supplier == "" { // there is no policy that fills anything in
		checked = check.WithDefaults().Check
	}
	if err := checked(); err != nil {
		return req, lifecycle.Exit{Code: ExitUsage, Err: err}
	}
	return req, nil
}

// sources turns arguments into sources; standard input becomes an empty one, to be spooled.
func (a *app) sources(args []string) ([]fhirmsg.Source, error) {
	var sources []fhirmsg.Source
	stdin := false
	for _, arg := range args {
		switch {
		case arg == "-" && stdin:
			return nil, usage("standard input can be named once")
		case arg == "-":
			stdin = true
			sources = append(sources, fhirmsg.Source{})
		case strings.HasPrefix(arg, "http://"), strings.HasPrefix(arg, "https://"), s3.IsURL(arg):
			sources = append(sources, fhirmsg.Source{URL: arg})
		default:
			path, err := filepath.Abs(arg)
			if err != nil {
				return nil, usage("%s: %w", arg, err)
			}
			if a.settings.URL == "" { // else the other side sees its own files
				if _, err := os.Stat(path); err != nil {
					return nil, usage("%w", err)
				}
			}
			sources = append(sources, fhirmsg.Source{Path: path})
		}
	}
	return sources, nil
}

// begin asks for the import, or for an earlier one to be resumed.
func (a *app) begin(ctx context.Context, conn *connection, f importFlags, req fhirmsg.ImportRequest, sources []fhirmsg.Source) (id fhirmsg.ImportID, err error) {
	if f.resume != "" {
		if id, err = fhirmsg.ParseImportID(f.resume); err != nil {
			return id, lifecycle.Exit{Code: ExitUsage, Err: err}
		}
		return id, conn.Resume(ctx, id)
	}
	req.Sources = sources
	for i, s := range sources {
		if s.String() != "" {
			continue
		}
		if req.Sources[i].Spool, err = conn.Spool(ctx, a.io.In); err != nil {
			return id, err
		}
	}
	return conn.Import(ctx, req)
}

// interrupted pauses an import after Ctrl-C and says how to go on.
func (a *app) interrupted(ctx context.Context, conn *connection, id fhirmsg.ImportID, f endFlags) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := conn.Pause(ctx, id)
	if status, statusErr := conn.Status(ctx, id); statusErr == nil && status.State.Ended() {
		return a.finish(status, f) // it had come to its end meanwhile
	} else if statusErr == nil && f.json {
		a.printJSON(status)
	}
	if err != nil && conn.own == nil {
		a.note("the import goes on at the other process; stoker status %s shows it", id)
		return lifecycle.Exit{Code: ExitPaused}
	}
	a.note("paused; go on with: stoker import --resume %s", id)
	return lifecycle.Exit{Code: ExitPaused}
}

// finish prints the end of an import and turns it into an exit code.
func (a *app) finish(status ledger.Status, f endFlags) error {
	if f.json {
		a.printJSON(status)
	} else {
		a.printStatus(status)
	}
	rejected := status.Lines.Rejected + status.Resources.Rejected
	switch {
	case status.State == ledger.StatePaused:
		a.note("paused; go on with: stoker import --resume %s", status.Import)
		return lifecycle.Exit{Code: ExitPaused}
	case status.State != ledger.StateComplete:
		return lifecycle.Exit{Code: ExitFailed, Err: fmt.Errorf("import %s %s: %s", status.Import, status.State, orNone(status.Reason))}
	case rejected > 0 && f.strict:
		return lifecycle.Exit{Code: ExitRejects}
	case status.Snapshot != nil && status.Snapshot.State != ledger.SnapshotApplied:
		return lifecycle.Exit{Code: ExitSnapshot}
	}
	return nil
}

func orNone(reason string) string {
	if reason == "" {
		return "no reason given"
	}
	return reason
}

func (a *app) printJSON(v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		a.note("cannot print: %v", err)
		return
	}
	a.printf("%s\n", b)
}
