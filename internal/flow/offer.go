package flow

import (
	"io"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// The offer of a code of our choice is part of the third refusal, and of an earlier
// one that uses up the rounds of a new code: instead of an end, the caller hears it
// once. Who goes back from it to an own code has one round, the last if the rounds
// were used up. The chosen code is typed back in as many tries as a new code has
// rounds. So a call has one round more than its limit says, and as many tries besides.

// offerAt is the refusal that the offer belongs to.
const offerAt = 3

// mayOffer tells whether a refusal is followed by the offer; last: no round is left.
func (m *machine) mayOffer(last bool) bool {
	return !m.offered && !m.overrun && !m.hurried && (last || m.refused >= offerAt)
}

func (m *machine) offer(why ...prompt.ID) StateID {
	m.offered = true
	return m.enter(Offering, why...)
}

// chooseCode asks for a code. The shell answers at once; the timer is for a shell
// that does not.
func (m *machine) chooseCode() StateID {
	m.silent, m.slips = 0, 0
	m.hush()
	m.ask(Choose, pin.PIN{}, pin.PIN{}, pin.PIN{})
	m.timer(m.layout.timers.PleaseWait)
	return Choosing
}

// Choose draws a code that the rules for this call's mailbox accept, each such code as
// likely as any other. Random bytes come from r. Errors are those of pin.Generate.
func (s *State) Choose(r io.Reader) (pin.PIN, error) {
	return pin.Generate(s.policy, s.owner(new([1]string)), r)
}

// owner is what a new code is judged against. What stands in the place of a current
// code is none. names is where the owner's may be kept.
func (s *State) owner(names *[1]string) (who pin.Context) {
	if s.claim == mailbox.ByCode {
		who.Current = s.current
	}
	if a := s.account; a != nil {
		names[0] = a.Name
		who.Extension, who.Numbers, who.Names = a.Extension, a.Numbers, names[:]
	}
	return who
}

// spellCode says the chosen code. What was typed before it was heard is not it.
func (m *machine) spellCode(code pin.PIN) StateID {
	m.first = code
	m.dropAhead()
	return m.enter(TypeBack)
}

// spellAgain counts as silence does: a code is not spelled for ever.
func (m *machine) spellAgain() StateID {
	if m.overrun || int(m.silent)+1 >= m.layout.limits.SilentRounds {
		return m.again(prompt.NoInput)
	}
	m.silent++
	return m.enter(TypeBack)
}

// slip is a chosen code that was not typed back as it was spelled.
func (m *machine) slip() StateID {
	m.slips++
	m.dropAhead()
	if int(m.slips) < m.layout.limits.NewCodeRounds {
		return m.enter(TypeBack, prompt.Mismatch)
	}
	m.first.Wipe()
	return m.giveUp(prompt.StillDifferent)
}

// ownChoice goes back from the offer.
func (m *machine) ownChoice() StateID {
	m.first.Wipe()
	m.silent, m.rounds = 0, min(m.rounds, uint8(m.layout.limits.NewCodeRounds-1))
	return m.enter(NewCode)
}

// beginOwn: who types on has an own code in mind; the key is its first digit.
func (m *machine) beginOwn() StateID {
	m.at = m.ownChoice()
	_ = m.entry.Push('0' + byte(m.pressed)) // it is empty
	return m.listen()
}

// noChoice: the rules leave no code, or next to none.
func (m *machine) noChoice() StateID {
	m.asking = 0
	m.dropAhead()
	return m.giveUp(prompt.Failed)
}
