package flow

import "star97/internal/dtmf"

// read tells what an event means where the call is. Stale answers and keys that
// nobody may use mean nothing.
func (m *machine) read(e *Event) signal {
	switch e.Kind {
	case Answered:
		return evAnswered
	case Key:
		m.typing = true
		return m.readKey(e.Digit)
	case KeysLost:
		if m.deaf {
			return 0
		}
		return evLost
	case Started, Spoken:
		return m.readSound(e)
	case TimedOut:
		if m.timing == 0 || e.Step != m.timing {
			return 0
		}
		m.timing = 0
		if m.deaf {
			m.deaf = false
			return 0
		}
		return m.readSilence()
	case Found, Verified, ChangeDone, Transferred, Chosen:
		if m.asking == 0 || e.Step != m.asking || e.Kind != m.awaited {
			return 0
		}
		m.asking = 0
		return m.readAnswer(e)
	case LimitHit:
		return evLimit
	case GraceOver:
		return evGrace
	case HungUp:
		return evHungUp
	}
	return 0
}

// readSound: whoever still typed when the sentence was over means it now.
func (m *machine) readSound(e *Event) signal {
	if m.saying == 0 || e.Step != m.saying || e.Kind == Started {
		return 0
	}
	m.deaf, m.saying = false, 0
	return evSpoken
}

// readSilence is what a timer that ran out means.
func (m *machine) readSilence() signal {
	switch {
	case m.awaits():
		return evWaited
	case m.at == LineCheck:
		return evNothing
	case m.broken:
		return evBroken
	case m.entry.Empty() && !m.over:
		return evNothing
	}
	m.ended = true
	if m.unfinished() {
		return evShort
	}
	return evEntered
}

// unfinished tells whether the new code needs more digits to be legal. A pause in
// it is a pause, and says nothing of the code that was meant.
func (m *machine) unfinished() bool {
	return (m.at == NewCode || m.at == Confirm || m.at == TypeBack) && m.entry.Len() < m.policy.MinLen
}

// readKey is what a key means. A # right after an entry that ended by itself
// belongs to that entry and means nothing.
func (m *machine) readKey(d dtmf.Digit) signal {
	switch {
	case m.at == LineCheck:
		return evTyped
	case d > dtmf.Pound: // A to D are on no telephone
		return 0
	case m.deaf:
		m.ended = m.ended && d != dtmf.Pound
		m.timer(breath)
		return 0
	case !m.listens():
		return evAhead
	}
	late := m.ended && d == dtmf.Pound
	m.ended = false
	switch {
	case late:
		return 0
	case m.inMenu() && !m.broken:
		return m.choose(d)
	case m.at == Offering && !m.broken:
		return m.readOffer(d)
	}
	return m.collect(d)
}

// listens tells whether the state can use a key.
func (m *machine) listens() bool {
	return m.inMenu() || m.collects() || m.at == Offering || m.at == LineCheck
}

// awaits tells whether something was asked for that has to be waited for.
func (m *machine) awaits() bool {
	switch m.at {
	case Finding, Verifying, Choosing, Changing, Transferring:
		return true
	}
	return false
}

// collects tells whether the state takes an entry.
func (m *machine) collects() bool {
	switch m.at {
	case Extension, AccessCode, OneTimeCode, NewCode, Confirm, TypeBack:
		return true
	}
	return false
}

// readOffer is what a key means to the offer of a code: yes, back to an own one, or the
// first digit of that.
func (m *machine) readOffer(d dtmf.Digit) signal {
	m.pressed = d
	switch d {
	case 1:
		return evAccept
	case dtmf.Star:
		return evBack
	case dtmf.Pound:
		return evNothing
	}
	return evOther
}

// choose is what a key means in the menu where the call is.
func (m *machine) choose(d dtmf.Digit) signal {
	m.pressed = d
	if sig := m.choice().sig; sig != 0 {
		return sig
	}
	return evOther
}

// collect is the digit collector: it puts the key into the entry and says what
// the entry is now.
func (m *machine) collect(d dtmf.Digit) signal {
	blank := m.entry.Empty() && !m.over
	switch {
	case m.broken && d < dtmf.Star:
		return evTyped
	case m.broken:
		return evBroken
	case d == dtmf.Pound && blank && m.at == TypeBack:
		return evRepeat
	case d == dtmf.Pound && blank:
		return evNothing
	case d == dtmf.Pound:
		return evEntered
	case d == dtmf.Star && blank:
		return evBack
	case d == dtmf.Star:
		m.clearEntry()
		return evCleared
	}
	if m.entry.Push('0'+byte(d)) != nil {
		m.over = true
	}
	if m.full() {
		m.ended = true
		return evEntered
	}
	return evTyped
}

// full tells whether no longer entry could be legal. A current code is never
// full: its length is nobody's business.
func (m *machine) full() bool {
	longest := 0
	switch m.at {
	case Extension:
		longest = m.layout.limits.ExtensionDigits
	case NewCode, Confirm, TypeBack:
		longest = m.policy.MaxLen
	}
	return longest > 0 && m.entry.Len() >= longest
}

func (m *machine) clearEntry() {
	m.entry.Wipe()
	m.over, m.patient = false, false
}
