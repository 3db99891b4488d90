package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/stack"
)

func (a *app) supplierKeyCommand() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "key FILE",
		Short: "Print the public keys of a private key; make it first where there is none",
		Long: `Print the JSON Web Key Set of the private key in a file (PEM, or a JSON Web Key). Where there is
no such file, a key for ES384 is made and put there, for its owner to read only. The set is what
the other side is to know: a supplier's is declared with --jwks-file, and the fetcher's registered at
the supplier's server.`,
		Example: "  stoker supplier key clinic-a.key > clinic-a.jwks",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				if text, err = smart.NewPrivateKey(); err == nil {
					err = writeNew(args[0], text)
				}
			}
			if err != nil {
				return fmt.Errorf("private key: %w", err)
			}
			key, err := smart.ReadPrivateKey(text, id)
			if err != nil {
				return err
			}
			set, err := key.PublicSet()
			if err != nil {
				return err
			}
			a.printf("%s\n", set)
			return nil
		},
	}
	cmd.Flags().StringVar(&id, "key-id", "", "id of the key (default: its own, or its thumbprint)")
	return cmd
}

// writeNew writes a file that must not be there.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(content, '\n'))
	return errors.Join(err, f.Close())
}

func (a *app) supplierAccessTokenCommand() *cobra.Command {
	var base string
	var o supplier.FetchOAuth
	cmd := &cobra.Command{
		Use:   "access-token",
		Short: "Get an access token by a private key, as a supplier does, and print it",
		Long: `Get an access token by SMART Backend Services, as a supplier does: look where tokens are given, sign an
assertion and ask for one. It is good for minutes. The server is the running stoker (STOKER_URL), or any
FHIR server with --base.`,
		Example: "  TOKEN=$(stoker supplier access-token --client-id clinic-a --key-file clinic-a.key)",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.ClientID == "" || o.KeyFile == "" {
				return usage("--client-id and --key-file must be given")
			}
			if base == "" {
				note, _ := stack.Running(a.settings.DataDir)
				if base = strings.TrimRight(cmp.Or(a.settings.URL, note.URL), "/"); base == "" {
					return usage("no stoker is running here; give --base, or set STOKER_URL")
				}
				base += "/fhir"
			}
			if _, err := outbound.ParseURL(base); err != nil {
				return usage("--base: %w", err)
			}
			tokens := smart.NewTokens(smart.Tokens{
				HTTP:     a.settings.Fetcher.HTTP,
				Supplier: supplier.Supplier{Policy: supplier.Policy{Base: base}, Credentials: supplier.Credentials{FetchOAuth: &o}},
			})
			token, err := tokens.Token(cmd.Context())
			if err != nil {
				return err
			}
			a.printf("%s\n", token)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&base, "base", "", "URL of the FHIR server (default: the running stoker)")
	flags.StringVar(&o.ClientID, "client-id", "", "id that the server knows the client by")
	flags.StringVar(&o.KeyFile, "key-file", "", "private key, PEM or a JSON Web Key")
	flags.StringVar(&o.KeyID, "key-id", "", "id of the key (default: its own, or its thumbprint)")
	flags.StringVar(&o.TokenURL, "token-url", "", "where tokens are given (default: as the server says)")
	flags.StringVar(&o.Scope, "scope", smart.ScopeWrite, "what the token is to allow")
	return cmd
}
