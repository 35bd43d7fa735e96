package sim

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"star97/internal/prompt"
)

// ear is what the telephone hears. The network's goroutines write it, under the
// telephone's lock.
type ear struct {
	now  prompt.ID         // being heard; empty: silence
	last time.Time         // when the latest packet is heard: a buffer puts them in order
	told map[prompt.ID]int // sentences of which the first packet was sent, how often
	all  []heard

	latest prompt.ID // of told
	again  bool      // renegotiated since: early in a call that begins the sentence again

	spelled []string // codes that were told digit by digit
}

// tell counts a sentence that begins. One that a renegotiation has started again was
// told already.
func (e *ear) tell(id prompt.ID) {
	if e.told == nil {
		e.told = map[prompt.ID]int{}
	}
	if digit, ok := digitOf(id); ok && len(e.spelled) > 0 {
		e.spelled[len(e.spelled)-1] += digit
	} else if id == prompt.ChosenCode {
		e.spelled = append(e.spelled, "")
	}
	if !e.again || id != e.latest {
		e.told[id]++
	}
	e.latest, e.again = id, false
}

// digitOf is the digit that a sentence is.
func digitOf(id prompt.ID) (string, bool) { return strings.CutPrefix(string(plainID(id)), "digit-") }

// spelled is the code that a telephone heard digit by digit, the last one.
func spelledTo(all []heard) (code string) {
	for _, h := range all {
		if plainID(h.id) == prompt.ChosenCode {
			code = ""
		} else if digit, ok := digitOf(h.id); ok {
			code += digit
		}
	}
	return code
}

// renegotiated: the service may rewind when the request arrives.
func (p *phone) renegotiated() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ear.again = true
}

// heard is one sentence as the telephone heard it.
type heard struct {
	id              prompt.ID
	at, until       time.Time
	ended, complete bool
}

// noticed sentences are long enough to be understood.
func (h heard) noticed() bool { return !h.ended || h.until.Sub(h.at) > 250*time.Millisecond }

// sentences are all that were heard so far.
func (p *phone) sentences() []heard {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ear.all)
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
		p.ear.tell(plainID(s.id))
		p.round.log.add(p.n, "is told", string(s.id))
	}
	p.mu.Unlock()
	at, copies := p.round.wires[p.n].rtpDown.fate(data, now)
	if copies > 0 {
		p.listen(sounds, at[0])
	}
}

// listen tells the caller of sentences that begin and end.
func (p *phone) listen(sounds []sound, at time.Time) {
	at = later(at, p.ear.last)
	p.ear.last = at
	for _, s := range sounds {
		if s.id != p.ear.now {
			if was := p.ear.now; was != "" {
				p.at(at, func() { p.heardEnd(was, false) })
			}
			p.ear.now = s.id
			if s.id != "" {
				p.at(at, func() { p.hear(s.id, s.whole) })
			}
		}
		if s.end {
			p.ear.now = ""
			p.at(at, func() { p.heardEnd(s.id, true) })
		}
	}
}

// hear is the beginning of a sentence.
func (p *phone) hear(id prompt.ID, whole bool) {
	p.mu.Lock()
	p.ear.all = append(p.ear.all, heard{id: id, at: time.Now(), complete: whole})
	p.mu.Unlock()
	p.brain.began(id)
}

// heardEnd is its end, or where it was cut off.
func (p *phone) heardEnd(id prompt.ID, whole bool) {
	p.mu.Lock()
	if n := len(p.ear.all); n > 0 {
		last := &p.ear.all[n-1]
		last.until, last.ended, last.complete = time.Now(), true, last.complete && whole
	}
	p.mu.Unlock()
	p.brain.ended(id)
}

// plainID is a sentence whatever its language.
func plainID(id prompt.ID) prompt.ID {
	if _, plain, ok := strings.Cut(string(id), "/"); ok {
		return prompt.ID(plain)
	}
	return id
}
