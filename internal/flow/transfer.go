package flow

import (
	"star97/internal/pin"
	"star97/internal/prompt"
)

// sayTransfer says what will happen; the transfer begins when that was heard, or when a
// key has cut it.
func (m *machine) sayTransfer() StateID {
	m.chosen, m.silent = uint8(m.pressed), 0
	m.clearEntry()
	m.say(prompt.Transferring)
	return Transferring
}

// connect asks for the transfer (RFC 3515). The call goes on until it is known that
// the caller was connected elsewhere.
func (m *machine) connect() StateID {
	m.ask(Transfer, pin.PIN{}, pin.PIN{}, pin.PIN{})
	m.request.Target = m.layout.menus[m.menu].keys[m.chosen].name
	m.timer(m.layout.timers.Transfer)
	return m.at
}

// notConnected goes back to the menu. Keys of a caller who waited were meant for
// whoever would answer.
func (m *machine) notConnected() StateID {
	m.asking = 0
	m.dropAhead()
	if m.layout.menus[m.menu].signedIn {
		return m.enter(MainMenu, prompt.TransferFailed)
	}
	return m.enter(FirstMenu, prompt.TransferFailed)
}

// goneOn: an exchange may end our call before it says that it has connected the caller.
func (m *machine) goneOn() StateID {
	if m.asking != 0 {
		return m.hangUp(EndTransferred)
	}
	return m.hangUp(EndHungUp)
}
