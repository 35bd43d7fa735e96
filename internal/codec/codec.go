// Package codec is the table of audio payload formats: name, static payload type
// (RFC 3551 section 6), clock rate, silence byte, encoder and decoder. It knows
// neither RTP packets nor sessions.
package codec

// ID names one row of the table. The zero value is no codec.
type ID uint8

// The payload formats. Count bounds arrays indexed by ID.
const (
	None ID = iota
	PCMU
	PCMA
	Count
)

// Format is one row of the table. PCM is 16-bit mono at SampleRate.
type Format struct {
	Name        string // encoding name in SDP (RFC 4566 rtpmap)
	PayloadType uint8  // static payload type of RFC 3551
	ClockRate   int    // RTP timestamp units per second
	SampleRate  int    // PCM samples per second
	BytesPerMs  int    // payload bytes per millisecond
	Silence     byte   // payload byte of digital silence

	// Encode writes the payload of pcm to dst and returns the bytes written; it
	// stops where the shorter of the two ends. It allocates nothing.
	Encode func(dst []byte, pcm []int16) int
	// Decode writes the samples of payload to dst and returns the samples written;
	// it stops where the shorter of the two ends. It allocates nothing.
	Decode func(dst []int16, payload []byte) int
}
