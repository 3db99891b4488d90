package cli

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/allinone/internal/natsconf"
)

func (a *app) supplierNATSCommand() *cobra.Command {
	var keys []string
	cmd := &cobra.Command{
		Use:   "nats-config NAME...",
		Short: "Print the users of a NATS server, so that suppliers can deliver over NATS",
		Long: `Print the block "authorization" of a NATS server's configuration: Stoker's services, with the
password of the server's environment variable NATS_PASSWORD, and the suppliers that are named. Each may
publish on its own subjects and hear the answers, and nothing else.

A supplier has a new password, which is shown this once, on standard error; or the nkey that it made
itself (nk -gen user -pubout) and told the public part of. Whoever is not named is not let in. See docs/nats.md.`,
		Example: `  stoker supplier nats-config clinic-a clinic-b --nkey clinic-b=UDXU4RCS... > suppliers.conf`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			users, err := natsUsers(args, keys)
			if err != nil {
				return err
			}
			var out strings.Builder
			if err := natsconf.Write(&out, users); err != nil {
				return err
			}
			for _, u := range users {
				if u.Password != "" {
					a.note("supplier %s: user %s, password %s, inbox prefix %s", u.Supplier, u.Supplier, u.Password, natsconf.InboxPrefix(u.Supplier))
				} else {
					a.note("supplier %s: its nkey, inbox prefix %s", u.Supplier, natsconf.InboxPrefix(u.Supplier))
				}
			}
			a.printf("%s", out.String())
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&keys, "nkey", nil, "NAME=KEY: the public nkey of a supplier, instead of a password; may be repeated")
	return cmd
}

// natsUsers are the suppliers of a command, each with its nkey or a new password.
func natsUsers(names, keys []string) ([]natsconf.User, error) {
	nkeys := map[string]string{}
	for _, k := range keys {
		name, key, ok := strings.Cut(k, "=")
		if !ok {
			return nil, fmt.Errorf("--nkey %s: want NAME=KEY", k)
		}
		nkeys[name] = key
	}
	var users []natsconf.User
	seen := map[string]bool{}
	for _, name := range names {
		if err := fhirmsg.CheckName(name); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("supplier %s is named twice", name)
		}
		seen[name] = true
		u := natsconf.User{Supplier: name, NKey: nkeys[name]}
		if u.NKey == "" {
			u.Password = rand.Text()
		}
		delete(nkeys, name)
		users = append(users, u)
	}
	for name := range nkeys {
		return nil, fmt.Errorf("--nkey %s=…: the supplier is not among those that are named", name)
	}
	return users, nil
}
