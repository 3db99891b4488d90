package writer

import (
	"fmt"
	"time"
)

// Config is what users set. Every setting works when absent.
type Config struct {
	Transactions int `env:"TRANSACTIONS" envDefault:"3" doc:"transactions at once, each on a connection of its own"`
	Rows         int `env:"ROWS" envDefault:"5000" doc:"resources gathered into one transaction, at most"`
	Bytes        int `env:"BYTES" envDefault:"8388608" doc:"bytes of resources gathered into one transaction, unless a single batch has more"`
	// StreamBytes bounds the stream that replays read.
	StreamBytes int64 `env:"STREAM_BYTES" envDefault:"4294967296" doc:"size of the RESOURCES stream in bytes; from 80 % on, what is stored already is trimmed, oldest first; REJECTS has an eighth of it, STATEMENTS and JOURNAL a thirty-second part, but at least 512 and 128 MiB"`
	// StreamAge bounds it too. It is kept by the writers and not by JetStream, which would drop what is not stored.
	StreamAge time.Duration `env:"STREAM_AGE" envDefault:"0s" doc:"what is stored already and older is trimmed from RESOURCES, REJECTS, STATEMENTS and JOURNAL, such as 720h; 0s: no limit"`
}

// Validate reports settings that cannot be.
func (c Config) Validate() error {
	if c.Transactions < 1 || c.Rows < 1 || c.Bytes < 1 {
		return fmt.Errorf("transactions, rows and bytes must be at least 1")
	}
	if c.StreamBytes < 16<<20 {
		return fmt.Errorf("stream bytes must be at least 16 MiB")
	}
	if c.StreamAge < 0 {
		return fmt.Errorf("stream age must not be negative")
	}
	return nil
}
