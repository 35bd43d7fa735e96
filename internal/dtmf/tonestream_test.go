package dtmf

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf/tonetest"
)

// spoken is one RTP packet of audio as a test changes it.
type spoken struct {
	Packet
	pcm   []int16
	at    time.Duration
	other bool // it has no audio
}

// spokenOf cuts samples of 8000 Hz into packets of 20 ms.
func spokenOf(pcm []int16) (out []spoken) {
	for i := 0; (i+1)*160 <= len(pcm); i++ {
		out = append(out, spoken{Packet: Packet{SSRC: 1, Seq: uint16(i), TS: uint32(160 * i)}, pcm: pcm[i*160 : (i+1)*160], at: time.Duration(i+1) * 20 * ms})
	}
	return out
}

// play feeds packets, shifted by seq and ts, and ends what is open.
func play(s *ToneStream, in []spoken, seq uint16, ts uint32) (out []Report) {
	var now time.Duration
	for _, p := range in {
		now = max(now, p.at)
		p.Seq, p.TS = p.Seq+seq, p.TS+ts
		out = s.Expire(now, out)
		if p.other {
			s.Other(p.Packet)
			continue
		}
		heard := false
		if out, heard = s.Next(p.Packet, len(p.pcm), now, out); heard {
			out = s.Decode(p.pcm, now, out)
		}
	}
	return s.Expire(now+time.Second, out)
}

// ways are what becomes of the packets of presses. Frames 5 to 9 hold the first press, 10 to 14
// the pause, 15 to 19 the second press.
var ways = []struct {
	name string
	keys string
	bend func([]spoken) []spoken
	want string
	lost int // packets
}{
	{"in order", "55", nil, "5'5'", 0},
	{"one lost in a press", "55", gone(7), "5'5'", 1},
	{"three lost in a press", "55", gone(6, 7, 8), "5'5'", 3},
	{"each packet twice", "55", func(in []spoken) (out []spoken) {
		for _, p := range in {
			out = append(out, p, p)
		}
		return out
	}, "5'5'", 0},
	{"neighbours exchanged in a press", "55", func(in []spoken) []spoken {
		in[7], in[8] = in[8], in[7]
		return in
	}, "5'5'", 1},
	{"a press that comes again much later", "5", func(in []spoken) []spoken {
		return slices.Insert(in, 14, in[4:10]...)
	}, "5'", 0},
	{"the pause left out, the talkspurt marked, and all at once", "55", func(in []spoken) []spoken {
		out := gone(10, 11, 12, 13, 14)(in)
		for i := range out {
			out[i].at = time.Second
			if i >= 10 {
				out[i].Seq -= 5 // the sender has numbered none of them
			}
		}
		out[10].Marker = true
		return out
	}, "5'5'", 0},
	{"the pause left out, without a marker", "55", func(in []spoken) []spoken {
		out := gone(10, 11, 12, 13, 14)(in)
		for i := range out[10:] {
			out[10+i].Seq -= 5
		}
		return out
	}, "5'5'", 0},
	{"a packet left out within a press is silence", "5", func(in []spoken) []spoken {
		out := gone(7)(in)
		for i := range out[7:] {
			out[7+i].Seq--
		}
		return out
	}, "5'", 0},
	{"timestamps by twice the clock", "55", func(in []spoken) []spoken {
		for i := range in {
			in[i].TS *= 2
		}
		return in
	}, "5'5'", 0},
	{"timestamps that stand still", "55", func(in []spoken) []spoken {
		for i := range in {
			in[i].TS = 7
		}
		return in
	}, "5'5'", 0},
	{"another SSRC within a press", "55", func(in []spoken) []spoken {
		for i := range in[7:] {
			in[7+i].SSRC, in[7+i].Seq, in[7+i].TS = 2, in[7+i].Seq+9000, in[7+i].TS+1<<30
		}
		return in
	}, "5'5'", 0},
	{"a sender that begins to count anew", "55", func(in []spoken) []spoken {
		for i := range in[12:] {
			in[12+i].Seq -= 12000
		}
		return in
	}, "5'5'", 0},
	{"events among the audio, which are numbered too", "55", func(in []spoken) (out []spoken) {
		for i, p := range in {
			p.Seq = uint16(2 * i)
			out = append(out, p, spoken{Packet: Packet{SSRC: 1, Seq: p.Seq + 1, TS: p.TS}, at: p.at, other: true})
		}
		return out
	}, "5'5'", 0},
	{"two lost in a press, and events among the audio that come twice each", "55", func(in []spoken) (out []spoken) {
		for i, p := range in {
			p.Seq = uint16(2 * i)
			if i != 6 && i != 7 {
				out = append(out, p)
			}
			other := spoken{Packet: Packet{SSRC: 1, Seq: p.Seq + 1, TS: p.TS}, at: p.at, other: true}
			out = append(out, other, other)
		}
		return out
	}, "5'5'", 2},
	{"events that come before the audio in front of them", "55", func(in []spoken) (out []spoken) {
		for i, p := range in {
			p.Seq = uint16(2 * i)
			out = append(out, p, spoken{Packet: Packet{SSRC: 1, Seq: p.Seq + 1, TS: p.TS}, at: p.at, other: true})
			if n := len(out); i%3 == 2 {
				out[n-2], out[n-1] = out[n-1], out[n-2]
			}
		}
		return out
	}, "5'5'", 0},
	{"packets held up for half a second within a press", "55", func(in []spoken) []spoken {
		for i := range in[8:] {
			in[8+i].at += 500 * ms
		}
		return in
	}, "5'5'", 0},
	{"packets held up twice within a press", "55", func(in []spoken) []spoken {
		for i := range in[7:] {
			in[7+i].at += 500 * ms
		}
		for i := range in[9:] {
			in[9+i].at += 500 * ms
		}
		return in
	}, "5'5'", 0},
	{"packets held up behind a press", "55", func(in []spoken) []spoken {
		for i := range in[10:] {
			in[10+i].at += 500 * ms
		}
		return in
	}, "5'5'", 0},
}

func TestToneStream(t *testing.T) {
	for _, c := range ways {
		t.Run(c.name, func(t *testing.T) {
			for _, seq := range starts.seq {
				for _, ts := range starts.ts {
					in := spokenOf(call(c.keys).PCM())
					if c.bend != nil {
						in = c.bend(in)
					}
					var s ToneStream
					require.Equal(t, c.want, trace(play(&s, in, seq, ts)), "sequence from %d, timestamp from %d", seq, ts)
					if c.name != "another SSRC within a press" && c.name != "a sender that begins to count anew" {
						require.EqualValues(t, 160*c.lost, s.Stats().Lost)
					}
				}
			}
		})
	}
}

// gone leaves packets out.
func gone(lost ...int) func([]spoken) []spoken {
	return func(in []spoken) (out []spoken) {
		for i, p := range in {
			if !slices.Contains(lost, i) {
				out = append(out, p)
			}
		}
		return out
	}
}

// A renegotiated codec of another rate changes nothing about a key that is held.
func TestToneStreamAtAnotherRate(t *testing.T) {
	pcm := call("59").PCM()
	narrow, wide := spokenOf(pcm), spokenOf(faster(pcm, 0.5))
	for at := range len(narrow) {
		var s ToneStream
		var out []Report
		for i, p := range narrow {
			rate := 8000
			if i >= at {
				rate = 16000
				p.pcm = append(slices.Clone(wide[min(2*i, len(wide)-1)].pcm), wide[min(2*i+1, len(wide)-1)].pcm...)
			}
			s.Set(rate, 8000, 0)
			var heard bool
			out, heard = s.Next(p.Packet, len(p.pcm), p.at, out)
			require.True(t, heard)
			out = s.Decode(p.pcm, p.at, out)
		}
		require.Equal(t, "5'9'", trace(out), "from packet %d on", at)
	}
}

// Who stops to listen lets a key go, and hears the next one afresh.
func TestToneStreamEnds(t *testing.T) {
	in := spokenOf(call("57").PCM())
	var s ToneStream
	var out []Report
	for i, p := range in {
		if i == 8 {
			out = s.End(p.at, out)
			require.Equal(t, "5'", trace(out))
			require.Empty(t, s.End(p.at, nil))
			_, open := s.Deadline()
			require.False(t, open)
		}
		if i >= 8 && i < 12 {
			continue
		}
		out, _ = s.Next(p.Packet, 160, p.at, out)
		out = s.Decode(p.pcm, p.at, out)
	}
	require.Equal(t, "5'7'", trace(out))
}

func TestToneStreamAllocatesNothing(t *testing.T) {
	in := spokenOf(call("159D").PCM())
	var s ToneStream
	out, n := make([]Report, 0, MaxReports), uint16(0)
	require.Zero(t, testing.AllocsPerRun(20, func() {
		for _, p := range in {
			n++
			p.Seq = 2 * n // half of all is lost
			out, _ = s.Next(p.Packet, 160, p.at, out[:0])
			out = s.Decode(p.pcm, p.at, out)
			s.Other(p.Packet)
		}
		out = s.End(0, s.Expire(0, out[:0]))
	}))
}

// FuzzToneStream claims that packets which come twice or behind later ones change
// nothing, that neither do the beginnings of the numbers, and that key-downs and
// key-ups alternate whatever comes.
func FuzzToneStream(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3}, uint16(65530), uint32(0xFFFFFF00))
	f.Add([]byte{4, 0, 0, 4, 4, 4, 2, 2, 2, 0, 5, 5}, uint16(0), uint32(9))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 6, 6, 1, 0, 0, 0, 6}, uint16(65530), uint32(9))
	in := spokenOf(call("5519").PCM())
	f.Fuzz(func(t *testing.T, acts []byte, seq uint16, ts uint32) {
		var plain, extra []spoken
		for i, p := range in {
			act := byte(0)
			if i < len(acts) {
				act = acts[i] % 7
			}
			p.Marker, p.other = act == 5, act == 6
			switch act {
			case 1: // lost
				continue
			case 4:
				p.TS += 99999
			}
			plain = append(plain, p)
			extra = append(extra, p)
			if act == 2 || act == 6 {
				extra = append(extra, p)
			}
			if act == 3 && len(plain) > 3 {
				extra = append(extra, plain[len(plain)-3])
				extra[len(extra)-1].at = p.at
			}
		}
		var a, b, c ToneStream
		want := play(&a, plain, 0, 0)
		require.Equal(t, want, play(&b, extra, 0, 0))
		require.Equal(t, want, play(&c, plain, seq, ts))
		for i, r := range want {
			require.Equal(t, [2]Kind{Down, Up}[i%2], r.Kind)
		}
	})
}

// Anything at all: no report names what is no key, and nothing panics.
func FuzzToneStreamPackets(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 9, 200, 3, 0, 1, 0, 0, 0, 160, 0, 9})
	noise := make([]int16, 600)
	for i, r := 0, rand.New(rand.NewPCG(4, 4)); i < len(noise); i++ {
		noise[i] = int16(r.IntN(1 << 16))
	}
	tone := (&tonetest.Take{}).PCM()
	tone = append(tone, call("5").PCM()[800:1600]...)
	f.Fuzz(func(t *testing.T, data []byte) {
		var s ToneStream
		var out []Report
		now := time.Duration(0)
		for ; len(data) >= 9; data = data[9:] {
			s.Set(8000<<(data[0]&1), 8000<<(data[0]>>1&1), time.Duration(data[0]>>5&1)*80*ms)
			p := Packet{SSRC: uint32(data[0] >> 6), Seq: binary.BigEndian.Uint16(data[1:]), TS: binary.BigEndian.Uint32(data[3:]), Marker: data[0]&4 != 0}
			pcm := tone
			if data[0]&8 != 0 {
				pcm = noise
			}
			pcm = pcm[:min(len(pcm), 3*int(data[7]))]
			now += time.Duration(data[8]) * ms
			out = s.Expire(now, out)
			if data[0]&16 != 0 {
				s.Other(p)
				continue
			}
			heard := false
			if out, heard = s.Next(p, len(pcm), now, out); heard {
				out = s.Decode(pcm, now, out)
			}
		}
		out = s.End(now, out)
		for i, r := range out {
			require.Equal(t, [2]Kind{Down, Up}[i%2], r.Kind)
			require.True(t, r.Digit.Valid())
			require.LessOrEqual(t, r.At, now)
		}
	})
}
