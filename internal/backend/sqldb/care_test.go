package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

var (
	firstUse = mailbox.Attempt{Door: mailbox.OwnDoor, Claim: mailbox.ByFirstUse}
	proof    = mailbox.Attempt{Door: mailbox.AnyDoor, Claim: mailbox.ByOneTime}
)

// each runs a test on a new store of either kind.
func each(t *testing.T, age Age, test func(t *testing.T, s *Store)) {
	t.Run("SQLite", func(t *testing.T) {
		o := cheapOptions(t.TempDir())
		o.Age = age
		test(t, openStore(t, o))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		o := nodeOptions(t, sqlkittest.Postgres(t))
		o.Age = age
		test(t, openNode(t, o))
	})
}

func codeOf(t testing.TB, digits string) pin.PIN { return conformance.Code(t, digits) }

func shown(t testing.TB, s *Store, a mailbox.Account) mailbox.Account {
	t.Helper()
	found, err := s.Lookup(t.Context(), mailbox.Query{Number: a.Extension, Domain: a.Domain})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func refused(t testing.TB, want mailbox.Code, r mailbox.Result) {
	t.Helper()
	require.Equal(t, mailbox.Refused, r.Outcome, "%v", r.Err)
	require.Equal(t, want, r.Reason, "%v", r.Err)
}

// made changes from one code to the next.
func made(t testing.TB, s *Store, a mailbox.Account, codes ...string) {
	t.Helper()
	for i := range len(codes) - 1 {
		require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, codeOf(t, codes[i]), codeOf(t, codes[i+1]), at))
	}
}

// aged lets a code have been set so long ago.
func aged(t testing.TB, s *Store, a mailbox.Account, age time.Duration) {
	t.Helper()
	require.NoError(t, s.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE code SET set_at = $1 WHERE mailbox_id = $2", time.Now().Add(-age).UnixMilli(), a.ID)
		return err
	}))
}

func count(t testing.TB, s *Store, table, id string) (n int) {
	t.Helper()
	require.NoError(t, s.db.Read(t.Context(), func(db *sql.DB) error {
		return db.QueryRow("SELECT count(*) FROM "+table+" WHERE mailbox_id = $1", id).Scan(&n)
	}))
	return n
}

func TestALockedMailboxTakesNoCode(t *testing.T) {
	each(t, Age{}, func(t *testing.T, s *Store) {
		yes, no := true, false
		a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
		a, err := s.Edit(t.Context(), a, mailbox.Edit{Locked: &yes}, "test")
		require.NoError(t, err)
		require.True(t, a.Flags.Locked)
		require.Equal(t, a, shown(t, s, a))
		for _, code := range []string{"482915", "739164"} {
			require.ErrorIs(t, s.Verify(t.Context(), a, codeOf(t, code), at), mailbox.Locked)
			refused(t, mailbox.Locked, s.Change(t.Context(), a, codeOf(t, code), codeOf(t, "605172"), at))
		}
		refused(t, mailbox.Locked, s.Grant(t.Context(), a, codeOf(t, "605172"), proof))
		require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, codeOf(t, "605172"), false, "test", ""), "an administrator's own act")
		require.True(t, shown(t, s, a).Flags.Locked, "a new code opens no lock")
		_, err = s.Edit(t.Context(), a, mailbox.Edit{Locked: &no}, "test")
		require.NoError(t, err)
		require.NoError(t, s.Verify(t.Context(), a, codeOf(t, "605172"), at))

		b := add(t, s, mailbox.Account{Extension: "4002", Flags: mailbox.Flags{Locked: true}}, pin.PIN{})
		require.True(t, shown(t, s, b).Flags.Locked)
		refused(t, mailbox.Locked, s.Change(t.Context(), b, pin.PIN{}, codeOf(t, "605172"), firstUse))
	})
}

func TestFirstUse(t *testing.T) {
	each(t, Age{}, func(t *testing.T, s *Store) {
		a := add(t, s, mailbox.Account{Extension: "4001", Flags: mailbox.Flags{MustChange: true}}, pin.PIN{})
		code := codeOf(t, "482915")
		refused(t, mailbox.NoCode, s.Change(t.Context(), a, pin.PIN{}, code, at))
		refused(t, mailbox.TooShort, s.Change(t.Context(), a, pin.PIN{}, pin.PIN{}, firstUse))
		require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, pin.PIN{}, code, firstUse))
		require.NoError(t, s.Verify(t.Context(), a, code, at))
		is := shown(t, s, a)
		require.Equal(t, mailbox.Flags{}, is.Flags)
		require.WithinDuration(t, time.Now(), is.Set, time.Minute)
		refused(t, mailbox.WrongPIN, s.Change(t.Context(), a, pin.PIN{}, codeOf(t, "739164"), firstUse))
		refused(t, mailbox.WrongPIN, s.Change(t.Context(), a, code, codeOf(t, "739164"), firstUse))
		require.NoError(t, s.Verify(t.Context(), a, code, at), "a code that is there is not the first")

		for want, flags := range map[mailbox.Code]mailbox.Flags{mailbox.Disabled: {Disabled: true}, mailbox.CannotChange: {CannotChange: true}} {
			b := add(t, s, mailbox.Account{Extension: "5" + string(rune('0'+want%10)), Flags: flags}, pin.PIN{})
			refused(t, want, s.Change(t.Context(), b, pin.PIN{}, code, firstUse))
		}
		refused(t, mailbox.NotFound, s.Change(t.Context(), mailbox.Account{ID: "gone"}, pin.PIN{}, code, firstUse))
		refused(t, mailbox.WrongPIN, s.Change(t.Context(), mailbox.Account{}, pin.PIN{}, code, firstUse))
	})
}

// Of several first codes at once one is set; nobody who was refused has a code there.
func TestOneFirstUseWins(t *testing.T) {
	each(t, Age{}, func(t *testing.T, s *Store) {
		a := add(t, s, mailbox.Account{Extension: "4001"}, pin.PIN{})
		results := make([]mailbox.Result, 6)
		var all sync.WaitGroup
		for i := range results {
			next := codeOf(t, numbered(i))
			all.Go(func() { results[i] = s.Change(context.Background(), a, pin.PIN{}, next, firstUse) })
		}
		all.Wait()
		won := 0
		for i, r := range results {
			require.Equal(t, r.Outcome == mailbox.Done, verifies(t, s, a, i))
			if r.Outcome == mailbox.Done {
				won++
				continue
			}
			refused(t, mailbox.WrongPIN, r)
		}
		require.Equal(t, 1, won)
	})
}

func TestFormerCodesAreNotUsedAgain(t *testing.T) {
	each(t, Age{}, func(t *testing.T, s *Store) {
		s.Remember(2)
		a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
		b := add(t, s, mailbox.Account{Extension: "4002"}, codeOf(t, "482915"))
		made(t, s, a, "482915", "739164", "605172")
		change := func(next string) mailbox.Result {
			return s.Change(t.Context(), a, codeOf(t, "605172"), codeOf(t, next), at)
		}
		for _, next := range []string{"605172", "271506", "739164", "461937", "482915", "519284"} {
			refused(t, mailbox.InHistory, change(next))
			refused(t, mailbox.InHistory, s.Grant(t.Context(), a, codeOf(t, next), proof))
			require.Equal(t, mailbox.WrongPIN, s.Change(t.Context(), a, codeOf(t, "111111"), codeOf(t, next), at).Reason, "who does not know the code learns nothing")
		}
		made(t, s, b, "482915", "739164")
		require.Equal(t, mailbox.Proved(), change("806317"))
		require.Equal(t, 2, count(t, s, "history", a.ID), "no more are kept than are asked for")
		made(t, s, a, "806317", "482915")
		require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, codeOf(t, "482915"), false, "test", ""), "an administrator is not asked")
		require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, codeOf(t, "937264"), false, "test", ""))
		refused(t, mailbox.InHistory, s.Change(t.Context(), a, codeOf(t, "937264"), codeOf(t, "482915"), at))
		made(t, s, a, "937264", "806317")

		s.Remember(0)
		made(t, s, a, "806317", "937264")
		require.Zero(t, count(t, s, "history", a.ID))
		made(t, s, a, "937264", "806317", "806317")
	})
}

// The checks take a caller's time; the deadline ends them, and nothing was changed.
func TestAHistoryThatTakesTooLongChangesNothing(t *testing.T) {
	o := cheapOptions(t.TempDir())
	o.Cost = Cost{Memory: 8192, Passes: 1, Threads: 1}
	s := openStore(t, o)
	s.Remember(24)
	a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, numbered(0)))
	for n := range 24 {
		require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, codeOf(t, numbered(n+1)), false, "test", ""))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	refused(t, mailbox.Unavailable, s.Change(ctx, a, codeOf(t, numbered(24)), codeOf(t, "739164"), at))
	require.True(t, verifies(t, s, a, 24))
	require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, codeOf(t, numbered(24)), codeOf(t, "739164"), at))
}

func TestAGrantNeedsNoCurrentCode(t *testing.T) {
	each(t, Age{MinAge: time.Hour}, func(t *testing.T, s *Store) {
		s.Remember(3)
		s.Keep(journalOf(func(intent string) error {
			if intent == "lost" {
				return errors.New("the journal is full")
			}
			return nil
		}))
		a := add(t, s, mailbox.Account{Extension: "4001", Flags: mailbox.Flags{MustChange: true}}, codeOf(t, "482915"))
		b := add(t, s, mailbox.Account{Extension: "4002"}, pin.PIN{})
		for _, one := range []mailbox.Account{a, b} {
			require.Equal(t, mailbox.Proved(), s.Grant(t.Context(), one, codeOf(t, "739164"), proof), "however young the code is")
			require.NoError(t, s.Verify(t.Context(), one, codeOf(t, "739164"), at))
			require.Equal(t, mailbox.Flags{TooSoon: true}, shown(t, s, one).Flags)
		}
		lost := proof
		lost.Intent = "lost"
		require.Equal(t, mailbox.Refused, s.Grant(t.Context(), a, codeOf(t, "605172"), lost).Outcome, "no record, no change")
		require.NoError(t, s.Verify(t.Context(), a, codeOf(t, "739164"), at))
		refused(t, mailbox.InHistory, s.Grant(t.Context(), a, codeOf(t, "482915"), proof))
		refused(t, mailbox.TooShort, s.Grant(t.Context(), a, pin.PIN{}, proof))
		for want, flags := range map[mailbox.Code]mailbox.Flags{
			mailbox.Disabled: {Disabled: true}, mailbox.CannotChange: {CannotChange: true}, mailbox.Locked: {Locked: true},
		} {
			c := add(t, s, mailbox.Account{Extension: "5" + string(rune('0'+want%10)), Flags: flags}, codeOf(t, "482915"))
			refused(t, want, s.Grant(t.Context(), c, codeOf(t, "739164"), proof))
		}
		refused(t, mailbox.NotFound, s.Grant(t.Context(), mailbox.Account{ID: "gone"}, codeOf(t, "739164"), proof))
	})
}

// journalOf is a Journal.
type journalOf func(intent string) error

func (j journalOf) EndIn(_ context.Context, _ *sql.Tx, intent string) error { return j(intent) }

// A hash that was made with another cost or key is made anew when its code is used.
func TestARightCodeIsHashedAsNewOnesAre(t *testing.T) {
	each(t, Age{}, func(t *testing.T, s *Store) {
		a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
		set := shown(t, s, a).Set
		old, err := s.load(t.Context(), "test", a.ID)
		require.NoError(t, err)
		s.cost.Memory *= 2
		_, err = s.RotatePepper(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, s.Verify(t.Context(), a, codeOf(t, "739164"), at), mailbox.WrongPIN)
		is, err := s.load(t.Context(), "test", a.ID)
		require.NoError(t, err)
		require.Equal(t, old, is, "a wrong code makes nothing new")
		require.NoError(t, s.Verify(t.Context(), a, codeOf(t, "482915"), at))
		is, err = s.load(t.Context(), "test", a.ID)
		require.NoError(t, err)
		require.Equal(t, []any{s.cost, s.ring.now.Load().last}, []any{is.cost, is.kid})
		require.Equal(t, s.db.Dialect() == sqlkit.SQLite, is.kid != old.kid, "on several nodes a new key is not used at once")
		require.Equal(t, set, shown(t, s, a).Set, "the code is as old as before")
		require.Zero(t, count(t, s, "history", a.ID))
		require.NoError(t, s.Verify(t.Context(), a, codeOf(t, "482915"), at))
		again, err := s.load(t.Context(), "test", a.ID)
		require.NoError(t, err)
		require.Equal(t, is, again, "once")

		s.cost.Memory /= 2
		past := old
		require.NoError(t, s.db.Write(t.Context(), func(tx *sql.Tx) error { // the code was hashed anew since it was read
			done, err := swap(t.Context(), tx, a.ID, &is.record, &past.record)
			return errors.Join(err, one(done, errLost))
		}))
		require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, codeOf(t, "482915"), codeOf(t, "739164"), at))
	})
}

// A change whose code is hashed anew meanwhile is not refused for that.
func TestChangesBesideLoginsAreMade(t *testing.T) {
	each(t, Age{}, func(t *testing.T, s *Store) {
		a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, numbered(0)))
		for n := range 10 {
			is, err := s.load(t.Context(), "test", a.ID)
			require.NoError(t, err)
			code := codeOf(t, numbered(n))
			fresh := s.ring.now.Load().seal(a.ID, &code, cheap)
			var all sync.WaitGroup
			all.Go(func() {
				_ = s.db.Write(context.Background(), func(tx *sql.Tx) error {
					_, err := swap(context.Background(), tx, a.ID, &is.record, &fresh)
					return err
				})
			})
			r := s.Change(t.Context(), a, code, codeOf(t, numbered(n+1)), at)
			all.Wait()
			require.Equal(t, mailbox.Proved(), r)
		}
	})
}

func TestReassign(t *testing.T) {
	each(t, Age{}, func(t *testing.T, s *Store) {
		s.Remember(3)
		before := mailbox.Account{
			Extension: "4001", Domain: "north.example", Name: "Ann Example", Language: "es-ES", Mail: "ann@example.com", Numbers: []string{"12125554001"},
			Flags: mailbox.Flags{MustChange: true, Slow: true, Disabled: true, Locked: true},
		}
		a := add(t, s, before, codeOf(t, "482915"))
		other := add(t, s, mailbox.Account{Extension: "4002", Domain: "north.example", Numbers: []string{"12125554002"}}, codeOf(t, "739164"))
		require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, codeOf(t, "605172"), true, "test", ""))
		require.Equal(t, 1, count(t, s, "history", a.ID))
		next := mailbox.Account{ID: a.ID, Backend: a.Backend, Extension: "9999", Name: "Bob Example", Mail: "bob@example.com"}
		b, err := s.Reassign(t.Context(), next, "test", "left")
		require.NoError(t, err)
		require.Equal(t, mailbox.Account{
			ID: a.ID, Backend: a.Backend, Extension: "4001", Domain: "north.example", Name: "Bob Example", Mail: "bob@example.com",
			Flags: mailbox.Flags{NoCode: true},
		}, b, "the extension stays; nothing of the other person does")
		require.Equal(t, b, shown(t, s, b))
		require.Zero(t, count(t, s, "history", a.ID))
		require.ErrorIs(t, s.Verify(t.Context(), b, codeOf(t, "605172"), at), mailbox.NoCode)
		require.Equal(t, mailbox.Proved(), s.Change(t.Context(), b, pin.PIN{}, codeOf(t, "482915"), firstUse), "somebody else's code is no code of Bob's")
		require.Equal(t, other, shown(t, s, other))

		next.Numbers = []string{"4002"}
		_, err = s.Reassign(t.Context(), next, "test", "")
		require.Equal(t, mailbox.Exists, mailbox.CodeOf(err), "%v", err)
		next.Numbers = []string{"12125554009"}
		b, err = s.Reassign(t.Context(), next, "test", "")
		require.NoError(t, err)
		require.Equal(t, next.Numbers, b.Numbers)
		next.Mail = "bob"
		_, err = s.Reassign(t.Context(), next, "test", "")
		require.Equal(t, mailbox.PolicyOther, mailbox.CodeOf(err))
		_, err = s.Reassign(t.Context(), mailbox.Account{ID: "gone", Extension: "4001"}, "test", "")
		require.Equal(t, mailbox.NotFound, mailbox.CodeOf(err))
	})
}

func TestAddressesOnFile(t *testing.T) {
	each(t, Age{}, func(t *testing.T, s *Store) {
		a := add(t, s, mailbox.Account{Extension: "4001", Mail: "ann@example.com"}, codeOf(t, "482915"))
		require.Equal(t, "ann@example.com", shown(t, s, a).Mail)
		for mail, want := range map[string]mailbox.Code{
			"ann.o'hara+x@mail.example.com": mailbox.OK, "jürgen@bücher.example": mailbox.OK, "": mailbox.OK,
			"ann": mailbox.PolicyOther, "@example.com": mailbox.PolicyOther, "ann@": mailbox.PolicyOther, "482915": mailbox.PolicyOther,
			"ann@b@c": mailbox.PolicyOther, "ann@example.com, bob@example.com": mailbox.PolicyOther, "Ann <ann@example.com>": mailbox.PolicyOther,
			"ann@example.com\r\nBcc: x@y": mailbox.PolicyOther, "a\xff@b": mailbox.PolicyOther,
		} {
			is, err := s.Edit(t.Context(), a, mailbox.Edit{Mail: &mail}, "test")
			require.Equal(t, want, mailbox.CodeOf(err), "%q", mail)
			if want == mailbox.OK {
				require.Equal(t, mail, is.Mail)
			}
		}
	})
}
