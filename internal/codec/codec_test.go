package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zaf/g711"
)

var laws = []struct {
	id     ID
	encode func(int16) uint8
	decode func(uint8) int16
}{
	{PCMU, g711.EncodeUlawFrame, g711.DecodeUlawFrame},
	{PCMA, g711.EncodeAlawFrame, g711.DecodeAlawFrame},
}

func TestEveryCodeAndSampleEqualsZaf(t *testing.T) {
	for _, law := range laws {
		f, ok := ByID(law.id)
		require.True(t, ok)
		for c := range 1 << 8 {
			var got [1]int16
			require.Equal(t, 1, f.Decode(got[:], []byte{byte(c)}))
			require.Equal(t, law.decode(byte(c)), got[0], "%s code %#x", f.Name, c)
		}
		for s := -1 << 15; s < 1<<15; s++ {
			var got [1]byte
			f.Encode(got[:], []int16{int16(s)})
			if got[0] != law.encode(int16(s)) {
				t.Fatalf("%s sample %d: %#x, zaf has %#x", f.Name, s, got[0], law.encode(int16(s)))
			}
		}
	}
}

// A code survives decoding and encoding, except that mu-law has two zeros.
func TestEncodingIsTheInverseOfDecoding(t *testing.T) {
	for _, law := range laws {
		f, _ := ByID(law.id)
		for c := range 1 << 8 {
			var pcm [1]int16
			var back [1]byte
			f.Decode(pcm[:], []byte{byte(c)})
			f.Encode(back[:], pcm[:])
			if law.id == PCMU && c == 0x7F {
				require.Equal(t, byte(0xFF), back[0], "negative zero")
				continue
			}
			require.Equal(t, byte(c), back[0], "%s code %#x", f.Name, c)
		}
	}
}

// ITU-T G.711 tables 1 and 2: the code points of full scale and of zero.
func TestCodePointsOfG711(t *testing.T) {
	cases := []struct {
		id   ID
		code byte
		pcm  int16
	}{
		{PCMU, 0xFF, 0}, {PCMU, 0x80, 32124}, {PCMU, 0x00, -32124}, {PCMU, 0xFE, 8},
		{PCMA, 0xD5, 8}, {PCMA, 0x55, -8}, {PCMA, 0xAA, 32256}, {PCMA, 0x2A, -32256},
	}
	for _, c := range cases {
		f, _ := ByID(c.id)
		var pcm [1]int16
		f.Decode(pcm[:], []byte{c.code})
		require.Equal(t, c.pcm, pcm[0], "%s %#x", f.Name, c.code)
	}
}

func TestSilenceIsTheCodeOfZero(t *testing.T) {
	for _, id := range []ID{PCMU, PCMA} {
		f, _ := ByID(id)
		var code [1]byte
		f.Encode(code[:], []int16{0})
		require.Equal(t, f.Silence, code[0], f.Name)
	}
}

func TestShorterSideEndsTheWork(t *testing.T) {
	for id := None + 1; id < Count; id++ {
		f, _ := ByID(id)
		per := f.SampleRate / 1000 / f.BytesPerMs // samples of a byte
		dst := []byte{1, 2, 3}
		require.Equal(t, 2, f.Encode(dst, make([]int16, 2*per+per-1)))
		require.Equal(t, byte(3), dst[2], "beyond the samples nothing is written")
		require.Equal(t, 3, f.Encode(dst, make([]int16, 9)))
		require.Equal(t, 0, f.Encode(nil, make([]int16, 9)))
		pcm := []int16{1, 2, 3}
		require.Equal(t, per, f.Decode(pcm, []byte{0}))
		require.Equal(t, int16(per+1), pcm[per])
		require.Equal(t, 0, f.Decode(pcm, nil))
		require.Equal(t, 0, f.Decode(pcm[:per-1], []byte{0}))
	}
}

func TestLookups(t *testing.T) {
	for id := None + 1; id < Count; id++ {
		f, ok := ByID(id)
		require.True(t, ok)
		require.Equal(t, f.Name, id.String())
		require.Positive(t, f.BytesPerMs)
		byName, ok := ByName(f.Name, f.ClockRate)
		require.True(t, ok)
		require.Equal(t, id, byName)
		byPT, ok := ByPayloadType(f.PayloadType)
		require.True(t, ok)
		require.Equal(t, id, byPT)
	}
	id, ok := ByName("pcmu", 8000)
	require.True(t, ok, "encoding names have no case")
	require.Equal(t, PCMU, id)

	for _, id := range []ID{None, Count, 255} {
		_, ok := ByID(id)
		require.False(t, ok, "%d", id)
		require.Equal(t, "none", id.String())
	}
	_, ok = ByName("PCMU", 16000)
	require.False(t, ok, "another clock rate is another format")
	_, ok = ByName("opus", 48000)
	require.False(t, ok)
	_, ok = ByPayloadType(101)
	require.False(t, ok)
}

func TestPacketCostsNoAllocation(t *testing.T) {
	pcm, payload := make([]int16, 160), make([]byte, 160)
	for id := None + 1; id < Count; id++ {
		f, _ := ByID(id)
		encoder, decoder, narrow := f.NewEncoder(), f.NewDecoder(), f.NewNarrow()
		require.Zero(t, testing.AllocsPerRun(100, func() {
			f, _ := ByID(id)
			encoder.Encode(payload, pcm)
			decoder.Decode(pcm, payload)
			narrow.Decode(pcm, payload)
			ByPayloadType(f.PayloadType)
			ByName(f.Name, f.ClockRate)
		}))
	}
}

func BenchmarkNarrow20ms(b *testing.B) {
	f, _ := ByID(G722)
	pcm, payload, decoder := make([]int16, 160), make([]byte, 160), f.NewNarrow()
	b.ReportAllocs()
	for b.Loop() {
		decoder.Decode(pcm, payload)
	}
}

func BenchmarkEncode20ms(b *testing.B) { benchmark(b, true) }
func BenchmarkDecode20ms(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, encode bool) {
	pcm, payload := make([]int16, 320), make([]byte, 160)
	for i := range pcm {
		pcm[i] = int16(i*204 - 32000)
		payload[i/2] = byte(i)
	}
	for id := None + 1; id < Count; id++ {
		f, _ := ByID(id)
		pcm := pcm[:f.SampleRate/50]
		encoder, decoder := f.NewEncoder(), f.NewDecoder()
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if encode {
					encoder.Encode(payload, pcm)
				} else {
					decoder.Decode(pcm, payload)
				}
			}
		})
	}
}
