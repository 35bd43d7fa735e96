package backend

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

const (
	hers  = "482915"
	his   = "739164"
	fresh = "60617238"
)

// openLeaning opens a default store that leans, and another one named north.
func openLeaning(t *testing.T, lean func(*Options), by Delegates) *Router {
	t.Helper()
	dir := t.TempDir()
	o := in(dir, "star97.db")
	lean(&o)
	require.NoError(t, o.Validate())
	r, err := OpenAll(t.Context(), o, map[string]Options{"north": in(dir, "north.db")}, by)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// put adds a mailbox to one of a Router's stores.
func put(t *testing.T, r *Router, store int, a mailbox.Account, code string) mailbox.Account {
	t.Helper()
	made, err := r.stores[store].Backend.(mailbox.Admin).Add(t.Context(), a, conformance.Code(t, code), "test")
	require.NoError(t, err)
	return made
}

func ask(t *testing.T, r *Router, a mailbox.Account, code string, at mailbox.Attempt) mailbox.Code {
	t.Helper()
	return mailbox.CodeOf(r.Verify(t.Context(), a, conformance.Code(t, code), at))
}

func only(t *testing.T, r *Router, extension string) mailbox.Account {
	t.Helper()
	found, err := r.Lookup(t.Context(), mailbox.Query{Number: extension})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func byNorth(o *Options) { o.Verify = Verify{By: "store", Name: "north"} }

func TestAnotherStoreChecksTheCode(t *testing.T) {
	r := openLeaning(t, byNorth, nil)
	put(t, r, 0, mailbox.Account{Extension: "4001"}, his)
	put(t, r, 1, mailbox.Account{Extension: "4001"}, hers)
	a := only(t, r, "4001")
	require.Equal(t, mailbox.OK, ask(t, r, a, hers, at))
	require.Equal(t, mailbox.WrongPIN, ask(t, r, a, his, at), "the store's own code is not asked for")
	require.Equal(t, mailbox.WrongPIN, ask(t, r, mailbox.Account{}, hers, at), "nobody's code is never right")
	require.Equal(t, mailbox.Delegated, r.Traits(a).Check)
	require.Equal(t, mailbox.ByTransaction, r.Traits(a).Proof)
}

func TestWhomTheOtherStoreDoesNotKnowNobodyChecks(t *testing.T) {
	r := openLeaning(t, byNorth, nil)
	put(t, r, 0, mailbox.Account{Extension: "4001"}, hers)
	own := at
	own.Door = mailbox.OwnDoor
	require.Equal(t, mailbox.ServiceRefused, ask(t, r, only(t, r, "4001"), hers, own))
	require.Equal(t, mailbox.WrongPIN, ask(t, r, only(t, r, "4001"), hers, at), "a stranger learns of no mailbox")

	for _, extension := range []string{"4002", "4003"} {
		put(t, r, 1, mailbox.Account{Extension: extension, Numbers: []string{"4001"}}, hers)
	}
	require.Equal(t, mailbox.Ambiguous, ask(t, r, only(t, r, "4001"), hers, own), "two could be meant")
	require.Equal(t, mailbox.WrongPIN, ask(t, r, only(t, r, "4001"), hers, at))
}

// counting is a delegate for one question.
type counting struct {
	right pin.PIN
	asked atomic.Int32
}

func (c *counting) Verify(_ context.Context, _ mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	c.asked.Add(1)
	if code.Equal(&c.right) {
		return nil
	}
	return mailbox.Fail("verify", mailbox.WrongPIN, nil)
}

// A call whose code a one-time delegate has proved is not put to the question again for
// its change; any other call is, and so is a second change.
func TestAChangeAsksTheDelegateOnce(t *testing.T) {
	c := &counting{right: conformance.Code(t, hers)}
	r := openLeaning(t, func(o *Options) { o.Verify = Verify{By: "probe", Name: "pilot"} }, func(context.Context, Verify) (mailbox.Verifier, error) { return c, nil })
	put(t, r, 0, mailbox.Account{Extension: "4001"}, hers)
	a := only(t, r, "4001")
	change := func(current, next string, at mailbox.Attempt) mailbox.Result {
		return r.Change(t.Context(), a, conformance.Code(t, current), conformance.Code(t, next), at)
	}
	mine, other := at, at
	mine.Call, other.Call = 7, 8

	require.Equal(t, mailbox.OK, ask(t, r, a, hers, mine))
	require.Equal(t, mailbox.WrongPIN, change(his, fresh, mine).Reason, "not the code that was proved")
	require.Equal(t, mailbox.WrongPIN, change(his, fresh, other).Reason)
	require.EqualValues(t, 3, c.asked.Load())
	require.Equal(t, mailbox.TooShort, change(hers, "", mine).Reason)
	require.Equal(t, mailbox.Done, change(hers, fresh, mine).Outcome, "a refused new code costs no proof")
	require.EqualValues(t, 3, c.asked.Load(), "proved before")
	change(hers, fresh, mine)
	require.EqualValues(t, 4, c.asked.Load(), "the proof is used up")
}

// An owner may change the code while a call that knows the old one is still up.
func TestAChangeAsksAnotherStoreAgain(t *testing.T) {
	r := openLeaning(t, byNorth, nil)
	put(t, r, 0, mailbox.Account{Extension: "4001"}, hers)
	twin := put(t, r, 1, mailbox.Account{Extension: "4001"}, hers)
	a, mine := only(t, r, "4001"), at
	mine.Call = 7
	require.Equal(t, mailbox.OK, ask(t, r, a, hers, mine))
	require.Equal(t, mailbox.Done, r.stores[1].Change(t.Context(), twin, conformance.Code(t, hers), conformance.Code(t, his), at).Outcome)
	require.Equal(t, mailbox.WrongPIN, r.Change(t.Context(), a, conformance.Code(t, hers), conformance.Code(t, fresh), mine).Reason)
}

// Where callers show one-time codes no code of theirs counts, and who was let in gets
// the new one.
func TestOneTimeCodesStandForAll(t *testing.T) {
	r := openLeaning(t, func(o *Options) { o.Verify = Verify{By: "otp"} }, nil)
	require.NoError(t, r.Serve(map[string]string{"north.example": "north"}))
	require.True(t, r.OneTime(""))
	require.False(t, r.OneTime("north.example"))
	require.False(t, r.OneTime("nowhere.example"))
	put(t, r, 0, mailbox.Account{Extension: "4001"}, hers)
	a := only(t, r, "4001")
	require.Equal(t, mailbox.ServiceRefused, ask(t, r, a, hers, at))
	require.Equal(t, mailbox.ServiceRefused, r.Change(t.Context(), a, conformance.Code(t, hers), conformance.Code(t, his), at).Reason)
	claimed := at
	claimed.Claim, claimed.Call = mailbox.ByOneTime, 7
	require.Equal(t, mailbox.Done, r.Grant(t.Context(), a, conformance.Code(t, fresh), claimed).Outcome)
	require.NoError(t, r.stores[0].Verify(t.Context(), a, conformance.Code(t, fresh), at), "by the store itself")

	again := claimed
	again.Claim = mailbox.ByCode
	require.Equal(t, mailbox.ServiceRefused, r.Change(t.Context(), a, conformance.Code(t, hers), conformance.Code(t, his), again).Reason)
	require.Equal(t, mailbox.Done, r.Change(t.Context(), a, conformance.Code(t, fresh), conformance.Code(t, his), again).Outcome,
		"the call knows the code that it chose")
}

// What another store still calls right says nothing of a change in this one.
func TestADelegateDoesNotSettleARefusal(t *testing.T) {
	r := openLeaning(t, byNorth, nil)
	put(t, r, 0, mailbox.Account{Extension: "4001"}, hers)
	put(t, r, 1, mailbox.Account{Extension: "4001"}, hers)
	a := only(t, r, "4001")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	doubt := mailbox.Doubt(io.ErrUnexpectedEOF)
	got := mailbox.Settle(ctx, r, a, conformance.Code(t, hers), conformance.Code(t, fresh), at, doubt)
	require.Equal(t, mailbox.Unknown, got.Outcome)
	got = mailbox.Settle(t.Context(), r, a, conformance.Code(t, his), conformance.Code(t, hers), at, doubt)
	require.Equal(t, mailbox.Done, got.Outcome, "that it calls the new code right does")
}

func TestProofsAreBoundedAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p proofs
		code := conformance.Code(t, hers)
		a := mailbox.Account{ID: "a"}
		for call := range uint64(2 * maxProofs) {
			p.keep(a, code, mailbox.Attempt{Call: call + 1})
		}
		require.Len(t, p.kept, maxProofs)
		first := mailbox.Attempt{Call: 1}
		require.True(t, p.have(a, &code, first))
		require.False(t, p.have(mailbox.Account{ID: "b"}, &code, first), "another mailbox")
		p.keep(a, code, mailbox.Attempt{})
		require.False(t, p.have(a, &code, mailbox.Attempt{}), "outside a call nothing is remembered")
		time.Sleep(proofTime)
		synctest.Wait()
		require.Empty(t, p.kept)
	})
}

func TestCallersAreFoundInAnotherStore(t *testing.T) {
	r := openLeaning(t, func(o *Options) { o.Find = "north" }, nil)
	put(t, r, 0, mailbox.Account{Extension: "4001"}, hers)
	put(t, r, 0, mailbox.Account{Extension: "4002"}, his)
	put(t, r, 1, mailbox.Account{Extension: "4001", Name: "Ada Example", Language: "es-ES", Numbers: []string{"12015550143"}}, his)
	put(t, r, 1, mailbox.Account{Extension: "4003"}, his)

	a := only(t, r, "12015550143")
	require.Equal(t, "4001", a.Extension)
	require.Equal(t, "Ada Example", a.Name)
	require.Equal(t, "es-ES", a.Language)
	require.Equal(t, mailbox.OK, ask(t, r, a, hers, at), "the code is that of the store itself")
	for _, extension := range []string{"4002", "4003"} {
		found, err := r.Lookup(t.Context(), mailbox.Query{Number: extension})
		require.NoError(t, err)
		require.Empty(t, found, "known to one store alone")
	}
}

func TestWhatLeansOnNothingIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		lean func(*Options)
		want string
	}{
		"no such store": {func(o *Options) { o.Verify = Verify{By: "store", Name: "south"} }, "store default: verify: there is no store south: use one of default, north"},
		"itself":        {func(o *Options) { o.Find = DefaultName }, "find: a store cannot lean on itself"},
		"no service":    {func(o *Options) { o.Verify = Verify{By: "probe", Name: "pilot"} }, "by probe is for the service"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := in(dir, "star97.db")
			c.lean(&o)
			_, err := OpenAll(t.Context(), o, map[string]Options{"north": in(dir, "north.db")}, nil)
			require.ErrorContains(t, err, c.want)
		})
	}
	for want, v := range map[string]Verify{
		`verify.by is "aliens": write store, probe or otp`: {By: "aliens"},
		"verify.name is empty: name the probe":             {By: "probe"},
		`verify.name is "north" without verify.by`:         {Name: "north"},
	} {
		o := DefaultOptions()
		o.Verify = v
		require.ErrorContains(t, o.Validate(), want)
	}
}
