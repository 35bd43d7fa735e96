package broadworks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/broadworks/fake"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// In AS data mode the current code that comes with a change is ignored: whoever sends it
// must have checked it.
func TestTheCurrentCodeIsCheckedInEveryMode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings fake.Settings
		send     bool
		sent     []string
	}{
		"AS":              {sent: []string{""}},
		"AS, it is sent":  {send: true, sent: []string{hers}},
		"XS, it is sent":  {settings: fake.Settings{XS: true}, send: true, sent: []string{hers}},
		"XS, it is not":   {settings: fake.Settings{XS: true}, sent: []string{""}},
		"a warning comes": {settings: fake.Settings{Warnings: true}, sent: []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := start(t, c.settings, func(o *Options) { o.OldPasscode = c.send })
			a := f.Put(mailbox.Account{Extension: "2041"}, hers)
			r := change(t, s, a, third, fresh)
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, mailbox.WrongPIN, r.Reason)
			require.Empty(t, f.Old(), "nothing was written")
			require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
			require.Equal(t, c.sent, f.Old())
			require.True(t, f.Has(a.ID, fresh))
		})
	}
}

// refused are new codes and what is told of them.
var refused = map[string]struct {
	next  string
	rules fake.Rules
	want  mailbox.Code
}{
	"short":            {"482", fake.Rules{Min: 4, Max: 10}, mailbox.TooShort},
	"long":             {"48291537064", fake.Rules{Min: 4, Max: 10}, mailbox.TooLong},
	"repeated digits":  {"444482", fake.Rules{Min: 4, Max: 10, Same: 3}, mailbox.Trivial},
	"rising":           {"912345", fake.Rules{Min: 4, Max: 10, Ascending: 4, Descending: 4}, mailbox.Trivial},
	"falling":          {"954321", fake.Rules{Min: 4, Max: 10, Ascending: 4, Descending: 4}, mailbox.Trivial},
	"the extension":    {"204100", fake.Rules{Min: 4, Max: 10, UserNumber: true}, mailbox.Trivial},
	"it reversed":      {"001402", fake.Rules{Min: 4, Max: 10, ReversedNumber: true}, mailbox.Trivial},
	"the current one":  {hers, fake.Rules{Min: 4, Max: 10, Old: 1}, mailbox.InHistory},
	"it reversed, too": {"519284", fake.Rules{Min: 4, Max: 10, ReversedOld: true}, mailbox.InHistory},
}

func TestACodeThatBreaksARuleIsRefusedBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := start(t, fake.Settings{}, nil)
			f.Set(func(_ *fake.Settings, r *fake.Rules) { *r = c.rules })
			a := f.Put(mailbox.Account{Extension: "204100"}, hers)
			r := change(t, s, a, hers, c.next)
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, c.want, r.Reason, "%v", r.Err)
			require.Empty(t, f.Old())
		})
	}
}

func TestACodeThatTheSystemRefuses(t *testing.T) {
	t.Parallel()
	for _, settings := range []fake.Settings{{NoRules: true}, {NoRules: true, ErrorCodes: true}, {NoRules: true, NoBrackets: true}} {
		for name, c := range refused {
			f, s := start(t, settings, nil)
			f.Set(func(_ *fake.Settings, r *fake.Rules) { *r = c.rules })
			a := f.Put(mailbox.Account{Extension: "204100"}, hers)
			r := change(t, s, a, hers, c.next)
			require.Equal(t, mailbox.Refused, r.Outcome, name)
			require.Equal(t, c.want, r.Reason, "%s: %v", name, r.Err)
			require.True(t, f.Has(a.ID, hers))
			require.Equal(t, mailbox.OK, verify(t, s, a, hers))
		}
	}
	// What the policy of this program cannot express is the system's to refuse.
	for next, want := range map[string]mailbox.Code{"482482": mailbox.Trivial, third: mailbox.InHistory} {
		f, s := start(t, fake.Settings{}, nil)
		f.Set(func(_ *fake.Settings, r *fake.Rules) { r.Patterns, r.Old = true, 3 })
		a := f.Put(mailbox.Account{Extension: "2041"}, third)
		require.Equal(t, mailbox.Proved(), change(t, s, a, third, hers))
		r := change(t, s, a, hers, next)
		require.Equal(t, want, r.Reason, "%v", r.Err)
	}
	f, s := start(t, fake.Settings{NoRules: true}, func(o *Options) { o.Errors = []Meaning{{5404, "", session}} })
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	r := change(t, s, a, hers, "1")
	require.Equal(t, mailbox.PolicyOther, r.Reason, "what nobody knows")
	require.ErrorContains(t, r.Err, "error 8102")
}

func TestALoginOfWrongCodesIsNotOpenedByItsOwner(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	f.Disable(a.ID, true)
	require.Equal(t, mailbox.Locked, change(t, s, a, hers, fresh).Reason)
	reset := func(next string) mailbox.Result {
		return s.Reset(t.Context(), a, code(t, next), false, "admin", "forgotten")
	}
	require.Equal(t, mailbox.Proved(), reset(fresh))
	require.Equal(t, mailbox.OK, verify(t, s, a, fresh), "a new code of an administrator enables the login")

	f.Set(func(s *fake.Settings, _ *fake.Rules) { s.StaysClosed = true })
	f.Disable(a.ID, true)
	require.Equal(t, mailbox.Proved(), reset(third), "it is read back where the login stays disabled")
	require.Equal(t, mailbox.Locked, verify(t, s, a, third))
}

func TestAReset(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{XS: true}, func(o *Options) { o.OldPasscode = true })
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	r := s.Reset(t.Context(), a, code(t, fresh), true, "admin", "")
	require.Equal(t, mailbox.PolicyOther, r.Reason)
	require.Empty(t, f.Old(), "never half of it")
	require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, code(t, fresh), false, "admin", ""))
	require.Equal(t, []string{""}, f.Old(), "there is no current code to send")
	require.Equal(t, mailbox.TooShort, s.Reset(t.Context(), a, code(t, "1"), false, "admin", "").Reason)

	// Where there is no number, the code is read back; where it may not be read, it is in doubt.
	b := f.Put(mailbox.Account{Extension: "2042", Numbers: []string{"-"}}, "")
	require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), b, code(t, fresh), false, "admin", ""))
	blind := s.o
	blind.Verify, blind.NoStates = ByDN, true
	r = openStore(t, blind).Reset(t.Context(), b, code(t, third), false, "admin", "")
	require.Equal(t, mailbox.Unknown, r.Outcome)
	require.True(t, f.Has(b.ID, third))
}

// Those who waited while their code was replaced do not try it at the system.
func TestCallersWithOneCodeSpendNoTries(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	mine, err := s.turns.Take(t.Context(), "change", a.ID, pin.PIN{})
	require.NoError(t, err)
	results := make(chan mailbox.Result)
	const callers = 4
	for range callers {
		go func() { results <- change(t, s, a, hers, fresh) }()
	}
	require.Eventually(t, func() bool { return s.turns.Waiting(a.ID) == 1+callers }, 10*time.Second, time.Millisecond)
	mine.End()
	done := 0
	for range callers {
		if r := <-results; r.Outcome == mailbox.Done {
			done++
		} else {
			require.Equal(t, mailbox.WrongPIN, r.Reason)
		}
	}
	require.Equal(t, 1, done)
	require.Equal(t, 2, f.Orders().Seen(fake.OpVerify), "the code before, and the code after")
}

// What a change replaced can be in force again after an administrator's reset.
func TestAResetForgetsWhatAChangeReplaced(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, fresh)
	before, err := s.turns.Take(t.Context(), "change", a.ID, pin.PIN{})
	require.NoError(t, err)
	before.Replaced(code(t, hers), code(t, fresh))
	results := make(chan mailbox.Result, 2)
	for i, wait := range []func() mailbox.Result{
		func() mailbox.Result { return s.Reset(t.Context(), a, code(t, hers), false, "admin", "") },
		func() mailbox.Result { return change(t, s, a, hers, third) },
	} {
		// One who waits: started here, in this order; stops when it is answered.
		go func() { results <- wait() }()
		require.Eventually(t, func() bool { return s.turns.Waiting(a.ID) == i+2 }, 10*time.Second, time.Millisecond)
	}
	before.End()
	for range 2 {
		require.Equal(t, mailbox.Proved(), <-results)
	}
	require.True(t, f.Has(a.ID, third))
}

func TestNothingIsWrittenWhereTheCurrentCodeIsInDoubt(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	f.Orders().Give(fake.OpVerify, trouble.Order{Kind: trouble.CutAfter})
	r := change(t, s, a, hers, fresh)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.Unavailable, r.Reason)
	require.Zero(t, f.Orders().Seen(fake.OpWrite))
	require.Equal(t, mailbox.TooShort, s.Change(t.Context(), a, code(t, hers), pin.PIN{}, mailbox.Attempt{}).Reason)
}
