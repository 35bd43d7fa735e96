package flow

import (
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// findMailbox takes the extension and asks whose it is. At this door the answer
// changes nothing that a caller could notice.
func (m *machine) findMailbox() StateID {
	if fixed := m.layout.limits.ExtensionDigits; m.over || fixed > 0 && m.entry.Len() != fixed {
		return m.badExtension()
	}
	m.number, m.silent, m.store = m.entry, 0, pending
	m.ask(Lookup, m.number, pin.PIN{}, pin.PIN{})
	return m.enter(AccessCode)
}

// verify takes the current code. Too many digits are one failure, like any code.
func (m *machine) verify() StateID {
	m.silent, m.waits = 0, 0
	if m.over {
		return m.wrongCode()
	}
	m.current = m.entry
	m.clearEntry()
	m.timer(m.layout.timers.PleaseWait)
	switch m.store {
	case pending:
		return Finding
	case down:
		return m.unavailable(mailbox.Unavailable)
	}
	return m.verifyFound()
}

// verifyFound leaves the timer alone: "one moment" comes when the caller has waited
// for so long, whatever the store was busy with.
func (m *machine) verifyFound() StateID {
	m.ask(Verify, m.number, m.current, pin.PIN{})
	return Verifying
}

// becomeAny turns an own door without a mailbox into the any door. What was typed
// was meant as a code and must not be taken for an extension.
func (m *machine) becomeAny() StateID {
	m.door, m.store, m.silent = mailbox.AnyDoor, unasked, 0
	m.current.Wipe()
	m.dropAhead()
	return m.enter(Extension, prompt.Welcome)
}

// storeDown: at the any door it waits until the code is complete, as any answer does.
func (m *machine) storeDown(e *Event) StateID {
	switch {
	case m.at == AccessCode && m.door != mailbox.OwnDoor:
		return m.at
	case m.door == mailbox.OwnDoor && e.Code == mailbox.Throttled && e.Retry > 0:
		return m.leaveUntil(EndBusy, prompt.TooManyTries, e.Retry)
	}
	return m.unavailable(e.Code)
}

func (m *machine) unavailable(code mailbox.Code) StateID {
	if m.door == mailbox.OwnDoor && (code == mailbox.Busy || code == mailbox.Throttled) {
		return m.leave(EndBusy, prompt.Busy, prompt.Goodbye)
	}
	return m.leave(EndUnavailable, prompt.Unavailable, prompt.Goodbye)
}

// The waits for one answer: the first is the dialplan's, the others this long.
// After the last the store is taken for dead, whatever the shell does.
const (
	longWait = 10 * time.Second
	maxWaits = 6
)

func (m *machine) patience() StateID {
	m.waits++
	switch {
	case m.hurried:
		return m.doubt()
	case int(m.waits) < m.layout.maxWaits:
		m.say(prompt.PleaseWait)
		m.timer(longWait)
		return m.at
	case m.at == Changing:
		return m.doubt()
	}
	return m.unavailable(mailbox.Unavailable)
}

func (m *machine) wrongCode() StateID {
	m.wrong++
	m.current.Wipe()
	m.dropAhead()
	if int(m.wrong) >= m.layout.limits.WrongCodes {
		return m.leave(EndWrongCodes, prompt.WrongCode, prompt.HelpDesk, prompt.Goodbye)
	}
	return m.enter(AccessCode, prompt.WrongCode)
}

// take believes the store whose mailbox it is, now that the code is verified. If
// the mailbox's rules and ours exclude each other, the mailbox's hold.
func (m *machine) take(a *mailbox.Account) {
	if a != nil {
		m.account = a
	}
	if m.account == nil {
		return
	}
	m.slow = m.slow || m.account.Flags.Slow
	if m.account.Language != "" && !m.chose {
		m.language = m.account.Language
	}
	if m.account.Rules == nil {
		return
	}
	m.policy = pin.Stricter(m.layout.policy, *m.account.Rules)
	if m.policy.MaxLen > 0 && m.policy.MinLen > m.policy.MaxLen {
		m.policy = *m.account.Rules
	}
}

func (m *machine) mustChange() StateID {
	m.must, m.menu = true, m.layout.main
	m.dropAhead()
	return m.enter(NewCode, prompt.MustChange)
}

func (m *machine) openChange() StateID {
	m.silent, m.rounds, m.refused = 0, 0, 0
	switch {
	case m.account == nil || !m.account.Flags.CannotChange:
		return m.enter(NewCode)
	case m.layout.main == none:
		return m.leave(EndDisabled, prompt.CannotChange, prompt.HelpDesk, prompt.Goodbye)
	}
	m.dropAhead()
	return m.enter(MainMenu, prompt.CannotChange)
}

// leaveExtension leaves the first question: to the menu before it, where there is one.
func (m *machine) leaveExtension() StateID {
	if m.layout.first == none {
		return m.leave(EndGoodbye, prompt.Goodbye)
	}
	m.silent = 0
	return m.goTo(m.layout.first)
}

// goBack leaves the question for the code: to the extension, where it was asked for.
func (m *machine) goBack() StateID {
	m.number.Wipe()
	m.account = nil
	m.store, m.asking, m.silent = unasked, 0, 0
	if m.door == mailbox.OwnDoor {
		return m.leaveExtension()
	}
	return m.enter(Extension)
}

func (m *machine) cancel() StateID {
	switch {
	case m.must:
		return m.leave(EndNotChanged, prompt.Cancelled, prompt.Goodbye)
	case m.layout.main == none:
		return m.leave(EndGoodbye, prompt.Cancelled, prompt.Goodbye)
	}
	m.silent = 0
	return m.enter(MainMenu, prompt.Cancelled)
}

func (m *machine) restart() StateID {
	m.first.Wipe()
	m.silent = 0
	return m.enter(NewCode)
}

// checkNew judges the first entry before the caller has to repeat it.
func (m *machine) checkNew() StateID {
	who := pin.Context{Current: m.current}
	if m.account != nil {
		who.Extension, who.Numbers = m.account.Extension, m.account.Numbers
	}
	m.silent = 0
	rule := m.policy.Check(m.entry, who)
	if m.over {
		rule = pin.TooLong
	}
	if rule != pin.Pass {
		m.rule = rule
		return m.refuse(m.layout.refusal[rule])
	}
	m.first = m.entry
	return m.enter(Confirm)
}

// refuse says which rule, and after the second refusal the list of them.
func (m *machine) refuse(why prompt.ID) StateID {
	m.refused++
	if m.lostRound() {
		return m.giveUp(why)
	}
	if m.refused == 2 && m.rulesAreSpoken() {
		return m.enter(NewCode, why, prompt.NewCodeRules)
	}
	return m.enter(NewCode, why)
}

// rulesAreSpoken tells whether the recorded list of rules is true of this mailbox.
func (m *machine) rulesAreSpoken() bool {
	p := &m.policy
	return p.MaxSequence > 0 && p.MaxSameRun > 0 && p.OwnNumber != pin.AnyNumber
}

// lostRound counts an entry that came to nothing; true: it was the last.
func (m *machine) lostRound() bool {
	m.rounds++
	m.first.Wipe()
	m.dropAhead()
	return int(m.rounds) >= m.layout.limits.NewCodeRounds
}

func (m *machine) giveUp(why prompt.ID) StateID {
	switch {
	case m.must:
		return m.leave(EndNotChanged, why, prompt.OldCodeWorks, prompt.Goodbye)
	case m.hurried:
		return m.leave(EndTimeLimit, why, prompt.OldCodeWorks, prompt.Goodbye)
	case m.layout.main == none:
		return m.leave(EndNotChanged, why, prompt.OldCodeWorks, prompt.Goodbye)
	}
	return m.enter(MainMenu, why, prompt.OldCodeWorks)
}

// compare is the point of no return: once the change is asked for, nothing the
// caller does takes it back.
func (m *machine) compare() StateID {
	m.silent, m.waits = 0, 0
	if m.over || !m.entry.Equal(&m.first) {
		if m.lostRound() {
			return m.giveUp(prompt.StillDifferent)
		}
		return m.enter(NewCode, prompt.Mismatch)
	}
	m.clearEntry()
	m.ask(Change, m.number, m.current, m.first)
	m.timer(m.layout.timers.PleaseWait)
	return Changing
}

func (m *machine) announce() StateID {
	m.current = m.first
	m.first.Wipe()
	m.must = false
	if m.hurried {
		return m.leave(EndTimeLimit, prompt.Changed, prompt.TimeLimit, prompt.Goodbye)
	}
	m.say(prompt.Changed)
	return Announcing
}

// explain: the store proved that it did not take the code; another one may do.
func (m *machine) explain(code mailbox.Code) StateID {
	why := prompt.NotAccepted
	switch code {
	case mailbox.TooShort:
		why = prompt.RefusedTooShort
	case mailbox.TooLong:
		why = prompt.RefusedTooLong
	case mailbox.Trivial:
		why = prompt.RefusedTooSimple
	case mailbox.InHistory:
		why = prompt.RefusedUsedBefore
	}
	m.refused++
	if m.lostRound() || m.hurried {
		return m.giveUp(why)
	}
	return m.enter(NewCode, why, prompt.OldCodeWorks)
}

func (m *machine) doubt() StateID {
	return m.leave(EndUnconfirmed, prompt.Unconfirmed, prompt.Goodbye)
}
