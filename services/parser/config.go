package parser

import (
	"errors"
	"runtime"
)

// Config is what users set. Every setting works when absent.
type Config struct {
	Workers   int `env:"WORKERS" envDefault:"0" doc:"chunks parsed at once; 0 is one for each processor"`
	TypeShare int `env:"TYPE_SHARE" envDefault:"50" doc:"percent of the RESOURCES stream that resources of one type may take while they wait to be stored"`
}

// Validate reports settings that cannot be.
func (c Config) Validate() error {
	if c.Workers < 0 {
		return errors.New("workers must not be negative")
	}
	if c.TypeShare < 1 || c.TypeShare > 100 {
		return errors.New("type share must be 1 to 100 percent")
	}
	return nil
}

func (c Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return runtime.GOMAXPROCS(0)
}
