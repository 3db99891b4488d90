package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

func (a *app) supplierCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "supplier",
		Short: "Declare who delivers, and under which policy",
		Long: `Declare who delivers, and under which policy: into which dataset, how it is validated and
keyed, within which limits. What an import leaves open is filled in by its supplier's policy, and
what contradicts it is refused. Suppliers can also be declared in a file (STOKER_SUPPLIERS), which
is then the place to change them. See docs/suppliers.md.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.supplierAddCommand(), a.supplierListCommand(), a.supplierShowCommand(), a.supplierTokenCommand(), a.supplierNATSCommand(), a.supplierRemoveCommand(),
		a.supplierKeyCommand(), a.supplierAccessTokenCommand())
	return cmd
}

func (a *app) supplierListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show all suppliers that were declared",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				list, err := conn.Suppliers(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(list)
					return nil
				}
				return a.printSuppliers(list)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printSuppliers(list []ledger.Supplier) error {
	if len(list) == 0 {
		a.printf("no supplier was declared; declare one: stoker supplier add NAME\n")
		return nil
	}
	t := a.table()
	row(t, "SUPPLIER", "DATASET", "KEYS", "MODE", "VALIDATION", "DECLARED IN", "TOKENS", "")
	for _, s := range list {
		removed := ""
		if s.Removed != nil {
			removed = "removed " + s.Removed.Local().Format("2006-01-02 15:04:05")
		}
		row(t, s.Name, s.DatasetOf(s.Name), string(s.KeysOrKeep()), orAny(string(s.Mode)), orAny(string(s.Validation)),
			declaredIn(s), thousands(int64(len(s.TokenHashes))), removed)
	}
	return t.Flush()
}

func orAny(s string) string {
	if s == "" {
		return "any"
	}
	return s
}

func declaredIn(s ledger.Supplier) string {
	if s.FromFile {
		return "file"
	}
	return "command"
}

func (a *app) supplierShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show a supplier, as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				s, err := conn.Supplier(ctx, args[0])
				if err != nil {
					return err
				}
				a.printJSON(s)
				return nil
			})
		},
	}
}

func (a *app) supplierTokenCommand() *cobra.Command {
	var onlyMake bool
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Make another bearer token for a supplier, and print it, this once",
		Long: `Make another bearer token for a supplier, and print it. It is shown this once: what is kept is its hash.
With --only-make it is not kept at all; put the hash into the file of suppliers, as one of
token_hashes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if onlyMake {
				token, hash := supplier.NewToken(args[0])
				a.note("hash: %s", hash)
				a.printf("%s\n", token)
				return nil
			}
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				return a.makeToken(ctx, conn, args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&onlyMake, "only-make", false, "print token and hash, and keep neither")
	return cmd
}

// makeToken prints a new token to standard output, and nothing else there.
func (a *app) makeToken(ctx context.Context, conn *connection, name string) error {
	t, err := conn.AddToken(ctx, name)
	if err != nil {
		return err
	}
	a.note("the token of supplier %s, which is shown this once:", name)
	a.printf("%s\n", t.Token)
	return nil
}

func (a *app) supplierRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Refuse what a supplier delivers from now on; its data stays",
		Long: `Refuse what a supplier delivers from now on, and its tokens. Its data, and the account of its
imports, stay; imports that are under way go on. "stoker supplier add" brings it back.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				if err := conn.RemoveSupplier(ctx, args[0]); err != nil {
					return err
				}
				a.printf("removed %s; what it delivered stays\n", strings.TrimSpace(args[0]))
				return nil
			})
		},
	}
}
