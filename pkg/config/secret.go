package config

import (
	"fmt"
	"io"
)

// Secret is a setting that is never printed, such as a password or a URL that holds one.
// Formatting and encoding it give "[secret]". That cannot hold for a Secret in an unexported
// field of a struct that is printed whole: package fmt calls no methods there.
type Secret string

const hidden = "[secret]"

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String implements [fmt.Stringer] and hides the secret.
func (Secret) String() string { return hidden }

// GoString implements [fmt.GoStringer] and hides the secret.
func (Secret) GoString() string { return hidden }

// Format implements [fmt.Formatter] and hides the secret from every verb: without it, a
// verb that does not fit a string prints the value.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText implements [encoding.TextMarshaler] and hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON implements [encoding/json.Marshaler] and hides the secret.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
