package caller

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Referral is what becomes of a REFER (RFC 3515) of the far end. This telephone calls
// nobody; it tells what an exchange that calls would tell.
type Referral struct {
	After  time.Duration // from the REFER to its outcome
	Status int           // of that outcome: 200 for connected, 486 for busy; 0: nobody ever says
}

// notifyWait bounds the wait for the answer to a NOTIFY.
const notifyWait = 4 * time.Second

// allowed lists what this telephone answers, for Allow (RFC 3261 section 20.5).
func (c *Call) allowed() string {
	if c.o.Refer == nil {
		return allow
	}
	return allow + ", REFER"
}

// referred accepts a REFER; how it ends is told by NOTIFY (RFC 3515 section 2.4.4).
func (c *Call) referred(req *sip.Request) answer {
	to := req.GetHeader("Refer-To")
	if to == nil {
		return answer{status: 400, reason: "Missing Refer-To"}
	}
	target := strings.Trim(to.Value(), "<> ")
	c.note("far end transfers the call to %s", target)
	// The teller: started by referred; stops when the outcome is told or the call is
	// over; owns nothing.
	go c.tell(c.o.Refer(target), req.CSeq().SeqNo)
	c.mu.Lock()
	defer c.mu.Unlock()
	return answer{status: 202, reason: "Accepted", lines: "Contact: " + c.contact()}
}

// tell says how the transfer that a REFER asked for goes on. id is its CSeq, by which
// transfers of one call are told apart (section 2.4.6).
func (c *Call) tell(r Referral, id uint32) {
	c.notify(id, "100 Trying", "active;expires=60")
	if r.Status == 0 {
		return
	}
	select {
	case <-time.After(r.After):
		c.notify(id, fmt.Sprintf("%d Told", r.Status), "terminated;reason=noresource")
	case <-c.done:
	}
}

// notify sends one part of that (section 2.4.5). What goes wrong with it is the far
// end's to find out.
func (c *Call) notify(id uint32, status, state string) {
	c.mu.Lock()
	r := c.newRequest("NOTIFY", 0, &body{kind: "message/sipfrag;version=2.0", data: []byte("SIP/2.0 " + status + "\r\n")})
	c.mu.Unlock()
	r.headers = []Header{{"Event", fmt.Sprintf("refer;id=%d", id)}, {"Subscription-State", state}}
	res, err := c.exchange(context.Background(), r, notifyWait)
	if err == nil && !res.IsSuccess() {
		c.note("far end answered a NOTIFY with %d", res.StatusCode)
	}
}
