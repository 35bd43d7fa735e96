package dialplan

import (
	"cmp"
	"fmt"
	"slices"

	"star97/internal/mailbox"
)

// Question is what is known of a call before it is answered.
type Question struct {
	Number       string // user of the Request-URI as received: escaped, with parameters
	Host         string // host of the Request-URI
	Peer         string // configured name of the peer that sends it
	Trusted      bool   // the peer's word on who calls is believed; else the rest is ignored
	Proved       bool   // it is no word: the caller has proved to be the identity
	Identity     string // user of the believed identity; empty: nobody
	IdentityHost string // its host
	Diversion    string // user of the Diversion header (RFC 5806)
	History      string // user of History-Info (RFC 7044)

	// Forwarding lists which of both headers are the peer's own word: FromDiversion, FromHistory.
	Forwarding []string
}

// Decision is what a call gets.
type Decision struct {
	Route   Route        // as written; Layout is never empty
	Door    mailbox.Door // the route's, but any for an own call of nobody's mailbox
	Mailbox string       // digits; own door only
	Domain  string       // empty: the default tenant
	Store   string       // empty: the default store
	Home    string       // the believed caller's own tenant; empty if it is not known
	Proved  bool         // own door: whose mailbox it is was proved, so it may be given its first code
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
	number := User(q.Number)
	if number != q.Number {
		why.add("The number %q is read as %s.", q.Number, number)
	}
	route, at, ok := p.routeOf(number)
	if !ok {
		why.add("None of the %d routes has the number %s.", len(p.Routes), number)
		return Decision{}, NoRoute
	}
	why.add("Route %d of %d has the number: %q.", at+1, len(p.Routes), route.Number)
	route.Layout = route.layout()
	d := Decision{Route: route, Door: route.Door}
	if q.Trusted {
		d.Home, _ = p.tenantOf(hostOf(q.IdentityHost))
	}
	switch {
	case route.Redirect != "":
		why.add("It sends the caller on to %s.", route.Redirect)
		return d, 0
	case route.Door == mailbox.CheckDoor:
		why.add("It leads to the check door, which asks for no mailbox.")
		return d, 0
	}
	if d.Domain, ok = p.domainOf(route, q, why); !ok {
		return Decision{}, NoDomain
	}
	d.Store = p.storeOf(d.Domain, why)
	if route.Door != mailbox.OwnDoor {
		why.add("It leads to the any door: whoever calls is asked for the mailbox.")
		return d, 0
	}
	if d.Mailbox, ok = p.ownerOf(route, d.Domain, q, why); !ok {
		why.add("So the call comes in by the any door, and the caller is asked for the mailbox.")
		d.Door = mailbox.AnyDoor
		return d, 0
	}
	if route.Forgotten == ForgottenOffer {
		why.add("Whoever has forgotten the code is offered a one-time code.")
	}
	// Whose the call was before somebody forwarded it is that one's word.
	d.Proved = q.Proved && (route.MailboxFrom == "" || route.MailboxFrom == FromIdentity)
	if route.FirstUse == FirstUseAllow || d.Proved {
		why.add("A mailbox without a code may be given its first one.")
	}
	return d, 0
}

// routeOf is the first route that a number fits, and its place.
func (p *Plan) routeOf(number string) (Route, int, bool) {
	for i, r := range p.Routes {
		if _, ok := match(r.Number, number); ok {
			return r, i, true
		}
	}
	return Route{}, 0, false
}

// domainOf is the tenant of a call; false where a route asks for the tenant of a
// host that is nobody's.
func (p *Plan) domainOf(r Route, q Question, why *reasons) (string, bool) {
	host, what := q.Host, "the Request-URI"
	switch r.DomainFrom {
	case "":
		if r.Domain == "" {
			why.add("It names no domain, so the mailboxes are those of the default one.")
		} else {
			why.add("It belongs to the domain %s.", r.Domain)
		}
		return r.Domain, true
	case FromIdentity:
		host, what = q.IdentityHost, "the caller's identity"
		if !q.Trusted {
			why.add("Its domain is that of the caller's identity, but %s is not believed about who calls.", q.peer())
			return "", false
		}
	}
	host = hostOf(host)
	name, ok := p.tenantOf(host)
	if ok {
		why.add("The host %s of %s stands for the domain %s.", host, what, orDefault(name))
	} else {
		why.add("The host %q of %s stands for none of the %d domains.", host, what, len(p.Domains))
	}
	return name, ok
}

// tenantOf is the domain that a host, as hostOf writes it, stands for.
func (p *Plan) tenantOf(host string) (string, bool) {
	for _, d := range p.Domains {
		if slices.Contains(d.Hosts, host) {
			return d.Name, true
		}
	}
	return "", false
}

// storeOf is the store of a domain's mailboxes; empty: the default one.
func (p *Plan) storeOf(domain string, why *reasons) string {
	for _, d := range p.Domains {
		if d.Name == domain {
			why.add("The mailboxes of the domain %s are in the store %s.", orDefault(domain), orDefault(d.Store))
			return d.Store
		}
	}
	return ""
}

// Stores are those in which the callers of a route may have their mailboxes; empty: the
// default one.
func (p *Plan) Stores(r Route) (names []string) {
	if r.DomainFrom == "" {
		return []string{p.storeOf(r.Domain, nil)}
	}
	for _, d := range p.Domains {
		if len(d.Hosts) > 0 {
			names = append(names, d.Store)
		}
	}
	return names
}

func orDefault(name string) string { return cmp.Or(name, "(default)") }

// ownerOf is the mailbox in a domain that an own call is for; false if nobody says
// whose. A caller of another tenant is not the owner of the same extension in this one.
func (p *Plan) ownerOf(r Route, domain string, q Question, why *reasons) (string, bool) {
	if !q.Trusted {
		why.add("It leads to the own door, but %s is not believed about who calls.", q.peer())
		return "", false
	}
	owner, what := q.Identity, "the caller's identity"
	switch r.MailboxFrom {
	case FromDiversion:
		owner, what = q.Diversion, "the Diversion header"
	case FromHistory:
		owner, what = q.History, "the History-Info header"
	}
	if forwarded := r.MailboxFrom == FromDiversion || r.MailboxFrom == FromHistory; forwarded && !slices.Contains(q.Forwarding, r.MailboxFrom) {
		why.add("It leads to the own door, but %s is not believed about forwarded calls: %s is not in its forwarding.", q.peer(), r.MailboxFrom)
		return "", false
	}
	owner = User(owner)
	if owner == "" {
		why.add("It leads to the own door, but %s names nobody.", what)
		return "", false
	}
	if home, listed := p.tenantOf(hostOf(q.IdentityHost)); domain != "" && listed && home != domain {
		why.add("It leads to the own door, but the caller belongs to the domain %s.", orDefault(home))
		return "", false
	}
	number, rule, ok := p.mailboxOf(owner)
	switch {
	case !ok:
		why.add("It leads to the own door, but the user %q of %s fits no rule under identities and is no number.", owner, what)
	case rule < 0:
		why.add("It leads to the own door: the user %s of %s is the mailbox's number.", owner, what)
	default:
		why.add("It leads to the own door: by rule %d under identities, the user %s of %s has the mailbox %s.", rule+1, owner, what, number)
	}
	return number, ok
}

// mailboxOf is the number of the mailbox that a user stands for, and the place of
// the rule that says so; -1: the user is that number.
func (p *Plan) mailboxOf(user string) (number string, rule int, ok bool) {
	for i, rule := range p.Identities {
		if found, ok := match(rule.Identity, user); ok {
			return fill(rule.Mailbox, found), i, true
		}
	}
	if isDigits(user) {
		return user, -1, true
	}
	return "", -1, false
}

// peer names the peer in a sentence.
func (q Question) peer() string { return "the peer " + cmp.Or(q.Peer, "that sends it") }

func (r Route) layout() string { return cmp.Or(r.Layout, DefaultLayout) }
