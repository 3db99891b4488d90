package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
)

// SchemaHash is a hash of all migrations: what was migrated under the same one has the same schema.
func SchemaHash() string {
	h := sha256.New()
	names, _ := fs.Glob(migrations, "migrations/*.sql") // the pattern is well formed
	for _, name := range names {
		content, _ := migrations.ReadFile(name) // it is part of the program
		h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil))
}
