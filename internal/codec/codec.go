// Package codec is the table of audio payload formats: name, static payload type
// (RFC 3551 section 6), clock rate, silence byte, encoder and decoder. It knows
// neither RTP packets nor sessions.
package codec

import "time"

// ID names one row of the table. The zero value is no codec.
type ID uint8

// The payload formats. Count bounds arrays indexed by ID.
const (
	None ID = iota
	PCMU
	PCMA
	G722
	Count
)

// Format is one row of the table. PCM is 16-bit mono at SampleRate.
type Format struct {
	Name        string // encoding name in SDP (RFC 4566 rtpmap)
	PayloadType uint8  // static payload type of RFC 3551
	ClockRate   int    // RTP timestamp units per second
	SampleRate  int    // PCM samples per second
	BytesPerMs  int    // payload bytes per millisecond
	Silence     byte   // payload byte of digital silence, wherever it stands

	// Encode writes the payload of pcm to dst and returns the bytes written; it
	// stops where the shorter of the two ends. Decode writes the samples of a payload.
	// Both take it for a whole one, from its beginning on.
	Encode func(dst []byte, pcm []int16) int
	Decode func(dst []int16, payload []byte) int
	// NewEncoder and NewDecoder are for what comes in pieces.
	NewEncoder func() Encoder
	NewDecoder func() Decoder
	// NewNarrow is a decoder to 8000 samples a second, which hears the band of a
	// telephone alone and costs less where the format has more.
	NewNarrow func() Decoder
	// Settles is how long after lost packets the levels of what is decoded are not those
	// of the sound: 0 where a decoder knows nothing of what went before.
	Settles time.Duration
}

// NarrowRate is the sample rate of NewNarrow.
const NarrowRate = 8000

// Encoder encodes pieces of one sound in their order, as Format.Encode does. It allocates
// nothing and belongs to one goroutine.
type Encoder interface {
	Encode(dst []byte, pcm []int16) int
}

// Decoder decodes pieces of one payload in their order, as Format.Decode does. It
// allocates nothing and belongs to one goroutine.
type Decoder interface {
	Decode(dst []int16, payload []byte) int
}

// stateless serve for formats whose pieces do not depend on one another.
type (
	statelessEncoder func(dst []byte, pcm []int16) int
	statelessDecoder func(dst []int16, payload []byte) int
)

func (f statelessEncoder) Encode(dst []byte, pcm []int16) int     { return f(dst, pcm) }
func (f statelessDecoder) Decode(dst []int16, payload []byte) int { return f(dst, payload) }
