package uas

import (
	"errors"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/dialplan"
	"star97/internal/digest"
)

// proofs is what is kept about who proves, and who fails to prove, to be a user (RFC 3261
// section 22). All of it has a fixed size. It outlives an exchange.
type proofs struct {
	nonces *digest.Nonces

	asked    *buckets // challenges, longer than what they answer, to hosts that may not be there
	checks   *buckets // of credentials, by host
	wrong    *buckets // of a host
	guesses  *buckets // of a host at one user
	own      *buckets // of a host at a user who was right there before
	distant  *buckets // with a nonce that was not given to the host: anybody may have written its address
	told     *buckets // log lines about a host
	toldAll  *buckets // log lines
	seed     maphash.Seed
	regulars [regularSlots]atomic.Uint64 // hosts, and users at a host, that were right
}

// What wrong credentials are bounded by. Nobody is locked out by what others do: what is
// counted is counted for the host that it comes from, and only if it is there: whoever
// forges its address never reads the nonce that goes there. Behind one address a user who
// was right there before does not depend on what the others do, only on the guesses at
// that very user. The tables are so large that no thousand hosts keep them empty.
const (
	wrongRate    = 1.0 // a second, of one host
	wrongBurst   = 60
	guessRate    = 0.1 // a second, of one host at one user
	guessBurst   = 10
	distantRate  = 2.0 // a second, of all who show a nonce that was not given to them
	distantBurst = 40
	askedRate    = 20 // challenges a second to a host that has proved nothing
	askedBurst   = 100
	toldRate     = 1 // log lines a second about one host
	toldBurst    = 20
	toldAllRate  = 200 // and about all: that many hosts have to try at a time to hide one of them
	toldAllBurst = 2000
	regularSlots = 4096
	guessSlots   = 1 << 16
)

func newProofs(l Limits, now time.Time) *proofs {
	// A call takes four messages and more, so its credentials are a fourth at most.
	rate, burst := float64(l.Rate)/4, float64(l.Burst)/4
	return &proofs{
		nonces:  digest.NewNonces(now),
		asked:   newBuckets(askedRate, askedBurst),
		checks:  newBuckets(rate, burst),
		wrong:   bucketsOf(guessSlots, wrongRate, wrongBurst),
		guesses: bucketsOf(guessSlots, guessRate, guessBurst),
		own:     newBuckets(guessRate, guessBurst),
		distant: oneBucket(distantRate, distantBurst),
		told:    newBuckets(toldRate, toldBurst),
		toldAll: oneBucket(toldAllRate, toldAllBurst),
		seed:    maphash.MakeSeed(),
	}
}

// at names a user at a host, or a host alone, in the tables of fixed size.
func (p *proofs) at(host netip.Addr, user string) uint64 {
	return maphash.Comparable(p.seed, struct {
		host netip.Addr
		user string
	}{host, user})
}

func (p *proofs) isRegular(key uint64) bool { return p.regulars[key%regularSlots].Load() == key }

func (p *proofs) remember(key uint64) { p.regulars[key%regularSlots].Store(key) }

// caller is who is believed to send a request that opens a dialog, or asks outside of one.
// A peer with identity digest is asked to prove it.
func (s *Server) caller(req *sip.Request, p *peer, t *terms) (party, *refusal) {
	switch p.identity.kind {
	case byDigest:
	case byCertificate:
		return s.owner(req)
	default:
		return p.identity.caller(req), nil
	}
	user, refused := s.prove(req, p, t.authority)
	if refused != nil || !isUser(user) {
		return party{}, refused
	}
	return party{user: user, host: t.authority.Realm()}, nil
}

// strange says whether a request within the dialog of a user who has proved who he is
// comes from another host than the call, or with another certificate.
func (s *Server) strange(req *sip.Request, d *dialog) bool {
	switch d.peer.identity.kind {
	case byDigest:
		return sourceOf(req).Addr() != d.caller
	case byCertificate:
		who, refused := s.owner(req)
		return refused != nil || dialplan.User(who.user) != d.arrival.Caller
	}
	return false
}

// intrude takes a strange request of a dialog once it has proved to be of the same user.
// What does not is nothing to the dialog: its CSeq and its source count for nothing.
//
// From the host of the call nothing more is asked for, which section 22.1 leaves to us.
// Our tag in its To is not to be guessed and was told to that host alone: who can read it
// there can read, and alter, all that a challenge would protect, as the digest covers
// neither tags nor bodies. Whom that concerns speaks TLS. What it would cost is certain: a
// key by INFO that comes a round trip later, and a BYE that many telephones give up.
func (s *Server) intrude(req *sip.Request, tx *sip.ServerTx, d *dialog, refused *refusal) {
	a := s.terms.Load().authority
	if a == nil || d.peer.identity.kind == byCertificate { // nothing else can be proved
		s.dismiss(req, tx, refuse(sip.StatusForbidden, "Forbidden").because("somebody else sends in a call"))
		return
	}
	user, unproved := s.prove(req, d.peer, a)
	switch {
	case unproved != nil:
		s.dismiss(req, tx, unproved)
	case dialplan.User(user) != d.arrival.Caller:
		s.dismiss(req, tx, refuse(sip.StatusForbidden, "Forbidden").because("another user sends in a call"))
	default:
		d.deliver(req, tx, refused)
	}
}

// prove finds out which user sends a request.
//
// Everything that fails gets one and the same answer, as an unknown user does: nobody
// learns who is a user here. It leaves no state.
func (s *Server) prove(req *sip.Request, p *peer, a *digest.Authority) (user string, refused *refusal) {
	now := time.Now()
	if changed, err := a.Refresh(now); err != nil {
		s.tellUsers(err)
	} else if changed {
		s.log.Info("the changed file of the SIP users is in use")
	}
	host := hostOf(sourceOf(req).Addr())
	c, found := credentials(req, a.Realm())
	if !found {
		return "", s.challenge(req, a, host, now)
	}
	// Over a connection its address is not forged.
	there := isStream(strings.ToLower(req.Transport())) || a.Given(&c, sourceOf(req).Addr())
	if there && !s.proofs.checks.take(host, 1, now) {
		return "", &refusal{status: sip.StatusServiceUnavailable, reason: "Service Unavailable", silent: true, word: refusedFlood}
	}
	verdict, checked := digest.Wrong, s.proofs.admit(host, c.Username, there, now)
	if checked {
		verdict = a.Check(&c, string(req.Method), sameUser(c.URI, req), now)
	}
	if checked && verdict != digest.Wrong {
		s.proofs.giveBack(host, c.Username, there)
	}
	switch verdict {
	case digest.Right:
		if there {
			s.proofs.remember(s.proofs.at(host, ""))
			s.proofs.remember(s.proofs.at(host, c.Username))
		}
		return strings.Clone(c.Username), nil
	case digest.Stale:
		return "", unauthorized(a.Challenges(sourceOf(req).Addr(), true, now)).as(refusedStale).quietly()
	}
	s.tellWrong(req, p, a, c.Username, there, now)
	if there {
		return "", unauthorized(a.Challenges(sourceOf(req).Addr(), false, now)).as(refusedCredentials).quietly()
	}
	if refused = s.challenge(req, a, host, now); !refused.silent {
		refused.as(refusedCredentials)
	}
	return "", refused
}

// challenge asks for credentials. Over UDP the address of a host that has never answered
// may be a victim's: it is sent only so much more than was sent in its name. What is as
// long as the answer is answered always, as a telephone's INVITE with its offer is.
func (s *Server) challenge(req *sip.Request, a *digest.Authority, host netip.Addr, now time.Time) *refusal {
	ask := unauthorized(a.Challenges(sourceOf(req).Addr(), false, now)).quietly()
	more := -len(req.Body())
	for _, h := range req.GetHeaders("Authorization") {
		more -= len("Authorization: ") + len(h.Value()) + len("\r\n")
	}
	for _, line := range ask.headers {
		more += len(line) + len("\r\n")
	}
	proven := isStream(strings.ToLower(req.Transport())) || s.proofs.isRegular(s.proofs.at(host, ""))
	if more > 0 && !proven && !s.proofs.asked.take(host, 1, now) {
		ask.silent, ask.word = true, refusedFlood
	}
	return ask
}

func unauthorized(challenges []string) *refusal {
	headers := make([]string, 0, len(challenges))
	for _, c := range challenges {
		headers = append(headers, "WWW-Authenticate: "+c)
	}
	return refuse(sip.StatusUnauthorized, "Unauthorized", headers...)
}

// admit says whether credentials are checked at all. What they cost is given back if they
// are right. Those that are not checked are answered as wrong ones are, so that nobody
// learns when to stop.
func (p *proofs) admit(host netip.Addr, user string, there bool, now time.Time) bool {
	if !there {
		return p.distant.take(host, 1, now)
	}
	key := p.at(host, user)
	switch {
	case p.isRegular(key):
		return p.own.takeKey(key, 1, now)
	case !p.wrong.take(host, 1, now):
		return false
	case !p.guesses.takeKey(key, 1, now): // who asks on and on costs its neighbours nothing
		p.wrong.give(p.wrong.keyOf(host))
		return false
	}
	return true
}

func (p *proofs) giveBack(host netip.Addr, user string, there bool) {
	if !there {
		p.distant.give(p.distant.keyOf(host))
		return
	}
	key := p.at(host, user)
	if p.isRegular(key) {
		p.own.give(key)
		return
	}
	p.guesses.give(key)
	p.wrong.give(p.wrong.keyOf(host))
}

// credentialsMax bounds the Authorization headers that are looked at.
const credentialsMax = 8

// credentials are those of a request for a realm. Several, or some that cannot be read,
// are found too, and right for nobody; those for other realms are no concern of ours
// (section 22.3).
func credentials(req *sip.Request, realm string) (c digest.Credentials, found bool) {
	all := req.GetHeaders("Authorization")
	for i, h := range all {
		one, err := digest.Parse(h.Value())
		switch {
		case errors.Is(err, digest.ErrOtherScheme), err == nil && one.Realm != realm:
		case err != nil, found, i >= credentialsMax:
			return digest.Credentials{}, true
		default:
			c, found = one, true
		}
	}
	return c, found
}

// meant says whether what proves the caller of an INVITE was made for a call to us: the URI
// of its credentials names the realm, or the address that the request came to. A telephone
// that somebody has sent elsewhere (REFER, 3xx) answers a challenge of ours that is handed on
// there, and is then as much in a call of ours as it knows the code; it sets none (RFC 7616
// section 5.8).
func (s *Server) meant(req *sip.Request, tx *sip.ServerTx, p *peer, t *terms) bool {
	if p.identity.kind != byDigest {
		return true
	}
	c, _ := credentials(req, t.authority.Realm())
	var uri sip.Uri
	if sip.ParseUri(c.URI, &uri) != nil {
		return false
	}
	if strings.EqualFold(uri.Host, t.authority.Realm()) {
		return true
	}
	at, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	if err != nil {
		return false
	}
	n, err := s.nearOf(req, tx)
	return err == nil && (at.Unmap() == n.shown || at.Unmap() == n.bind)
}

// sameUser says whether the URI of credentials is about whom the request is for. Hosts and
// parameters may have been rewritten on the way (RFC 3261 section 22.4, item 6).
func sameUser(text string, req *sip.Request) bool {
	var uri sip.Uri
	return sip.ParseUri(text, &uri) == nil && dialplan.User(uri.User) == dialplan.User(req.Recipient.User)
}

// tellWrong writes the line that a log watcher acts on, deploy/fail2ban for one: its form
// is fixed, and the address comes before anything that the far end has written. There is
// none about a host that may not be there: a watcher would shut out whom a stranger names.
func (s *Server) tellWrong(req *sip.Request, p *peer, a *digest.Authority, user string, there bool, now time.Time) {
	from := sourceOf(req).Addr()
	if !there || !s.proofs.told.take(from, 1, now) || !s.proofs.toldAll.take(from, 1, now) {
		return
	}
	words := []any{"source", from.String(), "transport", strings.ToLower(req.Transport()), "peer", p.name,
		"method", cleaned(string(req.Method), 16), "call_id", callIDOf(req)}
	if a.Knows(user) { // else it may be a password in the wrong place
		words = append(words, "user", user)
	}
	s.log.Warn(wrongCredentials, words...)
}

const wrongCredentials = "wrong credentials"

// tellUsers tells what is wrong with the file of the users.
func (s *Server) tellUsers(err error) {
	for _, one := range parts(err) {
		s.log.Error("the changed file of the SIP users cannot be used; the users of before stay", "problem", one)
	}
}

// parts are the errors that one joins.
func parts(err error) []error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()
	}
	return []error{err}
}

// authority is who checks credentials by options: nil if no peer asks for any.
func (o Options) authority(nonces *digest.Nonces, now time.Time) (*digest.Authority, error) {
	for _, p := range o.Peers {
		if p.Asks() {
			return digest.NewAuthority(o.Digest, nonces, now)
		}
	}
	return nil, nil
}

// validateDigest tells what peers with identity digest lack.
func (o Options) validateDigest(bad func(string, ...any)) {
	if err := o.Digest.Validate(); err != nil {
		for _, one := range parts(err) {
			bad("digest.%v", one)
		}
		return
	}
	for i, p := range o.Peers {
		if !p.Asks() {
			continue
		}
		if o.Digest.Realm == "" {
			bad("digest.realm is empty, but peers[%d] (%s) has identity digest; write the name that telephones authenticate for, like sip.example.org", i, p.Name)
		}
		if o.Digest.UsersFile == "" {
			bad("digest.users_file is empty, but peers[%d] (%s) has identity digest; name the file that star97 sip-user writes", i, p.Name)
		}
		if o.Digest.Realm == "" || o.Digest.UsersFile == "" {
			return
		}
		if _, err := digest.OpenBook(o.Digest.UsersFile, o.Digest.Realm, time.Time{}); err != nil {
			for _, one := range parts(err) {
				bad("digest.users_file: %s", strings.TrimSuffix(one.Error(), "."))
			}
		}
		return
	}
}

// quietly has a refusal told at debug level: everybody is asked once for each call.
func (r *refusal) quietly() *refusal {
	r.level = slog.LevelDebug
	return r
}
