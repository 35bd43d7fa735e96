package axl

import (
	"encoding/xml"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
	"star97/internal/backend/axl/fake"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func policy(t *testing.T, inner string) *node {
	var n node
	require.NoError(t, xml.Unmarshal([]byte("<credentialPolicy>"+inner+"</credentialPolicy>"), &n))
	return &n
}

func TestACredentialPolicyIsMapped(t *testing.T) {
	for inner, want := range map[string]rules{
		"": {policy: pin.Policy{MinLen: 4}},
		"<failedLogon>5</failedLogon><resetFailedLogonAttempts>30</resetFailedLogonAttempts><lockoutDuration>0</lockoutDuration>" +
			"<credChangeDuration>1440</credChangeDuration><credExpiresAfter>180</credExpiresAfter><minCredLength>8</minCredLength>" +
			"<prevCredStoredNum>12</prevCredStoredNum><trivialCredCheck>true</trivialCredCheck>": {
			policy: adapter.Trivial(pin.Policy{MinLen: 8, Current: true, History: 12}),
			minAge: 24 * time.Hour, expires: 180 * 24 * time.Hour, limit: 5, window: 30 * time.Minute,
		},
		"<minCredLength>0</minCredLength><minCharsToChange>1</minCharsToChange><trivialCredCheck>f</trivialCredCheck>":       {policy: pin.Policy{MinLen: 4, Current: true}},
		"<minCharsToChange>2</minCharsToChange><prevCredStoredNum>25</prevCredStoredNum>":                                    {policy: pin.Policy{MinLen: 4, Current: true, NearCurrent: true, History: 24}},
		"<minCredLength>64</minCredLength><failedLogon>-3</failedLogon><credChangeDuration>99999999999</credChangeDuration>": {policy: pin.Policy{MinLen: 30}, minAge: 90 * 24 * time.Hour},
		"<failedLogon>1000000</failedLogon><credExpiresAfter>2147483647</credExpiresAfter><resetFailedLogonAttempts>2147483647</resetFailedLogonAttempts>": {
			policy: pin.Policy{MinLen: 4}, limit: 100, expires: 3650 * 24 * time.Hour, window: 24 * time.Hour,
		},
	} {
		got := readRules(policy(t, inner))
		require.Equal(t, want, got, inner)
		require.NoError(t, got.policy.Validate())
	}
}

// A user has a policy of his own or the default, and each is read once in a while.
func TestPoliciesAreReadAndRemembered(t *testing.T) {
	f, s := start(t, nil)
	f.SetPolicy("Strict", func(p *fake.Policy) { *p = fake.Policy{FailedLogon: 10, Reset: time.Hour, MinLength: 8} })
	require.Equal(t, 3, s.Traits(mailbox.Account{}).Limit, "as the system is delivered")
	f.SetPolicy(fake.DefaultPolicy, func(p *fake.Policy) { p.FailedLogon = 7 })
	f.Put(fake.Person{ID: "usual", Extension: "2041", Status: 1}, code(t, hers))
	f.Put(fake.Person{ID: "strict", Extension: "2042", Status: 1, Policy: "Strict"}, code(t, hers))
	f.Put(fake.Person{ID: "lost", Extension: "2043", Status: 1, Policy: "Gone"}, code(t, hers))
	for range 2 {
		usual, strict := found(t, s, "2041"), found(t, s, "2042")
		require.Equal(t, 6, usual.Rules.MinLen)
		require.Equal(t, 8, strict.Rules.MinLen)
		require.Equal(t, 10, s.Traits(strict).Limit)
		require.Equal(t, time.Hour, s.Traits(strict).Window)
		require.Equal(t, 7, s.Traits(usual).Limit)
		require.Equal(t, 7, s.Traits(mailbox.Account{ID: "unread"}).Limit, "the default's")
	}
	require.Equal(t, 2, f.Orders().Seen(fake.OpPolicy))
	require.Equal(t, 1, f.Orders().Seen(fake.OpDefault))
	require.Nil(t, found(t, s, "2043").Rules, "a policy that is not there is not told")
	f.SetPolicy("Strict", func(p *fake.Policy) { p.FailedLogon = 0 })
	s.rules.Keep = 0
	require.Equal(t, 3, s.Traits(mailbox.Account{ID: "strict"}).Limit)

	g, u := start(t, func(o *Options) { o.RulesFor = 0 })
	g.Put(fake.Person{ID: "usual", Extension: "2041", Status: 1}, code(t, hers))
	found(t, u, "2041")
	found(t, u, "2041")
	require.Equal(t, 2, g.Orders().Seen(fake.OpPolicy))
}

// Before version 10 the system does not tell its default.
func TestAnOldSystemsDefaultIsNotKnown(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Version = "9.1" })
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	require.Nil(t, a.Rules)
	require.Equal(t, mailbox.Trivial, change(t, s, a, hers, "777123").Reason, "the system refuses by itself")
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
}

// A fault is the system's own word, and the policy stays unknown; a line that fails is not.
func TestAPolicyThatIsNotTold(t *testing.T) {
	f, s := start(t, nil)
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1, Policy: "Own"}, code(t, hers))
	f.SetPolicy("Own", func(p *fake.Policy) { p.MinLength = 6 })
	for _, order := range []trouble.Order{
		{Kind: trouble.Status, Status: 403},
		{Kind: trouble.Status, Status: 500, Type: "text/xml", Body: `<s:Envelope xmlns:s="` + soapSpace +
			`"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>not allowed</faultstring></s:Fault></s:Body></s:Envelope>`},
	} {
		f.Orders().Give(fake.OpPolicy, order)
		require.Nil(t, found(t, s, "2041").Rules)
	}
	for _, kind := range []trouble.Kind{trouble.CutBefore, trouble.Malformed, trouble.HTML} {
		f.Orders().Give(fake.OpPolicy, trouble.Order{Kind: kind})
		_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	}
	require.NotNil(t, found(t, s, "2041").Rules)
}

func TestTimesAreBelievedWithAKnownZone(t *testing.T) {
	want := time.Date(2012, time.November, 24, 18, 0, 39, 0, time.UTC)
	for text, known := range map[string]bool{
		"November 24, 2012 18:00:39 GMT": true, "November 24, 2012 18:00:39 UTC": true,
		"November 24, 2012 18:00:39 CET": false, "November 24, 2012 18:00:39": false, "true": false, "": false,
		"2012-11-24 18:00:39 GMT": false, "November 31, 2012 18:00:39 GMT": false,
	} {
		got := moment(text)
		require.Equal(t, !known, got.IsZero(), text)
		if known {
			require.True(t, want.Equal(got))
		}
	}
	u := user{changed: want, now: want.Add(-time.Hour)}
	_, known := u.age()
	require.False(t, known, "a time that has yet to come is of a clock that is wrong")
}
