package media

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"

	"star97/internal/codec"
	"star97/internal/dtmf"
)

const (
	maxDatagram = 1500                 // longer ones are cut and then refused
	readPause   = 5 * time.Millisecond // after an error of the socket that is not its end
	formerLife  = 2 * time.Second      // how long the payload types, and the SRTP key, of before count
	loopMemory  = 50 * time.Second     // ten report intervals, RFC 3550 section 8.2

	// disbeliefAfter is how many packets of hosts that may not be the caller come before
	// a call without any other is told: a second of audio, no stray packets of a call before.
	disbeliefAfter = 50
)

// receiver is what a session knows of the packets that come in. The session's lock
// guards it.
type receiver struct {
	latch   latch
	filter  filter
	in      reception
	heard   time.Duration // last packet of the caller, RTP or RTCP
	parsed  rtp.Packet
	decoder dtmf.EventDecoder
	tones   *tones // nil: nobody listens to the audio

	toneStats dtmf.ToneStats // of tones that are no more

	reports []dtmf.Report
	dropped uint64
	got     uint64
	strange uint64 // packets of hosts that may not be the caller, while nothing else came

	former   types          // before the last change of payload types, until
	until    time.Duration  // then
	keyUntil time.Duration  // so long packets under the SRTP key before count; 0: there is none
	conflict netip.AddrPort // where our own SSRC came from
	clashed  time.Duration
}

// setReceive takes over what a new stream means for receiving.
func (s *session) setReceive(before Stream, now time.Duration) {
	s.startAnew(now) // where the filter cannot be taken off, the next packet from a rival source tries again
	if old := typesOf(&before); old != typesOf(&s.stream) {
		s.former, s.until = old, now+formerLife
	}
	if !before.TheirKey.Equal(&s.stream.TheirKey) {
		s.keyUntil = now + formerLife
	}
	s.decoder.Set(s.stream.EventRate, s.frame)
	s.setTones(now)
}

// readRTP is the session's reading goroutine: started by the pacer's join, stops when
// the socket is closed; owns its buffer.
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
		take(data[:n], plain(from), s.engine.now())
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
	if !s.wellFormed(data, now) {
		s.dropped++
		return
	}
	kind, id := s.meaning(p.PayloadType, now)
	if kind == notAgreed {
		s.dropped++
		s.pass(from, now)
		return
	}
	if !s.callers(from, now) {
		s.dropped++
		return
	}
	s.heard = now
	s.got++
	s.in.packet(p.SSRC, p.SequenceNumber)
	switch kind {
	case isAudio:
		s.audio(id, now)
		return
	case isEvent, isRED:
		s.event(kind, now)
	}
	if s.tones != nil {
		s.tones.stream.Other(eventPacket(p))
	}
}

// audio takes the parsed packet of audio in a codec.
func (s *session) audio(id codec.ID, now time.Duration) {
	p := &s.parsed
	switch {
	case !s.in.thinned:
		s.in.jitter.audio(p.SSRC, p.Timestamp, now, s.out.perMs)
	case !s.filter.on && s.unread():
		s.in.thinned = false // what follows comes as it is sent
	}
	s.tone(p, id, now)
	s.beThin(now)
}

// wellFormed parses a datagram and tells whether it is RTP version 2 (RFC 3550 appendix A.1).
func (s *session) wellFormed(data []byte, now time.Duration) bool {
	p := &s.parsed
	if len(data) < headerSize || data[0]>>6 != 2 {
		return false
	}
	s.forgetKey(now)
	data = s.guard.Open(data)
	return data != nil && p.Unmarshal(data) == nil
}

// pass goes over the parsed packet of a payload type that was not agreed, such as comfort
// noise by its old number: if it is the caller's it was not lost, and the caller is there.
func (s *session) pass(from netip.AddrPort, now time.Duration) {
	p := &s.parsed
	if from == s.latch.source && p.SSRC == s.latch.ssrc {
		s.heard, s.latch.heard = now, now
		s.in.packet(p.SSRC, p.SequenceNumber)
	}
}

// forgetKey ends what counts under the SRTP key before, once its time is over.
func (s *session) forgetKey(now time.Duration) {
	if s.keyUntil != 0 && now >= s.keyUntil {
		s.guard.Forget()
		s.keyUntil = 0
	}
}

// callers tells whether the parsed packet comes from the caller.
func (s *session) callers(from netip.AddrPort, now time.Duration) bool {
	p := &s.parsed
	before := s.latch.target()
	if !s.settle(from, now) || !s.latch.admit(from, p.SSRC, p.SequenceNumber, now) {
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
		s.tell(Event{Kind: Disbelieved, At: now - s.base, Disbelief: &Disbelief{from, s.latch.signalled}}, now)
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
	s.rtcp.packets, s.rtcp.earlier = 0, 0
	return true
}

// event hands the parsed packet to the decoder and queues what it tells.
func (s *session) event(kind meaning, now time.Duration) {
	p := &s.parsed
	e := eventPacket(p)
	at := now - s.base
	if kind == isRED {
		old := uint8(0)
		if now < s.until {
			old = s.former.event
		}
		s.reports = s.decoder.DecodeRED(e, s.stream.EventPT, old, at, s.reports[:0])
	} else {
		s.reports = s.decoder.Decode(e, at, s.reports[:0])
	}
	shown := len(s.reports) > 0
	s.tellKeys(now)
	if !shown {
		return
	}
	s.filter.events = true
	if s.stream.Inband == InbandAuto {
		s.endTones(now)
	}
}

// eventPacket is a packet as the decoders of keys take it.
func eventPacket(p *rtp.Packet) dtmf.Packet {
	return dtmf.Packet{SSRC: p.SSRC, Seq: p.SequenceNumber, TS: p.Timestamp, Marker: p.Marker, Payload: p.Payload}
}

// expireKey tells the key-up of a key whose end did not come, by our own clock.
func (s *session) expireKey(now time.Duration) {
	s.reports = s.decoder.Expire(now-s.base, s.reports[:0])
	if s.tones != nil {
		s.reports = s.tones.stream.Expire(now-s.base, s.reports)
	}
	s.tellKeys(now)
}

// tellKeys queues the reports and sees to it that an open key ends.
func (s *session) tellKeys(now time.Duration) {
	for _, r := range s.reports {
		s.tell(Event{Kind: Pressed, At: r.At, Report: r}, now)
	}
	clear(s.reports) // no digit stays behind
	due, open := s.decoder.Deadline()
	s.awaitUp(due, open, now)
	if s.tones != nil {
		due, open = s.tones.stream.Deadline()
		s.awaitUp(due, open, now)
	}
}

// awaitUp sets the alarm for the end of an open key.
func (s *session) awaitUp(due time.Duration, open bool, now time.Duration) {
	if set := s.alarm.due[alarmKey]; open && (set == 0 || s.base+due < set) {
		s.alarm.at(alarmKey, s.base+due, now)
	}
}

// count adds what was received to st.
func (r *receiver) count(st *Stats) {
	st.PacketsIn, st.Dropped = r.got, r.dropped
	st.LostIn = r.in.past + r.in.lost()
	st.Thinned = r.filter.ever
	st.JitterIn = time.Duration(r.in.level>>4) * time.Millisecond / time.Duration(max(r.in.perMs, 1))
	st.Keys, st.Tones = r.decoder.Stats(), r.toneStats
	if r.tones != nil {
		st.Tones = addTones(r.toneStats, r.tones.stream.Stats())
	}
}
