package dtmf

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// redBlock is one block to be packed; back is its timestamp offset.
type redBlock struct {
	pt   uint8
	back uint32
	data []byte
}

// packRED writes RFC 2198 section 3, independently of the reader.
func packRED(blocks ...redBlock) []byte {
	var head, data []byte
	for i, b := range blocks {
		if i == len(blocks)-1 {
			head = append(head, b.pt)
		} else {
			head = binary.BigEndian.AppendUint32(head, 1<<31|uint32(b.pt)<<24|b.back<<10|uint32(len(b.data)))
		}
		data = append(data, b.data...)
	}
	return append(head, data...)
}

// Row 16: RFC 2198 redundancy carries the final states of earlier presses.
func TestRow16RedundantAudioData(t *testing.T) {
	const pt = 101
	one := func(at time.Duration, seq uint16, ts uint32, marker bool, blocks ...redBlock) tx {
		return tx{at: at, Packet: Packet{Seq: seq, TS: ts, Marker: marker, Payload: packRED(blocks...)}}
	}
	four := redBlock{pt, 3200, payload('4', true, 800)}
	five := redBlock{pt, 1600, payload('5', true, 800)}
	audio := redBlock{0, 160, make([]byte, 160)}
	for _, c := range []struct {
		name string
		in   []tx
		want string
	}{
		{"two presses that only the redundancy tells of", []tx{
			one(400*ms, 20, 3200, true, four, five, redBlock{pt, 0, payload('6', false, 160)}),
			one(420*ms, 21, 3200, false, four, five, redBlock{pt, 0, payload('6', true, 320)}),
		}, "4'5'6'"},
		{"the same key three times", []tx{
			one(400*ms, 20, 3200, true, redBlock{pt, 3200, payload('5', true, 800)}, five, redBlock{pt, 0, payload('5', false, 160)}),
		}, "5'5'5'"},
		{"the same key twice, 40 ms apart, no audio between", []tx{
			one(0, 0, 0, true, redBlock{pt, 0, payload('5', false, 160)}),
			one(80*ms, 4, 0, false, redBlock{pt, 0, payload('5', true, 640)}),
			one(200*ms, 5, 1600, true, redBlock{pt, 640, payload('5', true, 320)}, redBlock{pt, 0, payload('6', false, 160)}),
		}, "5'5'6'"},
		{"redundancy of presses that were heard", []tx{
			one(0, 0, 0, true, redBlock{pt, 0, payload('4', false, 160)}),
			one(100*ms, 5, 0, false, redBlock{pt, 0, payload('4', true, 800)}),
			one(200*ms, 10, 1600, true, redBlock{pt, 1600, payload('4', true, 800)}, redBlock{pt, 0, payload('5', false, 160)}),
			one(300*ms, 15, 1600, false, redBlock{pt, 1600, payload('4', false, 640)}, redBlock{pt, 0, payload('5', true, 800)}),
		}, "4'5'"},
		{"redundancy that comes after the next press is a loss", []tx{
			one(200*ms, 10, 1600, true, redBlock{pt, 0, payload('5', false, 160)}),
			one(220*ms, 11, 1600, false, redBlock{pt, 1600, payload('4', true, 800)}, redBlock{pt, 0, payload('5', true, 320)}),
		}, "5!'"},
		{"blocks of another payload type are no events", []tx{
			one(0, 0, 160, true, audio, redBlock{pt, 0, payload('5', true, 160)}),
			one(20*ms, 1, 320, false, redBlock{pt, 160, payload('5', true, 160)}, redBlock{0, 0, make([]byte, 160)}),
		}, "5'"},
		{"broken header", []tx{{Packet: Packet{Payload: []byte{0x80 | pt, 0, 0}}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, seq := range starts.seq {
				for _, ts := range starts.ts {
					var d EventDecoder
					var out []Report
					for _, p := range c.in {
						q := p.Packet
						q.Seq, q.TS = q.Seq+seq, q.TS+ts
						out = d.DecodeRED(q, pt, 0, p.at, out)
					}
					require.Equal(t, c.want, trace(d.Expire(time.Hour, out)))
				}
			}
		})
	}
}

func TestUnpackREDRefusesWhatIsCutOff(t *testing.T) {
	good := packRED(redBlock{101, 1600, payload('1', true, 800)}, redBlock{101, 0, payload('2', false, 160)})
	blocks, err := UnpackRED(nil, 5000, good)
	require.NoError(t, err)
	require.Equal(t, []Block{
		{PT: 101, TS: 3400, Payload: payload('1', true, 800)},
		{PT: 101, TS: 5000, Payload: payload('2', false, 160)},
	}, blocks)
	// The primary block has no length: only what is cut from the rest can be seen.
	for n := range len(good) - 4 {
		got, err := UnpackRED(nil, 5000, good[:n])
		require.ErrorIs(t, err, ErrRED, "%d bytes", n)
		require.Empty(t, got)
	}
	endless := make([]byte, 64)
	for i := range endless {
		endless[i] = 0x80
	}
	_, err = UnpackRED(nil, 0, endless)
	require.ErrorIs(t, err, ErrRED)
}

// What is unpacked, packed again by the independent writer, gives the payload back.
func FuzzUnpackRED(f *testing.F) {
	f.Add(uint32(5000), packRED(redBlock{101, 1600, payload('1', true, 800)}, redBlock{101, 0, payload('2', false, 160)}))
	f.Add(uint32(0), []byte{101})
	f.Fuzz(func(t *testing.T, ts uint32, red []byte) {
		blocks, err := UnpackRED(nil, ts, red)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(blocks), maxBlocks)
		var again []redBlock
		for _, b := range blocks {
			again = append(again, redBlock{pt: b.PT, back: ts - b.TS, data: b.Payload})
		}
		require.Equal(t, red, packRED(again...))
	})
}
