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
	Strange   bool   // from elsewhere than the answer says
	Loud      bool   // no digital silence
	Sound     int    // the first of its samples that can be heard; -1: none
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
	Jitter    time.Duration // of audio within talkspurts (RFC 3550 appendix A.8)
	Strange   uint64        // packets received from elsewhere than the answer said, which were not listened to
	Unnoted   uint64        // packets beyond those that Packets tells of
	Unheard   uint64        // packets received that the ear was too slow for
	Sources   int           // different senders' addresses
	SSRCs     int
	First     time.Time
	Last      time.Time
	// RTCP packets by kind (RFC 3550 section 6).
	SenderReports, ReceiverReports, Descriptions, Byes uint64
	// What they tell of the packets that we sent; FarTold false: nothing, so that what was lost
	// is not known. Trips 0: the round trip is not.
	FarTold              bool
	FarLost, Trips       uint64
	FarJitter, RoundTrip time.Duration
}

// arrivals keep account of what comes in.
type arrivals struct {
	mu      sync.Mutex
	s       MediaStats
	log     []Packet
	ackAt   time.Time
	transit time.Duration // of the latest audio packet, from a zero of its own
	timed   bool
	highest int64
	ssrc    uint32
	seen    map[int64]bool // of the last sequence numbers, to tell late from twice
	sources map[netip.AddrPort]bool
	ssrcs   map[uint32]bool
	reports reports
	sounds  *loudness // of the codec with that ID
	sounded codec.ID
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
		noted := Packet{At: at, Seq: h.SequenceNumber, Timestamp: h.Timestamp, SSRC: h.SSRC, PT: h.PayloadType, Marker: h.Marker, Size: len(raw) - n, Port: port, Strange: from != agreed.Remote, Sound: -1}
		if h.PayloadType == agreed.PT {
			noted.Loud, noted.Sound = a.audible(agreed.Codec, raw[n:])
		}
		a.log = append(a.log, noted)
	} else {
		a.s.Unnoted++
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
	a.jitter(at, h, agreed.Codec)
	a.sequence(h.SequenceNumber, h.SSRC)
	return p, true
}

// audible tells how a payload sounds.
func (a *arrivals) audible(id codec.ID, payload []byte) (loud bool, sound int) {
	f, ok := codec.ByID(id)
	if !ok {
		return false, -1
	}
	if a.sounded != id {
		a.sounded, a.sounds = id, loudnessOf(f)
	}
	return audible(f, a.sounds, payload)
}

// jitter follows RFC 3550 appendix A.8. A talkspurt begins anew: what a sender leaves out
// between two is not the network's.
func (a *arrivals) jitter(at time.Time, h rtp.Header, id codec.ID) {
	f, ok := codec.ByID(id)
	if !ok {
		return
	}
	sent := time.Duration(h.Timestamp) * time.Second / time.Duration(f.ClockRate)
	transit := at.Sub(a.s.First) - sent
	if d := (transit - a.transit).Abs(); a.timed && !h.Marker && h.SSRC == a.ssrc && d < time.Minute {
		a.s.Jitter += (d - a.s.Jitter) / 16
	}
	a.transit, a.timed = transit, true
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

// report takes one RTCP datagram into account; ours is the SSRC that we send by.
func (a *arrivals) report(raw []byte, at time.Time, ours uint32) {
	packets, err := rtcp.Unmarshal(raw)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.s.Junk++
		return
	}
	for _, p := range packets {
		a.reports.far.take(p, at, ours)
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
	far := &m.stats.reports.far
	s.FarTold, s.FarLost, s.Trips, s.FarJitter, s.RoundTrip = far.told, far.lost, far.trips, far.jitter, far.trip
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
