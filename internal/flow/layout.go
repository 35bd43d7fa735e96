package flow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"star97/internal/dialplan"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// Layout is a layout of the dialplan and a policy made ready for Step. It is
// read-only and shared by every call.
type Layout struct {
	timers  dialplan.Timers
	limits  dialplan.Limits
	policy  pin.Policy
	menus   []menu
	first   int8 // the menu before the sign-in; none: there is no such menu
	main    int8 // the menu after the code; none: straight to the new code
	signIn  bool // a key before the sign-in leads to it
	greeted bool // the first menu says what the sign-in begins with
	refusal map[pin.Rule]prompt.ID
	one     pin.PIN // what is typed by who has forgotten the code

	maxWaits int // times a caller is asked to wait for one answer, less one
}

// none is no menu.
const none int8 = -1

// NewLayout joins a layout of a plan with the policy for new codes. The error says
// what in them cannot work together.
func NewLayout(p *dialplan.Plan, name string, policy pin.Policy) (*Layout, error) {
	if err := policy.Validate(); err != nil {
		return nil, fmt.Errorf("the policy for new codes: %w", err)
	}
	from, ok := p.Layouts[name]
	if !ok {
		return nil, fmt.Errorf("the dialplan has no layout %q; it has %s", name, strings.Join(slices.Sorted(maps.Keys(p.Layouts)), ", "))
	}
	l := &Layout{
		timers: p.Timers, limits: p.Limits, policy: policy, first: none, main: none,
		greeted: from.Menus[from.First].Say == string(prompt.Welcome),
		refusal: map[pin.Rule]prompt.ID{}, maxWaits: maxWaits,
	}
	if err := l.one.Push('1'); err != nil {
		return nil, err
	}
	if err := l.plant(p, from); err != nil {
		return nil, fmt.Errorf("the layout %q: %w", name, err)
	}
	policy.Prepare()
	for _, r := range pin.Rules() {
		l.refusal[r] = prompt.ID("refused-" + string(r))
	}
	return l, nil
}

// Sentences lists what the menus of this layout say, sorted, in addition to what
// every language must have. TAG/ID is the recording of one language.
func (l *Layout) Sentences() (list []prompt.ID) {
	for i := range l.menus {
		m := &l.menus[i]
		list = append(list, m.says[:m.parts]...)
	}
	slices.SortFunc(list, func(a, b prompt.ID) int { return strings.Compare(string(a), string(b)) })
	return slices.Compact(list)
}
