package dialplan

import (
	"cmp"
	"fmt"

	"star97/internal/mailbox"
)

// Question is what is known of a call before it is answered.
type Question struct {
	Number       string // user of the Request-URI as received: escaped, with parameters
	Host         string // host of the Request-URI
	Peer         string // configured name of the peer that sends it
	Trusted      bool   // the peer's word on who calls is believed; else the rest is ignored
	Identity     string // user of the believed identity; empty: nobody
	IdentityHost string // its host
	Diversion    string // user of the Diversion header (RFC 5806)
	History      string // user of History-Info (RFC 7044)
}

// Decision is what a call gets.
type Decision struct {
	Route   Route        // as written; Layout is never empty
	Door    mailbox.Door // the route's, but any for an own call of nobody's mailbox
	Mailbox string       // digits; own door only
	Domain  string       // empty: the default tenant
	Store   string       // empty: the default store
	Why     []string     // sentences, in the order of the decisions; by Explain only
}

// Refusal says why a call gets nothing. Callers are not told which.
type Refusal uint8

// The refusals. The zero value is none.
const (
	NoRoute  Refusal = iota + 1 // no route has the number
	NoDomain                    // the route wants a tenant that the hosts do not tell
)

// String is the refusal in a sentence for the log; it names no number.
func (r Refusal) String() string {
	switch r {
	case NoRoute:
		return "no route of the dialplan has the dialled number"
	case NoDomain:
		return "no domain of the dialplan has the host of the call"
	}
	return "none"
}

// Decide says what a call gets. It is safe for concurrent use.
func (p *Plan) Decide(q Question) (Decision, Refusal) { return p.decide(q, nil) }

// Explain is Decide with its reasons.
func (p *Plan) Explain(q Question) (Decision, Refusal) {
	var why reasons
	d, refused := p.decide(q, &why)
	d.Why = why
	return d, refused
}

// reasons are sentences; nil keeps none.
type reasons []string

func (r *reasons) add(format string, args ...any) {
	if r != nil {
		*r = append(*r, fmt.Sprintf(format, args...))
	}
}

func (p *Plan) decide(q Question, why *reasons) (Decision, Refusal) {
	route, ok := p.Route(q.Number)
	if !ok {
		return Decision{}, NoRoute
	}
	route.Layout = cmp.Or(route.Layout, DefaultLayout)
	d := Decision{Route: route, Door: route.Door, Domain: route.Domain}
	if route.Door != mailbox.OwnDoor {
		return d, 0
	}
	d.Door = mailbox.AnyDoor
	if q.Trusted && q.Identity != "" {
		if number, ok := p.Mailbox(q.Identity); ok {
			d.Door, d.Mailbox = mailbox.OwnDoor, number
		}
	}
	return d, 0
}
