package outbound

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSlowly: one byte after the other, and nothing at all.
func TestSlowly(t *testing.T) {
	t.Parallel()
	drip := func(every time.Duration) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-ticker.C:
				case <-r.Context().Done():
					return
				}
			}
		}))
	}
	c := newClient(t, Config{IdleTimeout: 4 * time.Second, MinRate: 1 << 20}, nil)
	if _, err := get(t, c, Request{URL: parsed(t, drip(20*time.Millisecond))}); !errors.Is(err, ErrSlow) {
		t.Errorf("a drip: got %v, want %v", err, ErrSlow)
	}
	c = newClient(t, Config{IdleTimeout: 50 * time.Millisecond}, nil)
	if _, err := get(t, c, Request{URL: parsed(t, drip(time.Hour))}); !errors.Is(err, ErrIdle) {
		t.Errorf("a drop: got %v, want %v", err, ErrIdle)
	}
}

// TestLargestAnswer: told before, or not.
func TestLargestAnswer(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("x", 100_000)
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, content)
	}))
	for _, path := range []string{"/told", "/chunked"} {
		for _, tt := range []struct {
			request, policy int64
			want            error
		}{{0, 0, nil}, {100_000, 0, nil}, {0, 100_000, nil}, {99_999, 0, ErrTooLarge}, {0, 99_999, ErrTooLarge}, {200_000, 50_000, ErrTooLarge}, {50_000, 200_000, ErrTooLarge}} {
			p := own(base)
			p.MaxBody = tt.policy
			_, err := get(t, newClient(t, Config{}, p), Request{URL: parsed(t, base+path), MaxBody: tt.request})
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, limits %d and %d: got %v, want %v", path, tt.request, tt.policy, err, tt.want)
			}
		}
	}
}

// TestEncryption: a certificate of one's own is trusted by its file; old versions are not spoken.
func TestEncryption(t *testing.T) {
	t.Parallel()
	start := func(version uint16) *httptest.Server {
		server := httptest.NewUnstartedServer(&recorder{})
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version} // to be refused
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	modern, old := start(tls.VersionTLS12), start(tls.VersionTLS11)
	file := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: modern.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	var untrusted *tls.CertificateVerificationError
	if _, err := get(t, newClient(t, Config{}, nil), Request{URL: parsed(t, modern.URL)}); !errors.As(err, &untrusted) {
		t.Errorf("an unknown certificate: %v", err)
	}
	c := newClient(t, Config{CAFile: file}, nil)
	if got, err := get(t, c, Request{URL: parsed(t, modern.URL)}); err != nil || got != "content" {
		t.Errorf("a known certificate: got %q, %v", got, err)
	}
	if _, err := get(t, c, Request{URL: parsed(t, old.URL)}); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	for _, cfg := range []Config{{CAFile: file + "x"}, {CAFile: "/dev/null"}, {IdleTimeout: -1}, {MinRate: -1}} {
		if cfg.Validate() == nil {
			t.Errorf("%+v is taken for valid", cfg)
		}
	}
}
