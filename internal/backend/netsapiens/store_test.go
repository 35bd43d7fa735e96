package netsapiens

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/netsapiens/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

const (
	first  = "482915"
	second = "739164"
)

var nobodyTries = mailbox.Attempt{Door: mailbox.OwnDoor}

func find(t testing.TB, s *Store, number, domain string) mailbox.Account {
	t.Helper()
	found, err := s.Lookup(t.Context(), mailbox.Query{Number: number, Domain: domain})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func change(t testing.TB, s *Store, a mailbox.Account, current, next string) mailbox.Result {
	t.Helper()
	return s.Change(t.Context(), a, code(t, current), code(t, next), nobodyTries)
}

// A server that gives codes as numbers has lost the zeros in front of them.
func TestACodeGivenAsANumber(t *testing.T) {
	for name, c := range map[string]struct {
		stored, tried string
		zeros         bool
		want          mailbox.Code
	}{
		"the digits that show":                           {"41729", "41729", false, mailbox.OK},
		"a lost zero is not believed by default":         {"041729", "041729", false, mailbox.WrongPIN},
		"a lost zero is believed by setting":             {"041729", "041729", true, mailbox.OK},
		"the setting believes any zeros":                 {"041729", "00041729", true, mailbox.OK},
		"the setting believes no other digit":            {"041729", "141729", true, mailbox.WrongPIN},
		"the setting believes no zero behind":            {"041729", "417290", true, mailbox.WrongPIN},
		"the setting does not make an empty code a code": {"041729", "", true, mailbox.WrongPIN},
		"zeros alone may never have been a code":         {"0000", "0000", true, mailbox.NoCode},
	} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{AsNumber: true})
			o := keyed(t, f)
			o.LeadingZeros = c.zeros
			s := openStore(t, o)
			a := f.Put(mailbox.Account{Extension: "4001"}, c.stored)
			require.Equal(t, c.want, mailbox.CodeOf(s.Verify(t.Context(), a, code(t, c.tried), nobodyTries)))
		})
	}
}

func TestANewCodeWithAZeroInFrontIsWrittenOnlyWhereItLasts(t *testing.T) {
	for name, c := range map[string]struct {
		asNumber bool
		writeAs  string
		want     mailbox.Outcome
		reason   mailbox.Code
	}{
		"text":                                 {false, writeSame, mailbox.Done, mailbox.OK},
		"number":                               {true, writeSame, mailbox.Refused, mailbox.PolicyOther},
		"number by setting":                    {false, writeNumber, mailbox.Refused, mailbox.PolicyOther},
		"number, written as text all the same": {true, writeText, mailbox.Refused, mailbox.PolicyOther},
	} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{AsNumber: c.asNumber})
			o := keyed(t, f)
			o.WriteAs = c.writeAs
			s := openStore(t, o)
			a := f.Put(mailbox.Account{Extension: "4001"}, first)
			r := change(t, s, a, first, "073916")
			require.Equal(t, c.want, r.Outcome, "%v", r.Err)
			require.Equal(t, c.reason, r.Reason)
			require.Equal(t, c.want == mailbox.Done, f.Has(a.ID, "073916"))
			require.Equal(t, c.want == mailbox.Done, f.Writes() == 1, "a refusal sends nothing")
		})
	}
}

// Where nobody's code has been seen, a zero in front is not risked.
func TestResetWithAZeroWaitsForAServerThatHasShownACode(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	s := openStore(t, keyed(t, f))
	a := f.Put(mailbox.Account{Extension: "4001"}, "")
	set := func() mailbox.Result { return s.Reset(t.Context(), a, code(t, "073916"), false, "test", "") }
	r := set()
	require.Equal(t, mailbox.PolicyOther, r.Reason)
	require.Zero(t, f.Writes())
	f.Put(mailbox.Account{Extension: "4002"}, first)
	find(t, s, "4002", "")
	require.Equal(t, mailbox.Proved(), set())
	require.True(t, f.Has(a.ID, "073916"))
}

func TestResetCannotMakeAnOwnerChooseAnotherCode(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	s := openStore(t, keyed(t, f))
	a := f.Put(mailbox.Account{Extension: "4001"}, first)
	r := s.Reset(t.Context(), a, code(t, second), true, "test", "")
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.PolicyOther, r.Reason)
	require.True(t, f.Has(a.ID, first))
}

// The trap of the four fields: PIN alone first, and all of them, unchanged, after a 400.
func TestWhatAChangeSends(t *testing.T) {
	for name, c := range map[string]struct {
		fields   string
		want     bool // the server wants four
		outcome  mailbox.Outcome
		requests int // of two changes
	}{
		"auto, where the code alone is enough":  {fieldsAuto, false, mailbox.Done, 2},
		"auto, where it is not, remembers that": {fieldsAuto, true, mailbox.Done, 3},
		"all at once":                           {fieldsAll, true, mailbox.Done, 2},
		"the code alone, where that is refused": {fieldsPIN, true, mailbox.Refused, 2},
		"the code alone, where that is welcome": {fieldsPIN, false, mailbox.Done, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{WantFour: c.want})
			o := keyed(t, f)
			o.Fields = c.fields
			s := openStore(t, o)
			a := f.Put(mailbox.Account{Extension: "4001", Name: `Ada "Countess" Example é`}, first)
			b := f.Put(mailbox.Account{Extension: "4002", Name: "Bea Example"}, first)
			before := f.Four(a.ID)
			for _, a := range []mailbox.Account{a, b} {
				r := change(t, s, a, first, second)
				require.Equal(t, c.outcome, r.Outcome, "%v", r.Err)
				require.Equal(t, c.outcome == mailbox.Done, f.Has(a.ID, second))
				if c.outcome == mailbox.Refused {
					require.Equal(t, mailbox.PolicyOther, r.Reason)
					require.ErrorContains(t, r.Err, "Required field is missing")
				}
			}
			require.Equal(t, c.requests, f.Orders().Seen(fake.OpWrite))
			require.Equal(t, before, f.Four(a.ID), "what is sent along is what was there")
		})
	}
}

// The fake quotes the code that it refuses, as a real server might.
func TestARefusalDoesNotQuoteTheCode(t *testing.T) {
	for name, options := range map[string]func(testing.TB, *fake.Server) Options{v2: keyed, v1: overV1} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{MaxDigits: 8})
			s := openStore(t, options(t, f))
			a := f.Put(mailbox.Account{Extension: "4001"}, first)
			r := change(t, s, a, first, "7391648250")
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, mailbox.PolicyOther, r.Reason)
			require.ErrorContains(t, r.Err, "answered 400")
			require.NotContains(t, fmt.Sprintf("%+v", r.Err), "7391")
			require.True(t, f.Has(a.ID, first))
		})
	}
}

func TestAChangeIsDoneWhenItShows(t *testing.T) {
	for name, c := range map[string]struct {
		delay time.Duration
		want  mailbox.Outcome
	}{
		"at once":                 {0, mailbox.Done},
		"after a while":           {200 * time.Millisecond, mailbox.Done},
		"later than anyone waits": {time.Hour, mailbox.Unknown},
		"never":                   {fake.Never, mailbox.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake.New(t, fake.Settings{Delay: c.delay})
			o := keyed(t, f)
			if c.want == mailbox.Unknown {
				o.ReadBack = 300 * time.Millisecond
			}
			s := openStore(t, o)
			a := f.Put(mailbox.Account{Extension: "4001"}, first)
			r := change(t, s, a, first, second)
			require.Equal(t, c.want, r.Outcome, "%v", r.Err)
			require.Equal(t, 1, f.Writes(), "a write is never repeated")
			if c.want == mailbox.Unknown {
				require.ErrorContains(t, r.Err, "did not show in time")
			}
		})
	}
}

// An outer Settled asks which code is in force once Lag is over.
func TestADoubtIsSettledWhenTheSiteHasCaughtUp(t *testing.T) {
	f := fake.New(t, fake.Settings{Delay: 600 * time.Millisecond})
	o := keyed(t, f)
	o.ReadBack, o.Lag = 100*time.Millisecond, time.Second
	s := openStore(t, o)
	a := f.Put(mailbox.Account{Extension: "4001"}, first)
	require.Equal(t, time.Second, s.Lag(a))
	r := mailbox.Settled(s, 20*time.Second).Change(t.Context(), a, code(t, first), code(t, second), nobodyTries)
	require.Equal(t, mailbox.Proved(), r)
}

func TestTroubleWithTheWriteIsDoubtOrRefusalButNeverDone(t *testing.T) {
	for name, c := range map[string]struct {
		order trouble.Order
		want  mailbox.Outcome
		why   mailbox.Code
	}{
		"cut before":       {trouble.Order{Kind: trouble.CutBefore}, mailbox.Unknown, mailbox.OutcomeUnknown},
		"cut after":        {trouble.Order{Kind: trouble.CutAfter}, mailbox.Unknown, mailbox.OutcomeUnknown},
		"500":              {trouble.Order{Kind: trouble.Status}, mailbox.Unknown, mailbox.OutcomeUnknown},
		"403":              {trouble.Order{Kind: trouble.Status, Status: http.StatusForbidden}, mailbox.Refused, mailbox.ServiceRefused},
		"404":              {trouble.Order{Kind: trouble.Status, Status: http.StatusNotFound}, mailbox.Refused, mailbox.NotFound},
		"409":              {trouble.Order{Kind: trouble.Status, Status: http.StatusConflict}, mailbox.Refused, mailbox.PolicyOther},
		"429":              {trouble.Order{Kind: trouble.Status, Status: http.StatusTooManyRequests}, mailbox.Refused, mailbox.Throttled},
		"302":              {trouble.Order{Kind: trouble.Status, Status: http.StatusFound}, mailbox.Unknown, mailbox.OutcomeUnknown},
		"nothing was done": {trouble.Order{Kind: trouble.Empty}, mailbox.Unknown, mailbox.OutcomeUnknown},
		"a page, done":     {trouble.Order{Kind: trouble.HTML, Applied: true}, mailbox.Done, mailbox.OK},
	} {
		for version, options := range map[string]func(testing.TB, *fake.Server) Options{v2: keyed, v1: overV1} {
			t.Run(version+" "+name, func(t *testing.T) {
				t.Parallel()
				f := fake.New(t, fake.Settings{})
				o := options(t, f)
				if c.want != mailbox.Done {
					o.ReadBack = 200 * time.Millisecond
				}
				s := openStore(t, o)
				a := f.Put(mailbox.Account{Extension: "4001"}, first)
				f.Orders().Give(fake.OpWrite, c.order)
				r := change(t, s, a, first, second)
				require.Equal(t, c.want, r.Outcome, "%v", r.Err)
				require.Equal(t, c.why, r.Reason)
				require.LessOrEqual(t, f.Writes(), 1)
			})
		}
	}
}

func TestVerifyOfNobodyCostsTheSameRequest(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	s := openStore(t, keyed(t, f))
	for i, domain := range []string{"", otherDomain, "foreign.example"} {
		err := s.Verify(t.Context(), mailbox.Account{Domain: domain}, code(t, first), nobodyTries)
		require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(err))
		require.Equal(t, i+1, f.Orders().Seen(fake.OpRead))
	}
}

// Two callers on one mailbox wait for each other, within their own patience.
func TestChangesOfOneMailboxDoNotCross(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	s := openStore(t, keyed(t, f))
	a := f.Put(mailbox.Account{Extension: "4001"}, first)
	at, ok := s.address(a)
	require.True(t, ok)
	turn, err := s.changes.Take(t.Context(), "change", at.id(), pin.PIN{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := s.Change(ctx, a, code(t, first), code(t, second), nobodyTries)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.Unavailable, r.Reason)
	require.Zero(t, f.Orders().Seen(trouble.Any))
	turn.End()
	require.Equal(t, mailbox.Proved(), change(t, s, a, first, second))
}

func TestTraits(t *testing.T) {
	s := openStore(t, keyed(t, fake.New(t, fake.Settings{})))
	require.Equal(t, Declared(), s.Traits(mailbox.Account{}))
	require.Equal(t, mailbox.AbilitiesOf(s), Declared().Can)
	require.NotEmpty(t, Declared().Unverified)
	var p pin.PIN
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(s.Verify(t.Context(), mailbox.Account{}, p, nobodyTries)))
}
