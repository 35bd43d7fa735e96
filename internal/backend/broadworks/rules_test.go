package broadworks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/pin"
)

func TestRulesAreMapped(t *testing.T) {
	for inner, want := range map[string]rules{
		"":                                  {},
		"<minCodeLength>6</minCodeLength>":  {policy: pin.Policy{MinLen: 6}},
		"<maxCodeLength>10</maxCodeLength>": {policy: pin.Policy{MaxLen: 10}},
		"<maxCodeLength>99</maxCodeLength>": {policy: pin.Policy{MaxLen: 30}},
		"<minCodeLength>-1</minCodeLength>": {},
		"<minCodeLength>a</minCodeLength>":  {},
		"<disallowRepeatedDigits>true</disallowRepeatedDigits><numberOfRepeatedDigits>3</numberOfRepeatedDigits>":                                                                   {policy: pin.Policy{MaxSameRun: 3}},
		"<disallowRepeatedDigits>false</disallowRepeatedDigits><numberOfRepeatedDigits>3</numberOfRepeatedDigits>":                                                                  {},
		"<disallowContiguousSequences>true</disallowContiguousSequences><numberOfAscendingDigits>4</numberOfAscendingDigits><numberOfDescendingDigits>3</numberOfDescendingDigits>": {policy: pin.Policy{MaxSequence: 3}},
		"<disallowContiguousSequences>true</disallowContiguousSequences><numberOfAscendingDigits>4</numberOfAscendingDigits>":                                                       {policy: pin.Policy{MaxSequence: 4}},
		"<disallowContiguousSequences>0</disallowContiguousSequences><numberOfAscendingDigits>4</numberOfAscendingDigits>":                                                          {},
		"<disallowUserNumber>1</disallowUserNumber>":                                                                                                 {policy: pin.Policy{OwnNumber: pin.NotEqual}},
		"<disallowReversedUserNumber>true</disallowReversedUserNumber>":                                                                              {policy: pin.Policy{OwnNumber: pin.NotEqual}},
		"<disallowOldPasscode>true</disallowOldPasscode>":                                                                                            {policy: pin.Policy{Current: true, History: 1}},
		"<disallowOldPasscode>true</disallowOldPasscode><numberOfPreviousPasscodes>7</numberOfPreviousPasscodes>":                                    {policy: pin.Policy{Current: true, History: 7}},
		"<numberOfPreviousPasscodes>7</numberOfPreviousPasscodes>":                                                                                   {},
		"<disallowRepeatedPatterns>true</disallowRepeatedPatterns>":                                                                                  {policy: pin.Policy{RepeatBlock: true}},
		"<disallowReversedOldPasscode>true</disallowReversedOldPasscode>":                                                                            {policy: pin.Policy{Current: true, History: 1}},
		"<disableLoginAfterMaxFailedLoginAttempts>true</disableLoginAfterMaxFailedLoginAttempts><maxFailedLoginAttempts>5</maxFailedLoginAttempts>":  {limit: 5},
		"<disableLoginAfterMaxFailedLoginAttempts>false</disableLoginAfterMaxFailedLoginAttempts><maxFailedLoginAttempts>5</maxFailedLoginAttempts>": {},
	} {
		n, err := answer([]byte(docHead+`<command xsi:type="UserPortalPasscodeRulesGetResponse">`+inner+`</command>`+docTail), "s", false)
		require.NoError(t, err)
		got := readRules(n)
		require.Equal(t, want, got, inner)
		require.NoError(t, got.policy.Validate())
	}
}
