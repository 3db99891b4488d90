package natsconf

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// User is a supplier, and how it proves who it is: by exactly one of both.
type User struct {
	Supplier string
	Password string // of which only a hash is written
	NKey     string // public, of a user: it begins with U
}

// cost of a hash. The server takes it at every connection.
const cost = 11

// Write writes the users of a NATS server: Stoker's services, which may do everything and have the password of the
// environment's NATS_PASSWORD, and suppliers, each of which may publish on its own subjects, and hear the answers.
func Write(w io.Writer, users []User) error {
	var b strings.Builder
	b.WriteString(head)
	for _, u := range users {
		credential, err := u.credential()
		if err != nil {
			return fmt.Errorf("supplier %s: %w", u.Supplier, err)
		}
		fmt.Fprintf(&b, user, u.Supplier, credential, fhirmsg.DeliverSubject(u.Supplier), fhirmsg.SupplierFetchSubject(u.Supplier), InboxPrefix(u.Supplier)+".>")
	}
	b.WriteString(tail)
	_, err := io.WriteString(w, b.String())
	return err
}

// InboxPrefix is what a supplier's client must have answers sent to.
func InboxPrefix(supplier string) string { return "_INBOX_" + supplier }

func (u User) credential() (string, error) {
	if err := fhirmsg.CheckName(u.Supplier); err != nil {
		return "", err
	}
	switch {
	case u.NKey != "" && u.Password != "" || u.NKey == "" && u.Password == "":
		return "", errors.New("give either a password or an nkey")
	case u.NKey != "":
		if !isUserKey(u.NKey) {
			return "", errors.New("the nkey must be the public key of a user, which begins with U")
		}
		return "nkey: " + u.NKey, nil
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(u.Password), cost)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("user: %s, password: %s", strconv.Quote(u.Supplier), strconv.Quote(string(hash))), nil
}

// isUserKey reports whether s looks like a user's public key: base32, 56 characters. The server checks the rest.
func isUserKey(s string) bool {
	return len(s) == 56 && s[0] == 'U' && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

const head = `# Users of the NATS server, made by "stoker supplier nats-config". In the server's configuration, in place of its
# block "authorization":   include "suppliers.conf"
authorization {
  users: [
    # Stoker's services.
    { user: stoker, password: $NATS_PASSWORD }
`

const user = `    # Supplier %s.
    {
      %s
      permissions: {
        publish: { allow: ["%s", "%s"] }
        subscribe: { allow: ["%s"] }
      }
    }
`

const tail = `  ]
}
`
