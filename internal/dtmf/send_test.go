package dtmf

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEncodeWritesAPress(t *testing.T) {
	got := Encode(nil, Press{Digit: 5, Length: 50 * ms, Volume: 10}, 8000, 20*ms)
	require.Equal(t, []Piece{
		{After: 0, Marker: true, Payload: [4]byte{5, 10, 0, 160}},
		{After: 20 * ms, Payload: [4]byte{5, 10, 1, 64}},
		{After: 40 * ms, Payload: [4]byte{5, 10, 1, 144}},
		{After: 60 * ms, Payload: [4]byte{5, 0x80 | 10, 1, 144}},
		{After: 80 * ms, Payload: [4]byte{5, 0x80 | 10, 1, 144}},
		{After: 100 * ms, Payload: [4]byte{5, 0x80 | 10, 1, 144}},
	}, got)
}

func TestEncodeAppendsAndBoundsTheVolume(t *testing.T) {
	one := Encode(nil, Press{Digit: Pound, Length: 20 * ms, Volume: 200}, 8000, 20*ms)
	require.Len(t, one, 4)
	require.EqualValues(t, 63, one[0].Payload[1], "volume has six bits, and neither R nor E")
	two := Encode(one, Press{Digit: Star, Length: 20 * ms}, 8000, 20*ms)
	require.Len(t, two, 8)
	require.True(t, two[4].Marker, "each press begins with the marker")
	require.Equal(t, one, two[:4])
}

func TestEncodeOfNoLengthStillTellsThePress(t *testing.T) {
	got := Encode(nil, Press{Digit: 1}, 8000, 20*ms)
	require.Len(t, got, 4)
	require.True(t, got[0].Marker)
}

// RFC 4733 section 2.5.1.3: segments follow one another without a gap, full except
// the last, and only the last has ends.
func TestEncodeCutsALongPressIntoSegments(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		for _, interval := range []time.Duration{10 * ms, 20 * ms, 30 * ms, 60 * ms} {
			const length = 20 * time.Second
			got := Encode(nil, Press{Digit: 1, Length: length}, rate, interval)
			var offset, duration uint32
			for i, p := range got {
				d := uint32(binary.BigEndian.Uint16(p.Payload[2:]))
				require.Equal(t, i == 0, p.Marker)
				require.Equal(t, i >= len(got)-3, p.Payload[1]&endBit != 0)
				if p.Offset != offset {
					require.EqualValues(t, 0xFFFF, duration, "a segment ends full")
					require.Equal(t, offset+0xFFFF, p.Offset)
					duration = 0
				}
				require.GreaterOrEqual(t, d, duration)
				offset, duration = p.Offset, d
			}
			require.EqualValues(t, ticks(length, rate), offset+duration)
		}
	}
}

// What is encoded, decoded, is the same key and the same length, at every rate and
// packet time.
func TestDecodeUndoesEncode(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		for _, interval := range []time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms} {
			for d := Digit(0); d < 16; d++ {
				length := time.Duration(d+1) * 60 * ms
				var decoder EventDecoder
				decoder.Set(rate, interval)
				var got []Report
				for i, p := range Encode(nil, Press{Digit: d, Length: length}, rate, interval) {
					got = decoder.Decode(Packet{Seq: uint16(i), TS: p.Offset, Marker: p.Marker, Payload: p.Payload[:]}, p.After, got)
				}
				require.Len(t, got, 2)
				require.Equal(t, d.Char(), got[0].Digit.Char())
				require.Equal(t, time.Duration(0), got[0].At)
				require.InDelta(t, length, got[1].At, float64(interval))
			}
		}
	}
}
