package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kept are rounds that found something, and what it was. Plans of seeds change with the
// code that draws them, so each says what matters of its plan.
var kept = []struct {
	found string
	seed  uint64
	plan  func(*plan)
}{
	{"a long press counted twice, by its INFO and by the end of its event", 896, func(p *plan) {
		p.each(func(c *caller) { c.road, c.style, c.longest = byBoth, endsOnly, 900*time.Millisecond })
	}},
	{"a press counted twice, by its INFO and by the last end of its event, which was late", 5035785, func(p *plan) {
		p.each(func(c *caller) {
			c.road, c.style, c.shortest, c.longest, c.patience = byBoth, plain, 40*time.Millisecond, 60*time.Millisecond, longestCall
		})
		p.rtp = climates[3]
	}},
	{"changed said again after a hold, which is no second claim", 910002835, func(p *plan) {
		c := quick()
		c.hasty, c.holds = true, []hold{{2850 * time.Millisecond, 300 * time.Millisecond}}
		*p = quiet(c)
	}},
	{"a change that the lock-out turned away, which is no second entry of the current code", 5009910, func(p *plan) {
		// While the first caller does not hear that the code is changed, the others try
		// the old one until the mailbox is locked; then the first one changes it again.
		first, other := quick(), quick()
		first.hasty, first.changes, first.holds = true, 1, []hold{{2 * time.Second, 18 * time.Second}}
		other.start = 4 * time.Second
		*p = quiet(first, other, other)
	}},
}

// quiet is a plan in which all is well: one mailbox, and these callers of it.
func quiet(callers ...caller) plan {
	return plan{sip: climates[0], rtp: climates[0], boxes: []box{{extension: "4790", code: "254012"}}, callers: callers}
}

// quick is a caller who knows the way.
func quick() caller {
	return caller{
		number: "*97", from: "4790", mailbox: "4790", ptime: 20 * time.Millisecond, patience: time.Minute,
		shortest: 40 * time.Millisecond, longest: 50 * time.Millisecond, gap: 40 * time.Millisecond,
		bargeIn: 0.9, slowness: 500 * time.Millisecond,
	}
}

func TestKeptSeeds(t *testing.T) {
	for _, k := range kept {
		t.Run(fmt.Sprint(k.seed), func(t *testing.T) {
			r := newRound(k.seed)
			k.plan(&r.plan)
			require.Empty(t, r.play(t), "%s\n%s", k.found, r)
		})
	}
}
