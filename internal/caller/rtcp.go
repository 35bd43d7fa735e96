package caller

import (
	"strconv"
	"time"

	"github.com/pion/rtcp"
)

// The first report is due after half of the least interval, the others after all of it
// (RFC 3550 section 6.2); calls begin at different moments, which spreads theirs.
const (
	firstReport = 2500 * time.Millisecond
	reportEvery = 5 * time.Second
)

// farReports is what the far end's RTCP tells of what we send (RFC 3550 section 6.4).
type farReports struct {
	told     bool          // its last report was about our packets; else nothing of them is known
	lost     uint64        // of our packets, so far
	jitter   time.Duration // of them, where they arrive
	trips    uint64        // round trips measured
	trip     time.Duration // the last of them
	lastSR   uint32        // the middle of the NTP time of its last sender report
	lastSRAt time.Time
}

// take reads one RTCP packet that arrived at a moment; ours is the SSRC that we send by.
func (f *farReports) take(p rtcp.Packet, at time.Time, ours uint32) {
	switch p := p.(type) {
	case *rtcp.SenderReport:
		f.lastSR, f.lastSRAt = middle(p.NTPTime), at
		f.blocks(p.Reports, at, ours)
	case *rtcp.ReceiverReport:
		f.blocks(p.Reports, at, ours)
	}
}

// blocks takes what is said of us, and the round trip from LSR and DLSR (section 6.4.1).
// Who says no more of us may receive us still: it has lost sight of what is lost.
func (f *farReports) blocks(all []rtcp.ReceptionReport, at time.Time, ours uint32) {
	f.told = false
	for _, b := range all {
		if b.SSRC != ours {
			continue
		}
		f.told = true
		f.lost = 0
		if b.TotalLost < 1<<23 { // a negative count means duplicates
			f.lost = uint64(b.TotalLost)
		}
		f.jitter = time.Duration(b.Jitter) * time.Millisecond / samplesPerMs
		if b.LastSenderReport == 0 {
			continue
		}
		if trip := middle(ntp(at)) - b.LastSenderReport - b.Delay; int32(trip) >= 0 {
			f.trips++
			f.trip = time.Duration(trip) * time.Second >> 16
		}
	}
}

// hearing is what our reports say of what we hear.
type hearing struct {
	ssrc    uint32
	highest int64 // extended sequence number; 0: nothing was heard
	lost    uint64
	jitter  time.Duration
}

// sending is what they say of what we send.
type sending struct {
	ssrc, timestamp uint32 // timestamp: of this moment
	packets, octets uint32
}

// reports is the RTCP of one telephone.
type reports struct {
	far  farReports
	told hearing // by the report before
}

// compose makes a sender report with one block, and the SDES item that has to follow.
func (r *reports) compose(now time.Time, s sending, h hearing) ([]byte, error) {
	sr := &rtcp.SenderReport{SSRC: s.ssrc, NTPTime: ntp(now), RTPTime: s.timestamp, PacketCount: s.packets, OctetCount: s.octets}
	if h.highest > 0 {
		sr.Reports = []rtcp.ReceptionReport{r.block(now, h)}
	}
	r.told = h
	return rtcp.CompoundPacket{sr, rtcp.NewCNAMESourceDescription(s.ssrc, strconv.FormatUint(uint64(s.ssrc), 36))}.Marshal()
}

// block is the reception report of section 6.4.1.
func (r *reports) block(now time.Time, h hearing) rtcp.ReceptionReport {
	b := rtcp.ReceptionReport{SSRC: h.ssrc, TotalLost: uint32(min(h.lost, 1<<23-1)), LastSequenceNumber: uint32(h.highest),
		Jitter: uint32(h.jitter * samplesPerMs / time.Millisecond)}
	if want := h.highest - r.told.highest; r.told.highest > 0 && h.ssrc == r.told.ssrc && h.lost > r.told.lost && want > 0 { // appendix A.3
		b.FractionLost = uint8(min((h.lost-r.told.lost)<<8/uint64(want), 255))
	}
	if r.far.lastSR != 0 {
		b.LastSenderReport, b.Delay = r.far.lastSR, uint32(now.Sub(r.far.lastSRAt)<<16/time.Second)
	}
	return b
}

// ntp is the time of section 4: seconds since 1900 and a 32-bit fraction.
func ntp(t time.Time) uint64 {
	const since1900 = 2208988800
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// middle is the middle 32 bits of an NTP time, in units of 1/65536 s.
func middle(ntp uint64) uint32 { return uint32(ntp >> 16) }

// qualities sum up what single calls were like.
type qualities struct {
	jitter, trip, farJitter Histogram
	withLoss                int
	worst                   float64 // per cent of a call's packets that it lost
	farLost                 uint64
	told, untold            int // calls whose far end reported on what it hears, and did not
}

// heard adds what one telephone received.
func (q *qualities) heard(got, lost uint64, jitter time.Duration) {
	q.jitter.Record(jitter)
	if lost > 0 {
		q.withLoss++
		q.worst = max(q.worst, 100*float64(lost)/float64(got+lost))
	}
}

// reported adds what its far end told of the other direction.
func (q *qualities) reported(f *farReports) {
	if !f.told {
		q.untold++
		return
	}
	q.told++
	q.farLost += f.lost
	q.farJitter.Record(f.jitter)
	if f.trips > 0 {
		q.trip.Record(f.trip)
	}
}
