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

// Of the list of rules that is said what holds.
func TestTheListOfRulesIsSaidWhereItIsTrue(t *testing.T) {
	all := pin.Policy{MinLen: 6, MaxLen: 10, MaxSameRun: 2, MaxSequence: 3, OwnNumber: pin.NotContained}
	for name, c := range map[string]struct {
		leave func(*pin.Policy)
		said  []prompt.ID
	}{
		"all of them":            {func(*pin.Policy) {}, []prompt.ID{prompt.NewCodeRules}},
		"and a blocklist":        {func(p *pin.Policy) { p.Blocklist = 10 }, []prompt.ID{prompt.NewCodeRules, prompt.RuleCommon}},
		"any sequence":           {func(p *pin.Policy) { p.MaxSequence = 0 }, []prompt.ID{prompt.RuleSameRun, prompt.RuleOwnNumber}},
		"whole sequences only":   {func(p *pin.Policy) { p.MaxSequence, p.WholeSequence = 0, true }, []prompt.ID{prompt.RuleSequence, prompt.RuleSameRun, prompt.RuleOwnNumber}},
		"any run":                {func(p *pin.Policy) { p.MaxSameRun = 0 }, []prompt.ID{prompt.RuleSequence, prompt.RuleOwnNumber}},
		"the own number":         {func(p *pin.Policy) { p.OwnNumber = pin.NotEqual }, []prompt.ID{prompt.RuleSequence, prompt.RuleSameRun}},
		"nothing but the length": {func(p *pin.Policy) { *p = pin.Policy{MinLen: 6, MaxLen: 10} }, nil},
		"no dates":               {func(p *pin.Policy) { *p = pin.Policy{MinLen: 6, MaxLen: 10, DateLike: true} }, []prompt.ID{prompt.RuleCommon}},
	} {
		t.Run(name, func(t *testing.T) {
			policy := all
			c.leave(&policy)
			l, err := NewLayout(dialplan.Default(), dialplan.DefaultLayout, policy)
			require.NoError(t, err)
			call := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("248#")
			call.timer().press("48#")
			ask, _ := prompt.NewCodeAsk(6, 10)
			call.says(append(append([]prompt.ID{prompt.RefusedTooShort}, c.said...), ask)...)
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
