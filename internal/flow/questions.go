package flow

import (
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// question is the short and the longer way to ask for what the state needs; of a
// menu there is one, which is not asked for here.
func (m *machine) question(at StateID) (short, long prompt.ID) {
	switch at {
	case Extension:
		return prompt.EnterExtension, prompt.EnterExtensionLong
	case AccessCode:
		return prompt.EnterCode, prompt.EnterCodeLong
	case OneTimeCode:
		return prompt.EnterOneTime, prompt.EnterOneTimeLong
	case NewCode:
		return prompt.NewCodeAsk(m.policy.MinLen, m.policy.MaxLen)
	case Confirm:
		return prompt.RepeatNewCode, prompt.RepeatNewCodeLong
	case Offering:
		return prompt.OfferChoose, prompt.OfferChoose
	case TypeBack:
		return prompt.ChosenCode, prompt.ChosenCode
	}
	return "", ""
}

// enter goes to a state that asks something, with sentences before the question: two
// before a menu, else as many as the list of the rules needs.
func (m *machine) enter(at StateID, before ...prompt.ID) StateID {
	short, _ := m.question(at)
	return m.put(at, short, before...)
}

func (m *machine) put(at StateID, question prompt.ID, before ...prompt.ID) StateID {
	var parts [prompt.MaxParts]prompt.ID
	n := 0
	if m.broken {
		m.dropAhead()
		parts[0], n = prompt.DigitsLost, 1
	}
	n += copy(parts[n:], before)
	m.clearEntry()
	pause := m.layout.timers.FirstDigit
	switch at {
	case FirstMenu, MainMenu:
		menu := &m.layout.menus[m.menu]
		n += copy(parts[n:], menu.says[:menu.parts])
		pause = m.layout.timers.Menu
	case OneTimeCode:
		parts[n], n = question, n+1
		pause = m.layout.timers.OneTime
	case Offering:
		parts[n], parts[n+1], n = question, prompt.OfferOwn, n+2
		pause = m.layout.timers.Menu
	case TypeBack:
		parts[n], parts[n+1], n = question, prompt.ChosenTypeBack, n+2
	default:
		parts[n], n = question, n+1
	}
	m.pause = m.pace(pause)
	m.say(parts[:n]...)
	m.spelling = at == TypeBack
	return at
}

// pace is a time for the caller to do something.
func (m *machine) pace(d time.Duration) time.Duration {
	if m.slow {
		return 2 * d
	}
	return d
}

// breath is the pause that ends what a caller typed in one go: the rest of keys
// meant for another situation is no entry, least of all a try at a code. The shortest
// refusal sounds for a second; who types again at its last word is not in that breath.
const breath = 800 * time.Millisecond

// dropAhead empties the queue, and what is still typed in the same breath: keys
// count again when the sentence that follows was begun, and a breath passed
// without a key.
func (m *machine) dropAhead() {
	m.ahead.Wipe()
	m.broken = false
	m.deaf = true
}

// leave says the last sentence; nothing but its end is waited for.
func (m *machine) leave(why EndReason, ids ...prompt.ID) StateID {
	m.Wipe()
	m.broken, m.deaf, m.patient, m.asking = false, false, false, 0
	m.end = why
	m.say(ids...)
	return Leaving
}

func (m *machine) greet() StateID {
	switch {
	case m.door == mailbox.CheckDoor:
		return m.lineCheck()
	case m.layout.first != none:
		return m.goTo(m.layout.first)
	}
	return m.signIn(prompt.Welcome)
}

// signIn asks for the mailbox, or for the code where the mailbox is the caller's.
func (m *machine) signIn(before ...prompt.ID) StateID {
	m.silent = 0
	if m.door == mailbox.OwnDoor {
		m.store = pending
		m.ask(Lookup, pin.PIN{}, pin.PIN{}, pin.PIN{})
		return m.askCode(before...)
	}
	return m.enter(Extension, before...)
}

// keep puts a key into the queue. One too many is a lost key: none of them can
// be trusted any more. "One moment" and the word on a transfer end with the key, as
// every sentence does but "changed" and the last of a call; the transfer begins then.
func (m *machine) keep(e *Event) StateID {
	if !m.broken && !m.ahead.Push(byte(e.Digit)) {
		m.loseAhead()
	}
	if m.at == Announcing {
		return m.at
	}
	m.hush()
	if m.at == Transferring && m.asking == 0 {
		return m.connect()
	}
	return m.at
}

func (m *machine) loseAhead() StateID {
	m.ahead.Wipe()
	m.broken = true
	return m.at
}

// listen lets the caller type: silence, and the time for the next key.
func (m *machine) listen() StateID {
	m.patient = false
	m.hush()
	m.timer(m.pace(m.layout.timers.BetweenDigits))
	return m.at
}

// spoil voids an entry that a key is missing from. The caller does not know yet
// and types on, so it ends as it would have, and is asked for again then.
func (m *machine) spoil() StateID {
	m.clearEntry()
	m.broken = true
	return m.listen()
}

func (m *machine) startTimer() StateID {
	m.timer(m.pause)
	return m.at
}

func (m *machine) cleared() StateID {
	m.say(prompt.Cleared)
	m.patient, m.pause = true, m.pace(m.layout.timers.Cleared)
	return m.at
}

// again is the ladder of a question that got no usable answer: the short ask, the
// longer one, the offer of help, goodbye. before says what was wrong, if anything can.
func (m *machine) again(before prompt.ID) StateID {
	m.silent++
	short, long := m.question(m.at)
	last := m.layout.limits.SilentRounds
	if m.slow && m.silent == 1 && before == prompt.NoInput {
		before = prompt.TakeYourTime
	}
	switch n := int(m.silent); {
	case m.overrun:
		return m.late()
	case n >= last && m.at >= NewCode && m.at <= TypeBack:
		return m.leaveUnchanged(EndNoInput, before)
	case n >= last:
		return m.leave(EndNoInput, before, prompt.Goodbye)
	case n == last-1 && !m.helps():
		return m.put(m.at, short, prompt.HelpDesk)
	case n > 1:
		short = long
	}
	return m.put(m.at, short, before)
}

// helps tells whether what is asked offers help itself: a menu with an operator.
func (m *machine) helps() bool { return m.inMenu() && m.layout.menus[m.menu].operator }

// badExtension counts like silence, but no sentence says what was wrong: the
// longer question has to do.
func (m *machine) badExtension() StateID {
	if m.overrun || int(m.silent)+1 >= m.layout.limits.SilentRounds {
		return m.again(prompt.HelpDesk)
	}
	m.silent++
	return m.put(Extension, prompt.EnterExtensionLong)
}

// timeUp never cuts off somebody who is typing: who has begun an entry, was given
// time for one or typed since it was last told may go on, and is only not asked again.
func (m *machine) timeUp() StateID {
	begun := !m.entry.Empty() || m.broken || m.patient
	if m.typing || begun || !m.listens() {
		m.typing, m.overrun = false, true
		return m.at
	}
	return m.late()
}

func (m *machine) late() StateID {
	return m.leave(EndTimeLimit, prompt.TimeLimit, prompt.Goodbye)
}

// lastWait is how long a change under way may still take once the grace is over.
// With the longest last sentence after it, it fits into what the shell still gives.
const lastWait = 5 * time.Second

// hurry makes what is said next the last: a change under way is still told.
func (m *machine) hurry() StateID {
	if m.at == Changing && !m.hurried {
		m.timer(lastWait)
	}
	m.hurried = true
	return m.at
}

// goOn leads from a change to what the caller may want next.
func (m *machine) goOn() StateID {
	switch {
	case m.hurried:
		return m.late()
	case m.layout.main == none:
		return m.leave(EndGoodbye, prompt.Goodbye)
	}
	m.silent = 0
	return m.goTo(m.layout.main)
}

// hangUp ends the call now.
func (m *machine) hangUp(why EndReason) StateID {
	m.Wipe()
	m.end, m.bye, m.deaf = why, true, false
	m.saying, m.timing, m.asking = 0, 0, 0
	return Ended
}
