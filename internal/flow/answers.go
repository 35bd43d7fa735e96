package flow

import "star97/internal/mailbox"

// readAnswer is what the store's answer means. Before the code is verified the
// any door knows two answers only: right, and everything else.
func (m *machine) readAnswer(e *Event) signal {
	switch e.Kind {
	case Found:
		return m.readFound(e)
	case Verified:
		return m.readVerified(e)
	case Transferred:
		if e.OK {
			return evConnected
		}
		return evNotConnected
	case Chosen:
		if e.Choice.Empty() {
			return evNoChoice
		}
		return evChosen
	}
	switch r := e.Result; {
	case r.Outcome == mailbox.Done:
		return evDone
	case r.Outcome != mailbox.Refused:
		return evUnknown
	case isCodeRefusal(r.Reason):
		return evRefused
	}
	return evFailed
}

func (m *machine) readFound(e *Event) signal {
	m.store = answered
	if !isMailboxReason(e.Code) {
		m.store = down
		return evDown
	}
	if m.door != mailbox.OwnDoor {
		return evFound
	}
	switch {
	case e.Code == mailbox.NotFound || e.Code == mailbox.Ambiguous:
		return evNobody
	case e.Code != mailbox.OK:
		return evNotReady
	}
	m.account = e.Account
	switch {
	case !isClosed(m.account):
		return evFound
	case m.account.Flags.NoCode && m.mayBegin():
		return evFirst
	}
	return evNotReady
}

// isClosed tells whether nobody can sign in to a mailbox, whatever the code.
func isClosed(a *mailbox.Account) bool {
	return a != nil && (a.Flags.Disabled || a.Flags.Locked || a.Flags.NoCode)
}

// mayBegin tells whether the mailbox at this door can be given its first code.
func (m *machine) mayBegin() bool {
	a := m.account
	return m.firstUse && m.door == mailbox.OwnDoor && a != nil && !a.Flags.Disabled && !a.Flags.Locked && !a.Flags.CannotChange
}

func (m *machine) readVerified(e *Event) signal {
	switch {
	case e.Code == mailbox.OK && m.door != mailbox.OwnDoor && isClosed(e.Account):
		return evWrong
	case e.Code == mailbox.OK:
		m.take(e.Account)
		if m.claim != mailbox.ByCode || m.isDue() {
			return evMust
		}
		return evRight
	case !isMailboxReason(e.Code):
		return evDown
	case e.Code == mailbox.WrongPIN || m.door != mailbox.OwnDoor:
		return evWrong
	case e.Code == mailbox.NoCode && m.mayBegin():
		return evFirst
	}
	return evClosed
}

// isDue tells whether the code has to be changed now, and can be: nobody is sent where
// the telephone cannot lead.
func (m *machine) isDue() bool {
	a := m.account
	return a != nil && (a.Flags.MustChange || a.Flags.Expired) && m.whyNot() == ""
}

// isMailboxReason tells reasons that belong to one mailbox, which a stranger must
// not be able to tell apart, from those of the store as a whole.
func isMailboxReason(c mailbox.Code) bool {
	switch c {
	case mailbox.OK, mailbox.NotFound, mailbox.Ambiguous, mailbox.WrongPIN, mailbox.Locked, mailbox.Disabled, mailbox.NoCode,
		mailbox.CannotChange, mailbox.OtherChannel, mailbox.TooSoon:
		return true
	}
	return false
}

// isCodeRefusal tells reasons that another new code can mend.
func isCodeRefusal(c mailbox.Code) bool {
	switch c {
	case mailbox.TooShort, mailbox.TooLong, mailbox.NotDigits, mailbox.Trivial, mailbox.InHistory, mailbox.PolicyOther:
		return true
	}
	return false
}
