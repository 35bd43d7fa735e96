package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"star97/internal/mailbox"
)

// plan is everything about a round that its seed decides in advance.
type plan struct {
	boxes    []box
	callers  []caller
	sip, rtp climate
	outages  []outage
	store    moods
	site     site
	jumps    []jump        // of the wall clock
	stop     time.Duration // the service is told to stop; 0: when nobody calls any more
}

// box is one mailbox.
type box struct {
	extension string
	code      string // empty: none
	flags     mailbox.Flags
	domain    string
	language  string
	absent    bool // nobody made it
}

// jump sets the wall clock forward or back, some time into the round.
type jump struct{ at, by time.Duration }

// caller is one call of one telephone.
type caller struct {
	start    time.Duration
	number   string // dialled
	from     string
	stranger bool // behind a peer that says nothing of its callers
	anyDoor  bool
	mailbox  string
	tenant   string        // whose host is called; empty: the service's address
	cancel   time.Duration // CANCEL after so long, if there is no answer; 0: never
	neverAck bool
	ackLater time.Duration

	alaw, talks bool
	ptime       time.Duration
	road        road
	style       style
	shortest    time.Duration // of a key press
	longest     time.Duration
	gap         time.Duration

	bargeIn      float64
	folly        float64
	slowness     time.Duration
	hasty        bool
	forgets      float64 // the current code
	simple       float64 // has codes in mind that the rules refuse
	changes      int     // to make before goodbye
	keysToHangup int
	hangAt       time.Duration
	vanishAt     time.Duration
	patience     time.Duration // hangs up at last
	lateOffer    bool          // the description comes with the ACK
	takes        int           // the place of the call of so many callers before; 0: none
	holds        []hold
	referrals    []referral // what becomes of the first transfers; of further ones: connected
	scripted     bool       // a script acts for the caller
}

type hold struct{ at, lasts time.Duration }

// longestCall is when the most patient caller hangs up.
const longestCall = 4 * time.Minute

func planOf(seed uint64) plan {
	r := dice(seed, ofPlan)
	var p plan
	for i := range 1 + r.IntN(2) {
		p.boxes = append(p.boxes, aBox(r, i))
	}
	p.sip, p.rtp = aClimate(r), aClimate(r)
	for i := range 1 + r.IntN(4) {
		p.callers = append(p.callers, p.aCaller(r, i))
	}
	if chance(r, 0.25) {
		p.outages = append(p.outages, p.anOutage(r))
	}
	for i := range p.callers {
		if c := &p.callers[i]; c.style.frail() && p.rough() {
			c.style = plain
		}
		if c := &p.callers[i]; c.road == byBoth && p.shaky() {
			c.road = byEvents
		}
	}
	p.store = someMoods(r)
	if chance(r, 0.2) {
		by := []time.Duration{-2 * time.Hour, -time.Minute, time.Minute, 90 * time.Minute, 400 * 24 * time.Hour, -20 * time.Second}
		p.jumps = append(p.jumps, jump{between(r, 0, time.Minute), by[r.IntN(len(by))]})
	}
	if chance(r, 0.05) {
		p.stop = between(r, time.Second, 40*time.Second)
	}
	p.furnish(dice(seed, ofSite))
	return p
}

// furnish draws what came later, from dice of its own: older seeds stay what they were.
func (p *plan) furnish(r *rand.Rand) {
	p.site = aSite(r)
	for i := range p.boxes {
		b := &p.boxes[i]
		b.flags.Slow = chance(r, 0.05)
		if chance(r, 0.1) {
			b.language = "it-IT"
		}
	}
	for i := range p.callers {
		c := &p.callers[i]
		c.referrals = someReferrals(r)
		if chance(r, 0.03) {
			c.number, c.anyDoor = "*99", false
		}
	}
	for i := range p.callers {
		c := &p.callers[i]
		c.lateOffer = chance(r, 0.1)
		switch {
		case i > 0 && chance(r, 0.15):
			c.takes = 1 + r.IntN(i)
			c.start += between(r, 3*time.Second, 20*time.Second)
			c.number, c.anyDoor = "*98", true // whatever door that call came by
		case chance(r, 0.02):
			c.number, c.anyDoor = redirected, false
		}
	}
	if chance(r, 0.15) {
		p.share(r)
	}
	p.care(r)
}

// care is for owners who forgot their code, have none yet, or find none.
func (p *plan) care(r *rand.Rand) {
	p.site.forgotten, p.site.firstUse, p.site.oneTime = chance(r, 0.5), chance(r, 0.5), chance(r, 0.1)
	for i := range p.callers {
		c := &p.callers[i]
		if chance(r, 0.2) {
			c.simple = 0.8
		}
		if chance(r, 0.2) {
			c.forgets = 0.9
		}
	}
	for i := range p.boxes {
		p.boxes[i].flags.Locked = chance(r, 0.02)
	}
}

// share gives the service to two tenants, who have the same extensions.
func (p *plan) share(r *rand.Rand) {
	p.site.tenants = []string{"north", "south"}
	for i := range p.boxes {
		here := &p.boxes[i]
		there := *here
		here.domain, there.domain = "north", "south"
		if there.code != "" {
			there.code = digits(r, 6+r.IntN(3))
		}
		p.boxes = append(p.boxes, there)
	}
	for i := range p.callers {
		c := &p.callers[i]
		if c.tenant = p.site.tenants[r.IntN(2)]; c.takes > 0 {
			c.tenant = p.callers[i-c.takes].tenant
		}
	}
}

// hostOf is what stands for a tenant in SIP addresses.
func hostOf(tenant string) string { return tenant + ".example" }

// redirected is a number whose calls are sent elsewhere.
const redirected = "*90"

// each alters every caller, in a fair network.
func (p *plan) each(alter func(*caller)) {
	p.sip, p.rtp, p.outages = climates[0], climates[0], nil
	for i := range p.callers {
		alter(&p.callers[i])
	}
}

// rough is an audio network that loses packets or brings them out of order.
func (p *plan) rough() bool {
	return p.rtp != climates[0] || slices.ContainsFunc(p.outages, func(o outage) bool { return o.kinds&audio != 0 })
}

// shaky signalling delivers some INFOs seconds late. Of a press whose event is lost
// besides, nobody can tell then which presses it was made before.
func (p *plan) shaky() bool { return p.sip.lose >= 0.05 || len(p.outages) > 0 }

func aBox(r *rand.Rand, i int) box {
	b := box{extension: string(rune('4'+i)) + digits(r, 3), code: digits(r, 6+r.IntN(3))}
	switch r.IntN(20) {
	case 0:
		b.flags.MustChange = true
	case 1:
		b.flags.CannotChange = true
	case 2:
		b.flags.Disabled = true
	case 3:
		b.code = ""
	}
	return b
}

// aClimate is mostly fair.
func aClimate(r *rand.Rand) climate {
	if chance(r, 0.5) {
		return climates[0]
	}
	return climates[r.IntN(len(climates))]
}

func (p *plan) anOutage(r *rand.Rand) outage {
	from := between(r, 0, 40*time.Second)
	return outage{
		from: from, to: from + between(r, 100*time.Millisecond, 12*time.Second),
		kinds: []kind{signalling, audio, signalling | audio}[r.IntN(3)], call: r.IntN(len(p.callers)+1) - 1,
	}
}

func (p *plan) aCaller(r *rand.Rand, i int) caller {
	b := p.boxes[r.IntN(len(p.boxes))]
	c := caller{
		start: between(r, 0, 4*time.Second), number: "*97", from: b.extension, mailbox: b.extension,
		alaw: chance(r, 0.3), talks: chance(r, 0.1), ptime: []time.Duration{20, 30, 40, 60, 60, 60}[r.IntN(6)] * time.Millisecond,
		shortest: 40 * time.Millisecond, longest: []time.Duration{200, 200, 200, 900}[r.IntN(4)] * time.Millisecond, gap: []time.Duration{40, 80, 200}[r.IntN(3)] * time.Millisecond,
		bargeIn: []float64{0.9, 0.5, 0}[r.IntN(3)], folly: []float64{0, 0.05, 0.3}[r.IntN(3)], slowness: []time.Duration{500 * time.Millisecond, 2 * time.Second, 9 * time.Second}[r.IntN(3)],
		hasty: chance(r, 0.2), changes: r.IntN(3), patience: between(r, 20*time.Second, longestCall),
	}
	if chance(r, 0.4) {
		c.number, c.anyDoor = "*98", true
		c.stranger = chance(r, 0.5)
	}
	if chance(r, 0.3) {
		c.road = road(r.IntN(3))
	}
	if chance(r, 0.4) {
		c.style = style(r.IntN(int(styles)))
	}
	p.fate(r, &c)
	return c
}

// fate is what happens to a call besides what its caller wants.
func (p *plan) fate(r *rand.Rand, c *caller) {
	switch r.IntN(16) {
	case 0, 1, 2:
		c.hangAt = between(r, 0, 30*time.Second)
	case 3, 4:
		c.keysToHangup = 1 + r.IntN(30)
	case 5:
		c.vanishAt = between(r, 0, 20*time.Second)
	case 6:
		c.cancel = between(r, time.Millisecond, 300*time.Millisecond)
	case 7:
		c.neverAck = chance(r, 0.5)
		c.ackLater = between(r, 0, 5*time.Second)
	case 8, 9:
		c.holds = append(c.holds, hold{between(r, 0, 20*time.Second), between(r, 100*time.Millisecond, 15*time.Second)})
	}
}

// String is the plan for who looks for the cause of a failure.
func (p plan) String() string {
	var b strings.Builder
	for _, x := range p.boxes {
		fmt.Fprintf(&b, "mailbox %s code %s %+v\n", x.extension, x.code, x.flags)
	}
	for n, c := range p.callers {
		fmt.Fprintf(&b, "caller %c %+v\n", rune('a'+n), c)
	}
	fmt.Fprintf(&b, "signalling %+v\naudio %+v\noutages %+v\nstore %+v\nsite %+v\nwall clock %+v\nstop %v\n", p.sip, p.rtp, p.outages, p.store, p.site, p.jumps, p.stop)
	return b.String()
}
