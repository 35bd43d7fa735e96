package dtmf

import "time"

// Windows of Merge.
const (
	// copyWindow is how long after key-up the same key going down by another source
	// is still the same press: tone detectors and gateways are that late. By how much
	// a network held up an event, its timestamp says (Report.Held).
	copyWindow = 250 * time.Millisecond
	// infoWindow is the same for SIP INFO beside events or tones: a lost INFO comes
	// again after 0.5, 1.5 and 3.5 s (RFC 3261 section 17.1.2.1, timer E).
	infoWindow = 4 * time.Second
	// breakWindow is how long a tone may break beside an event that has not ended: should
	// its key-up be lost, the key counts again by tones behind it.
	breakWindow = 5 * time.Second
)

// recentPresses bounds what Merge remembers: more presses than a person makes in
// infoWindow.
const recentPresses = 16

// Merge makes one digit of each key press, whatever sources tell of it. The first
// source that delivers has the call. The same digit from another source around
// the press is a copy and is swallowed, at most once per source and press, so 111
// stays 111. Only a tone may break: while an event holds its key all of its pieces are
// copies. Beyond copies the sources rank by what they are:
//
//   - A tone is a guess, from speech or from a first digit that leaked in-band; an
//     event or an INFO is a statement. Either takes the call from tones at its
//     first delivery, and from then on tones are muted until Unlock, or always count
//     where Tones says so. So a leaked tone never deafens the call to a phone that sends INFO only.
//   - Events and INFO are never muted by each other: a press that only one of them
//     told of is a press. It takes the call, so a phone that changes its way
//     without renegotiation loses no digit, and a phone that sends both counts once.
//
// Use Unlock when a stream is renegotiated. The zero value is ready; a Merge
// belongs to one goroutine and allocates nothing.
type Merge struct {
	// Tones lets tones count beside events and INFO, for callers whose way changes
	// while nobody says so. A tone that comes later than a copy would is a second press then.
	Tones bool

	lock   Source
	recent [recentPresses]merged
	next   int
	stats  Stats
}

// merged is one accepted press.
type merged struct {
	digit  Digit
	told   uint8 // bit per Source that has told of this press
	source Source
	open   bool          // the key is still down
	up     time.Duration // key-up, or when it was first told while it is open
}

// Accept takes the next report in the order of its arrival and says whether it is
// a new press, and of which key. Up and Lost reports are never a press.
func (m *Merge) Accept(r Report) (Digit, bool) {
	if r.Kind == Up {
		m.release(r)
	}
	if r.Kind != Down {
		return 0, false
	}
	if p := m.copied(r); p != nil {
		p.told |= 1 << r.Source
		if r.Source == FromEvent {
			p.source, p.open = FromEvent, true // which knows its end best
		}
		m.stats.LeakSuppressed++
		if m.lock == FromTone {
			m.lock = r.Source // the phone has a better way than tones
		}
		return 0, false
	}
	if r.Source == FromTone && !m.Tones && m.lock != FromTone && m.lock != NoSource {
		m.stats.Muted++
		return 0, false
	}
	m.lock = r.Source
	m.release(r) // should the key-up of its last press be lost
	m.recent[m.next] = merged{
		digit:  r.Digit,
		told:   1 << r.Source,
		source: r.Source,
		open:   r.Source != FromInfo, // an INFO is one message: no key-up follows
		up:     r.At,
	}
	m.next = (m.next + 1) % recentPresses
	return r.Digit, true
}

// Unlock forgets which source has the call, as after a renegotiation. Copies of
// presses from before are still swallowed.
func (m *Merge) Unlock() { m.lock = NoSource }

// Source is the source that has the call, NoSource until one delivered.
func (m *Merge) Source() Source { return m.lock }

// Stats returns the counters LeakSuppressed and Muted.
func (m *Merge) Stats() Stats { return m.stats }

// release notes that the source of r holds no key from before.
func (m *Merge) release(r Report) {
	for i := range m.recent {
		if p := &m.recent[i]; p.open && p.source == r.Source {
			p.open, p.up = false, r.At
		}
	}
}

// copied returns the oldest press that r is another source's word of, or nil.
func (m *Merge) copied(r Report) *merged {
	window := copyWindow
	if r.Source == FromInfo {
		window = infoWindow
	}
	for i := recentPresses - 1; i >= 0; i-- {
		p := m.back(i)
		if p.told == 0 || p.digit != r.Digit {
			continue
		}
		if p.told&(1<<r.Source) != 0 && !p.breaks(r) {
			continue
		}
		if p.open || r.At-r.Held-p.up <= window {
			return p
		}
	}
	return nil
}

// breaks tells whether r is a further piece of a tone that sounds while an event holds p.
func (p *merged) breaks(r Report) bool {
	return r.Source == FromTone && p.source == FromEvent && p.open && r.At-p.up <= breakWindow
}

// back returns the press accepted i presses before the latest.
func (m *Merge) back(i int) *merged {
	return &m.recent[(m.next+2*recentPresses-1-i)%recentPresses]
}
