package flow

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

func TestALayoutRefusesAPolicyThatNoCodeMeets(t *testing.T) {
	_, err := NewLayout(dialplan.Default(), dialplan.DefaultLayout, pin.Policy{MinLen: 8, MaxLen: 6})
	require.ErrorContains(t, err, "the policy for new codes: ")
}

// The list of rules is said where all of it holds.
func TestTheListOfRulesIsSaidWhereItIsTrue(t *testing.T) {
	all := pin.Policy{MinLen: 6, MaxLen: 10, MaxSameRun: 2, MaxSequence: 3, OwnNumber: pin.NotEqual}
	for name, c := range map[string]struct {
		leave func(*pin.Policy)
		said  bool
	}{
		"all of them":            {func(*pin.Policy) {}, true},
		"any sequence":           {func(p *pin.Policy) { p.MaxSequence = 0 }, false},
		"any run":                {func(p *pin.Policy) { p.MaxSameRun = 0 }, false},
		"the own number":         {func(p *pin.Policy) { p.OwnNumber = pin.AnyNumber }, false},
		"nothing but the length": {func(p *pin.Policy) { *p = pin.Policy{MinLen: 6, MaxLen: 10} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			policy := all
			c.leave(&policy)
			l, err := NewLayout(dialplan.Default(), dialplan.DefaultLayout, policy)
			require.NoError(t, err)
			call := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("248#")
			call.timer().press("48#")
			ask, _ := prompt.NewCodeAsk(6, 10)
			if c.said {
				call.says(prompt.RefusedTooShort, prompt.NewCodeRules, ask)
			} else {
				call.says(prompt.RefusedTooShort, ask)
			}
		})
	}
}

// Lengths that no recording names are not named.
func TestLengthsWithoutARecordingAreNotSpoken(t *testing.T) {
	l, err := NewLayout(dialplan.Default(), dialplan.DefaultLayout, pin.Policy{MinLen: 5, MaxLen: 9})
	require.NoError(t, err)
	c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2").at(NewCode).says(prompt.EnterNewCode)
	c.spoken().timer().says(prompt.NoInput, prompt.EnterNewCode)
	c.spoken().timer().says(prompt.NoInput, prompt.EnterNewCodeLong)
}
