package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// Errors of an answer's body.
var (
	ErrIdle     = errors.New("nothing came for too long")
	ErrSlow     = errors.New("the server sends too slowly")
	ErrTooLarge = errors.New("the answer is larger than allowed")
)

// Unanswered is a request that may well succeed when it is made again.
type Unanswered struct {
	text string
	err  error
}

func (u *Unanswered) Error() string { return u.text }
func (u *Unanswered) Unwrap() error { return u.err }

// NewUnanswered is one that was answered, for instance with 503, by what is needed before the request. The text
// holds nothing that a server sent.
func NewUnanswered(text string) *Unanswered { return &Unanswered{text: text} }

// noAnswer is the error for a request without an answer. Its text is not that of err, which may
// hold what a server sent, or, under a policy, tell of the network that this runs in.
func noAnswer(err error, p *Policy) error {
	var refusal *Refusal
	var certificate *tls.CertificateVerificationError
	var network *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &certificate):
		return fmt.Errorf("connect: %w", certificate)
	case errors.As(err, &network) && p != nil:
		return &Unanswered{"connect: " + withoutAddress(network), err}
	case errors.As(err, &network):
		return &Unanswered{"connect: " + network.Error(), err}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &Unanswered{"no answer in time", err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Unanswered{"the connection was closed without an answer", err}
	default:
		return &Unanswered{"no answer that is HTTP", err}
	}
}

// withoutAddress is a network's error without the addresses of this side and of name servers.
func withoutAddress(err *net.OpError) string {
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "the host's name is not known"
	case errors.As(err, &name):
		return "the host's name cannot be resolved now"
	case err.Timeout():
		return "timed out"
	default:
		return "the connection was refused or broke off"
	}
}
