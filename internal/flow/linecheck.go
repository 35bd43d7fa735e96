package flow

import (
	"math"

	"star97/internal/prompt"
)

// The check door tells a caller, or who set up a telephone, that sound comes through
// and how many keys arrived. It asks no store and knows no mailbox.

// lineCheck begins it. The time that it lasts is the total time of the call.
func (m *machine) lineCheck() StateID {
	m.request = Effect{Kind: Limit, Step: m.step, After: m.layout.timers.LineCheck}
	m.say(prompt.LineCheck)
	m.pause = m.pace(m.layout.timers.FirstDigit)
	return LineCheck
}

// count takes a key, whichever it is.
func (m *machine) count() StateID {
	m.heard = uint8(min(int(m.heard)+1, math.MaxUint8))
	return m.listen()
}

// miscount is told with the next report.
func (m *machine) miscount() StateID {
	m.broken = true
	return m.listen()
}

// report says how many keys came since the last one. Nothing arrived is worth
// saying too: the caller may have pressed some.
func (m *machine) report() StateID {
	told := prompt.LineHeard(int(m.heard))
	lost := m.broken
	m.heard, m.broken = 0, false
	m.pause = m.pace(m.layout.timers.FirstDigit)
	switch {
	case m.overrun && lost:
		return m.leave(EndGoodbye, prompt.DigitsLost, told, prompt.Goodbye)
	case m.overrun:
		return m.leave(EndGoodbye, told, prompt.Goodbye)
	case lost:
		m.say(prompt.DigitsLost, told)
	default:
		m.say(told)
	}
	return m.at
}

// endCheck: keys that are not told yet still are.
func (m *machine) endCheck() StateID {
	if m.heard > 0 || m.broken {
		m.overrun = true
		return m.at
	}
	return m.leave(EndGoodbye, prompt.Goodbye)
}
