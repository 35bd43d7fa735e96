package sim

import (
	"fmt"
	"strings"
	"time"
)

// referral is what the telephone system makes of a transfer (RFC 3515).
type referral struct {
	answer int           // to the REFER; 0: 202
	after  time.Duration // from then to the outcome
	status int           // of it; 0: nobody ever says
	twice  bool          // the outcome is told twice
}

// planned is the next referral of the plan.
func (p *phone) planned() referral {
	if len(p.plan.referrals) == 0 {
		return referral{status: 200}
	}
	r := p.plan.referrals[0]
	p.plan.referrals = p.plan.referrals[1:]
	return r
}

// refer takes a REFER: its answer, and the NOTIFYs that follow, which name it (section
// 2.4.6).
func (p *phone) refer(msg string) (status string) {
	id, _, _ := strings.Cut(header(msg, "CSeq"), " ")
	r := p.referral()
	if r.answer != 0 {
		return fmt.Sprintf("%d Declined", r.answer)
	}
	p.after(time.Millisecond, func() { p.notify(id, 100, "active;expires=60") })
	if r.status != 0 {
		p.after(r.after+2*time.Millisecond, func() {
			p.notify(id, r.status, "terminated;reason=noresource")
			if r.twice {
				p.notify(id, r.status, "terminated;reason=noresource")
			}
		})
	}
	return "202 Accepted"
}

// notify tells the outcome of a transfer, or that it is under way.
func (p *phone) notify(id string, status int, state string) {
	if p.state != talking {
		return
	}
	p.send(p.requestWith("NOTIFY", "Event: refer;id="+id+"\r\nSubscription-State: "+state+"\r\n", "message/sipfrag",
		fmt.Sprintf("SIP/2.0 %d Outcome\r\n", status), func(int, string) {}))
}
