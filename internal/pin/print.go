package pin

import (
	"fmt"
	"io"
	"log/slog"
)

// shown is what every way of printing a code yields, whatever its digits and length.
const shown = "[code]"

// Format shows the same word for every verb and flag.
func (p PIN) Format(f fmt.State, _ rune) { io.WriteString(f, shown) }

// String shows a constant word.
func (p PIN) String() string { return shown }

// GoString shows a constant word.
func (p PIN) GoString() string { return shown }

// MarshalText shows a constant word: a code never travels by a general encoder.
func (p PIN) MarshalText() ([]byte, error) { return []byte(shown), nil }

// MarshalJSON shows a constant word.
func (p PIN) MarshalJSON() ([]byte, error) { return []byte(`"` + shown + `"`), nil }

// LogValue shows a constant word.
func (p PIN) LogValue() slog.Value { return slog.StringValue(shown) }
