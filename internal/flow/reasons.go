package flow

import (
	"time"

	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// closed tells an owner why the mailbox cannot be used.
func (m *machine) closed(e *Event) StateID {
	flags := mailbox.Flags{}
	if m.account != nil {
		flags = m.account.Flags
	}
	code := e.Code
	switch {
	case code != mailbox.OK:
	case flags.Disabled:
		code = mailbox.Disabled
	case flags.Locked:
		code = mailbox.Locked
	case flags.NoCode:
		code = mailbox.NoCode
	}
	switch code {
	case mailbox.Locked:
		if flags.Locked {
			return m.leave(EndLocked, prompt.LockedByAdministrator, prompt.HelpDesk, prompt.Goodbye)
		}
		return m.lockedOut(e.Retry)
	case mailbox.NoCode:
		return m.leave(EndNoCode, prompt.NoCodeYet, prompt.HelpDesk, prompt.Goodbye)
	case mailbox.OtherChannel:
		return m.leave(EndDisabled, prompt.ManagedElsewhere, prompt.Goodbye)
	case mailbox.TooSoon:
		return m.leave(EndDisabled, prompt.TooSoon, prompt.Goodbye)
	case mailbox.Disabled:
		return m.leave(EndDisabled, prompt.MailboxDisabled, prompt.HelpDesk, prompt.Goodbye)
	case mailbox.NotFound, mailbox.Ambiguous: // gone since it was looked up
		return m.leave(EndDisabled, prompt.Failed, prompt.HelpDesk, prompt.Goodbye)
	}
	return m.leave(EndDisabled, prompt.CannotChange, prompt.HelpDesk, prompt.Goodbye)
}

// failed: the store proved that it changed nothing, and another code would not
// help. That the old code still works is said only where nothing speaks against it.
func (m *machine) failed(e *Event) StateID {
	m.first.Wipe()
	m.dropAhead()
	switch e.Result.Reason {
	case mailbox.TooSoon:
		return m.spare(prompt.TooSoon)
	case mailbox.CannotChange:
		return m.spare(prompt.CannotChange)
	case mailbox.OtherChannel:
		return m.spare(prompt.ManagedElsewhere)
	case mailbox.Throttled:
		if e.Retry > 0 { // this caller's limit: nobody else is in the way
			return m.giveUp(prompt.TooManyTries)
		}
		return m.giveUp(prompt.Busy)
	case mailbox.Busy:
		return m.giveUp(prompt.Busy)
	case mailbox.Unavailable, mailbox.ServiceRefused, mailbox.OutcomeUnknown:
		return m.giveUp(prompt.Unavailable)
	case mailbox.WrongPIN: // another change came first
		return m.leave(EndNotChanged, prompt.Failed, prompt.HelpDesk, prompt.Goodbye)
	case mailbox.NotFound, mailbox.Ambiguous: // gone since the code was verified
		return m.leave(EndNotChanged, prompt.Failed, prompt.HelpDesk, prompt.Goodbye)
	case mailbox.NoCode:
		return m.leave(EndNoCode, prompt.Failed, prompt.NoCodeYet, prompt.Goodbye)
	case mailbox.Disabled:
		return m.leave(EndDisabled, prompt.MailboxDisabled, prompt.HelpDesk, prompt.Goodbye)
	case mailbox.Locked:
		return m.leaveUntil(EndLocked, prompt.Locked, e.Retry)
	}
	return m.giveUp(prompt.Failed)
}

// spare has nobody change the code who cannot: whose code the store wants changed and
// does not let change gets to the menu all the same.
func (m *machine) spare(why prompt.ID) StateID {
	m.must = m.must && m.claim != mailbox.ByCode
	return m.giveUp(why)
}

// leaveUntil says when to call again, where that is known; never at the any door,
// where it would tell of a mailbox.
func (m *machine) leaveUntil(end EndReason, why prompt.ID, retry time.Duration) StateID {
	if when := callAgain(retry); when != "" && m.door == mailbox.OwnDoor {
		return m.leave(end, why, when, prompt.Goodbye)
	}
	return m.leave(end, why, prompt.Goodbye)
}

// callAgain is the shortest sentence that does not send the caller back too early.
func callAgain(retry time.Duration) prompt.ID {
	switch {
	case retry <= 0:
		return ""
	case retry <= time.Minute:
		return prompt.RetryOneMinute
	case retry <= 10*time.Minute:
		return prompt.RetryTenMinutes
	case retry <= time.Hour:
		return prompt.RetryOneHour
	case retry <= 24*time.Hour:
		return prompt.RetryOneDay
	}
	return prompt.HelpDesk
}
