package caller

import (
	"bytes"
	"slices"

	"star97/internal/codec"
)

// hearable is the magnitude from which on a sample can be heard; a comfort noise stays
// well below it.
const hearable = 256

// loudness tells of each octet of a codec of one octet a sample whether it can be heard.
type loudness [256]bool

// loudnessOf is that of the codec; nil if its octets are no samples.
func loudnessOf(f *codec.Format) *loudness {
	if f.SampleRate != f.BytesPerMs*1000 {
		return nil
	}
	var l loudness
	var pcm [1]int16
	for b := range l {
		f.Decode(pcm[:], []byte{byte(b)})
		l[b] = pcm[0] > hearable || pcm[0] < -hearable
	}
	return &l
}

// first is the first octet that can be heard, -1 if there is none.
func (l *loudness) first(payload []byte) int {
	return slices.IndexFunc(payload, func(b byte) bool { return l[b] })
}

// audible looks at one packet: loud unless it is digital silence, and which sample is the
// first that can be heard. Of a codec whose octets are no samples a loud packet is heard
// from its beginning on.
func audible(f *codec.Format, l *loudness, payload []byte) (loud bool, sound int) {
	loud = len(payload) > 0 && bytes.Count(payload, []byte{f.Silence}) < len(payload)
	switch {
	case !loud:
		return false, -1
	case l == nil:
		return true, 0
	}
	return true, l.first(payload)
}
