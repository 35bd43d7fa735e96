package dtmf

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Any number and order of end packets of one press, alone or among its other
// packets, gives exactly one digit.
func TestOnePressIsOneDigitWhateverItsEndsDo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 97))
	for range 20000 {
		p := new(phone)
		p.now = time.Duration(r.IntN(1000)) * time.Second
		length := time.Duration(1+r.IntN(600)) * ms
		all := p.press(keys[r.IntN(16)], length)
		ends := only(all, isEnd)
		in := each(ends[:1+r.IntN(3)], func(int, *tx) {})
		for range r.IntN(5) {
			in = append(in, ends[r.IntN(3)])
		}
		if r.IntN(2) == 0 {
			others := without(all, isEnd)
			for range 1 + r.IntN(len(others)) {
				in = append(in, others[r.IntN(len(others))])
			}
		}
		r.Shuffle(len(in), func(i, j int) { in[i].Packet, in[j].Packet = in[j].Packet, in[i].Packet })
		slices.SortStableFunc(in, func(a, b tx) int { return int(a.at - b.at) })
		var d EventDecoder
		got := feed(&d, in, uint16(r.Uint32()), r.Uint32())
		require.Len(t, downs(got), 1, "%d packets of %s", len(in), length)
		require.Equal(t, trace(got[:1]), downs(got))
	}
}

// network loses, doubles and delays packets; of each press at least one arrives.
type network struct {
	lose, double float64
	jitter       time.Duration
}

func (n network) carry(r *rand.Rand, presses [][]tx) []tx {
	var out []tx
	for _, press := range presses {
		kept := slices.DeleteFunc(slices.Clone(press), func(tx) bool { return r.Float64() < n.lose })
		if len(kept) == 0 {
			kept = append(kept, press[r.IntN(len(press))])
		}
		for _, p := range kept {
			sent := p.at
			p.at = sent + n.delay(r)
			out = append(out, p)
			if r.Float64() < n.double {
				p.at = sent + n.delay(r)
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b tx) int { return int(a.at - b.at) })
	return out
}

func (n network) delay(r *rand.Rand) time.Duration {
	if n.jitter == 0 {
		return 0
	}
	return time.Duration(r.Int64N(int64(n.jitter)))
}

// code makes random presses, few keys so that they repeat, and what was pressed.
func code(r *rand.Rand, gap time.Duration, long bool) (string, [][]tx) {
	p := new(phone)
	p.now = time.Duration(r.IntN(100)) * time.Second
	var pressed []byte
	var presses [][]tx
	for range 1 + r.IntN(12) {
		c := "112*"[r.IntN(4)]
		length := time.Duration(40+r.IntN(260)) * ms
		if long && r.IntN(60) == 0 {
			// Not near 8.2 s: with all ends lost, the same key again right at the
			// border could as well be the next segment.
			length = time.Duration(9+r.IntN(6)) * time.Second
		}
		p.gap = gap + time.Duration(r.IntN(300))*ms
		pressed = append(pressed, c)
		presses = append(presses, p.press(c, length))
	}
	return string(pressed), presses
}

// Through loss, duplication and reordering that does not carry a packet past the
// next press, a code arrives exactly as it was pressed.
func TestCodeArrivesAsPressed(t *testing.T) {
	for _, c := range []struct {
		name string
		gap  time.Duration
		network
	}{
		{"clean", 40 * ms, network{}},
		{"5 percent lost", 40 * ms, network{lose: 0.05}},
		{"half lost", 40 * ms, network{lose: 0.5}},
		{"nearly all lost", 40 * ms, network{lose: 0.9}},
		{"doubled", 40 * ms, network{double: 0.5}},
		{"reordered by 35 ms", 60 * ms, network{jitter: 35 * ms}},
		{"all of it", 60 * ms, network{lose: 0.4, double: 0.3, jitter: 35 * ms}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(2, 97))
			for i := range 4000 {
				pressed, presses := code(r, c.gap, c.lose < 0.7)
				in := c.carry(r, presses)
				var d EventDecoder
				got := feed(&d, in, uint16(r.Uint32()), r.Uint32())
				require.Equal(t, pressed, downs(got), "code %d", i)
			}
		})
	}
}

// Through a network that carries packets past the next press a digit may be
// missing, but never one too many, never in the wrong order, and a missing one is
// told as Lost.
func TestOvertakenPressIsTold(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 97))
	told := 0
	for i := range 20000 {
		pressed, presses := code(r, 40*ms, false)
		in := network{lose: 0.7, double: 0.2, jitter: 500 * ms}.carry(r, presses)
		var d EventDecoder
		got := downs(feed(&d, in, uint16(r.Uint32()), r.Uint32()))
		heard := slices.DeleteFunc([]byte(got), func(c byte) bool { return c == '!' })
		if len(heard) < len(got) {
			told++
		} else {
			require.Equal(t, pressed, string(heard), "code %d", i)
		}
		require.True(t, subsequence(string(heard), pressed), "code %d: heard %q of %q", i, heard, pressed)
	}
	require.Greater(t, told, 1000, "the network must overtake presses")
}

func subsequence(part, whole string) bool {
	for i := range len(whole) {
		if part != "" && part[0] == whole[i] {
			part = part[1:]
		}
	}
	return part == ""
}
