package codec

import "strings"

// table has one row per ID. Silence is the code of a zero sample: RFC 3551
// section 4.5.14 leaves the code points to ITU-T G.711, whose characters for
// positive zero are 0xFF (mu-law) and 0xD5 (A-law, even bits inverted). In G.722 it is
// the least step up in both bands, which decodes to a constant of next to nothing.
var table = [Count]Format{
	PCMU: {
		Name: "PCMU", PayloadType: 0, ClockRate: 8000, SampleRate: 8000, BytesPerMs: 8,
		Silence: 0xFF, Encode: encodeMuLaw, Decode: decodeMuLaw,
		NewEncoder: func() Encoder { return statelessEncoder(encodeMuLaw) },
		NewDecoder: func() Decoder { return statelessDecoder(decodeMuLaw) },
		NewNarrow:  func() Decoder { return statelessDecoder(decodeMuLaw) },
	},
	PCMA: {
		Name: "PCMA", PayloadType: 8, ClockRate: 8000, SampleRate: 8000, BytesPerMs: 8,
		Silence: 0xD5, Encode: encodeALaw, Decode: decodeALaw,
		NewEncoder: func() Encoder { return statelessEncoder(encodeALaw) },
		NewDecoder: func() Decoder { return statelessDecoder(decodeALaw) },
		NewNarrow:  func() Decoder { return statelessDecoder(decodeALaw) },
	},
	G722: {
		Name: "G722", PayloadType: 9, ClockRate: 8000, SampleRate: 16000, BytesPerMs: 8,
		Silence: 0xFD, Encode: encodeG722, Decode: decodeG722,
		NewEncoder: newG722Encoder, NewDecoder: newG722Decoder, NewNarrow: newG722Narrow,
		Settles: g722Settles,
	},
}

// ByID returns the row of id; false for None and for numbers beyond the table.
// The row is read-only.
func ByID(id ID) (*Format, bool) {
	if id == None || id >= Count {
		return nil, false
	}
	return &table[id], true
}

// ByName finds the row of an SDP encoding name and clock rate. Encoding names are
// compared without regard to case (RFC 4855 section 3).
func ByName(name string, clockRate int) (ID, bool) {
	for id := None + 1; id < Count; id++ {
		if table[id].ClockRate == clockRate && strings.EqualFold(table[id].Name, name) {
			return id, true
		}
	}
	return None, false
}

// ByPayloadType finds the row of a static payload type (RFC 3551 section 6), for
// offers that leave the rtpmap out.
func ByPayloadType(pt uint8) (ID, bool) {
	for id := None + 1; id < Count; id++ {
		if table[id].PayloadType == pt {
			return id, true
		}
	}
	return None, false
}

// String is the encoding name, "none" outside the table.
func (id ID) String() string {
	if f, ok := ByID(id); ok {
		return f.Name
	}
	return "none"
}
