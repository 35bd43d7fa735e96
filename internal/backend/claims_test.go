package backend

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/netsapiens"
	shown "star97/internal/backend/netsapiens/fake"
	"star97/internal/backend/webhook"
	"star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/secret"
)

// openForeign opens a Router whose only store is a system that compares nothing when it
// resets a code.
func openForeign(t *testing.T) (*Router, *fake.Server) {
	t.Helper()
	f := fake.New(t)
	o := webhook.DefaultOptions()
	o.API.URL, o.API.TLS.CAFile = f.URL, f.CAFile
	o.API.Timeout = 10 * time.Second
	o.Keys = []webhook.Key{{ID: fake.KeyID, Secret: secret.Source{File: f.KeyFile}}}
	b, err := o.Open(t.Context())
	require.NoError(t, err)
	r := NewRouter(Named{Backend: b, Driver: "webhook"})
	t.Cleanup(func() { r.Close() })
	return r, f
}

// as is who asks with a claim.
func as(claim mailbox.Claim) mailbox.Attempt {
	a := at
	a.Claim, a.Door, a.Call = claim, mailbox.OwnDoor, 7
	return a
}

func TestAForeignMailboxIsGivenItsFirstCode(t *testing.T) {
	r, f := openForeign(t)
	f.Put(mailbox.Account{Extension: "4001"}, pin.PIN{})
	a := only(t, r, "4001")
	require.True(t, a.Flags.NoCode)
	begin := func(code string) mailbox.Result {
		return r.Change(t.Context(), a, pin.PIN{}, conformance.Code(t, code), as(mailbox.ByFirstUse))
	}
	require.Equal(t, mailbox.Proved(), begin(hers))
	require.Equal(t, mailbox.OK, ask(t, r, a, hers, at))
	late := begin(his)
	require.Equal(t, mailbox.Refused, late.Outcome)
	require.Equal(t, mailbox.WrongPIN, late.Reason, "%v", late.Err)
	require.ErrorContains(t, late.Err, "has a code by now")
	require.Equal(t, mailbox.OK, ask(t, r, a, hers, at))
	require.Equal(t, 1, f.Writes())
}

// slow lets each Reset wait until a second one has begun or cannot any more.
type slow struct {
	*webhook.Store
	begun chan struct{}
}

func (s slow) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, must bool, by mailbox.Actor, why string) mailbox.Result {
	select {
	case s.begun <- struct{}{}:
	case <-s.begun:
	case <-time.After(200 * time.Millisecond):
	}
	return s.Store.Reset(ctx, a, next, must, by, why)
}

func TestOfTwoFirstCodesAtOnceOneIsRefused(t *testing.T) {
	r, f := openForeign(t)
	f.Put(mailbox.Account{Extension: "4001"}, pin.PIN{})
	a := only(t, r, "4001")
	r.stores[0].Backend = slow{r.stores[0].Backend.(*webhook.Store), make(chan struct{})}
	results := make(chan mailbox.Result, 2)
	for _, code := range []string{hers, his} {
		next := conformance.Code(t, code)
		// One of two callers: started here; stops when the change is answered.
		go func() { results <- r.Change(t.Context(), a, pin.PIN{}, next, as(mailbox.ByFirstUse)) }()
	}
	got := map[mailbox.Code]int{}
	for range 2 {
		got[(<-results).Reason]++
	}
	require.Equal(t, map[mailbox.Code]int{mailbox.OK: 1, mailbox.WrongPIN: 1}, got)
	require.Equal(t, 1, f.Writes())
}

// altered is a store whose mailboxes are in another state than a call has seen them in.
type altered struct {
	*webhook.Store
	alter func(*mailbox.Account)
}

func (s altered) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	found, err := s.Store.Lookup(ctx, q)
	for i := range found {
		s.alter(&found[i])
	}
	return found, err
}

// A Reset is an administrator's: whoever sets a code by one for its owner has to look
// first whether the owner may.
func TestAClaimIsHeldAgainstTheMailboxAsItIsNow(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(*mailbox.Account)
		want  mailbox.Code
	}{
		"nothing in the way":         {func(*mailbox.Account) {}, mailbox.OK},
		"may not change":             {func(a *mailbox.Account) { a.Flags.CannotChange = true }, mailbox.CannotChange},
		"disabled":                   {func(a *mailbox.Account) { a.Flags.Disabled = true }, mailbox.Disabled},
		"locked by an administrator": {func(a *mailbox.Account) { a.Flags.Locked = true }, mailbox.Locked},
		"another mailbox's number":   {func(a *mailbox.Account) { a.ID = "another" }, mailbox.NotFound},
		"too soon is no matter":      {func(a *mailbox.Account) { a.Flags.TooSoon = true }, mailbox.OK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, f := openForeign(t)
			f.Put(mailbox.Account{Extension: "4001"}, conformance.Code(t, hers))
			f.Put(mailbox.Account{Extension: "4002"}, pin.PIN{})
			a, first := only(t, r, "4001"), only(t, r, "4002")
			r.stores[0].Backend = altered{r.stores[0].Backend.(*webhook.Store), c.alter}
			granted := r.Grant(t.Context(), a, conformance.Code(t, fresh), as(mailbox.ByOneTime))
			require.Equal(t, c.want, granted.Reason, "%v", granted.Err)
			begun := r.Change(t.Context(), first, pin.PIN{}, conformance.Code(t, his), as(mailbox.ByFirstUse))
			require.Equal(t, c.want, begun.Reason, "%v", begun.Err)
			require.Equal(t, c.want == mailbox.OK, f.Has(a.ID, conformance.Code(t, fresh)))
			require.Equal(t, c.want == mailbox.OK, f.Has(first.ID, conformance.Code(t, his)))
		})
	}
}

func TestWhoCannotResetGivesNoFirstCode(t *testing.T) {
	r, f := openForeign(t)
	f.Put(mailbox.Account{Extension: "4001"}, pin.PIN{})
	a := only(t, r, "4001")
	r.stores[0].Backend = plain{r.stores[0].Backend}
	result := r.Change(t.Context(), a, pin.PIN{}, conformance.Code(t, hers), as(mailbox.ByFirstUse))
	require.Equal(t, mailbox.CannotChange, result.Reason)
	require.ErrorContains(t, result.Err, "the default store cannot set a code without the current one")
}

// What a mailbox has is asked of a store that remembers, or of a system that shows it, and
// of no system that would count the question as a try.
func TestOnlyWhoCanTellRecallsACode(t *testing.T) {
	at := mailbox.Attempt{Door: mailbox.OwnDoor}
	recalls := func(r *Router, a mailbox.Account, former int, codes ...string) bool {
		var all []pin.PIN
		for _, c := range codes {
			all = append(all, conformance.Code(t, c))
		}
		had, err := r.Recall(t.Context(), a, former, all...)
		require.NoError(t, err)
		return had
	}
	own := openTwo(t, t.TempDir())
	a := add(t, own, "4001", south, hers)
	own.stores[0].Backend.(interface{ Remember(int) }).Remember(1)
	require.Equal(t, mailbox.Done, own.Change(t.Context(), a, conformance.Code(t, hers), conformance.Code(t, his), at).Outcome)
	require.True(t, recalls(own, a, 0, fresh, his))
	require.False(t, recalls(own, a, 0, hers))
	require.True(t, recalls(own, a, 1, hers))
	_, err := own.Recall(t.Context(), mailbox.Account{ID: "gone", Backend: a.Backend}, 0, conformance.Code(t, hers))
	require.Equal(t, mailbox.NotFound, mailbox.CodeOf(err))

	r, f := openForeign(t)
	f.Limit = 2
	f.Put(mailbox.Account{Extension: "4001"}, conformance.Code(t, hers))
	b := only(t, r, "4001")
	for range 3 {
		require.False(t, recalls(r, b, 5, hers, his))
	}
	require.Equal(t, mailbox.OK, ask(t, r, b, hers, at), "no try was used up")

	shows := shown.New(t, shown.Settings{})
	o := netsapiens.DefaultOptions()
	o.API.Timeout = 30 * time.Second // a busy machine is no trouble
	o.API.URL, o.API.TLS.CAFile, o.Domain, o.Key = shows.Base(), shows.CAFile, shown.Domain, conformance.Secret(t, shown.Key)
	open, err := o.Open(t.Context())
	require.NoError(t, err)
	r = NewRouter(Named{Backend: open, Driver: "netsapiens"})
	t.Cleanup(func() { r.Close() })
	shows.Put(mailbox.Account{Extension: "4001"}, hers)
	c := only(t, r, "4001")
	require.True(t, recalls(r, c, 0, fresh, hers))
	require.False(t, recalls(r, c, 5, his))
}
