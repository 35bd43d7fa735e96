package dtmf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// redundantly puts packets into RFC 2198 of which each carries those that its sender sent
// before it, as many as depth.
func redundantly(in []tx, depth int) []tx {
	sent := slices.Clone(in)
	slices.SortStableFunc(sent, func(a, b tx) int { return int(int16(a.Seq - b.Seq)) })
	return each(in, func(n int, p *tx) {
		var older []redBlock
		for _, q := range sent {
			back := p.TS - q.TS
			if q.SSRC == p.SSRC && int16(q.Seq-p.Seq) < 0 && back < 1<<14 && (back > 0 || !slices.Equal(q.Payload, in[n].Payload)) {
				older = append(older, redBlock{pt: redEvents, back: back, data: q.Payload})
			}
		}
		older = older[max(0, len(older)-depth):]
		p.Payload = packRED(append(older, redBlock{pt: redEvents, data: p.Payload})...)
	})
}

// harmed are rows whose own packets are lost or held up.
var harmed = regexp.MustCompile("lost|loss|late|swap|only|two SSRCs|is not the same")

// Whatever a sender makes of its events, RFC 2198 around them takes no key away and adds
// none; nor does the loss of any one packet, but of the last. Where timestamps stand and no
// duration is told, nothing says which of two presses a redundant end is of.
func TestRowsInRedundancy(t *testing.T) {
	for _, row := range rows {
		if strings.HasSuffix(row.name, "and every duration is 0") {
			continue
		}
		want := downs(feed(new(EventDecoder), row.in(), 0, 0))
		if strings.HasPrefix(row.name, "10 late packet of an unknown press") {
			want = "567" // which the redundancy tells of in time
		}
		for depth := 1; depth <= 3; depth++ {
			t.Run(fmt.Sprintf("%s, %d before", row.name, depth), func(t *testing.T) {
				whole := redundantly(row.in(), depth)
				require.Equal(t, want, downs(feedRED(new(EventDecoder), whole)))
				if harmed.MatchString(row.name) || len(whole) > 500 {
					return
				}
				for n := range len(whole) - 1 {
					lossy := slices.Delete(slices.Clone(whole), n, n+1)
					require.Equal(t, want, downs(feedRED(new(EventDecoder), lossy)), "without packet %d", n)
				}
			})
		}
	}
}

// A border element that takes over a stream of RFC 2198 in the middle of a press passes on
// what its packets hold of the time before.
func TestAPressInRedundancyGoesOnUnderAnotherSSRC(t *testing.T) {
	for _, ts := range starts.ts {
		press := redundantly(new(phone).press('5', 200*ms), 2)
		moved := each(press, func(n int, p *tx) {
			if n > 3 {
				p.SSRC, p.Seq, p.TS = 7, p.Seq+31000, p.TS+ts+99
			}
		})
		require.Equal(t, "5'", trace(feedRED(new(EventDecoder), moved)), "from %d", ts)
	}
}

// What the redundancy of another SSRC tells of a key that was pressed before the latest is
// no second digit; that order is lost is said.
func TestAnEarlierPressIsNotToldAgainUnderAnotherSSRC(t *testing.T) {
	for _, ts := range starts.ts {
		presses := redundantly(joined(new(phone).presses("45")...), 6)
		moved := each(presses, func(n int, p *tx) {
			if n > 10 {
				p.SSRC, p.Seq, p.TS = 7, p.Seq+31000, p.TS+ts+99
			}
		})
		require.Equal(t, "45!", downs(feedRED(new(EventDecoder), moved)), "from %d", ts)
	}
}
