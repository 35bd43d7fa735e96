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
	if a := m.account; a != nil && (a.Flags.Disabled || a.Flags.NoCode) {
		return evNotReady
	}
	return evFound
}

func (m *machine) readVerified(e *Event) signal {
	switch {
	case e.Code == mailbox.OK:
		m.take(e.Account)
		if a := m.account; a != nil && a.Flags.MustChange && !a.Flags.CannotChange {
			return evMust
		}
		return evRight
	case !isMailboxReason(e.Code):
		return evDown
	case e.Code == mailbox.WrongPIN || m.door != mailbox.OwnDoor:
		return evWrong
	}
	return evClosed
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
