package media_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/media"
)

// redundant sends keys as RFC 4733 section 2.6.2 has it: each packet tells of the press
// at hand and, as older blocks (RFC 2198 section 3), of how the two before it ended.
type redundant struct {
	*phone
	ended []finished
}

// finished is a press as its last report tells of it.
type finished struct {
	start  uint32
	report [4]byte
}

// press sends the packets of one key, but for those that lose names.
func (r *redundant) press(d dtmf.Digit, lose func(n int) bool) {
	start := r.header.Timestamp
	pieces := dtmf.Encode(nil, dtmf.Press{Digit: d, Length: 80 * time.Millisecond, Volume: 10}, 8000, frame)
	for n, piece := range pieces {
		r.header.Timestamp = start + piece.Offset
		r.carry(eventPT, piece.Marker, piece.Payload[:], lose(n))
	}
	r.ended = append(r.ended, finished{start, pieces[len(pieces)-1].Payload})
	r.ended = r.ended[max(0, len(r.ended)-2):]
	r.header.Timestamp = start + 1600
}

// carry sends a packet whose primary block is of a payload type.
func (r *redundant) carry(pt byte, marker bool, primary []byte, lost bool) {
	if lost {
		r.header.SequenceNumber++
		return
	}
	var head, data []byte
	for _, e := range r.ended {
		head = binary.BigEndian.AppendUint32(head, 1<<31|eventPT<<24|(r.header.Timestamp-e.start)<<10|4)
		data = append(data, e.report[:]...)
	}
	r.send(r.rtp, redPT, marker, slices.Concat(head, []byte{pt}, data, primary))
}

// testOnlyRedundancy: keys whose own packets are lost come with what follows them, and
// those that came count once all the same.
func testOnlyRedundancy(t *testing.T, w world) {
	first, end := func(n int) bool { return n < 4 }, func(n int) bool { return n >= 4 }
	none, all := func(int) bool { return false }, func(int) bool { return true }
	for name, c := range map[string]struct {
		keys string
		lose []func(n int) bool // packets of each press
		talk bool               // audio with redundancy follows
		want string
	}{
		"nothing lost":                         {"445", []func(int) bool{none, none, none}, false, "445"},
		"a press lost":                         {"45", []func(int) bool{all, none}, false, "45"},
		"two presses lost":                     {"456", []func(int) bool{all, all, none}, false, "456"},
		"two presses of the same key lost":     {"555", []func(int) bool{all, all, none}, false, "555"},
		"a press lost between two":             {"151", []func(int) bool{none, all, none}, false, "151"},
		"only the ends of each came":           {"4455", []func(int) bool{first, first, first, first}, false, "4455"},
		"the ends of each are lost":            {"4455", []func(int) bool{end, end, end, end}, false, "4455"},
		"the last press lost, audio after it":  {"12", []func(int) bool{none, all}, true, "12"},
		"both presses lost, audio after them":  {"77", []func(int) bool{all, all}, true, "77"},
		"three lost are more than two come of": {"4567", []func(int) bool{all, all, all, none}, false, "567"},
	} {
		s, p := w.call(t)
		s.Set(p.stream())
		s.Start(0)
		r := redundant{phone: p}
		for i := range c.keys {
			d, _ := dtmf.DigitOf(c.keys[i])
			r.press(d, c.lose[i])
		}
		for range 3 {
			if c.talk {
				r.carry(0, false, make([]byte, 160), false)
				r.header.Timestamp += 160
			}
		}
		wantKeys(t, s, c.want, name)
	}
}

// testRedundancyOfACode: of a long code most packets are lost, and each key comes of which, or
// of the two behind it, one packet does.
func testRedundancyOfACode(t *testing.T, w world) {
	e := w.engine(t, w.options())
	var calls [16]media.Session
	var wants [16]string
	for seed := range calls {
		s, p := w.callOn(t, e)
		s.Set(p.stream())
		s.Start(0)
		r, network := redundant{phone: p}, rand.New(rand.NewPCG(uint64(seed), 2198))
		p.header.SequenceNumber, p.header.Timestamp = uint16(65500+seed*4), uint32(0xFFFFF000+seed*256)
		var code, want []byte
		came := make([]bool, 12)
		for i := range came {
			code = append(code, "0123456789*#"[network.IntN(12)])
			d, _ := dtmf.DigitOf(code[i])
			r.press(d, func(int) bool {
				lost := network.Float64() < 0.8
				came[i] = came[i] || !lost
				return lost
			})
		}
		for i := range came {
			if slices.Contains(came[i:min(i+3, len(came))], true) {
				want = append(want, code[i])
			}
		}
		require.Greater(t, len(want), 6)
		calls[seed], wants[seed] = s, string(want)
	}
	for i, s := range calls {
		wantKeys(t, s, wants[i], "most of a code")
	}
}

// wantKeys reads key-downs and key-ups of keys by event, and no more.
func wantKeys(t testing.TB, s media.Session, keys, what string) {
	t.Helper()
	for i := range keys {
		for _, kind := range []dtmf.Kind{dtmf.Down, dtmf.Up} {
			e := want(t, s, media.Pressed)
			require.Equal(t, kind, e.Report.Kind, what)
			require.Equal(t, dtmf.FromEvent, e.Report.Source, what)
			require.True(t, keys[i] == e.Report.Digit.Char(), "%s: another key", what)
		}
	}
	require.Empty(t, s.Events(), what)
}
