package codec

import "github.com/zaf/g711"

// G.711 by look-up, so that a sample costs one load whichever law: 512 bytes to
// decode, 64 KiB to encode, per law. The values are zaf/g711's.
var (
	muLawSamples = decodeTable(g711.DecodeUlawFrame)
	aLawSamples  = decodeTable(g711.DecodeAlawFrame)
	muLawCodes   = encodeTable(g711.EncodeUlawFrame)
	aLawCodes    = encodeTable(g711.EncodeAlawFrame)
)

func decodeTable(sample func(uint8) int16) *[1 << 8]int16 {
	var t [1 << 8]int16
	for c := range t {
		t[c] = sample(uint8(c))
	}
	return &t
}

// encodeTable is indexed by the sample's bits read as unsigned.
func encodeTable(code func(int16) uint8) *[1 << 16]byte {
	var t [1 << 16]byte
	for s := range t {
		t[s] = code(int16(uint16(s)))
	}
	return &t
}

func encodeMuLaw(dst []byte, pcm []int16) int     { return encode(muLawCodes, dst, pcm) }
func encodeALaw(dst []byte, pcm []int16) int      { return encode(aLawCodes, dst, pcm) }
func decodeMuLaw(dst []int16, payload []byte) int { return decode(muLawSamples, dst, payload) }
func decodeALaw(dst []int16, payload []byte) int  { return decode(aLawSamples, dst, payload) }

func encode(codes *[1 << 16]byte, dst []byte, pcm []int16) int {
	n := min(len(dst), len(pcm))
	dst, pcm = dst[:n], pcm[:n]
	for i, s := range pcm {
		dst[i] = codes[uint16(s)]
	}
	return n
}

func decode(samples *[1 << 8]int16, dst []int16, payload []byte) int {
	n := min(len(dst), len(payload))
	dst, payload = dst[:n], payload[:n]
	for i, c := range payload {
		dst[i] = samples[c]
	}
	return n
}
