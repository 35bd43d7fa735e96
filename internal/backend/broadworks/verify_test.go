package broadworks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/broadworks/fake"
	"star97/internal/mailbox"
)

func TestACodeIsCheckedByTheNumberOrCompared(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		way        Verify
		numbers    []string
		right      mailbox.Code
		wrong      mailbox.Code
		asked      int // checks by the system
		wrongCount int
	}{
		"auto with a number":       {Auto, nil, mailbox.OK, mailbox.WrongPIN, 2, 1},
		"auto without a number":    {Auto, []string{"-"}, mailbox.OK, mailbox.WrongPIN, 0, 0},
		"dn with a number":         {ByDN, nil, mailbox.OK, mailbox.WrongPIN, 2, 1},
		"dn without a number":      {ByDN, []string{"-"}, mailbox.ServiceRefused, mailbox.ServiceRefused, 0, 0},
		"compare with a number":    {Compare, nil, mailbox.OK, mailbox.WrongPIN, 0, 0},
		"compare without a number": {Compare, []string{"-"}, mailbox.OK, mailbox.WrongPIN, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := start(t, fake.Settings{}, func(o *Options) { o.Verify = c.way })
			a := f.Put(mailbox.Account{Extension: "2041", Numbers: c.numbers}, hers)
			require.Equal(t, c.right, verify(t, s, a, hers))
			require.Equal(t, c.wrong, verify(t, s, a, fresh))
			require.Equal(t, c.asked, f.Orders().Seen(fake.OpVerify))
			require.Equal(t, c.wrongCount, f.Wrong(a.ID))
		})
	}
}

func TestTheNumberIsWrittenAsTheOptionsSay(t *testing.T) {
	p := person{dn: "+1-2015550143"}
	for form, want := range map[NumberForm]string{AsShown: "+1-2015550143", AsDigits: "12015550143", PlusDigits: "+12015550143"} {
		require.Equal(t, want, (&Store{o: Options{NumberForm: form}}).number(p))
	}
}

func TestOlderRequestsCheckCodes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"AuthenticationVerifyRequest", "AuthenticationVerifyRequest14sp8", "AuthenticationVerifyRequest21sp1", "AuthenticationVerifyRequest22V3"} {
		f, s := start(t, fake.Settings{Verifier: name}, func(o *Options) { o.VerifyRequest = name })
		a := f.Put(mailbox.Account{Extension: "2041"}, hers)
		require.Equal(t, mailbox.OK, verify(t, s, a, hers), name)
		require.Equal(t, mailbox.WrongPIN, verify(t, s, a, fresh), name)
	}
	f, s := start(t, fake.Settings{Verifier: "AuthenticationVerifyRequest22"}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	err := s.Verify(t.Context(), a, code(t, hers), mailbox.Attempt{})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "error 6004")
	require.ErrorContains(t, err, "another verify_request")
}

func TestTheErrorForAWrongCodeIsTheTables(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{WrongNumber: 4711}, func(o *Options) { o.Errors = []Meaning{{4711, "", "wrong-pin"}} })
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	require.Equal(t, mailbox.WrongPIN, verify(t, s, a, fresh))
	f, s = start(t, fake.Settings{WrongNumber: 4711}, func(o *Options) { o.Errors = nil })
	a = f.Put(mailbox.Account{Extension: "2041"}, hers)
	err := s.Verify(t.Context(), a, code(t, fresh), mailbox.Attempt{})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "a code is called wrong only where that is known")
	require.ErrorContains(t, err, "error 4711: if that is its answer to a wrong code, add it to errors as wrong-pin")
	for _, settings := range []fake.Settings{{ErrorCodes: true}, {ErrorCodes: true, NoBrackets: true}, {NoBrackets: true}} {
		f, s := start(t, settings, nil)
		a := f.Put(mailbox.Account{Extension: "2041"}, hers)
		require.Equal(t, mailbox.WrongPIN, verify(t, s, a, fresh))
	}
}

func TestADisabledLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		way      Verify
		told     mailbox.Code // setting
		right    mailbox.Code
		wrong    mailbox.Code
		disabled bool // the flag
		says     string
	}{
		"checked, locked":    {ByDN, mailbox.Locked, mailbox.Locked, mailbox.Locked, false, ""},
		"compared, locked":   {Compare, mailbox.Locked, mailbox.Locked, mailbox.WrongPIN, false, "as wrong codes do: an administrator enables it"},
		"compared, disabled": {Compare, mailbox.Disabled, mailbox.Disabled, mailbox.WrongPIN, true, "is disabled: an administrator can"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := start(t, fake.Settings{}, func(o *Options) { o.Verify, o.LoginDisabled = c.way, c.told.String() })
			a := f.Put(mailbox.Account{Extension: "2041"}, hers)
			f.Disable(a.ID, true)
			err := s.Verify(t.Context(), a, code(t, hers), mailbox.Attempt{})
			require.Equal(t, c.right, mailbox.CodeOf(err))
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.wrong, verify(t, s, a, fresh))
			require.Equal(t, c.disabled, lookup(t, s, "2041")[0].Flags.Disabled)
			r := change(t, s, a, hers, fresh)
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, c.right, r.Reason)
			require.Zero(t, f.Orders().Seen(fake.OpWrite))
		})
	}
	// A system that calls the right code of a disabled login wrong.
	f, s := start(t, fake.Settings{}, func(o *Options) { o.Errors = []Meaning{{5202, "", "wrong-pin"}} })
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	f.Disable(a.ID, true)
	require.Equal(t, mailbox.Locked, verify(t, s, a, hers))
}

// A system may take the right code of a disabled login.
func TestADisabledLoginChangesNothing(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{Lax: true}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	f.Disable(a.ID, true)
	require.Equal(t, mailbox.OK, verify(t, s, a, hers))
	require.Equal(t, mailbox.Locked, change(t, s, a, hers, fresh).Reason)
	require.Zero(t, f.Orders().Seen(fake.OpWrite))
}

// A system that shows stars cannot be compared with.
func TestACodeThatIsHiddenIsNeverCompared(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{Hide: true}, func(o *Options) { o.Verify = Compare })
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	err := s.Verify(t.Context(), a, code(t, hers), mailbox.Attempt{})
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "set verify to dn")
	require.False(t, lookup(t, s, "2041")[0].Flags.NoCode)
	require.Equal(t, mailbox.ServiceRefused, change(t, s, a, hers, fresh).Reason)

	f, s = start(t, fake.Settings{Hide: true}, func(o *Options) { o.Verify = ByDN })
	a = f.Put(mailbox.Account{Extension: "2041"}, hers)
	require.Equal(t, mailbox.OK, verify(t, s, a, hers))
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
}

// A number that has become another user's must not let him in.
func TestANumberThatHasMoved(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	b := f.Put(mailbox.Account{Extension: "2042"}, fresh)
	require.Equal(t, mailbox.OK, verify(t, s, a, hers))
	f.Move(a.ID, b.ID)
	err := s.Verify(t.Context(), a, code(t, fresh), mailbox.Attempt{})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "another user's by now")
	require.Equal(t, mailbox.OK, verify(t, s, a, hers), "now that is known, and the codes are compared")
	f.Remove(a.ID)
	require.Equal(t, mailbox.NotFound, verify(t, openStore(t, s.o), a, hers))
}

// Nobody costs what somebody costs: a search and a check.
func TestNobodyIsAskedForLikeSomebody(t *testing.T) {
	t.Parallel()
	for way, op := range map[Verify]string{Auto: fake.OpVerify, ByDN: fake.OpVerify, Compare: fake.OpInfo} {
		f, s := start(t, fake.Settings{}, func(o *Options) { o.Verify = way })
		for i, domain := range []string{"", fake.OtherDomain, "unknown.example"} {
			require.Equal(t, mailbox.WrongPIN, verify(t, s, mailbox.Account{Domain: domain}, hers))
			require.Equal(t, i+1, f.Orders().Seen(op))
			require.Equal(t, i+1, f.Orders().Seen(fake.OpFind))
		}
		f.Close()
		require.Equal(t, mailbox.Unavailable, verify(t, s, mailbox.Account{}, hers), "a dead system says nothing of nobody either")
	}
}
