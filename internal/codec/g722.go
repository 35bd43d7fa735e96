package codec

import (
	"time"

	"github.com/gotranspile/g722"
)

// G.722 at 64 kbit/s (RFC 3551 section 4.5.2): 16000 samples a second, whose RTP clock
// counts 8000 by an error of RFC 1890 that was kept. The coder predicts from what went
// before, so a decoder needs some milliseconds to follow a payload that it comes upon
// in the middle of.
const g722Rate = 64000

// g722Settles: what a decoder has missed of the coder's scale fades to 1/e in 128 samples of
// 8000 Hz and of its predictors in 256 (ITU-T G.722 blocks LOGSCL, UPPOL1 and UPZERO).
// Until then sound is too quiet or too loud by up to 25 dB, and of two tones one is by up
// to 13 dB against the other; their frequencies are right from the start.
const g722Settles = 80 * time.Millisecond

func newG722Encoder() Encoder { return g722Encoder{g722.NewEncoder(g722Rate, 0)} }
func newG722Decoder() Decoder { return g722Decoder{g722.NewDecoder(g722Rate, 0)} }

func encodeG722(dst []byte, pcm []int16) int     { return newG722Encoder().Encode(dst, pcm) }
func decodeG722(dst []int16, payload []byte) int { return newG722Decoder().Decode(dst, payload) }

type g722Encoder struct{ *g722.Encoder }

// Encode makes a byte of two samples.
func (e g722Encoder) Encode(dst []byte, pcm []int16) int {
	n := min(len(dst), len(pcm)/2)
	return e.Encoder.Encode(dst[:n], pcm[:2*n])
}

// g722Narrow decodes the lower one of the two bands alone.
type g722Narrow struct{ *g722.Decoder }

func newG722Narrow() Decoder { return g722Narrow{g722.NewDecoder(g722Rate, g722.FlagSampleRate8000)} }

// Decode makes a sample of a byte.
func (d g722Narrow) Decode(dst []int16, payload []byte) int {
	n := min(len(dst), len(payload))
	return d.Decoder.Decode(dst[:n], payload[:n])
}

type g722Decoder struct{ *g722.Decoder }

// Decode makes two samples of a byte.
func (d g722Decoder) Decode(dst []int16, payload []byte) int {
	n := min(len(dst)/2, len(payload))
	return d.Decoder.Decode(dst[:2*n], payload[:n])
}
