package broadworks

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

func refusal(inner string) *node {
	n, err := answer([]byte(docHead+`<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`+inner+`</command>`+docTail), "s", false)
	if err != nil {
		panic(err)
	}
	return n
}

func english(text string) string {
	return "<summary>[Error 1] Anders</summary><summaryEnglish>" + text + "</summaryEnglish>"
}

func TestAnErrorIsKnownByItsNumberAndItsEnglishWords(t *testing.T) {
	o := DefaultOptions()
	for inner, want := range map[string]fault{
		english("[Error 4962] Invalid password"):                            {4962, "Error", "wrong-pin"},
		english("[Error 4008] User not found: 2041@example.test"):           {4008, "Error", "not-found"},
		english("[Error 5202] Account is disabled."):                        {5202, "Error", "locked"},
		english("[Error 5404] Unauthorized transaction."):                   {5404, "Error", "session"},
		english("The SESSION is over"):                                      {0, "Error", "session"},
		english("[Error 7] Passcode must have at least 6 digits"):           {7, "Error", "too-short"},
		english("[Error 7] Passcode must have at most 6 digits"):            {7, "Error", "too-long"},
		english("[Error 7] Passcode must not have 4 repeated digits"):       {7, "Error", "trivial"},
		english("[Error 7] Passcode was one of the previous 3"):             {7, "Error", "in-history"},
		english("[Error 7] Something else"):                                 {7, "Error", ""},
		english("[Fehler 7] Something else"):                                {7, "Error", ""},
		english("[Error 99999999999] Something else"):                       {0, "Error", ""},
		english("[Error] Something else"):                                   {0, "Error", ""},
		"<errorCode>4962</errorCode>" + english("Something else"):           {4962, "Error", "wrong-pin"},
		"<errorCode>1</errorCode>" + english("[Error 4962] Something else"): {4962, "Error", "wrong-pin"},
		"<errorCode>-4</errorCode>" + english("Something else"):             {0, "Error", ""},
		"<summary>[Error 4962] Invalid password</summary><summaryEnglish/>": {0, "Error", ""},
		"<summary>x</summary><detail>session</detail>":                      {0, "Error", ""},
	} {
		require.Equal(t, want, o.faultOf(refusal(inner)), inner)
	}
	o.Errors = []Meaning{{4962, "expired", "locked"}, {4962, "", "disabled"}}
	require.Equal(t, "locked", o.faultOf(refusal(english("[Error 4962] Expired"))).means)
	require.Equal(t, "disabled", o.faultOf(refusal(english("[Error 4962] Invalid password"))).means, "the first that fits")
	require.Empty(t, o.faultOf(refusal(english("[Error 4963] Expired"))).means)
}

// An error's words can quote what was asked.
func TestAnErrorSaysItsNumberAlone(t *testing.T) {
	o := DefaultOptions()
	f := o.faultOf(refusal(english("[Error 4962] Invalid password 482915")))
	require.Equal(t, "the system answers with error 4962", f.Error())
	require.NotContains(t, fmt.Sprintf("%+v %#v", f, f), hers)
	require.Equal(t, "the system answers with an error without a number", fault{}.Error())
	require.NotContains(t, fault{number: 482915}.Error(), "4829", "what could be a code")
}

func TestAMeaningHasToMakeSense(t *testing.T) {
	require.Equal(t, mailbox.WrongPIN, fault{means: "wrong-pin"}.code(mailbox.Unavailable, mailbox.WrongPIN))
	require.Equal(t, mailbox.Unavailable, fault{means: "trivial"}.code(mailbox.Unavailable, mailbox.WrongPIN))
	require.Equal(t, mailbox.Throttled, fault{means: "throttled"}.code(mailbox.Unavailable))
	require.Equal(t, mailbox.PolicyOther, fault{}.code(mailbox.PolicyOther, refusals...))
	require.Equal(t, mailbox.PolicyOther, fault{means: session}.code(mailbox.PolicyOther, refusals...))
}
