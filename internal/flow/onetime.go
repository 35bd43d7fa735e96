package flow

import (
	"time"

	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// A one-time code stands for the current code once: of an owner who has forgotten it,
// and where the store cannot check a code. Nobody is told whether one was sent.

const (
	// oneTimeTries are those of one call.
	oneTimeTries = 3
	// forgottenAfter is how many wrong codes come before the offer of help, where the
	// call has so many tries.
	forgottenAfter = 2
)

// askCode asks for what opens the mailbox. A one-time code is sent as soon as the
// mailbox is found; for who has one already and types it sooner, when that was wrong.
func (m *machine) askCode(before ...prompt.ID) StateID {
	m.claim, m.sent = mailbox.ByCode, false
	if !m.oneTime {
		return m.enter(AccessCode, before...)
	}
	m.claim = mailbox.ByOneTime
	if len(before) > 0 {
		return m.enter(OneTimeCode, before[0], prompt.OneTimeSent)
	}
	return m.enter(OneTimeCode, prompt.OneTimeSent)
}

// send asks for a one-time code, for one at most.
func (m *machine) send() {
	if !m.sent {
		m.sent = true
		m.request = Effect{Kind: Send, Step: m.step, Door: m.door, Claim: mailbox.ByOneTime}
	}
}

func (m *machine) sendCode() StateID {
	m.send()
	return m.at
}

// offersHelp tells whether an owner may have a one-time code instead of the code. Who
// cannot change the code has no use for one.
func (m *machine) offersHelp() bool {
	a := m.account
	return m.forgotten && !m.oneTime && m.door == mailbox.OwnDoor && m.wrong > 0 && m.wrong >= m.beforeHelp() &&
		a != nil && !a.Flags.CannotChange
}

// beforeHelp is how many wrong codes come before the offer.
func (m *machine) beforeHelp() uint8 {
	return uint8(min(forgottenAfter, m.layout.limits.WrongCodes-1))
}

// lockedOut tells an owner that wrong codes have locked the mailbox, and where there is
// help, of that: a one-time code opens it again, unless an administrator has to. It counts
// as wrong codes enough for the offer.
func (m *machine) lockedOut(retry time.Duration) StateID {
	if m.at == Verifying && m.claim == mailbox.ByCode {
		m.wrong = max(m.wrong+1, m.beforeHelp())
	}
	if retry == Never || m.at != Verifying || m.claim != mailbox.ByCode || !m.offersHelp() || int(m.wrong) >= m.layout.limits.WrongCodes {
		return m.leaveUntil(EndLocked, prompt.Locked, retry)
	}
	m.current.Wipe()
	m.dropAhead()
	if when := callAgain(retry); when != "" {
		return m.enter(AccessCode, prompt.Locked, when, prompt.ForgottenOffer)
	}
	return m.enter(AccessCode, prompt.Locked, prompt.ForgottenOffer)
}

// isForgotten tells what was typed from a code: exactly 1, after the offer.
func (m *machine) isForgotten() bool {
	return m.at == AccessCode && m.offersHelp() && !m.over && m.entry.Equal(&m.layout.one)
}

// forget goes on with a one-time code. The keys behind the 1 cannot be it.
func (m *machine) forget() StateID {
	m.claim = mailbox.ByOneTime
	m.dropAhead()
	m.send()
	return m.enter(OneTimeCode, prompt.OneTimeSent)
}

// remember goes back to the question for the code.
func (m *machine) remember() StateID {
	m.claim, m.silent = mailbox.ByCode, 0
	return m.enter(AccessCode)
}

func (m *machine) wrongOneTime() StateID {
	m.missed++
	switch {
	case m.missed >= oneTimeTries:
		return m.leave(EndWrongCodes, prompt.OneTimeOver, prompt.HelpDesk, prompt.Goodbye)
	case m.store == answered && !m.sent:
		m.send()
		return m.enter(OneTimeCode, prompt.WrongOneTime, prompt.OneTimeSent)
	}
	return m.enter(OneTimeCode, prompt.WrongOneTime)
}

// beginCode gives a mailbox its first code.
func (m *machine) beginCode() StateID {
	m.claim = mailbox.ByFirstUse
	m.current.Wipe()
	m.take(nil)
	m.renew()
	m.must, m.menu = true, m.layout.main
	m.dropAhead()
	return m.enter(NewCode, prompt.FirstUse)
}
