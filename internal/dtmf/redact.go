package dtmf

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is all that output ever shows of a key: the digits of an access code
// pass through these types.
const hidden = "key"

// Format shows "key" for every verb, also %d and %x.
func (d Digit) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String returns "key".
func (d Digit) String() string { return hidden }

// GoString returns "key".
func (d Digit) GoString() string { return hidden }

// MarshalText returns "key"; encoding/json, encoding/xml and YAML use it.
func (d Digit) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns "key".
func (d Digit) LogValue() slog.Value { return slog.StringValue(hidden) }

// String tells kind, source and time, as "down key by event at 1.2s".
func (r Report) String() string {
	return fmt.Sprintf("%s %s by %s at %s", r.Kind, hidden, r.Source, r.At)
}

// Format writes String for every verb.
func (r Report) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalText returns String.
func (r Report) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// LogValue returns String.
func (r Report) LogValue() slog.Value { return slog.StringValue(r.String()) }

// String tells only that this is a packet and how long its payload is.
func (p Packet) String() string { return fmt.Sprintf("event packet of %d bytes", len(p.Payload)) }

// Format writes String for every verb: the payload names the key.
func (p Packet) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalText returns String.
func (p Packet) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue returns String.
func (p Packet) LogValue() slog.Value { return slog.StringValue(p.String()) }

// String tells only the payload type and how long the payload is.
func (b Block) String() string {
	return fmt.Sprintf("block of type %d, %d bytes", b.PT, len(b.Payload))
}

// Format writes String for every verb: the payload may name a key.
func (b Block) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, b.String()) }

// MarshalText returns String.
func (b Block) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// LogValue returns String.
func (b Block) LogValue() slog.Value { return slog.StringValue(b.String()) }

// String tells the length of the press.
func (p Press) String() string { return fmt.Sprintf("%s for %s", hidden, p.Length) }

// Format writes String for every verb.
func (p Press) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalText returns String.
func (p Press) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue returns String.
func (p Press) LogValue() slog.Value { return slog.StringValue(p.String()) }

// String tells when the piece is sent.
func (p Piece) String() string { return fmt.Sprintf("event packet at +%s", p.After) }

// Format writes String for every verb: the payload names the key.
func (p Piece) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalText returns String.
func (p Piece) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue returns String.
func (p Piece) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Format hides the decoder's memory of recent keys from every verb.
func (EventDecoder) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dtmf.EventDecoder") }

// Format hides the merge's memory of recent keys from every verb.
func (Merge) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dtmf.Merge") }

// Format hides the key that sounds from every verb.
func (ToneDetector) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dtmf.ToneDetector") }

// Format hides the key that sounds from every verb.
func (ToneStream) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dtmf.ToneStream") }
