package s3

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/config"
)

// Config is what operators set. Every setting works when absent.
type Config struct {
	Endpoint     string        `env:"ENDPOINT" doc:"URL of the object store, such as https://minio.example.org:9000; empty: AWS, by the region"`
	Region       string        `env:"REGION" envDefault:"us-east-1" doc:"region that requests are signed for"`
	Addressing   string        `env:"ADDRESSING" envDefault:"auto" doc:"where buckets are: path (https://host/bucket), virtual (https://bucket.host), or auto: virtual at AWS, else path"`
	AccessKey    config.Secret `env:"ACCESS_KEY" doc:"access key; empty: requests are not signed, as for public buckets"`
	SecretKey    config.Secret `env:"SECRET_KEY" doc:"its secret key"`
	SessionToken config.Secret `env:"SESSION_TOKEN" doc:"its session token, of keys that are valid for a while"`
	Profiles     string        `env:"PROFILES" doc:"file with settings and keys by supplier, in the form of AWS's credentials file, see docs/s3.md; it is read anew for each import"`
}

// What ADDRESSING can be.
const (
	addressingAuto    = "auto"
	addressingPath    = "path"
	addressingVirtual = "virtual"
)

const defaultRegion = "us-east-1"

// Validate reports settings that cannot be, those of the profiles too.
func (c Config) Validate() error {
	if _, err := c.settings().account(); err != nil {
		return fmt.Errorf("S3: %w", err)
	}
	if c.Profiles == "" {
		return nil
	}
	profiles, err := readProfiles(c.Profiles)
	if err != nil {
		return err
	}
	for name := range profiles {
		if _, err := c.Account(name); err != nil {
			return err
		}
	}
	return nil
}

// settings are those of one profile, or of the environment.
type settings struct {
	endpoint, region, addressing string
	key, secret, token           config.Secret
}

func (c Config) settings() settings {
	return settings{c.Endpoint, c.Region, c.Addressing, c.AccessKey, c.SecretKey, c.SessionToken}
}

// Account is a store, and by which right it is read.
type Account struct {
	endpoint   *url.URL // scheme and host
	region     string
	addressing string

	key, secret, token config.Secret
}

// Account returns that of a supplier: of the profile of its name, else of the profile "default", else of the
// environment. What a profile leaves open of endpoint, region and addressing is as in the environment. Keys
// come from one place, and never in parts.
func (c Config) Account(supplier string) (Account, error) {
	s := c.settings()
	if c.Profiles != "" {
		profiles, err := readProfiles(c.Profiles)
		if err != nil {
			return Account{}, err
		}
		p, ok := profiles[supplier]
		if !ok {
			p, ok = profiles[defaultProfile]
		}
		if ok {
			s.endpoint, s.region, s.addressing = cmp.Or(p.endpoint, s.endpoint), cmp.Or(p.region, s.region), cmp.Or(p.addressing, s.addressing)
			if p.key != "" || p.secret != "" {
				s.key, s.secret, s.token = p.key, p.secret, p.token
			}
		}
	}
	a, err := s.account()
	if err != nil {
		return a, fmt.Errorf("S3, for supplier %s: %w", supplier, err)
	}
	return a, nil
}

func (s settings) account() (Account, error) {
	a := Account{
		region: cmp.Or(s.region, defaultRegion), addressing: cmp.Or(s.addressing, addressingAuto),
		key: s.key, secret: s.secret, token: s.token,
	}
	if strings.Trim(a.region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return a, errors.New("region: must be lower-case letters, digits and hyphens, such as eu-central-1")
	}
	switch a.addressing {
	case addressingAuto, addressingPath, addressingVirtual:
	default:
		return a, fmt.Errorf("addressing: must be %s, %s or %s", addressingAuto, addressingPath, addressingVirtual)
	}
	if (s.key == "") != (s.secret == "") {
		return a, errors.New("access key and secret key: set both, or neither")
	}
	if strings.ContainsAny(s.key.Reveal(), "\r\n\x00 ,/") || strings.ContainsAny(s.token.Reveal(), "\r\n\x00 ") {
		return a, errors.New("access key or session token: has characters that none has")
	}
	var err error
	a.endpoint, err = parseEndpoint(cmp.Or(s.endpoint, awsEndpoint(a.region)))
	return a, err
}

// awsEndpoint is where AWS serves a region.
func awsEndpoint(region string) string {
	host := "https://s3." + region + ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		host += ".cn"
	}
	return host
}

// parseEndpoint reads an endpoint. The port is left out where it is the scheme's own, as it is in what is signed.
func parseEndpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("endpoint: must be a URL such as https://minio.example.org:9000, without a path")
	}
	host := u.Host
	if u.Scheme == "http" {
		host = strings.TrimSuffix(host, ":80")
	} else {
		host = strings.TrimSuffix(host, ":443")
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(host)}, nil
}

// isAWS reports whether the endpoint is Amazon's own.
func (a Account) isAWS() bool {
	host := a.endpoint.Hostname()
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

// URL is where a key of a bucket is, or with "" the bucket.
func (a Account) URL(bucket, key string, query url.Values) *url.URL {
	u := *a.endpoint
	virtual := a.addressing == addressingVirtual
	if a.addressing == addressingAuto {
		virtual = a.isAWS() && !strings.ContainsAny(bucket, "._") && bucket == strings.ToLower(bucket) // a dot has no certificate
	}
	u.Path = "/" + key
	if virtual {
		u.Host = bucket + "." + u.Host
	} else {
		u.Path = "/" + bucket + u.Path
	}
	u.RawPath = encodePath(u.Path)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // as it is signed; + itself is %2B
	return &u
}
