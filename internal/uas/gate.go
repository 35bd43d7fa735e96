package uas

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/metrics"
)

// gate is the first desk: it sees every message whole, before sipgo does, on the
// goroutine that reads the socket. What it turns away leaves no state behind:
// sipgo never learns the address of a stranger.
type gate struct {
	peers  atomic.Pointer[peers]
	parser *sip.Parser
	tags   tagger
	log    *slog.Logger
	count  *metrics.Metrics
	limit  int
	silent bool
	shut   atomic.Bool // nothing passes any more

	exchanged atomic.Bool // there were other peers before

	partWait, idleWait time.Duration
	inUse              func(source string) bool // a call is up whose last request came from there
	served             func(network string, from netip.Addr) *peer
	flow               *buckets // messages of listed peers
	strangers          *buckets // answers to strangers
	total              *buckets // messages of all listed peers together
	crowd              *buckets // answers to all strangers together
}

// totalShare is how many addresses may be at their full rate at a time: a peer is
// often a prefix, whose addresses over UDP are anybody's to forge.
const totalShare = 4

// Answers to strangers a second: from one address, and altogether. Forged
// addresses would make star97 send to others, so both are small.
const (
	strangerRate  = 1
	strangerBurst = 5
	crowdRate     = 20
	crowdBurst    = 40
)

func newGate(o Options, p *peers, tags tagger, log *slog.Logger) *gate {
	g := &gate{
		tags: tags, log: log,
		partWait: partWait, idleWait: idleWait,
		inUse:     func(string) bool { return false },
		served:    func(string, netip.Addr) *peer { return nil },
		parser:    sip.NewParser(),
		limit:     o.Limits.MessageSize,
		silent:    o.Strangers == ignoreStrangers,
		flow:      newBuckets(float64(o.Limits.Rate), float64(o.Limits.Burst)),
		strangers: newBuckets(strangerRate, strangerBurst),
		total:     oneBucket(totalShare*float64(o.Limits.Rate), totalShare*float64(o.Limits.Burst)),
		crowd:     oneBucket(crowdRate, crowdBurst),
	}
	g.peers.Store(p)
	return g
}

// exchange takes other peers into use.
func (g *gate) exchange(p *peers) {
	g.exchanged.Store(true)
	g.peers.Store(p)
}

// bygone is the peer that had an address before an exchange and has calls up still.
// From there comes what belongs to a call, and may come from another port, connection or
// machine than the INVITE. Such a peer begins nothing any more.
func (g *gate) bygone(network string, from netip.Addr) *peer {
	if !g.exchanged.Load() {
		return nil
	}
	return g.served(network, from)
}

// admit returns what sipgo may have of a message, msg itself or a tidied copy; nil
// if nothing. Then reply is what the sender gets and to where (UDP; a TCP answer
// goes back on its connection); nil: nothing.
func (g *gate) admit(network string, from netip.AddrPort, msg []byte, now time.Time) (pass, reply []byte, to netip.AddrPort) {
	// sipgo reads on this goroutine and has no recover of its own: what makes its
	// parser panic is dropped here, before it gets there.
	defer func() {
		if v := recover(); v != nil {
			g.log.Error("a message that crashed its reader was dropped; please report it", "source", from, "error", call.Survived(v))
			pass, reply = nil, nil
		}
	}()
	if g.shut.Load() {
		return nil, nil, from
	}
	listed := g.peers.Load().of(network, from.Addr()) != nil
	if !listed && g.bygone(network, from.Addr()) == nil {
		reply, to = g.stranger(from, msg, now)
		return nil, reply, to
	}
	if !g.flow.take(from.Addr(), now) || !g.total.take(from.Addr(), now) {
		g.count.Refused(refusedFlood)
		return nil, nil, from
	}
	raw, isRequest := scanRequest(msg)
	raw.encrypted = network == "tls"
	if !listed && isRequest && !raw.within() {
		reply, to = g.stranger(from, msg, now)
		return nil, reply, to
	}
	if !isRequest {
		if len(msg) > g.limit || raw.crowded || !g.readable(msg) {
			return nil, nil, from
		}
		return msg, nil, from
	}
	plain, status, reason := g.judge(&raw, msg)
	if status == 0 {
		return plain, nil, from
	}
	g.count.Refused(refusalWord(status))
	g.log.Info("malformed request refused", "status", status, "reason", reason, "source", from, "call_id", cleaned(raw.callID, callIDShown))
	if !raw.answerable() {
		return nil, nil, from
	}
	return nil, raw.reply(status, reason, g.tags.raw(&raw), from), raw.replyPort(from)
}

// judge returns a request as sipgo may have it, or the status and the sentence that
// refuse it. Of one that is too large nothing is read but what its answer needs, which
// may stand behind what makes it so.
func (g *gate) judge(raw *rawRequest, msg []byte) (plain []byte, status int, reason string) {
	if len(msg) > g.limit {
		return nil, 513, "Message Too Large"
	}
	if status, reason = raw.fault(); status != 0 {
		return nil, status, reason
	}
	if plain = tidy(msg); g.readable(plain) {
		return plain, 0, ""
	}
	if &plain[0] != &msg[0] {
		clear(plain) // nobody else does
	}
	return nil, sip.StatusBadRequest, "Malformed Request"
}

// readable says whether sipgo reads a message, a request with all that a transaction
// and a dialog need.
func (g *gate) readable(msg []byte) bool {
	parsed, err := g.parser.ParseSIP(msg)
	if parsed != nil {
		defer clear(parsed.Body()) // a copy, which may hold a key
	}
	if err != nil {
		return false
	}
	if _, isRequest := parsed.(*sip.Request); !isRequest {
		return true
	}
	return parsed.Via() != nil && parsed.From() != nil && parsed.To() != nil &&
		parsed.CallID() != nil && parsed.CSeq() != nil
}

// stranger writes one fixed answer for whatever was asked. Nothing is read of what gets
// none: anybody can send that, as much as he likes.
func (g *gate) stranger(from netip.AddrPort, msg []byte, now time.Time) (reply []byte, to netip.AddrPort) {
	g.count.Refused(refusedStranger)
	if g.silent || !g.strangers.take(from.Addr(), now) || !g.crowd.take(from.Addr(), now) {
		return nil, from
	}
	raw, isRequest := scanRequest(msg)
	if !isRequest || !raw.answerable() {
		return nil, from
	}
	g.log.Info("stranger refused", "status", sip.StatusForbidden, "source", from, "reason", "no peer lists this address", "call_id", cleaned(raw.callID, callIDShown))
	return raw.reply(sip.StatusForbidden, "Forbidden", g.tags.raw(&raw), from), raw.replyPort(from)
}

// tagger makes the To tags of answers without state: the same for the same
// request (RFC 3261 section 8.2.7), not to be guessed for another.
type tagger struct{ key [32]byte }

func newTagger() tagger {
	var t tagger
	rand.Read(t.key[:])
	return t
}

// of is the tag for parts, each with its length before it: no other division of the
// same bytes has that tag. use keeps tags for one purpose apart from those for another.
func (t tagger) of(use string, parts ...string) string {
	h := hmac.New(sha256.New, t.key[:])
	for _, p := range append(parts, use) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// raw is for answers to what is not let in. It proves nothing to whoever learns it.
func (t tagger) raw(r *rawRequest) string {
	return t.of("refused", r.callID, r.from, r.cseq, r.vias[0])
}

// callIDShown is how much of a Call-ID is kept for logs and audit.
const callIDShown = 128

// cleaned makes a foreign word fit for a log line: printable ASCII, at most n bytes.
func cleaned(s string, n int) string {
	b := make([]byte, 0, min(len(s), n))
	for i := 0; i < len(s) && i < n; i++ {
		c := s[i]
		if c < ' ' || c > '~' {
			c = '?'
		}
		b = append(b, c)
	}
	return string(b)
}
