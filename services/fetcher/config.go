package fetcher

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/delivery"
)

// Config is what users set. Every setting works when absent.
type Config struct {
	Imports  int      `env:"IMPORTS" envDefault:"4" doc:"imports of a supplier fetched at once"`
	All      int      `env:"ALL_IMPORTS" envDefault:"32" doc:"imports of all suppliers fetched at once, and as many again of those that suppliers ask for over NATS"`
	Files    int      `env:"FILES" envDefault:"4" doc:"files of an import that are downloaded at once; one after the other where its supplier's policy limits bytes or lines"`
	Window   int      `env:"WINDOW" envDefault:"16" doc:"chunks of an import published at once; a chunk of one long line counts as several"`
	Credit   int64    `env:"CREDIT" envDefault:"67108864" doc:"bytes of a supplier's files, after decompression, that may be on their way and not stored yet, a line counting as 1 KiB at least; one chunk always may"`
	Roots    []string `env:"ROOTS" envDefault:"/" doc:"folders that files and folders named by import requests must lie in, separated by commas"`
	SpoolDir string   `env:"SPOOL_DIR" doc:"folder of content that was handed in, such as standard input; empty: such sources are refused"`

	Drop       string        `env:"DROP" doc:"folder with a folder for each supplier; what a supplier puts there is imported, see docs/drop-folder.md; empty: none"`
	DropSettle time.Duration `env:"DROP_SETTLE" envDefault:"10s" doc:"how long a delivery in the drop folder must be unchanged to be complete, unless it was renamed into its place or has a .done file"`

	Deliver delivery.Config `envPrefix:"DELIVER_"`

	S3          s3.Config     `envPrefix:"S3_"`
	BucketSweep time.Duration `env:"BUCKET_SWEEP" envDefault:"5m" doc:"how often suppliers' buckets are listed for what events missed, see docs/s3.md"`

	HTTP     outbound.Config `envPrefix:"HTTP_"`
	OAuthKey config.Secret   `env:"OAUTH_KEY" doc:"private key, in PEM or as a JSON Web Key, by which servers of suppliers know the fetcher where fetch_oauth names no key_file, see docs/smart.md; empty: none"`
}

// Validate reports settings that cannot be.
func (c Config) Validate() error {
	if c.Imports < 1 || c.All < 1 || c.Files < 1 || c.Window < 1 {
		return errors.New("imports, all imports, files and window must be at least 1")
	}
	if c.Credit < 1 {
		return errors.New("credit must be at least 1 byte")
	}
	if c.Drop != "" && !filepath.IsAbs(c.Drop) {
		return errors.New("drop must be an absolute path")
	}
	if c.DropSettle <= 0 || c.BucketSweep <= 0 {
		return errors.New("drop settle and bucket sweep must be longer than 0")
	}
	return c.Deliver.Validate()
}
