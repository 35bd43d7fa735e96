// Package dialplan reads a site's numbers, doors, keys, lengths and timers from
// YAML, validates them and answers which route a dialled number takes. It knows
// no SIP message and no state machine.
package dialplan

import (
	"time"

	"star97/internal/mailbox"
)

// Plan is one validated dialplan file. It is read-only after Parse.
type Plan struct {
	Routes []Route
	Menu   Menu
	Timers Timers
	Limits Limits
}

// Route leads a dialled number to a door.
type Route struct {
	Number string // as compared: unescaped, without user parameters; "*97"
	Door   mailbox.Door
	Domain string
}

// Menu says which key of the main menu does what. An empty key offers nothing.
type Menu struct {
	Change, Repeat, Goodbye string
}

// Timers are the waits of a call, counted from the end of the prompt or the last key.
type Timers struct {
	FirstDigit    time.Duration // 7s
	BetweenDigits time.Duration // 4s
	Menu          time.Duration // 6s
	Cleared       time.Duration // 20s after * cleared an entry
	Call          time.Duration // total; never cuts off somebody who is typing
}

// Limits are counts of a call.
type Limits struct {
	WrongCodes      int // tries per call, 3
	SilentRounds    int // asks without input before goodbye, 4
	NewCodeRounds   int // rounds of new code before "your old code still works", 3
	ExtensionDigits int // fixed extension length; 0: variable
}
