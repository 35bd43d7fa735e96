package uas

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"strings"
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
	word   string // see ownerHeader
	log    *slog.Logger
	count  *metrics.Metrics
	limit  int
	silent bool
	shut   atomic.Bool // nothing passes any more

	exchanged atomic.Bool // there were other peers before
	awaited   awaited     // whose answers to our requests are let in, whoever is listed

	partWait, idleWait    time.Duration
	firstWait, lingerWait time.Duration
	inUse                 func(source string) bool // a call is up whose last request came from there
	served                func(network string, from netip.Addr) *peer
	calls                 func(from netip.Addr) bool // a call is up that came from this host
	overfull              func(r *rawRequest, now time.Time) bool
	let                   func(now time.Time) // a new INVITE passed
	pending               pending
	queued                func(waited time.Duration, now time.Time) // a message has waited so long for its reader
	flow                  *buckets                                  // messages of listed peers
	strangers             *buckets                                  // answers to strangers
	named                 *buckets                                  // messages of all addresses together that peers list one by one
	many                  *buckets                                  // messages of all addresses together that peers list by prefixes
	crowd                 *buckets                                  // answers to all strangers together
	shakes                shakes                                    // new TLS connections
	lines                 *buckets                                  // log lines about a host that anybody may have
	linesAll              *buckets                                  // of all these together
}

// totalShare is how many addresses may be at their full rate at a time: a peer is
// often a prefix, whose addresses over UDP are anybody's to forge. So those of prefixes,
// which may be the whole world where telephones prove who they are, use up nothing of what
// is there for a PBX.
const totalShare = 4

// Answers to strangers a second: from one address, and altogether. Forged
// addresses would make star97 send to others, so both are small.
const (
	strangerRate  = 1
	strangerBurst = 5
	crowdRate     = 20
	crowdBurst    = 40
)

// Log lines a second about what is refused of a peer whose callers prove who they are: from
// one host, and altogether. Its addresses may be the whole world's.
const (
	linesRate     = 5
	linesBurst    = 50
	linesAllRate  = 50
	linesAllBurst = 500
)

func newGate(o Options, p *peers, tags tagger, log *slog.Logger) *gate {
	g := &gate{
		word: randomToken(),
		tags: tags, log: log,
		partWait: partWait, idleWait: idleWait, firstWait: firstWait, lingerWait: lingerWait,
		inUse:     func(string) bool { return false },
		served:    func(string, netip.Addr) *peer { return nil },
		calls:     func(netip.Addr) bool { return false },
		overfull:  func(*rawRequest, time.Time) bool { return false },
		let:       func(time.Time) {},
		queued:    func(time.Duration, time.Time) {},
		parser:    sip.NewParser(),
		limit:     o.Limits.MessageSize,
		silent:    o.Strangers == ignoreStrangers,
		flow:      newBuckets(float64(o.Limits.Rate), float64(o.Limits.Burst)),
		strangers: newBuckets(strangerRate, strangerBurst),
		named:     oneBucket(totalShare*float64(o.Limits.Rate), totalShare*float64(o.Limits.Burst)),
		many:      oneBucket(totalShare*float64(o.Limits.Rate), totalShare*float64(o.Limits.Burst)),
		crowd:     oneBucket(crowdRate, crowdBurst),
		shakes:    newShakes(o.Limits),
		lines:     newBuckets(linesRate, linesBurst),
		linesAll:  oneBucket(linesAllRate, linesAllBurst),
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
	peer := g.peers.Load().of(network, from.Addr())
	listed := peer != nil
	if !listed {
		peer = g.bygone(network, from.Addr())
	}
	if peer == nil && !g.awaited.answers(from.Addr(), msg) {
		reply, to = g.stranger(from, msg, now)
		return nil, reply, to
	}
	all := g.named // also for answers that we wait for
	if peer != nil && !peer.names(from.Addr()) {
		all = g.many
	}
	if w := weight(len(msg)); !g.flow.take(from.Addr(), w, now) || !all.take(from.Addr(), w, now) {
		g.count.Refused(refusedFlood)
		return nil, nil, from
	}
	raw, isRequest := scanRequest(msg)
	raw.encrypted = isSecure(network)
	if !listed && isRequest && !raw.within() && raw.method != "CANCEL" {
		reply, to = g.stranger(from, msg, now)
		return nil, reply, to
	}
	if !isRequest {
		if len(msg) > g.limit || raw.crowded || !g.readable(msg) {
			return nil, nil, from
		}
		return msg, nil, from
	}
	if raw.answerable() && g.overfull(&raw, now) {
		g.count.Refused(refusedBehind)
		return nil, tooBusy(raw.reply(sip.StatusServiceUnavailable, "Service Unavailable", g.tags.raw(&raw), from)), raw.replyPort(from)
	}
	plain, status, reason := g.judge(&raw, msg)
	if status == 0 {
		if raw.method == "CANCEL" && g.foreign(plain, network, from.Addr()) {
			g.count.Refused(refusalWord(sip.StatusCallTransactionDoesNotExists))
			return nil, raw.reply(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist", g.tags.raw(&raw), from), raw.replyPort(from)
		}
		if raw.opens {
			g.let(now)
		}
		return plain, nil, from
	}
	g.count.Refused(refusalWord(status))
	if g.tells(peer, from.Addr(), now) {
		g.log.Info("malformed request refused", "status", status, "reason", reason, "source", from, "call_id", cleaned(raw.callID, callIDShown))
	}
	if !raw.answerable() {
		return nil, nil, from
	}
	return nil, raw.reply(status, reason, g.tags.raw(&raw), from), raw.replyPort(from)
}

// foreign says whether a CANCEL that sipgo can read is that of another caller.
func (g *gate) foreign(msg []byte, network string, from netip.Addr) bool {
	parsed, err := g.parser.ParseSIP(msg)
	req, is := parsed.(*sip.Request)
	return err == nil && is && g.pending.foreign(req, network, from)
}

// tells says whether the log gets a line about what is refused of a peer; metrics count all.
func (g *gate) tells(p *peer, from netip.Addr, now time.Time) bool {
	return p == nil || !p.identity.proves() || g.tellsOnce(from, now)
}

// tellsOnce is tells for what is no record of a single call, whoever the peer is.
func (g *gate) tellsOnce(from netip.Addr, now time.Time) bool {
	return g.lines.take(from, 1, now) && g.linesAll.take(from, 1, now)
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
	if _, err := sip.ServerTxKeyMake(parsed); err != nil {
		return false // sipgo would answer it by itself, be it an ACK
	}
	return answersTo(parsed.Via()) && parsed.From() != nil && parsed.To() != nil &&
		parsed.CallID() != nil && parsed.CSeq() != nil
}

// answersTo says whether sipgo can answer by a Via.
func answersTo(via *sip.ViaHeader) bool {
	return via != nil && strings.EqualFold(via.ProtocolName, "SIP") && via.ProtocolVersion == "2.0" && isToken(via.Transport) &&
		!strings.ContainsFunc(via.Host, func(r rune) bool { return !isTokenChar(r) && !strings.ContainsRune("[:]", r) })
}

// stranger writes one fixed answer for whatever was asked. Nothing is read of what gets
// none: anybody can send that, as much as he likes.
func (g *gate) stranger(from netip.AddrPort, msg []byte, now time.Time) (reply []byte, to netip.AddrPort) {
	g.count.Refused(refusedStranger)
	if g.silent || !g.strangers.take(from.Addr(), 1, now) || !g.crowd.take(from.Addr(), 1, now) {
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
