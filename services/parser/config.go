package parser

import (
	"errors"
	"runtime"
)

// Config is what users set. Every setting works when absent.
type Config struct {
	Workers int `env:"WORKERS" envDefault:"0" doc:"chunks parsed at once; 0 is one for each processor"`
}

// Validate reports settings that cannot be.
func (c Config) Validate() error {
	if c.Workers < 0 {
		return errors.New("workers must not be negative")
	}
	return nil
}

func (c Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return runtime.GOMAXPROCS(0)
}
