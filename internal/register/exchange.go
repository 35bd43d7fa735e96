package register

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
)

// failure is why a registration is not made. Its words come from nobody else.
type failure struct {
	reason     string // one of Reasons
	class      class
	text       string
	err        error // what is behind it; nil: nothing
	retryAfter time.Duration
	elsewhere  bool // the next address may do better (RFC 3263 section 4.3)
}

// class is what may be hoped for.
type class uint8

const (
	passing    class = iota // it may pass by itself
	refused                 // somebody has to do something
	mistrusted              // the password is not the right one
)

func (f *failure) Error() string {
	if f.err != nil {
		return f.text + ": " + f.err.Error()
	}
	return f.text
}

// Reasons of failures, for metrics.
const (
	reasonName      = "name"      // the DNS leads nowhere
	reasonNetwork   = "network"   // nothing can be sent
	reasonSilence   = "silence"   // no answer
	reasonServer    = "server"    // 5xx and 408
	reasonPassword  = "password"  // not taken
	reasonChallenge = "challenge" // none that can be answered, or no end of them
	reasonForbidden = "forbidden" // 403
	reasonUnknown   = "unknown"   // 404, 410: no such user
	reasonRefused   = "refused"   // another final answer
	reasonInterval  = "interval"  // 423 without end
	reasonContact   = "contact"   // 200 without our Contact
)

// Reasons are the words of RegistrationFailed.
func Reasons() []string {
	return []string{reasonName, reasonNetwork, reasonSilence, reasonServer, reasonPassword, reasonChallenge,
		reasonForbidden, reasonUnknown, reasonRefused, reasonInterval, reasonContact}
}

// identity is what the REGISTERs of one client have in common (RFC 3261 section 10.2).
type identity struct {
	callID, tag string
	seq         uint32
}

func newIdentity() identity { return identity{callID: token(), tag: token()} }

func token() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// register tries the targets one after the other (RFC 3263 section 4.3).
func (c *client) register() (time.Duration, *failure) {
	if err := c.resolve(); err != nil {
		return 0, &failure{reason: reasonName, text: "the registrar's name leads nowhere", err: err}
	}
	var last *failure
	all := c.order()
	for i, t := range all {
		within := answerWithin
		if i+1 < len(all) {
			within = tryWithin
		}
		ctx, cancel := context.WithTimeout(c.life, within)
		granted, f := c.exchange(ctx, t, c.asked)
		cancel()
		if f == nil {
			delete(c.avoided, t.Addr)
			return granted, nil
		}
		if c.life.Err() != nil {
			return 0, f
		}
		last = f
		if !f.elsewhere {
			break
		}
		c.avoid(t, f.retryAfter)
		c.log.Debug("an address of the registrar failed", "at", t.Addr, "network", t.Network, "reason", f.Error())
	}
	return 0, last
}

// roundsMost bounds the requests of one exchange: a challenge of a proxy, one of the
// registrar, each stale once, an interval, an address behind a NAT.
const roundsMost = 8

// exchange is one registration, or its end (expires 0), at one target: as many requests as
// that takes.
func (c *client) exchange(ctx context.Context, t Target, expires time.Duration) (time.Duration, *failure) {
	var proofs []*challenge
	proven := map[string]bool{} // realms that the password was shown to
	corrected := false
	for range roundsMost {
		req, contact, f := c.registration(ctx, t, expires, proofs)
		if f != nil {
			return 0, f
		}
		res, err := c.deps.Sender.Send(ctx, req, t.Network, t.Addr, c.name())
		if err != nil {
			return 0, sendFailure(err)
		}
		moved := c.moved(res, t)
		if res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired {
			if proofs, f = c.prove(res, proofs, proven); f != nil {
				return 0, f
			}
			continue
		}
		if res.StatusCode != 423 || expires == 0 {
			d, f := c.settle(res, t, contact, expires)
			if f != nil || !moved || corrected || expires == 0 {
				return d, f
			}
			corrected = true // once: a NAT that shows each message by another address has no end
		} else if expires, f = c.longer(res, expires); f != nil {
			return 0, f
		}
		proofs = nil // a nonce is for one request
		clear(proven)
	}
	return 0, &failure{reason: reasonChallenge, class: refused, text: "the registrar finds no end of asking for more"}
}

// longer is the interval that a 423 asks for (RFC 3261 section 10.2.8).
func (c *client) longer(res *sip.Response, expires time.Duration) (time.Duration, *failure) {
	least, ok := headerSeconds(res, "Min-Expires")
	if !ok || least <= expires || least >= longest {
		return 0, &failure{reason: reasonInterval, class: refused, text: "the registrar finds the interval too brief (423) and names none that can be asked for"}
	}
	c.asked = least
	return least, nil
}

// settle takes a final answer that asks for nothing more.
func (c *client) settle(res *sip.Response, t Target, contact sip.Uri, expires time.Duration) (time.Duration, *failure) {
	switch {
	case !res.IsSuccess():
		return 0, statusFailure(res)
	case expires == 0:
		return 0, nil
	}
	d, ok := granted(res, contact, expires)
	if !ok {
		return 0, &failure{reason: reasonContact, text: "the registrar answers 200 without our Contact"}
	}
	c.at, c.bound = t, contact
	return d, nil
}

// prove adds the answer to a challenge. The password is shown once to each realm, and once
// more where only the nonce was stale (RFC 3261 section 22.1).
func (c *client) prove(res *sip.Response, proofs []*challenge, proven map[string]bool) ([]*challenge, *failure) {
	ch, err := challengeOf(res)
	if err != nil {
		return nil, &failure{reason: reasonChallenge, class: refused, text: err.Error()}
	}
	if c.opts.Password.Empty() {
		return nil, &failure{reason: reasonPassword, class: refused, text: "the registrar asks for a password; name one under password"}
	}
	key := ch.header + " " + ch.Realm
	again := key + " again"
	switch {
	case !proven[key]:
		proven[key] = true
	case ch.Stale && !proven[again]:
		proven[again] = true
	case ch.Stale:
		return nil, &failure{reason: reasonChallenge, text: "the registrar finds each nonce of its own stale"}
	default:
		return nil, &failure{reason: reasonPassword, class: mistrusted, text: fmt.Sprintf("the registrar (realm %q) does not take the user %q with this password", printable(ch.Realm), c.authUser())}
	}
	kept := []*challenge{ch}
	for _, p := range proofs {
		if p.header != ch.header || p.Realm != ch.Realm {
			kept = append(kept, p)
		}
	}
	return kept, nil
}

func (c *client) authUser() string { return cmp.Or(c.opts.AuthUser, c.opts.localUser()) }

// registration builds a REGISTER (RFC 3261 section 10.2).
func (c *client) registration(ctx context.Context, t Target, expires time.Duration, proofs []*challenge) (*sip.Request, sip.Uri, *failure) {
	local, chosen, err := c.deps.Sender.Local(ctx, t.Network, t.Addr, c.name())
	if err != nil {
		return nil, sip.Uri{}, sendFailure(err)
	}
	if local != c.local || chosen { // what a NAT made of another address says nothing
		c.outer = netip.AddrPort{}
	}
	c.local, c.chosen = local, chosen
	req := c.request(sip.REGISTER, t)
	contact := c.contact(t)
	add := func(uri sip.Uri, more string) { req.AppendHeader(sip.NewHeader("Contact", "<"+uri.String()+">"+more)) }
	if expires > 0 {
		add(contact, ";expires="+strconv.Itoa(int(expires.Seconds())))
	}
	if c.bound.Host != "" && (expires == 0 || !same(c.bound, contact)) {
		add(c.bound, ";expires=0")
	}
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(expires.Seconds()))))
	req.AppendHeader(sip.NewHeader("Supported", "path"))
	if len(proofs) > 0 {
		password, err := c.opts.Password.Read()
		if err != nil {
			return nil, contact, &failure{reason: reasonPassword, class: refused, text: "the password cannot be read", err: err}
		}
		for _, p := range proofs {
			if err := p.answer(req, c.authUser(), password.Reveal()); err != nil {
				return nil, contact, &failure{reason: reasonChallenge, class: refused, text: err.Error()}
			}
		}
	}
	return req, contact, nil
}

// request is what REGISTER and OPTIONS have in common. Each has the next CSeq.
func (c *client) request(method sip.RequestMethod, t Target) *sip.Request {
	registrar, err := parseHop(c.opts.Registrar, c.opts.Network)
	if err != nil { // Validate has read it
		registrar = hop{scheme: "sip", host: t.Addr.Addr().String()}
	}
	aor := c.opts.aor(registrar)
	uri := aor
	id := identity{callID: token(), tag: token(), seq: 1}
	if method == sip.REGISTER {
		c.dialog.seq++
		uri, id = registrar.uri(), c.dialog
	}
	req := sip.NewRequest(method, uri)
	if next, proxy, err := c.opts.next(); proxy && err == nil {
		route := next.uri()
		route.UriParams = sip.HeaderParams{{K: "lr"}}
		req.AppendHeader(&sip.RouteHeader{Address: route})
	}
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	req.AppendHeader(sip.NewHeader("From", "<"+aor.String()+">;tag="+id.tag))
	req.AppendHeader(sip.NewHeader("To", "<"+aor.String()+">"))
	req.AppendHeader(sip.NewHeader("Call-ID", id.callID))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: id.seq, MethodName: method})
	req.AppendHeader(sip.NewHeader("User-Agent", "star97"))
	if method == sip.OPTIONS {
		uri := c.bound
		req.AppendHeader(sip.NewHeader("Contact", "<"+uri.String()+">"))
	}
	req.SetBody(nil)
	return req
}

// contact is our own (RFC 3261 section 8.1.1.8).
func (c *client) contact(t Target) sip.Uri {
	at := c.local
	if c.outer.IsValid() {
		at = c.outer
	}
	uri := sip.Uri{Scheme: "sip", User: c.opts.Number(), Host: at.Addr().String(), Port: int(at.Port())}
	registrar, err := parseHop(c.opts.Registrar, c.opts.Network)
	switch {
	case err == nil && registrar.scheme == "sips":
		uri.Scheme = "sips"
	case t.Network != "udp":
		uri.UriParams = sip.HeaderParams{{K: "transport", V: t.Network}}
	}
	return uri
}

// moved takes the address that an answer says that we have. Where it is another than Contact
// names, and the configuration chose none, a NAT stands between. A connection has always
// another port than the listener; there the host tells.
func (c *client) moved(res *sip.Response, t Target) bool {
	at, ok := outer(res)
	now := c.local
	if c.outer.IsValid() {
		now = c.outer
	}
	if !ok || c.chosen || at == now || t.Network != "udp" && at.Addr() == now.Addr() {
		return false
	}
	c.outer = at
	return true
}

func (c *client) name() string {
	h, _, err := c.opts.next()
	if err != nil {
		return ""
	}
	return h.host
}

func sendFailure(err error) *failure {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sip.ErrTransactionTimeout) {
		return &failure{reason: reasonSilence, text: "the registrar does not answer", elsewhere: true}
	}
	return &failure{reason: reasonNetwork, text: "the registrar cannot be reached", err: err, elsewhere: true}
}

// statusFailure reads a final answer that is no success.
func statusFailure(res *sip.Response) *failure {
	after, _ := headerSeconds(res, "Retry-After")
	f := &failure{reason: reasonRefused, class: refused, retryAfter: after,
		text: fmt.Sprintf("the registrar answers %d %s", res.StatusCode, printable(res.Reason))}
	switch s := res.StatusCode; {
	case s == 408 || s >= 500 && s < 600:
		f.reason, f.class = reasonServer, passing
		f.elsewhere = s == 503
	case s == 480 || s == 486 || s == 491:
		f.class = passing
	case s == 403:
		f.reason = reasonForbidden
	case s == 404 || s == 410:
		f.reason = reasonUnknown
	case s >= 300 && s < 400:
		f.text += ", a redirect, which is not followed: name the other registrar"
	}
	return f
}

// printable makes a foreign word fit for the log.
func printable(s string) string {
	b := []byte(s[:min(len(s), 64)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
