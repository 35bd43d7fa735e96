package media

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"

	"star97/internal/dtmf"
)

const (
	maxDatagram = 1500                 // longer ones are cut and then refused
	readPause   = 5 * time.Millisecond // after an error of the socket that is not its end
	oldPTLife   = 2 * time.Second      // how long the event payload type of before counts
	loopMemory  = 50 * time.Second     // ten report intervals, RFC 3550 section 8.2
	comfort     = 13                   // comfort noise, RFC 3389

	// disbeliefAfter is how many packets of hosts that may not be the caller come before
	// a call without any other is told: a second of audio, no stray packets of a call before.
	disbeliefAfter = 50
)

// receiver is what a session knows of the packets that come in. The session's lock
// guards it.
type receiver struct {
	latch   latch
	in      reception
	heard   time.Duration // last packet of the caller, RTP or RTCP
	parsed  rtp.Packet
	decoder dtmf.EventDecoder
	reports []dtmf.Report
	dropped uint64
	got     uint64
	strange uint64 // packets of hosts that may not be the caller, while nothing else came

	oldPT    uint8 // the event payload type before the last change, until oldUntil
	oldUntil time.Duration
	conflict netip.AddrPort // where our own SSRC came from
	clashed  time.Duration
}

// setReceive takes over what a new stream means for receiving.
func (s *session) setReceive(before Stream, now time.Duration) {
	if before.EventPT != s.stream.EventPT {
		s.oldPT, s.oldUntil = before.EventPT, now+oldPTLife
	}
	s.decoder.Set(s.stream.EventRate, s.frame)
}

// readRTP is the session's reading goroutine: started by Open, stops when the
// socket is closed; owns its buffer.
func (s *session) readRTP() { s.read(s.ports.rtp, s.receive) }

// read hands each datagram of conn to take.
func (s *session) read(conn PacketConn, take func(data []byte, from netip.AddrPort, now time.Duration)) {
	data := make([]byte, maxDatagram+1)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(data)
		if err != nil {
			if s.ended() {
				return
			}
			time.Sleep(readPause)
			continue
		}
		if n > maxDatagram {
			n = 0 // cut off: not well-formed
		}
		take(data[:n], unmap(from), s.engine.now())
	}
}

func (s *session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// receive takes one datagram of the RTP port.
func (s *session) receive(data []byte, from netip.AddrPort, now time.Duration) {
	defer s.survive()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	p := &s.parsed
	if !s.wellFormed(data, now) || !s.callers(from, now) {
		s.dropped++
		return
	}
	s.heard = now
	s.got++
	s.in.packet(p.SSRC, p.SequenceNumber)
	switch {
	case p.PayloadType == s.stream.PT:
		s.in.audio(p.Timestamp, now, s.out.perMs)
	case p.PayloadType != comfort:
		s.event(now)
	}
}

// wellFormed parses a datagram and tells whether it is RTP version 2 of a payload
// type that was agreed (RFC 3550 appendix A.1).
func (s *session) wellFormed(data []byte, now time.Duration) bool {
	p := &s.parsed
	if len(data) < headerSize || data[0]>>6 != 2 {
		return false
	}
	if data = s.guard.Open(data); data == nil || p.Unmarshal(data) != nil {
		return false
	}
	switch p.PayloadType {
	case s.stream.PT:
		return s.player.format != nil
	case comfort:
		return true
	}
	return s.isEvent(p.PayloadType, now) || s.isRED(p.PayloadType)
}

func (s *session) isEvent(pt uint8, now time.Duration) bool {
	return pt != 0 && (pt == s.stream.EventPT || pt == s.oldPT && now < s.oldUntil)
}

func (s *session) isRED(pt uint8) bool { return pt != 0 && pt == s.stream.RedPT }

// callers tells whether the parsed packet comes from the caller.
func (s *session) callers(from netip.AddrPort, now time.Duration) bool {
	p := &s.parsed
	before := s.latch.target()
	if !s.latch.admit(from, p.SSRC, p.SequenceNumber, now) {
		s.disbelieve(from, now)
		return false
	}
	if s.latch.target() != before {
		s.stats.SourceChanges++
	}
	return p.SSRC != s.out.header.SSRC || s.collide(from, now)
}

// disbelieve tells once that the only RTP of a call comes from a host that may not
// be the caller.
func (s *session) disbelieve(from netip.AddrPort, now time.Duration) {
	if !s.started || s.got > 0 || s.latch.mayProve(from.Addr()) {
		return
	}
	if s.strange++; s.strange == disbeliefAfter {
		s.tell(Event{Kind: Disbelieved, At: now - s.base, From: from, Signalled: s.latch.signalled}, now)
	}
}

// collide meets a packet that bears our own SSRC (RFC 3550 section 8.2). The first
// time we leave it with a BYE and take another one; if the same source then sends that one too, our packets
// come back to us, and they are not the caller's.
func (s *session) collide(from netip.AddrPort, now time.Duration) bool {
	if from == s.conflict && now-s.clashed < loopMemory {
		s.clashed = now
		return false
	}
	s.conflict, s.clashed = from, now
	s.sendBye(now)
	s.out.rename()
	s.rtcp.packets = 0
	return true
}

// event hands the parsed packet to the decoder and queues what it tells.
func (s *session) event(now time.Duration) {
	p := &s.parsed
	e := dtmf.Packet{SSRC: p.SSRC, Seq: p.SequenceNumber, TS: p.Timestamp, Marker: p.Marker, Payload: p.Payload}
	at := now - s.base
	if s.isRED(p.PayloadType) {
		s.reports = s.decoder.DecodeRED(e, s.stream.EventPT, at, s.reports[:0])
	} else {
		s.reports = s.decoder.Decode(e, at, s.reports[:0])
	}
	s.tellKeys(now)
}

// expireKey tells the key-up of a key whose end packets did not come, by our own
// clock.
func (s *session) expireKey(now time.Duration) {
	s.reports = s.decoder.Expire(now-s.base, s.reports[:0])
	s.tellKeys(now)
}

// tellKeys queues the reports and sees to it that an open key ends.
func (s *session) tellKeys(now time.Duration) {
	for _, r := range s.reports {
		s.tell(Event{Kind: Pressed, At: r.At, Report: r}, now)
	}
	clear(s.reports) // no digit stays behind
	if due, open := s.decoder.Deadline(); open && s.alarm.due[alarmKey] == 0 {
		s.alarm.at(alarmKey, s.base+due, now)
	}
}

// count adds what was received to st.
func (r *receiver) count(st *Stats) {
	st.PacketsIn, st.Dropped = r.got, r.dropped
	st.LostIn = r.in.past + r.in.lost()
	st.JitterIn = time.Duration(r.in.jitter>>4) * time.Millisecond / time.Duration(max(r.in.perMs, 1))
	st.Keys = r.decoder.Stats()
}
