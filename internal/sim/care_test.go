package sim

import (
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// judgeHelp looks whether only those calls were helped that came to where help is.
func (r *round) judgeHelp(p *phone) {
	s := r.plan.site
	own := p.plan.number == "*97" && !p.plan.stranger
	for _, d := range r.deeds {
		if d.call != p.callID {
			continue
		}
		switch d.claim {
		case mailbox.ByOneTime:
			if !s.oneTime && (!s.forgotten || !own || d.door != mailbox.OwnDoor) {
				r.broken(whereAllowed, "call %c: a one-time code was asked about", p.name())
			}
		case mailbox.ByFirstUse:
			if !s.firstUse || !own || d.door != mailbox.OwnDoor || !d.change || d.current != "" {
				r.broken(whereAllowed, "call %c: it gave a mailbox its first code", p.name())
			}
		case mailbox.ByCode:
			if s.oneTime && !d.change {
				r.broken(whereAllowed, "call %c: a code was asked about that nobody can check", p.name())
			}
		}
	}
}

// judgeOneTime looks whether each right one-time code had gone out to that mailbox and
// was right once, in the order of the codes.
func (r *round) judgeOneTime() {
	good := map[string]int{} // by mailbox and code: how often it may be right
	for _, c := range r.post.All() {
		good[c.To.ID+" "+plainOf(c.Code)]++
	}
	for _, d := range r.deeds {
		if d.change || d.claim != mailbox.ByOneTime || !d.right {
			continue
		}
		if good[d.box+" "+d.current]--; good[d.box+" "+d.current] < 0 {
			r.broken(oneTimeOnce, "%s was taken for the one-time code of %s, which was not sent or was used", d.current, d.box)
		}
	}
}

// judgeChosen looks at the codes that a telephone was told; a sentence that was cut off
// told the beginning of one.
func (r *round) judgeChosen(p *phone) {
	policy := r.config.Policy.Policy
	for _, code := range p.ear.spelled {
		plain, err := pin.Parse(code)
		if err != nil || len(code) < policy.MinLen {
			continue
		}
		if rule := policy.Check(plain, pin.Context{Extension: p.plan.mailbox}); rule != pin.Pass {
			r.broken(chosenKeepsRules, "call %c: %s was chosen, which breaks %s", p.name(), code, rule)
		}
	}
}
