package flow

import (
	"time"

	"star97/internal/dtmf"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// Step decides what happens next. It depends on its arguments alone and
// allocates nothing. Whoever has performed the effects wipes them.
func Step(s State, e Event) (State, Effects) {
	m := machine{State: s, sounding: s.saying != 0}
	m.step++
	if sig := m.read(&e); sig != 0 {
		m.apply(sig, &e)
		m.drain()
	}
	return m.State, m.effects()
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

func (m *machine) effects() (out Effects) {
	switch {
	case m.speak:
		out.add(Effect{Kind: Say, Step: m.step, Phrase: m.phrase, Language: m.language})
		if m.spelling {
			out.List[out.N-1].Spell = m.first
		}
	case m.quiet:
		out.add(Effect{Kind: Hush, Step: m.step})
	}
	if m.rewind {
		out.add(Effect{Kind: Timer, Step: m.step, After: m.wait})
	}
	if m.request.Kind != 0 {
		out.add(m.request)
	}
	if m.rule != pin.Pass {
		out.add(Effect{Kind: Note, Step: m.step, Door: m.door, Claim: m.claim, Rule: m.rule})
	}
	if m.bye {
		out.add(Effect{Kind: End, Step: m.step, End: m.end})
	}
	return out
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
