package media

import "time"

// The limits of RFC 3550 appendix A.1.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// reception keeps the statistics of one SSRC that we hear (RFC 3550 appendices
// A.1, A.3 and A.8). A new SSRC starts it anew; lost before that stays in past.
type reception struct {
	valid    bool
	thinned  bool // packets are missing that were not lost: none is expected or counted
	ssrc     uint32
	base     uint32 // extended sequence numbers
	highest  uint32
	received uint32
	bad      uint32 // the sequence number that would confirm a restarted sender

	priorWant uint32
	priorGot  uint32
	past      uint64

	jitter
}

// jitter is that of the audio, which events of another SSRC leave as it is.
type jitter struct {
	source  uint32 // SSRC of the audio
	transit uint32
	timed   bool
	perMs   uint32
	level   uint32 // in timestamp units, times 16
}

func (r *reception) begin(ssrc uint32, seq uint16) {
	*r = reception{valid: true, ssrc: ssrc, base: uint32(seq), highest: uint32(seq), bad: 1 << 16,
		past: r.past + r.lost(), thinned: r.thinned, jitter: r.jitter}
	if r.thinned {
		r.base++
	}
}

// packet counts one packet (appendix A.1, without probation: the latch has done it).
func (r *reception) packet(ssrc uint32, seq uint16) {
	if !r.valid || r.ssrc != ssrc {
		r.begin(ssrc, seq)
	}
	switch step := seq - uint16(r.highest); {
	case step < maxDropout:
		r.highest += uint32(step)
		if r.thinned {
			r.base += uint32(step)
		}
	case uint32(step) <= 1<<16-maxMisorder:
		if uint32(seq) != r.bad { // a jump: believed if the next packet continues it
			r.bad = uint32(seq + 1)
			return
		}
		r.begin(ssrc, seq)
	}
	if !r.thinned {
		r.received++
	}
}

// thin begins a time of which loss and jitter cannot be told.
func (r *reception) thin() { r.thinned, r.timed = true, false }

// audio takes the arrival of an audio packet into the jitter (appendix A.8).
// Event packets repeat their timestamp and must not come here.
func (r *jitter) audio(ssrc, timestamp uint32, arrival time.Duration, perMs uint32) {
	if r.source != ssrc {
		*r = jitter{source: ssrc}
	}
	transit := uint32(uint64(arrival)*uint64(perMs)/uint64(time.Millisecond)) - timestamp
	if r.timed {
		d := int32(transit - r.transit)
		if d < 0 {
			d = -d
		}
		r.level += uint32(d) - (r.level+8)>>4
	}
	r.transit, r.timed, r.perMs = transit, true, perMs
}

// lost is how many packets of this SSRC never came.
func (r *reception) lost() uint64 {
	if want := r.expected(); want > r.received {
		return uint64(want - r.received)
	}
	return 0
}

func (r *reception) expected() uint32 {
	if !r.valid {
		return 0
	}
	return r.highest - r.base + 1
}

// sinceReport tells whether a packet came since the last call of fraction.
func (r *reception) sinceReport() bool { return r.received != r.priorGot }

// fraction is the share of packets lost since the last call, times 256 (appendix A.3).
func (r *reception) fraction() uint8 {
	want, got := r.expected()-r.priorWant, r.received-r.priorGot
	r.priorWant, r.priorGot = r.expected(), r.received
	if want == 0 || got >= want {
		return 0
	}
	return uint8(uint64(want-got) << 8 / uint64(want))
}
