package webex

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/webex/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func TestRulesAreMapped(t *testing.T) {
	const day = 24 * time.Hour
	for in, want := range map[string]rules{
		`{"defaultVoicemailPinRules":{"blockRepeatedPatternsEnabled":true,"blockRepeatedDigits":{"enabled":true,"max":3},
		"blockContiguousSequences":{"enabled":true,"numberOfAscendingDigits":3,"numberOfDescendingDigits":3},"length":{"min":6,"max":30}},
		"expirePasscode":{"enabled":true,"numberOfDays":180},"changePasscode":{"enabled":true,"numberOfDays":1},
		"blockPreviousPasscodes":{"enabled":true,"numberOfPasscodes":10}}`: {
			policy: pin.Policy{MinLen: 6, MaxLen: 30, MaxSameRun: 3, MaxSequence: 3, RepeatBlock: true, Current: true, History: 10}, minAge: day,
		},
		`{"length":{"min":8,"max":10},"blockUserNumberEnabled":true,"blockReversedUserNumberEnabled":true,
		"failedAttempts":{"enabled":true,"attempts":5},"blockContiguousSequences":{"enabled":true,"numberOfAscendingDigits":4,"numberOfDescendingDigits":2}}`: {
			policy: pin.Policy{MinLen: 8, MaxLen: 10, MaxSequence: 2, OwnNumber: pin.NotContained}, limit: 5,
		},
		`{"length":{"min":6,"max":30},"blockReversedOldPasscodeEnabled":true,"blockRepeatedDigits":{"enabled":false,"max":3},
		"changePasscode":{"enabled":false,"numberOfDays":7},"failedAttempts":{"enabled":false,"attempts":5},
		"blockContiguousSequences":{"enabled":true,"numberOfAscendingDigits":4}}`: {
			policy: pin.Policy{MinLen: 6, MaxLen: 30, MaxSequence: 4, Current: true, History: 1},
		},
		`{"length":{"min":2,"max":99},"changePasscode":{"enabled":true,"numberOfDays":-3},"blockRepeatedDigits":{"enabled":true,"max":-1}}`: {
			policy: pin.Policy{MinLen: 2, MaxLen: 30},
		},
		`{"length":{"min":6},"blockPreviousPasscodes":{"enabled":true,"numberOfPasscodes":3},"blockReversedUserNumberEnabled":true,
		"defaultVoicemailPinRules":{"length":{"min":7},"blockPreviousPasscodes":{"enabled":true,"numberOfPasscodes":9}}}`: {
			policy: pin.Policy{MinLen: 7, OwnNumber: pin.NotContained, Current: true, History: 9},
		},
		`{"length":{"min":6}}`: {policy: pin.Policy{MinLen: 6}},
	} {
		var w wireRules
		require.NoError(t, json.Unmarshal([]byte(in), &w))
		got, ok := w.rules()
		require.True(t, ok, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{`{}`, `{"defaultVoicemailPinRules":{}}`, `{"length":{"min":9,"max":8}}`} {
		var w wireRules
		require.NoError(t, json.Unmarshal([]byte(in), &w))
		_, ok := w.rules()
		require.False(t, ok, "no rules are not rules that allow everything: %s", in)
	}
}

// The vectors of the published rules: three equal digits, three in a row, six to thirty.
func TestTheMappedRulesJudgeAsThePublishedOnes(t *testing.T) {
	w := wireRules{Length: &struct {
		Min int `json:"min"`
		Max int `json:"max"`
	}{6, 30}}
	w.Digits.Enabled, w.Digits.Max = true, 3
	w.Sequences.Enabled, w.Sequences.Up, w.Sequences.Down = true, 3, 3
	r, ok := w.rules()
	require.True(t, ok)
	for code, pass := range map[string]bool{
		"482915": true, "1235123": true, "228883": true,
		"111112": false, "111111": false, "123497": false, "912345": false, "567890": false, "48291": false,
	} {
		require.Equal(t, pass, r.policy.Check(codeOf(t, code), pin.Context{}) == pin.Pass, code)
	}
}

func TestWhoseRulesAreRead(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]func(*Options){
		"organisation": func(o *Options) { o.Rules = rulesOrg },
		"location":     func(o *Options) { o.Rules = rulesLocation },
		"user":         func(o *Options) { o.Rules, o.UserRules = rulesUser, "/telephony/config/people/{id}/voicemail/rules" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := makeBed(t, func(o *Options, f *fake.Server) {
				alter(o)
				f.Rules = fake.Rules{Min: 7, Max: 9, Repeated: 2, OwnNumber: true, Attempts: 5}
			})
			want := pin.Policy{MinLen: 7, MaxLen: 9, MaxSameRun: 2, OwnNumber: pin.NotContained}
			if name == "organisation" {
				want.OwnNumber = pin.AnyNumber // it has no such rule
			}
			b.withRules(t, mailbox.Account{Extension: "4001"})
			for range 3 {
				require.Equal(t, &want, b.lookup(t, "4001")[0].Rules)
			}
			require.Equal(t, 1, b.fake.Orders().Seen(fake.OpRules), "read once for a while")
			b.Store.rules.Keep = 0
			b.lookup(t, "4001")
			require.Equal(t, 2, b.fake.Orders().Seen(fake.OpRules))
		})
	}
}

func TestALocationTellsTheLimit(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(o *Options, f *fake.Server) {
		o.Rules, o.Location, f.Rules.Attempts = rulesLocation, fake.Location, 5
	})
	require.Zero(t, b.Traits(mailbox.Account{}).Limit)
	b.withRules(t, mailbox.Account{Extension: "4001"})
	b.lookup(t, "4001")
	require.Equal(t, 5, b.Traits(mailbox.Account{}).Limit)
}

// Whatever a system answers, the rules that are taken from it are sound.
func FuzzRules(f *testing.F) {
	f.Add([]byte(`{"defaultVoicemailPinRules":{"length":{"min":6,"max":30},"blockRepeatedDigits":{"enabled":true,"max":3}},"changePasscode":{"enabled":true,"numberOfDays":99999999}}`))
	f.Add([]byte(`{"length":{"min":-6,"max":3000000000}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var w wireRules
		if json.Unmarshal(in, &w) != nil {
			return
		}
		r, ok := w.rules()
		if !ok {
			return
		}
		require.NoError(t, r.policy.Validate())
		require.True(t, r.minAge >= 0 && r.minAge <= maxDays*24*time.Hour)
		require.True(t, r.limit >= 0 && r.limit <= maxTries)
	})
}
