package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// syncFlags are the flags of `stoker sync add`: the fields of suppliers.yaml.
type syncFlags struct {
	sync             supplier.Sync
	mode, validation string
	headers          []string
	replace          bool
	export           syncExportFlags
}

func (a *app) syncAddCommand() *cobra.Command {
	var f syncFlags
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Declare a sync",
		Long: `Declare a sync: which source is asked, when, and where what it has is imported. There are two kinds:

  export    the source is a FHIR server, which is asked for a bulk export of what has changed since the
            last one; with --group, --patient-level, --type and the like, or with --kind export
  publish   the source is a manifest at a URL; else

--every is a cron expression: minute, hour, day of the month, month, day of the week. "0 2 * * *" is every
night at two, "*/15 * * * *" every quarter of an hour, "30 6 * * 1-5" at half past six on working days;
@hourly, @daily, @weekly, @monthly and @yearly are short for the obvious. Where clocks are put forward, a
time that is left out is made up at once, and where they are put back, a time that comes twice counts once.

The supplier is declared first (stoker supplier add), with its URL prefixes. A name that was never declared
has no policy, and delivers into dataset fhir unless --into names another one.

The first run takes everything. Begin it at once with: stoker sync run NAME`,
		Example: `  stoker sync add directory --from 'https://example.org/fhir/$bulk-publish' --every "0 2 * * *" --zone Europe/Berlin
  stoker sync add clinic-a --supplier clinic-a --from https://clinic-a.example/manifest.json --every @hourly --header @token
  stoker sync add trial --from https://clinic-a.example/fhir --group 7 --every "0 2 * * *" --supplier clinic-a --header-file /run/secrets/clinic-a
  stoker sync add directory --replace --from 'https://example.org/fhir/$bulk-publish' --every "0 3 * * *"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.sync.Name, f.sync.Export = args[0], f.export.of(f.sync.Kind)
			return a.addSync(cmd.Context(), f)
		},
	}
	flags, s := cmd.Flags(), &f.sync
	flags.StringVar(&s.Kind, "kind", "", "publish: a manifest at a URL, as $bulk-publish gives it; export: bulk exports of a FHIR server (default publish, or export where --group or the like is given)")
	flags.StringVar(&s.From, "from", "", "URL of the manifest; of an export, base URL of the FHIR server; required")
	flags.StringVar(&s.Every, "every", "", "when it is due, a cron expression such as \"0 2 * * *\"; required")
	flags.StringVar(&s.Zone, "zone", "", "time zone of --every, such as Europe/Berlin (default UTC)")
	flags.StringVar(&s.Supplier, "supplier", "", "who delivers; its policy counts, and its URL prefixes must allow the URL (default local, which may ask for any URL)")
	flags.StringVar(&s.Dataset, "into", "", "dataset to import into (default: the supplier's, or fhir)")
	flags.StringVar(&f.mode, "mode", "", "overwrite: the later import wins; sync: the later meta.lastUpdated wins (default: the supplier's, or overwrite; of an export, sync)")
	flags.StringVar(&f.validation, "validation", "", "strict, warn or off (default: the supplier's, or warn)")
	flags.StringArrayVar(&f.headers, "header", nil, `header of requests, as in "X-Key: value"; @FILE has one on each line, and is read now. May be repeated`)
	flags.StringVar(&s.HeaderFile, "header-file", "", "absolute path of a file of headers, such as Authorization: Bearer …, that stoker up reads when a run begins, so that a token in it may be renewed")
	flags.BoolVar(&f.replace, "replace", false, "declare a sync anew that is there, with the flags of this command alone; its runs stay, and of the same data how far it was imported")
	f.export.add(cmd)
	return cmd
}

func (a *app) addSync(ctx context.Context, f syncFlags) error {
	s := f.sync
	s.Mode, s.Validation = fhirmsg.Mode(f.mode), fhirmsg.Validation(f.validation)
	var err error
	if s.Headers, err = readHeaders(f.headers); err != nil {
		return usage("--header: %w", err)
	}
	switch {
	case s.From == "":
		return usage("--from is missing: the URL of a manifest, such as https://example.org/fhir/$bulk-publish, or, with --group or the like, of a FHIR server")
	case s.Every == "":
		return usage(`--every is missing: when it is due, such as "0 2 * * *" for every night at two`)
	}
	if err := checkTypes("--type", f.export.Types); err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return usage("%w", err)
	}
	return a.withConnection(ctx, func(ctx context.Context, conn *connection) error {
		declared, err := conn.AddSync(ctx, s, f.replace)
		if err != nil {
			return err
		}
		a.printf("sync %s, of kind %s, into dataset %s: %s\n", declared.Name, declared.Kind, declared.Into, nextRun(declared.Sync))
		if err := a.noteUndeclared(ctx, conn, declared.Supplier); err != nil {
			return err
		}
		if conn.own != nil {
			a.note(`no "stoker up" is running; it is what runs syncs`)
		}
		return nil
	})
}

// noteUndeclared says that a supplier was never declared, as one whose name is mistyped.
func (a *app) noteUndeclared(ctx context.Context, conn *connection, name string) error {
	if name == fhirmsg.DefaultSupplier {
		return nil
	}
	list, err := conn.Suppliers(ctx)
	if err == nil && !slices.ContainsFunc(list, func(s ledger.Supplier) bool { return s.Name == name }) {
		a.note("supplier %s was never declared, and has no policy; declare it with: stoker supplier add %s", name, name)
	}
	return err
}
