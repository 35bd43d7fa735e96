package flow

import (
	"time"

	"star97/internal/dtmf"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// Step decides what happens next. It is Advance on a copy, for whoever wants the call as it
// was as well: tests and drawings of what may happen. It depends on its arguments alone and
// allocates nothing. Whoever has performed the effects wipes them.
func Step(s State, e Event) (State, Effects) {
	var out Effects
	s.Advance(&e, &out)
	return s, out
}

// Advance takes the step in place, for calls by the thousand: what Step copies would take
// each one's stack to 32 kB. What out held makes no difference and is overwritten, as far as
// N tells. The effects share nothing with the call: a copy of one stays as it is.
func (s *State) Advance(e *Event, out *Effects) {
	var m machine // not a literal: the stack would hold a second one
	m.State, m.sounding = *s, s.saying != 0
	m.step++
	if sig := m.read(e); sig != 0 {
		m.apply(sig, e)
		m.drain()
	}
	*s = m.State
	m.effects(out)
}

// machine is one step under way: the state and the effects so far. There is one
// place for each sort of effect, so a later one replaces an earlier one.
type machine struct {
	State
	phrase   prompt.Phrase
	speak    bool
	quiet    bool
	sounding bool // something was being said before this step
	wait     time.Duration
	rewind   bool // wait replaces the running timer
	request  Effect
	rule     pin.Rule   // that refused a new code in this step
	pressed  dtmf.Digit // the key that a menu, or the offer, was given in this step
	spelling bool       // the phrase has the chosen code spelled
	bye      bool
}

func (m *machine) apply(sig signal, e *Event) {
	m.at = m.perform(table[m.at][sig].do, e)
}

// drain uses what was typed ahead for as long as the state can use it.
func (m *machine) drain() {
	for m.listens() && !m.deaf {
		key, ok := m.ahead.Take()
		if !ok {
			return
		}
		if sig := m.readKey(dtmf.Digit(key)); sig != 0 {
			m.apply(sig, &Event{Kind: Key})
		}
	}
}

func (m *machine) effects(out *Effects) {
	out.N = 0
	switch {
	case m.speak:
		say := out.add(Say, m.step)
		say.Phrase, say.Language = m.phrase, m.language
		if m.spelling {
			say.Spell = m.first
		}
	case m.quiet:
		out.add(Hush, m.step)
	}
	if m.rewind {
		out.add(Timer, m.step).After = m.wait
	}
	if m.request.Kind != 0 {
		*out.add(m.request.Kind, m.step) = m.request
	}
	if m.rule != pin.Pass {
		note := out.add(Note, m.step)
		note.Door, note.Claim, note.Rule = m.door, m.claim, m.rule
	}
	if m.bye {
		out.add(End, m.step).End = m.end
	}
}

// say speaks up to prompt.MaxParts sentences. The timer waits for their end.
func (m *machine) say(ids ...prompt.ID) {
	clear(m.phrase[copy(m.phrase[:], ids):])
	m.speak, m.quiet, m.spelling, m.saying = true, false, false, m.step
	m.timer(0)
	if m.deaf {
		m.timer(breath)
	}
}

// hush stops the phrase; what this step was about to say is not said.
func (m *machine) hush() {
	if m.saying != 0 {
		m.speak, m.quiet = false, m.sounding
	}
	m.saying = 0
}

// timer replaces the running timer; 0 stops it.
func (m *machine) timer(d time.Duration) {
	m.rewind = m.rewind || d > 0 || m.timing != 0
	m.wait, m.timing = d, 0
	if d > 0 {
		m.timing = m.step
	}
}

// ask puts a question to the store, the exchange or who chooses a code. One is open at a time.
func (m *machine) ask(kind EffectKind, number, code, next pin.PIN) {
	m.request = Effect{Kind: kind, Step: m.step, Door: m.door, Claim: m.claim, Number: number, Code: code, Next: next}
	m.asking = m.step
	switch kind {
	case Lookup:
		m.awaited = Found
	case Verify:
		m.awaited = Verified
	case Change:
		m.awaited = ChangeDone
	case Transfer:
		m.awaited = Transferred
	case Choose:
		m.awaited = Chosen
	}
}
