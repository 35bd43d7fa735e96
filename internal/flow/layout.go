package flow

import (
	"fmt"
	"time"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// Layout is a dialplan and a policy made ready for Step. It is read-only and
// shared by every call.
type Layout struct {
	timers  dialplan.Timers
	limits  dialplan.Limits
	policy  pin.Policy
	change  dtmf.Digit
	repeat  dtmf.Digit
	goodbye dtmf.Digit
	refusal map[pin.Rule]prompt.ID

	maxWaits int // times a caller is asked to wait for one answer, less one
}

// noKey is a menu entry that no key chooses.
const noKey dtmf.Digit = 0xff

// NewLayout joins a plan with the policy for new codes. The error says what in
// either cannot work together.
func NewLayout(p *dialplan.Plan, policy pin.Policy) (*Layout, error) {
	if err := policy.Validate(); err != nil {
		return nil, fmt.Errorf("the policy for new codes: %w", err)
	}
	if err := spoken(p.Menu); err != nil {
		return nil, err
	}
	l := &Layout{
		timers: p.Timers, limits: p.Limits, policy: policy,
		change: menuKey(p.Menu.Change), repeat: menuKey(p.Menu.Repeat), goodbye: menuKey(p.Menu.Goodbye),
		refusal: map[pin.Rule]prompt.ID{}, maxWaits: maxWaits,
	}
	for _, r := range pin.Rules() {
		l.refusal[r] = prompt.ID("refused-" + string(r))
	}
	return l, nil
}

// spokenMenu is what the recorded menus say. There is one recording of each.
var spokenMenu = dialplan.Menu{Change: "2", Repeat: "9", Goodbye: "*"}

// spoken refuses keys of which the recorded menus would say something untrue.
func spoken(m dialplan.Menu) error {
	for _, k := range []struct{ name, is, said string }{
		{"change", m.Change, spokenMenu.Change}, {"repeat", m.Repeat, spokenMenu.Repeat}, {"goodbye", m.Goodbye, spokenMenu.Goodbye},
	} {
		if k.is != k.said {
			return fmt.Errorf("the dialplan has %q as the key %s of the menu, but the recorded menu says %q: write that, or leave the key out of the dialplan", k.is, k.name, k.said)
		}
	}
	return nil
}

func menuKey(s string) dtmf.Digit {
	switch {
	case len(s) != 1:
		return noKey
	case s == "*":
		return dtmf.Star
	case s == "#":
		return dtmf.Pound
	}
	return dtmf.Digit(s[0] - '0')
}

// Timer is the length of a timer by its name in scripts.
func (l *Layout) Timer(name string) (time.Duration, bool) { return l.timers.Named(name) }
