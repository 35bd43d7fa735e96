package dialplan

import (
	"fmt"
	"time"

	"star97/internal/pin"
)

func (c *checker) timers(t Timers) {
	const most = time.Minute
	for _, d := range []struct {
		name   string
		is     time.Duration
		lo, hi time.Duration
	}{
		{"first_digit", t.FirstDigit, minTimer, most}, {"between_digits", t.BetweenDigits, minTimer, most},
		{"menu", t.Menu, minTimer, most}, {"cleared", t.Cleared, minTimer, most},
		{"please_wait", t.PleaseWait, minTimer, 10 * time.Second}, {"one_time", t.OneTime, minTimer, 5 * time.Minute},
		{"call", t.Call, time.Minute, time.Hour},
		{"transfer", t.Transfer, minTimer, 2 * time.Minute}, {"line_check", t.LineCheck, minTimer, time.Hour},
	} {
		if d.is < d.lo || d.is > d.hi {
			c.add("$.timers."+d.name, fmt.Sprintf("%s is %v.", d.name, d.is), fmt.Sprintf("Use %v to %v.", d.lo, d.hi))
		}
	}
}

// minTimer is far below what people need; tests of a site may want it.
const minTimer = 100 * time.Millisecond

func (c *checker) limits(l Limits) {
	for _, n := range []struct {
		name       string
		is, lo, hi int
	}{
		{"wrong_codes", l.WrongCodes, 1, 10}, {"silent_rounds", l.SilentRounds, 2, 10},
		{"new_code_rounds", l.NewCodeRounds, 1, 10}, {"extension_digits", l.ExtensionDigits, 0, pin.MaxDigits},
		{"transfers_per_hour", l.TransfersPerHour, 1, 1000},
	} {
		if n.is < n.lo || n.is > n.hi {
			c.add("$.limits."+n.name, fmt.Sprintf("%s is %d.", n.name, n.is), fmt.Sprintf("Use %d to %d.", n.lo, n.hi))
		}
	}
}
