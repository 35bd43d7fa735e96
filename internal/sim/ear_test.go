package sim

import (
	"net/netip"
	"time"

	"star97/internal/prompt"
)

// ear is what the telephone hears. The network's goroutines write it, under the
// telephone's lock.
type ear struct {
	now  prompt.ID         // being heard; empty: silence
	told map[prompt.ID]int // sentences of which the first packet was sent, how often
}

// spoken is the sink of the telephone's RTP address.
func (p *phone) spoken(_ netip.AddrPort, data []byte, now time.Time) {
	if len(data) <= 12 {
		return
	}
	sounds := spoken.sounds(data[12:])
	p.mu.Lock()
	if p.invite.acked.IsZero() || now.Before(p.invite.acked) {
		p.round.broken(noRTPBeforeACK, "call %d was sent RTP before its ACK", p.n)
	}
	for _, s := range sounds {
		if !s.whole {
			continue
		}
		if p.ear.told == nil {
			p.ear.told = map[prompt.ID]int{}
		}
		p.ear.told[s.id]++
		p.round.log.add(p.n, "is told", string(s.id))
	}
	p.mu.Unlock()
	at, copies := p.round.wires[p.n].rtpDown.fate(now)
	if copies > 0 {
		p.listen(sounds, at[0])
	}
}

// listen tells the caller of sentences that begin and end.
func (p *phone) listen(sounds []sound, at time.Time) {
	for _, s := range sounds {
		if s.id != p.ear.now {
			if was := p.ear.now; was != "" {
				p.at(at, func() { p.brain.ended(was) })
			}
			p.ear.now = s.id
			if s.id != "" {
				p.at(at, func() { p.brain.began(s.id) })
			}
		}
		if s.end {
			p.ear.now = ""
			p.at(at, func() { p.brain.ended(s.id) })
		}
	}
}
