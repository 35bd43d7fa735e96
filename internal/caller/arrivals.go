package caller

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"star97/internal/codec"
	"star97/internal/sdp"
)

// maxLog bounds the packets a call remembers one by one: 20 minutes at 20 ms.
const maxLog = 60_000

// Packet is one RTP packet as it came. It does not hold the payload.
type Packet struct {
	At        time.Time // when the kernel got it
	Seq       uint16
	Timestamp uint32
	SSRC      uint32
	PT        uint8
	Marker    bool
	Size      int    // payload bytes
	Port      uint16 // ours, that it came to
}

// MediaStats count what came and went.
type MediaStats struct {
	Sent      uint64
	Received  uint64 // RTP packets of the agreed audio payload type
	Other     uint64 // RTP with another payload type
	Junk      uint64 // no RTP at all
	BeforeAck uint64 // RTP that came before our ACK: must be none
	Lost      uint64 // sequence numbers that never came
	Late      uint64 // packets that came after a later one
	Twice     uint64
	Strange   uint64 // packets received from elsewhere than the answer said, which were not listened to
	Unheard   uint64 // packets received that the ear was too slow for
	Sources   int    // different senders' addresses
	SSRCs     int
	First     time.Time
	Last      time.Time
	// RTCP packets by kind (RFC 3550 section 6).
	SenderReports, ReceiverReports, Descriptions, Byes uint64
}

// arrivals keep account of what comes in.
type arrivals struct {
	mu      sync.Mutex
	s       MediaStats
	log     []Packet
	ackAt   time.Time
	highest int64
	ssrc    uint32
	seen    map[int64]bool // of the last sequence numbers, to tell late from twice
	sources map[netip.AddrPort]bool
	ssrcs   map[uint32]bool
}

const (
	maxSources = 64 // different addresses told apart
	seenWindow = 512
)

func newArrivals() *arrivals {
	return &arrivals{seen: map[int64]bool{}, sources: map[netip.AddrPort]bool{}, ssrcs: map[uint32]bool{}}
}

// parsed is a packet as the reader hands it on; payload is lent.
type parsed struct {
	payload   []byte
	timestamp uint32
	ssrc      uint32
	marker    bool
	audio     bool
	codec     codec.ID
}

// packet takes one datagram into account.
func (a *arrivals) packet(raw []byte, at time.Time, from netip.AddrPort, port uint16, agreed sdp.Agreed) (parsed, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var h rtp.Header
	n, err := h.Unmarshal(raw)
	if err != nil || h.Version != 2 {
		a.s.Junk++
		return parsed{}, false
	}
	if len(a.log) < maxLog {
		a.log = append(a.log, Packet{At: at, Seq: h.SequenceNumber, Timestamp: h.Timestamp, SSRC: h.SSRC, PT: h.PayloadType, Marker: h.Marker, Size: len(raw) - n, Port: port})
	}
	if len(a.sources) < maxSources {
		a.sources[from] = true
	}
	if len(a.ssrcs) < maxSources {
		a.ssrcs[h.SSRC] = true
	}
	p := parsed{payload: raw[n:], timestamp: h.Timestamp, ssrc: h.SSRC, marker: h.Marker,
		audio: h.PayloadType == agreed.PT && agreed.Codec != codec.None, codec: agreed.Codec}
	if !p.audio {
		a.s.Other++
		return p, true
	}
	if a.s.First.IsZero() {
		a.s.First = at
	}
	a.s.Last = at
	a.s.Received++
	a.sequence(h.SequenceNumber, h.SSRC)
	return p, true
}

// strange counts a packet that was not listened to.
func (a *arrivals) strange() {
	a.mu.Lock()
	a.s.Strange++
	a.mu.Unlock()
}

// sequence follows RFC 3550 appendix A.1 without its probation: one source, told
// apart from the next by SSRC.
func (a *arrivals) sequence(seq uint16, ssrc uint32) {
	if a.s.Received == 1 || ssrc != a.ssrc {
		a.ssrc, a.highest = ssrc, int64(seq)+1<<16
		clear(a.seen)
		a.seen[a.highest] = true
		return
	}
	n := a.highest + int64(int16(seq-uint16(a.highest)))
	switch {
	case n > a.highest:
		a.s.Lost += uint64(n - a.highest - 1)
		a.highest = n
		delete(a.seen, n-seenWindow)
	case a.seen[n]:
		a.s.Twice++
		return
	default:
		a.s.Late++
		if a.s.Lost > 0 {
			a.s.Lost--
		}
	}
	a.seen[n] = true
}

// report takes one RTCP datagram into account.
func (a *arrivals) report(raw []byte) {
	packets, err := rtcp.Unmarshal(raw)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.s.Junk++
		return
	}
	for _, p := range packets {
		switch p.(type) {
		case *rtcp.SenderReport:
			a.s.SenderReports++
		case *rtcp.ReceiverReport:
			a.s.ReceiverReports++
		case *rtcp.SourceDescription:
			a.s.Descriptions++
		case *rtcp.Goodbye:
			a.s.Byes++
		}
	}
}

// acked marks the moment from which media may come.
func (a *arrivals) acked(at time.Time) {
	a.mu.Lock()
	a.ackAt = at
	a.mu.Unlock()
}

// early counts the packets that came before the ACK was sent; the caller holds mu.
func (a *arrivals) early() (n uint64) {
	for i := range a.log {
		if !a.ackAt.IsZero() && !a.log[i].At.Before(a.ackAt) {
			break
		}
		n++
	}
	return n
}

// Stats are the counters so far.
func (m *Media) Stats() MediaStats {
	m.stats.mu.Lock()
	s := m.stats.s
	s.BeforeAck = m.stats.early()
	s.Sources, s.SSRCs = len(m.stats.sources), len(m.stats.ssrcs)
	m.stats.mu.Unlock()
	m.sender.mu.Lock()
	s.Sent = m.sender.sent
	m.sender.mu.Unlock()
	m.ears.mu.Lock()
	s.Unheard = m.ears.overrun
	m.ears.mu.Unlock()
	return s
}

// Packets are the packets received so far, in order of arrival, at most 60,000.
func (m *Media) Packets() []Packet {
	m.stats.mu.Lock()
	defer m.stats.mu.Unlock()
	return append([]Packet(nil), m.stats.log...)
}

// KeyDowns are the moments at which presses began, each just before its first
// packet was sent; at most 4,096.
func (m *Media) KeyDowns() []time.Time {
	m.sender.mu.Lock()
	defer m.sender.mu.Unlock()
	return append([]time.Time(nil), m.sender.keyDowns...)
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
