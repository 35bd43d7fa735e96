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
	return m.askCode()
}

// verify takes the current code, or the one-time code. Too many digits are one failure,
// like any code.
func (m *machine) verify() StateID {
	m.silent, m.waits = 0, 0
	if m.isForgotten() {
		return m.forget()
	}
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
	case m.collects() && m.door != mailbox.OwnDoor:
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
	m.current.Wipe()
	m.dropAhead()
	if m.claim == mailbox.ByOneTime {
		return m.wrongOneTime()
	}
	m.wrong++
	switch {
	case int(m.wrong) >= m.layout.limits.WrongCodes:
		return m.leave(EndWrongCodes, prompt.WrongCode, prompt.HelpDesk, prompt.Goodbye)
	case m.offersHelp():
		return m.enter(AccessCode, prompt.WrongCode, prompt.ForgottenOffer)
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
	m.renew()
	m.must, m.menu = true, m.layout.main
	m.dropAhead()
	why := m.whyNow()
	switch {
	case m.account != nil && m.account.Flags.CannotChange: // a one-time code is of no use
		return m.leave(EndDisabled, prompt.CannotChange, prompt.HelpDesk, prompt.Goodbye)
	case why == "":
		return m.enter(NewCode)
	}
	return m.enter(NewCode, why)
}

// whyNow is the sentence on why the code has to be changed; empty: who typed a
// one-time code knows.
func (m *machine) whyNow() prompt.ID {
	switch {
	case m.claim == mailbox.ByOneTime:
		return ""
	case m.account.Flags.Expired && !m.account.Flags.MustChange:
		return prompt.CodeExpired
	}
	return prompt.MustChange
}

// renew begins the rounds of a new code.
func (m *machine) renew() {
	m.silent, m.rounds, m.refused, m.slips, m.offered = 0, 0, 0, 0, false
}

func (m *machine) openChange() StateID {
	m.renew()
	why := m.whyNot()
	switch {
	case why == "":
		return m.enter(NewCode)
	case m.layout.main == none && why == prompt.CannotChange:
		return m.leave(EndDisabled, why, prompt.HelpDesk, prompt.Goodbye)
	case m.layout.main == none:
		return m.leave(EndDisabled, why, prompt.Goodbye)
	}
	m.dropAhead()
	return m.enter(MainMenu, why)
}

// whyNot is the sentence on why the code cannot be changed; empty: it can.
func (m *machine) whyNot() prompt.ID {
	switch {
	case m.account == nil:
		return ""
	case m.account.Flags.CannotChange:
		return prompt.CannotChange
	case m.account.Flags.TooSoon:
		return prompt.TooSoon
	}
	return ""
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
	if m.claim == mailbox.ByOneTime && !m.oneTime {
		return m.remember()
	}
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
	m.silent = 0
	var names [1]string
	rule := m.policy.Check(m.entry, m.owner(&names))
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

// refuse says which rule, after the second refusal the list of them, and after the
// third that a code can be chosen for the caller.
func (m *machine) refuse(why prompt.ID) StateID {
	m.refused++
	switch last := m.lostRound(); {
	case m.mayOffer(last):
		return m.offer(why)
	case last:
		return m.giveUp(why)
	case m.refused == 2:
		says := [1 + shortRules]prompt.ID{why}
		n := 1 + m.rules(says[1:])
		return m.enter(NewCode, says[:n]...)
	}
	return m.enter(NewCode, why)
}

// shortRules is how many sentences the short list of the rules has at the most.
const shortRules = 4

// rules is the short list, as far as it is true of this mailbox; it returns how many
// sentences it has.
func (m *machine) rules(says []prompt.ID) (n int) {
	p := &m.policy
	if p.MaxSequence > 0 && p.MaxSameRun > 0 && p.OwnNumber == pin.NotContained {
		says[0], n = prompt.NewCodeRules, 1
	} else {
		for _, r := range [...]struct {
			holds bool
			id    prompt.ID
		}{
			{p.MaxSequence > 0 || p.WholeSequence, prompt.RuleSequence},
			{p.MaxSameRun > 0 || p.WholeSameRun || p.RepeatBlock, prompt.RuleSameRun},
			{p.OwnNumber == pin.NotContained, prompt.RuleOwnNumber},
		} {
			if r.holds {
				says[n] = r.id
				n++
			}
		}
	}
	if p.Blocklist > 0 || p.DateLike {
		says[n] = prompt.RuleCommon
		n++
	}
	return n
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
	case m.hurried && !m.must:
		return m.leaveUnchanged(EndTimeLimit, why)
	case m.must || m.layout.main == none:
		return m.leaveUnchanged(EndNotChanged, why)
	}
	return m.enter(MainMenu, why, prompt.OldCodeWorks)
}

// leaveUnchanged promises the old code to who has shown it.
func (m *machine) leaveUnchanged(end EndReason, why prompt.ID) StateID {
	if m.claim != mailbox.ByCode {
		return m.leave(end, why, prompt.Goodbye)
	}
	return m.leave(end, why, prompt.OldCodeWorks, prompt.Goodbye)
}

// compare is the point of no return: once the change is asked for, nothing the
// caller does takes it back.
func (m *machine) compare() StateID {
	m.silent, m.waits = 0, 0
	if m.over || !m.entry.Equal(&m.first) {
		if m.at == TypeBack {
			return m.slip()
		}
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
	m.current, m.claim = m.first, mailbox.ByCode
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
	last := m.lostRound()
	to := NewCode
	switch {
	case m.mayOffer(last):
		m.offered, to = true, Offering
	case last || m.hurried:
		return m.giveUp(why)
	}
	if m.claim != mailbox.ByCode {
		return m.enter(to, why)
	}
	return m.enter(to, why, prompt.OldCodeWorks)
}

func (m *machine) doubt() StateID {
	return m.leave(EndUnconfirmed, prompt.Unconfirmed, prompt.Goodbye)
}
