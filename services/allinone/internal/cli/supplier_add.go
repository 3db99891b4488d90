package cli

import (
	"context"
	"encoding/json"
	"os"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// supplierFlags are the flags of `stoker supplier add`: the fields of suppliers.yaml.
type supplierFlags struct {
	supplier                     supplier.Supplier
	mode, validation, keys, jwks string
	replace, token               bool
	fetch                        supplier.FetchOAuth
}

func (a *app) supplierAddCommand() *cobra.Command {
	var f supplierFlags
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Declare a supplier",
		Long: `Declare a supplier. It gets a dataset of its own, of its name, and ids stay as they come. To have it
share a dataset, name a key policy with it: scoped keeps equal ids of two suppliers apart, keep lets the
later one win. For a supplier whose server is asked (exports, pulls, syncs, manifests), name --url-prefix.`,
		Example: `  stoker supplier add clinic-a --mode sync --token
  stoker supplier add clinic-b --dataset research --keys scoped --max-imports 2
  stoker supplier add clinic-c --mode sync --url-prefix https://fhir.clinic-c.example/ --internal-host fhir.clinic-c.example`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.supplier.Name = args[0]
			return a.addSupplier(cmd.Context(), f)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *supplierFlags) add(cmd *cobra.Command) {
	flags, s := cmd.Flags(), &f.supplier
	flags.StringVar(&s.Dataset, "dataset", "", "dataset that it delivers into (default: of its name)")
	flags.StringVar(&f.mode, "mode", "", "overwrite or sync (default: as each import says)")
	flags.StringVar(&s.FHIRVersion, "fhir-version", "", "version of FHIR (default: as each import says)")
	flags.StringVar(&f.validation, "validation", "", "strict, warn or off; imports may be stricter (default: as each import says)")
	flags.StringVar(&f.keys, "keys", "", "keep: ids as they come; scoped: ids of its own, references follow (default keep)")
	flags.StringVar(&s.Base, "base", "", "URL of its FHIR server; absolute references to it are its own")
	flags.StringSliceVar(&s.URLPrefixes, "url-prefix", nil, "what URLs that are fetched for it must begin with (default: none is fetched)")
	flags.StringSliceVar(&s.InternalHosts, "internal-host", nil, "host of such URLs that may have an address that is not public (RFC 1918, loopback and the like); others are refused")
	flags.StringArrayVar(&s.Submitters, "submitter", nil, "system|value of the submitter in $bulk-submit (default any)")
	flags.StringVar(&s.Bucket, "bucket", "", "s3://bucket/prefix/ of its own; what comes to lie there is imported")
	flags.Int64Var(&s.MaxBytes, "max-bytes", 0, "bytes of an import, after decompression (default no limit, as below)")
	flags.Int64Var(&s.MaxLines, "max-lines", 0, "lines of an import")
	flags.IntVar(&s.MaxLine, "max-line", 0, "bytes of a line; a longer one is rejected")
	flags.IntVar(&s.MaxImports, "max-imports", 0, "imports under way at once; others wait, or are answered with 429")
	flags.IntVar(&s.RequestsPerMinute, "requests-per-minute", 0, "requests to the HTTP interface; others are answered with 429")
	flags.IntVar(&s.KeepReportsDays, "keep-reports-days", 0, "days after an import's end that its rejected lines and outcomes are kept (default for ever)")
	flags.BoolVar(&s.Snapshot, "snapshot", false, "its deliveries have all that it has: rows that they lack are deleted; imports may say otherwise")
	flags.StringVar(&s.MaxDeletes, "max-deletes", "", "delete nothing when a snapshot lacks more of its rows: a number, a share, or off (default: as each import says, or "+fhirmsg.DefaultMaxDeletes+")")
	flags.StringVar(&s.ClientID, "client-id", "", "id by which it gets access tokens (SMART Backend Services, as the next two)")
	flags.StringVar(&s.JWKSURL, "jwks-url", "", "where its public keys are")
	flags.StringVar(&f.jwks, "jwks-file", "", "file with its public keys, a JSON Web Key Set")
	flags.StringVar(&f.fetch.ClientID, "fetch-client-id", "", "id by which the fetcher gets tokens of its server (as the next five)")
	flags.StringVar(&f.fetch.KeyFile, "fetch-key-file", "", "private key, where the fetcher runs (default that of STOKER_FETCHER_OAUTH_KEY)")
	flags.StringVar(&f.fetch.KeyID, "fetch-key-id", "", "id of the key (default its own, or its thumbprint)")
	flags.StringVar(&f.fetch.TokenURL, "fetch-token-url", "", "where its tokens are given (default as the server at --base says)")
	flags.StringVar(&f.fetch.Scope, "fetch-scope", "", "what the tokens are to allow (default all that may be read)")
	flags.StringSliceVar(&f.fetch.URLPrefixes, "fetch-token-for", nil, "what URLs that a token is sent to begin with (default the server of --base)")
	flags.BoolVar(&f.token, "token", false, "make a bearer token and print it, this once")
	flags.BoolVar(&f.replace, "replace", false, "declare a supplier anew that is there, with the flags of this command alone; its tokens stay")
}

// declared is the supplier that the flags declare.
func (f supplierFlags) declared() (supplier.Supplier, error) {
	s := f.supplier
	s.Mode, s.Validation, s.Keys = fhirmsg.Mode(f.mode), fhirmsg.Validation(f.validation), fhirmsg.Keys(f.keys)
	if f.jwks != "" {
		content, err := os.ReadFile(f.jwks)
		if err != nil {
			return s, usage("--jwks-file: %w", err)
		}
		if !json.Valid(content) {
			return s, usage("--jwks-file %s: is not JSON", f.jwks)
		}
		s.JWKS = content
	}
	if f.fetch.ClientID != "" {
		s.FetchOAuth = &f.fetch
	} else if f.fetch.KeyFile+f.fetch.KeyID+f.fetch.TokenURL+f.fetch.Scope != "" || len(f.fetch.URLPrefixes) > 0 {
		return s, usage("--fetch-client-id must be given with the other --fetch flags")
	}
	if err := s.Check(); err != nil {
		return s, usage("%w", err)
	}
	return s, nil
}

func (a *app) addSupplier(ctx context.Context, f supplierFlags) error {
	s, err := f.declared()
	if err != nil {
		return err
	}
	return a.withConnection(ctx, func(ctx context.Context, conn *connection) error {
		declared, err := conn.AddSupplier(ctx, s, f.replace)
		if err != nil {
			return err
		}
		what := a.printf
		if f.token {
			what = a.note
		}
		what("supplier %s delivers into dataset %s, with key policy %s\n", declared.Name, declared.DatasetOf(declared.Name), declared.KeysOrKeep())
		if f.token {
			return a.makeToken(ctx, conn, declared.Name)
		}
		return nil
	})
}
