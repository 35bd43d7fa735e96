package main

const (
	// mostMissing is how far a sequence number may jump ahead for loss (RFC 3550 appendix A.1).
	mostMissing = 3000
	// mostLate is how far back a packet fills a gap.
	mostLate = 64
)

// gaps counts what is missing in the sequence numbers of a stream, each number once. A
// sender that begins anew, with another SSRC or elsewhere, has lost nothing by that.
type gaps struct {
	begun   bool
	ssrc    uint32
	high    uint16 // the latest number
	seen    uint64 // bit n: the packet high-n
	astray  uint16 // behind the latest packet that did not fit
	missing int
}

func (g *gaps) add(ssrc uint32, seq uint16) {
	ahead := int(int16(seq - g.high))
	fits := ahead <= mostMissing && ahead > -mostLate
	switch {
	case !g.begun, ssrc != g.ssrc, !fits && seq == g.astray:
		*g = gaps{begun: true, ssrc: ssrc, high: seq, seen: ^uint64(0), missing: g.missing} // what came before is not missing
	case !fits:
		g.astray = seq + 1
	case ahead > 0:
		g.high, g.seen = seq, g.seen<<ahead|1
		g.missing += ahead - 1
	case g.seen>>-ahead&1 == 0:
		g.seen |= 1 << -ahead
		g.missing--
	}
}
