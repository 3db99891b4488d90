package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// Config is what users set. What is 0 gets its default.
type Config struct {
	CAFile         string        `env:"CA_FILE" doc:"file of certificates (PEM) to trust besides the system's"`
	ConnectTimeout time.Duration `env:"CONNECT_TIMEOUT" envDefault:"10s" doc:"longest wait for a connection, and again for its encryption"`
	HeaderTimeout  time.Duration `env:"HEADER_TIMEOUT" envDefault:"60s" doc:"longest wait for the beginning of an answer"`
	IdleTimeout    time.Duration `env:"IDLE_TIMEOUT" envDefault:"60s" doc:"longest wait for the next bytes of an answer"`
	MinRate        int64         `env:"MIN_RATE" envDefault:"512" doc:"least bytes a second of an answer, on average over the idle timeout, while it is waited for"`
	Redirects      int           `env:"REDIRECTS" envDefault:"5" doc:"most redirects that are followed in a row"`
}

// Validate reports settings that cannot be.
func (c Config) Validate() error {
	if c.ConnectTimeout < 0 || c.HeaderTimeout < 0 || c.IdleTimeout < 0 || c.MinRate < 0 || c.Redirects < 0 {
		return errors.New("times, rates and redirects of HTTP must not be negative")
	}
	_, err := c.tls()
	return err
}

func (c Config) withDefaults() Config {
	defaultTo(&c.ConnectTimeout, 10*time.Second)
	defaultTo(&c.HeaderTimeout, time.Minute)
	defaultTo(&c.IdleTimeout, time.Minute)
	defaultTo(&c.MinRate, 512)
	defaultTo(&c.Redirects, 5)
	return c
}

func defaultTo[T time.Duration | int | int64](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

func (c Config) tls() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("certificates to trust: %w", err)
	}
	if t.RootCAs, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("certificates of the system: %w", err)
	}
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificates to trust: %s holds none in PEM", c.CAFile)
	}
	return t, nil
}
