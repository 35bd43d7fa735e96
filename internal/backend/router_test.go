package backend

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/sqldb"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// at is who asks.
var at = mailbox.Attempt{Door: mailbox.AnyDoor, Peer: "test"}

const (
	south = "south.example" // in the default store
	north = "north.example" // in a store of its own
)

// in has the options of a store in a file of dir.
func in(dir, file string) Options {
	o := DefaultOptions()
	o.SQLite.Database.Path = file
	o.SQLite.Database.BusyTimeout = 200 * time.Millisecond
	o.SQLite.Rehearsal, o.SQLite.Cost = true, sqldb.Cost{Memory: 64, Passes: 1, Threads: 1}
	return o.In(dir)
}

// openTwo opens a default store and another one named north.
func openTwo(t *testing.T, dir string) *Router {
	t.Helper()
	r, err := OpenAll(t.Context(), in(dir, "star97.db"), map[string]Options{"north": in(dir, "north.db")}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	require.NoError(t, r.Serve(map[string]string{south: "", north: "north"}))
	return r
}

func add(t *testing.T, r *Router, extension, domain, code string) mailbox.Account {
	t.Helper()
	a, err := r.Add(t.Context(), mailbox.Account{Extension: extension, Domain: domain}, conformance.Code(t, code), "test")
	require.NoError(t, err)
	return a
}

func lookup(t *testing.T, r *Router, number, domain string) []mailbox.Account {
	t.Helper()
	found, err := r.Lookup(t.Context(), mailbox.Query{Number: number, Domain: domain})
	require.NoError(t, err)
	return found
}

func verify(t *testing.T, r *Router, a mailbox.Account, code string) mailbox.Code {
	t.Helper()
	return mailbox.CodeOf(r.Verify(t.Context(), a, conformance.Code(t, code), at))
}

// lacks is what a Router passes on and its stores cannot.
var lacks = map[string]string{
	"Unlock": "its stores cannot", "SetFlags": "its stores cannot", "Renumber": "its stores cannot",
	"The declared traits are true": "a Router has every method and tells what the store in question can"}

// Two stores behind a Router are a store like any other.
func TestRouterConforms(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		r := openTwo(t, t.TempDir())
		require.NoError(t, r.Serve(map[string]string{"tenant.example": "north"}))
		return conformance.Harness{
			Store: r, OtherDomain: "tenant.example", Lacks: lacks,
			Put: func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				made, err := r.Add(t.Context(), a, code, "conformance")
				require.NoError(t, err)
				return made
			},
		}
	})
}

func TestTheSameExtensionInTwoStores(t *testing.T) {
	r := openTwo(t, t.TempDir())
	s, n := add(t, r, "4001", south, "482915"), add(t, r, "4001", north, "739164")
	require.Equal(t, "sqlite", s.Backend, "as without a second store: counters and records stay")
	require.Equal(t, "sqlite:north", n.Backend)
	require.Equal(t, []mailbox.Account{s}, lookup(t, r, "4001", south))
	require.Equal(t, []mailbox.Account{n}, lookup(t, r, "4001", "North.Example"))
	require.Equal(t, mailbox.Proved(), r.Change(t.Context(), n, conformance.Code(t, "739164"), conformance.Code(t, "60617238"), at))
	require.Equal(t, mailbox.OK, verify(t, r, n, "60617238"))
	require.Equal(t, mailbox.OK, verify(t, r, s, "482915"))
	require.NoError(t, r.Remove(t.Context(), n, "test", ""))
	require.Equal(t, []mailbox.Account{s}, lookup(t, r, "4001", south))
	require.Empty(t, lookup(t, r, "4001", north))
}

// A store that was copied from another has the same ids.
func TestAnIDOfOneStoreIsNobodyInAnother(t *testing.T) {
	dir := t.TempDir()
	r, err := OpenAll(t.Context(), in(dir, "star97.db"), nil, nil)
	require.NoError(t, err)
	require.NoError(t, r.Serve(nil))
	add(t, r, "4001", north, "482915")
	require.NoError(t, r.Close())
	file, err := os.ReadFile(filepath.Join(dir, "star97.db"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "north.db"), file, 0o600))

	r = openTwo(t, dir)
	require.NoError(t, r.Serve(map[string]string{north: "north"}))
	n := lookup(t, r, "4001", north)[0]
	require.Equal(t, mailbox.Proved(), r.Change(t.Context(), n, conformance.Code(t, "482915"), conformance.Code(t, "739164"), at))
	require.NoError(t, r.Serve(map[string]string{north: ""}), "the domain moves to the other store")
	s := lookup(t, r, "4001", north)[0]
	require.Equal(t, n.ID, s.ID)
	require.NotEqual(t, n.Backend, s.Backend)
	require.Equal(t, mailbox.OK, verify(t, r, s, "482915"))
	require.Equal(t, mailbox.OK, verify(t, r, n, "739164"), "a call that found it before stays with its store")
	stranger := n
	stranger.Backend = "sqlite:west"
	require.Equal(t, mailbox.WrongPIN, verify(t, r, stranger, "739164"), "a store that is not there has no mailbox")
}

func TestAnUnknownDomainHasNoMailbox(t *testing.T) {
	r := openTwo(t, t.TempDir())
	add(t, r, "4001", "", "482915")
	require.Len(t, lookup(t, r, "4001", ""), 1, "the default tenant is always there")
	require.Empty(t, lookup(t, r, "4001", "west.example"))
	require.Equal(t, mailbox.WrongPIN, verify(t, r, mailbox.Account{Domain: "west.example"}, "482915"))
	_, err := r.Add(t.Context(), mailbox.Account{Extension: "4002", Domain: "west.example"}, pin.PIN{}, "test")
	require.ErrorContains(t, err, "no store has the domain west.example")
	require.ErrorContains(t, r.Serve(map[string]string{"west.example": "west"}), "store west, which is not open")
	require.Len(t, lookup(t, r, "4001", ""), 1, "what was in force stays")
	require.NoError(t, r.Serve(nil))
	add(t, r, "4001", "west.example", "482915")
	require.Equal(t, "sqlite", lookup(t, r, "4001", "west.example")[0].Backend, "without domains everything is the default store's")
}

// spy notes which store did the work of a try at nobody's mailbox.
type spy struct {
	Backend
	did func(error) error
}

func (s spy) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	return s.did(s.Backend.Verify(ctx, a, code, at))
}

func TestATryAtNoMailboxIsTheWorkOfItsTenantsStore(t *testing.T) {
	r := openTwo(t, t.TempDir())
	var worked []string
	for _, s := range r.stores {
		s.Backend = spy{s.Backend, func(err error) error { worked = append(worked, s.identity); return err }}
	}
	for _, a := range []mailbox.Account{{}, {Domain: south}, {Domain: north}, {Domain: "west.example"}, {Backend: "sqlite:north"}} {
		require.Equal(t, mailbox.WrongPIN, verify(t, r, a, "482915"))
	}
	require.Equal(t, []string{"sqlite", "sqlite", "sqlite:north", "sqlite", "sqlite:north"}, worked)
}

func TestListIsOneOrderOverAllStores(t *testing.T) {
	r := openTwo(t, t.TempDir())
	require.NoError(t, r.Serve(map[string]string{"a": "north", "b": "", "c": "north", "d": ""}))
	var want []mailbox.Account
	for _, domain := range []string{"", "a", "b", "c"} {
		for i := range 3 {
			want = append(want, add(t, r, fmt.Sprint(4001+i), domain, ""))
		}
	}
	add(t, r, "4009", "d", "")
	require.NoError(t, r.Serve(map[string]string{"a": "north", "b": "", "c": "north"}), "nobody reaches d now")
	for limit := 1; limit <= 13; limit++ {
		var got []mailbox.Account
		for p := (mailbox.Page{AllDomains: true, Limit: limit}); ; p.After = &got[len(got)-1] {
			part, err := r.List(t.Context(), p)
			require.NoError(t, err)
			require.LessOrEqual(t, len(part), limit)
			if got = append(got, part...); len(part) < limit {
				break
			}
		}
		require.Equal(t, want, got, "pages of %d", limit)
	}
	part, err := r.List(t.Context(), mailbox.Page{Domain: "C", After: &want[9]})
	require.NoError(t, err)
	require.Equal(t, want[10:], part)
}

// lock keeps every other writer out of a database until the test ends.
func lock(t *testing.T, file string) {
	t.Helper()
	other := in(filepath.Dir(file), filepath.Base(file)).SQLite.Database
	db, err := sqlkit.Open(t.Context(), other)
	require.NoError(t, err)
	locked, unlock, over := make(chan struct{}), make(chan struct{}), make(chan error)
	// The other program: started here, stops at the test's end, owns the lock.
	go func() {
		over <- db.Write(context.Background(), func(*sql.Tx) error {
			close(locked)
			<-unlock
			return nil
		})
	}()
	<-locked
	t.Cleanup(func() {
		close(unlock)
		require.NoError(t, <-over)
		require.NoError(t, db.Close())
	})
}

// What befalls one store is told by it and by none else.
func TestATroubledStoreDoesNotTouchTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		harm  func(t *testing.T, r *Router, file string)
		reads bool // what is there can still be read
	}{
		"locked by another program": {func(t *testing.T, _ *Router, file string) { lock(t, file) }, true},
		"removed":                   {func(t *testing.T, _ *Router, file string) { require.NoError(t, os.Remove(file)) }, false},
		"closed":                    {func(t *testing.T, r *Router, _ string) { require.NoError(t, r.stores[1].Backend.Close()) }, false},
		"hanging":                   {func(_ *testing.T, r *Router, _ string) { r.stores[1].Backend = hanging{r.stores[1].Backend} }, false},
		"panicking": {func(_ *testing.T, r *Router, _ string) {
			r.stores[1].Backend = panicking{r.stores[1].Backend}
		}, false},
		"answering for other tenants": {func(_ *testing.T, r *Router, _ string) {
			r.stores[1].Backend = confused{r.stores[1].Backend}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := openTwo(t, dir)
			s, n := add(t, r, "4001", south, "482915"), add(t, r, "4001", north, "739164")
			c.harm(t, r, filepath.Join(dir, "north.db"))
			found, err := asked(t, r, north)
			if !c.reads {
				require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
				require.ErrorContains(t, err, "store north: ")
				require.Empty(t, found)
			}
			result := changed(t, r, n, "739164", "60617238")
			require.NotEqual(t, mailbox.Done, result.Outcome)

			require.Equal(t, []mailbox.Account{s}, lookup(t, r, "4001", south))
			require.Equal(t, mailbox.OK, verify(t, r, s, "482915"))
			require.Equal(t, mailbox.WrongPIN, verify(t, r, s, "739164"))
			require.Equal(t, mailbox.Proved(), changed(t, r, s, "482915", "60617238"))
		})
	}
}

// asked looks up 4001 as a call does: with a deadline, and a panic is no answer.
func asked(t *testing.T, r *Router, domain string) (found []mailbox.Account, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			err = mailbox.Fail("lookup", mailbox.Unavailable, fmt.Errorf("store north: %v", cause))
		}
	}()
	return r.Lookup(ctx, mailbox.Query{Number: "4001", Domain: domain})
}

func changed(t *testing.T, r *Router, a mailbox.Account, current, next string) (result mailbox.Result) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, hangs := r.stores[1].Backend.(hanging); hangs && a.Backend == r.stores[1].identity {
		cancel()
	}
	defer func() {
		if cause := recover(); cause != nil {
			result = mailbox.Doubt(nil)
		}
	}()
	return r.Change(ctx, a, conformance.Code(t, current), conformance.Code(t, next), at)
}

// hanging answers when nobody waits any more.
type hanging struct{ Backend }

func (hanging) Lookup(ctx context.Context, _ mailbox.Query) ([]mailbox.Account, error) {
	<-ctx.Done()
	return nil, mailbox.Expired(ctx, "lookup")
}

func (hanging) Change(ctx context.Context, _ mailbox.Account, _, _ pin.PIN, _ mailbox.Attempt) mailbox.Result {
	<-ctx.Done()
	return mailbox.Doubt(mailbox.Expired(ctx, "change"))
}

type panicking struct{ Backend }

func (panicking) Lookup(context.Context, mailbox.Query) ([]mailbox.Account, error) { panic("lost") }

func (panicking) Change(context.Context, mailbox.Account, pin.PIN, pin.PIN, mailbox.Attempt) mailbox.Result {
	panic("lost")
}

// confused says that the mailboxes of one tenant are another's.
type confused struct{ Backend }

func (c confused) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	found, err := c.Backend.Lookup(ctx, q)
	for i := range found {
		found[i].Backend, found[i].Domain = "sqlite", south
	}
	return found, err
}

func (confused) Change(context.Context, mailbox.Account, pin.PIN, pin.PIN, mailbox.Attempt) mailbox.Result {
	return mailbox.Result{}
}

func TestListTellsOfAStoreThatDoesNotAnswerBesideTheOthersMailboxes(t *testing.T) {
	r := openTwo(t, t.TempDir())
	require.NoError(t, r.Serve(map[string]string{"a": "north", south: "", "z": "north"}))
	s := add(t, r, "4001", south, "482915")
	require.NoError(t, r.stores[1].Backend.Close())
	part, err := r.List(t.Context(), mailbox.Page{AllDomains: true})
	require.Equal(t, []mailbox.Account{s}, part)
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "store north: ")
}

// plain has none of the abilities.
type plain struct{ mailbox.Store }

func (plain) Close() error { return nil }

// lagging has one.
type lagging struct{ plain }

func (lagging) Lag(mailbox.Account) time.Duration { return time.Minute }

func TestAbilitiesAreThoseOfTheStoreInQuestion(t *testing.T) {
	r := openTwo(t, t.TempDir())
	s, n := add(t, r, "4001", south, "482915"), add(t, r, "4001", north, "739164")
	require.ErrorContains(t, r.Unlock(t.Context(), s, "test", ""), "the default store cannot unlock mailboxes")
	r.stores[1].Backend = lagging{plain{r.stores[1].Backend}}
	require.Equal(t, time.Minute, r.Lag(n))
	require.Zero(t, r.Lag(s), "the lag of another store delays nobody here")
	var failures []error
	_, err := r.Add(t.Context(), mailbox.Account{Extension: "4002", Domain: north}, pin.PIN{}, "test")
	failures = append(failures, err, r.Check(mailbox.Account{Extension: "4002", Domain: north}))
	_, err = r.Edit(t.Context(), n, mailbox.Edit{}, "test")
	failures = append(failures, err)
	_, err = r.List(t.Context(), mailbox.Page{Domain: north})
	failures = append(failures, err, r.Remove(t.Context(), n, "test", ""),
		r.Reset(t.Context(), n, conformance.Code(t, "60617238"), false, "test", "").Err)
	for _, err := range failures {
		require.Equal(t, mailbox.CannotChange, mailbox.CodeOf(err))
		require.ErrorContains(t, err, "the north store cannot")
	}
	require.Error(t, r.Check(mailbox.Account{Extension: "none", Domain: south}))
}

func TestTwoStoresNeverShareAFile(t *testing.T) {
	dir := t.TempDir()
	one := in(dir, "star97.db")
	for name, harm := range map[string]func() error{
		"the same name": func() error { return nil },
		"another way to name": func() error {
			one.SQLite.Database.Path = filepath.Join(dir, "x", "..", "star97.db")
			return os.Mkdir(filepath.Join(dir, "x"), 0o700)
		},
		"a symbolic link": func() error {
			one.SQLite.Database.Path = filepath.Join(dir, "north.db")
			return os.Symlink(filepath.Join(dir, "star97.db"), one.SQLite.Database.Path)
		},
	} {
		require.NoError(t, harm())
		_, err := OpenAll(t.Context(), in(dir, "star97.db"), map[string]Options{"north": one}, nil)
		require.ErrorContains(t, err, "store north: "+one.File()+" is the file of another store already", name)
	}
}

func TestAStoreThatCannotBeOpenedIsNamed(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenAll(t.Context(), in(dir, "star97.db"), map[string]Options{"north": in(dir, "north.db"), "west": in(dir, ".")}, nil)
	require.ErrorContains(t, err, "store west: ")
	_, err = OpenAll(t.Context(), in(dir, "."), nil, nil)
	require.Error(t, err)
}

func TestARouterNamesTheKeeperOfADomain(t *testing.T) {
	r := openTwo(t, t.TempDir())
	for domain, keeper := range map[string]string{"": "sqlite", south: "sqlite", north: "sqlite:north", "NORTH.example": "sqlite:north", "west": ""} {
		require.Equal(t, keeper, r.Keeper(domain), domain)
	}
	all := r.All()
	require.Len(t, all, 2)
	require.Equal(t, []string{"", "north"}, []string{all[0].Name, all[1].Name})
}
