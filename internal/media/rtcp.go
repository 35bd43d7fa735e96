package media

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// reportEvery is the least mean interval of RFC 3550 section 6.2; with two
// participants the bandwidth rule never asks for more.
const reportEvery = 5 * time.Second

// reporter is the RTCP side of a session (RFC 3550 section 6). The session's lock
// guards it.
type reporter struct {
	cname   string
	sent    bool           // anything, so that a BYE is due at the end
	source  netip.AddrPort // where the caller's RTCP comes from
	packets uint32         // sent before the last report
	earlier uint32         // and before the one before that; more since make it an SR

	heardSSRC uint32        // of the last sender report heard
	lastSR    uint32        // middle bits of its NTP time
	lastSRAt  time.Duration // and when it came
}

// interval draws the time to the next report: half the mean before the first one,
// spread from 0.5 to 1.5 of it (section 6.3.1, without reconsideration, which only
// matters when many join at once).
func (r *reporter) interval() time.Duration {
	mean := reportEvery
	if !r.sent {
		mean /= 2
	}
	return mean/2 + rand.N(mean)
}

// ntp is the time of section 4: seconds since 1900 and a 32-bit fraction.
func ntp(t time.Time) uint64 {
	const since1900 = 2208988800
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// middle is the middle 32 bits of an NTP time, in units of 1/65536 s.
func middle(ntp uint64) uint32 { return uint32(ntp >> 16) }

// report composes what every RTCP datagram begins with: SR or RR, then SDES (section 6.4).
func (s *session) report(now time.Duration) []rtcp.Packet {
	ssrc := s.out.header.SSRC
	var blocks []rtcp.ReceptionReport
	if s.in.valid && !s.in.thinned && s.in.sinceReport() {
		blocks = []rtcp.ReceptionReport{s.block(now)}
	}
	var first rtcp.Packet = &rtcp.ReceiverReport{SSRC: ssrc, Reports: blocks}
	if s.out.packets != s.rtcp.earlier {
		first = &rtcp.SenderReport{
			SSRC: ssrc, NTPTime: ntp(s.engine.epoch.Add(now)), RTPTime: s.out.clock(now),
			PacketCount: s.out.packets, OctetCount: s.out.octets, Reports: blocks,
		}
	}
	s.rtcp.earlier, s.rtcp.packets = s.rtcp.packets, s.out.packets
	return []rtcp.Packet{first, rtcp.NewCNAMESourceDescription(ssrc, s.rtcp.cname)}
}

// block is the reception report on the caller (section 6.4.1).
func (s *session) block(now time.Duration) rtcp.ReceptionReport {
	b := rtcp.ReceptionReport{
		SSRC: s.in.ssrc, FractionLost: s.in.fraction(), TotalLost: uint32(min(s.in.lost(), 1<<23-1)),
		LastSequenceNumber: s.in.highest,
	}
	if s.in.source == s.in.ssrc {
		b.Jitter = s.in.level >> 4
	}
	if s.rtcp.heardSSRC == s.in.ssrc && s.rtcp.lastSR != 0 {
		b.LastSenderReport = s.rtcp.lastSR
		b.Delay = uint32(uint64(now-s.rtcp.lastSRAt) << 16 / uint64(time.Second))
	}
	return b
}

// sendReport sends the regular report; it goes on while we are held.
func (s *session) sendReport(now time.Duration) { s.sendRTCP(s.report(now)) }

// sendBye takes leave, if we were ever heard (section 6.3.7).
func (s *session) sendBye(now time.Duration) {
	if s.rtcp.sent || s.out.packets > 0 {
		s.sendRTCP(append(s.report(now), &rtcp.Goodbye{Sources: []uint32{s.out.header.SSRC}}))
	}
}

func (s *session) sendRTCP(packets []rtcp.Packet) {
	to := s.rtcpTarget()
	data, err := rtcp.CompoundPacket(packets).Marshal()
	if err != nil || !to.IsValid() {
		return
	}
	if data = s.guard.SealControl(data); data == nil {
		return
	}
	if _, err := s.ports.rtcp.WriteToUDPAddrPort(data, to); err == nil {
		s.rtcp.sent = true
	}
}

// rtcpTarget is where the caller's RTCP came from; before that the signalled
// address, or next to the RTP source if that is another than signalled. A hold by
// address 0.0.0.0 forbids RTCP too (RFC 3264 section 8.4).
func (s *session) rtcpTarget() netip.AddrPort {
	to := s.latch.target()
	switch {
	case !s.stream.Remote.IsValid():
		return netip.AddrPort{}
	case s.rtcp.source.IsValid():
		return s.rtcp.source
	case to == s.latch.signalled && s.stream.RemoteRTCP.IsValid():
		return s.stream.RemoteRTCP
	case to.IsValid() && to.Port() < 1<<16-1:
		return netip.AddrPortFrom(to.Addr(), to.Port()+1)
	}
	return s.stream.RemoteRTCP
}

// readRTCP is the goroutine of the RTCP port: started by the pacer's join, stops when
// the socket is closed; owns its buffer.
func (s *session) readRTCP() { s.read(s.ports.rtcp, s.receiveRTCP) }

// receiveRTCP takes one datagram of the RTCP port. A BYE does not end the call: SIP
// does that.
func (s *session) receiveRTCP(data []byte, from netip.AddrPort, now time.Duration) {
	defer s.survive()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.forgetKey(now)
	if data = s.guard.OpenControl(data); data == nil || !s.guard.Proves() && !s.rtcpFrom(from) || !validCompound(data) {
		s.dropped++
		return
	}
	s.heard, s.rtcp.source = now, from
	for len(data) > 0 {
		var h rtcp.Header
		if h.Unmarshal(data) != nil {
			return
		}
		size := (int(h.Length) + 1) * 4
		s.takeRTCP(h.Type, data[:size], now)
		data = data[size:]
	}
}

// rtcpFrom tells whether an address may speak for the caller: the signalled RTCP
// address, or the host that RTP comes from.
func (s *session) rtcpFrom(from netip.AddrPort) bool {
	return from == s.stream.RemoteRTCP || s.latch.source.IsValid() && from.Addr() == s.latch.source.Addr()
}

// validCompound checks a datagram as RFC 3550 appendix A.2 does: a report first,
// version 2 throughout, lengths that add up.
func validCompound(data []byte) bool {
	for first := true; len(data) > 0; first = false {
		var h rtcp.Header
		if h.Unmarshal(data) != nil {
			return false
		}
		if first && (h.Padding || h.Type != rtcp.TypeSenderReport && h.Type != rtcp.TypeReceiverReport) {
			return false
		}
		size := (int(h.Length) + 1) * 4
		if size > len(data) {
			return false
		}
		if data = data[size:]; len(data) == 0 {
			return true
		}
	}
	return false
}

// takeRTCP reads the packets that matter to us; others are passed over unread.
func (s *session) takeRTCP(kind rtcp.PacketType, data []byte, now time.Duration) {
	switch kind {
	case rtcp.TypeSenderReport:
		var sr rtcp.SenderReport
		if sr.Unmarshal(data) != nil {
			return
		}
		s.rtcp.heardSSRC, s.rtcp.lastSR, s.rtcp.lastSRAt = sr.SSRC, middle(sr.NTPTime), now
		s.takeBlocks(sr.Reports, now)
	case rtcp.TypeReceiverReport:
		var rr rtcp.ReceiverReport
		if rr.Unmarshal(data) == nil {
			s.takeBlocks(rr.Reports, now)
		}
	}
}

// takeBlocks takes what the caller says of our packets: loss, and the round trip
// from our last sender report (section 6.4.1, LSR and DLSR).
func (s *session) takeBlocks(blocks []rtcp.ReceptionReport, now time.Duration) {
	for _, b := range blocks {
		if b.SSRC != s.out.header.SSRC {
			continue
		}
		s.stats.Reported, s.stats.RemoteLost = true, 0
		if b.TotalLost < 1<<23 { // a negative count means duplicates
			s.stats.RemoteLost = min(uint64(b.TotalLost), uint64(s.out.packets)) // whatever the far end says
		}
		if b.LastSenderReport == 0 {
			continue
		}
		trip := middle(ntp(s.engine.epoch.Add(now))) - b.LastSenderReport - b.Delay
		if int32(trip) >= 0 {
			s.stats.RoundTrip = time.Duration(trip) * time.Second >> 16
		}
	}
}
