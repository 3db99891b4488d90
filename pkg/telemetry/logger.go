package telemetry

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// Formats of log lines.
const (
	FormatJSON    = "json"    // an object a line
	FormatConsole = "console" // for people; coloured on a terminal
)

// NewLogger makes the logger of a service. level is one of trace, debug, info, warn, error
// and disabled; format is [FormatJSON] or [FormatConsole].
func NewLogger(w io.Writer, level, format, service string) (zerolog.Logger, error) {
	least, err := zerolog.ParseLevel(level)
	if err != nil || level == "" {
		return zerolog.Nop(), fmt.Errorf("log level %q: must be one of trace | debug | info | warn | error | disabled", level)
	}
	switch format {
	case FormatJSON:
	case FormatConsole:
		w = zerolog.ConsoleWriter{Out: w, NoColor: !isTerminal(w), TimeFormat: time.TimeOnly}
	default:
		return zerolog.Nop(), fmt.Errorf("log format %q: must be one of %s | %s", format, FormatJSON, FormatConsole)
	}
	return zerolog.New(w).Level(least).With().Timestamp().Str(FieldService, service).Logger(), nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
