package media

import (
	"net/netip"
	"time"
)

// The patience of the source latch.
const (
	latchPackets   = 3                      // in a row, before an address that was not signalled is believed
	latchRebound   = 500 * time.Millisecond // quiet after which the same SSRC may go on from another address
	latchSpan      = 30 * time.Millisecond  // that these take, before another source gives way to them
	latchAbandoned = 10 * time.Second       // quiet after which another source on the same host, or with the key, may follow
	latchMoving    = 2 * time.Second        // after a re-negotiation the old source is heard, but not believed again
	latchStep      = 100                    // largest step of sequence numbers "in a row"
)

// latch decides which source is the caller and where to send (symmetric RTP, RFC
// 4961; the choice among sources is ours): the signalled address until something
// came, then the first source that proves itself. Only two hosts may: the signalled
// one, and the one that signals, which is where the packets of a telephone behind a
// NAT come from; others only where the peer's setting says so. The signalled address
// wins whenever it is heard; no other source gets anything while the caller is heard. After a
// pause in which this machine read nothing, all packets that have waited are read at once,
// those of the caller among them: what comes so fast proves nothing against him.
type latch struct {
	signalled netip.AddrPort // from SDP
	signaller netip.Addr     // where the SIP messages come from
	anyHost   bool           // any host may prove itself
	keyed     bool           // every packet that comes here is the caller's by its key
	home      netip.AddrPort // the source first believed, or where its SSRC went on
	source    netip.AddrPort // the source believed now; not valid before the first
	ssrc      uint32
	heard     time.Duration // when source was last heard

	old   netip.AddrPort // where we sent before a re-negotiation
	moved time.Duration

	suitors [4]suitor
	oldest  int // the suitor to give way to a newcomer
}

// suitor is a source that has not proved itself yet.
type suitor struct {
	addr  netip.AddrPort
	ssrc  uint32
	seq   uint16
	n     int
	began time.Duration // when the first of these n was read
}

// signal opens the latch for the address of a newly negotiated stream.
func (l *latch) signal(addr netip.AddrPort, now time.Duration) {
	old := l.target()
	*l = latch{signalled: addr, signaller: l.signaller, anyHost: l.anyHost, keyed: l.keyed, old: old, moved: now}
	if addr == old {
		l.believe(addr, 0, now)
	}
}

// target is where to send.
func (l *latch) target() netip.AddrPort {
	if l.source.IsValid() {
		return l.source
	}
	return l.signalled
}

// admit tells whether a well-formed packet is the caller's.
func (l *latch) admit(from netip.AddrPort, ssrc uint32, seq uint16, now time.Duration) bool {
	switch {
	case from == l.source:
		l.ssrc, l.heard = ssrc, now
		return true
	case from == l.signalled, from == l.home:
		l.believe(from, ssrc, now)
		return true
	case from == l.old && !l.source.IsValid() && now-l.moved < latchMoving:
		return true
	}
	if !l.mayProve(from.Addr()) {
		return false
	}
	quiet := now - l.heard
	rebound := l.source.IsValid() && ssrc == l.ssrc && quiet > latchRebound
	abandoned := quiet > latchAbandoned && (l.keyed || from.Addr() == l.source.Addr())
	if l.source.IsValid() && !rebound && !abandoned {
		return false
	}
	if !l.proves(from, ssrc, seq, now) {
		return false
	}
	if rebound || !l.home.IsValid() {
		l.home = from
	}
	l.believe(from, ssrc, now)
	return true
}

// rival tells whether a packet is of another source, or another SSRC, that the latch could
// go over to now or later.
func (l *latch) rival(from netip.AddrPort, ssrc uint32) bool {
	if from == l.source {
		return ssrc != l.ssrc
	}
	return from == l.signalled || from == l.home || l.mayProve(from.Addr())
}

// mayProve tells whether a host may be the caller's.
func (l *latch) mayProve(host netip.Addr) bool {
	return l.anyHost || host == l.signalled.Addr() || host == l.signaller
}

func (l *latch) believe(from netip.AddrPort, ssrc uint32, now time.Duration) {
	l.source, l.ssrc, l.heard = from, ssrc, now
	l.suitors = [4]suitor{}
}

// proves counts packets in a row from one source and SSRC. The caller who is heard in
// between ends the row.
func (l *latch) proves(from netip.AddrPort, ssrc uint32, seq uint16, now time.Duration) bool {
	for i := range l.suitors {
		s := &l.suitors[i]
		if s.n == 0 || s.addr != from {
			continue
		}
		step := seq - s.seq
		if s.ssrc == ssrc && step == 0 {
			return false // a copy proves nothing
		}
		if s.ssrc != ssrc || step > latchStep || l.source.IsValid() && s.began < l.heard {
			s.n, s.began = 0, now
		}
		s.ssrc, s.seq = ssrc, seq
		s.n++
		return s.n >= latchPackets && (!l.source.IsValid() || now-s.began >= latchSpan)
	}
	l.suitors[l.oldest] = suitor{addr: from, ssrc: ssrc, seq: seq, n: 1, began: now}
	l.oldest = (l.oldest + 1) % len(l.suitors)
	return false
}
