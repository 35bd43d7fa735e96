package media

import (
	"math"
	"net/netip"
	"time"

	"golang.org/x/net/bpf"
)

// When audio that nobody listens to is left to the kernel, and when it is not.
const (
	thinning    = 64              // one packet of so many is let through; a power of two
	settledFrom = 50              // packets of the believed source and of nobody else who might be: a second of audio
	thinQuiet   = 4 * time.Second // without a packet the filter is taken off: more than thinning packets of 60 ms
)

// thinner is a socket that can drop packets before anybody reads them.
type thinner interface {
	// Thin drops the packets of a voice from now on, but for one in thinning.
	Thin(voice) error
	// Whole ends that.
	Whole() error
}

// voice is the audio of one source.
type voice struct {
	port uint16 // that it comes from
	ssrc uint32
	pt   uint8
}

// thinProgram is the filter: it drops RTP of version 2 of that port, SSRC and payload type,
// marked or not, whose sequence number is no multiple of thinning, and nothing else: not
// what comes from another port, as after a new binding of a NAT, not events, redundancy and
// comfort noise, not RTCP, STUN or DTLS (RFC 7983), nor what is too short for RTP. The
// kernel shows it the datagram from the UDP header on.
func thinProgram(v voice) []bpf.Instruction {
	const rtp = 8
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: rtp + headerSize, SkipTrue: 10},
		bpf.LoadAbsolute{Off: 0, Size: 2}, // source port, RFC 768
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(v.port), SkipTrue: 8},
		bpf.LoadAbsolute{Off: rtp, Size: 2}, // V P X CC M PT, RFC 3550 section 5.1
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xC07F},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 2<<14 | uint32(v.pt), SkipTrue: 5},
		bpf.LoadAbsolute{Off: rtp + 8, Size: 4}, // SSRC
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v.ssrc, SkipTrue: 3},
		bpf.LoadAbsolute{Off: rtp + 2, Size: 2}, // sequence number
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: thinning - 1, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: math.MaxUint32},
	}
}

// thinnable tells whether a payload type cannot be taken for that of an RTCP packet whose
// first bit is read as the marker (RFC 5761 section 4).
func thinnable(pt uint8) bool { return pt < 64 || pt > 95 && pt < 128 }

// filter is what a session knows of the filter on its RTP socket. The session's lock
// guards it.
//
// SRTP is thinned as well. The kernel reads nothing but the header, which is not encrypted
// (RFC 3711 section 3.1); each packet proves itself without the one before; and the
// rollover counter is found from the last packet's sequence number as long as gaps are
// below 2^15 (section 3.3.1), of which thinning is a 512th.
type filter struct {
	socket thinner // nil: it has no filter, or is not to have one
	on     bool
	ever   bool // it was on in this call
	events bool // an event came since the media began or changed
	steady int  // packets since then, up to settledFrom
}

// settle looks at a packet before the latch does. While the filter is on, the latch cannot
// tell a quiet caller from one whose packets the kernel drops. So nobody is judged in that
// time: at the first packet that could change what the latch believes, every packet comes
// again, the quiet is counted from then on, and the filter waits for all of its conditions.
// It returns false if the filter cannot be taken off.
func (s *session) settle(from netip.AddrPort, now time.Duration) bool {
	f := &s.filter
	if s.latch.rival(from, s.parsed.SSRC) {
		return s.startAnew(now)
	}
	if from == s.latch.source && f.steady < settledFrom {
		f.steady++
	}
	return true
}

// startAnew takes the filter off until all of its conditions are met once more.
func (s *session) startAnew(now time.Duration) bool {
	s.filter.events = false
	return s.beWhole(now)
}

// beWhole takes the filter off until the audio has been steady once more.
func (s *session) beWhole(now time.Duration) bool {
	f := &s.filter
	f.steady = 0
	if !f.on {
		return true
	}
	if f.socket.Whole() != nil {
		return false
	}
	f.on = false
	s.latch.heard = now
	return true
}

// beThin puts the filter on, at a packet of audio, when its conditions are met: the latch
// has settled, keys come as events or the audio is never listened to, and no SRTP key of
// before counts any more, as its packets tell no rollover counter under the new one. What the
// system refuses once is not asked for again in this call.
func (s *session) beThin(now time.Duration) {
	f := &s.filter
	if f.on || f.socket == nil || f.steady < settledFrom || s.tones != nil || s.keyUntil != 0 {
		return
	}
	if !f.events && s.stream.Inband != InbandNever || !thinnable(s.stream.PT) {
		return
	}
	if f.socket.Thin(voice{s.latch.source.Port(), s.latch.ssrc, s.stream.PT}) != nil {
		f.socket = nil
		return
	}
	f.on, f.ever = true, true
	s.in.thin()
	s.alarm.at(alarmThin, now+thinQuiet, now)
}

// checkThin takes the filter off when nothing has come for a while: a caller who sends
// nothing needs none, and the media time-out and the latch then count on every packet.
func (s *session) checkThin(now time.Duration) {
	if !s.filter.on {
		return
	}
	if over := s.latch.heard + thinQuiet; now < over {
		s.alarm.at(alarmThin, over, now)
		return
	}
	s.beWhole(now)
}

// unread tells whether the filter, while it is on, drops the parsed packet.
func (s *session) unread() bool {
	return s.parsed.PayloadType == s.stream.PT && s.parsed.SequenceNumber%thinning != 0
}
