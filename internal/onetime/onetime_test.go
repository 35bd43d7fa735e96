package onetime

import (
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

func TestACodeOpensOneChange(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		code, next := d.sent(t, ada), codeOf(t, "739164")
		require.Equal(t, 8, code.Len())
		require.Equal(t, d.clock.Now().Add(10*time.Minute), d.post.till)
		require.Equal(t, mailbox.WrongPIN, d.verify(bob, code, oneTime), "it is one mailbox's")
		require.Equal(t, mailbox.WrongPIN, d.Change(t.Context(), ada, code, next, oneTime).Reason, "not before it was proved")
		require.Equal(t, mailbox.OK, d.verify(ada, code, oneTime))
		require.Equal(t, mailbox.WrongPIN, d.verify(ada, code, call(2)), "one use")
		require.Equal(t, mailbox.WrongPIN, d.Change(t.Context(), ada, code, next, call(2)).Reason, "another call")
		require.Equal(t, mailbox.WrongPIN, d.Change(t.Context(), bob, code, next, oneTime).Reason, "another mailbox")
		require.Equal(t, mailbox.Proved(), d.Change(t.Context(), ada, code, next, oneTime))
		require.True(t, d.vault.code.Equal(&next))
		require.Equal(t, mailbox.WrongPIN, d.Change(t.Context(), ada, code, next, oneTime).Reason, "one change")
		require.Equal(t, 1, d.vault.granted)
	})
}

func TestWhatMakesACodeWorthless(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, d desk, code pin.PIN){
		"its time":                 func(_ *testing.T, d desk, _ pin.PIN) { d.clock.pass(10 * time.Minute) },
		"three wrong tries":        func(t *testing.T, d desk, code pin.PIN) { d.tries(t, ada, code, 3) },
		"a newer one":              func(t *testing.T, d desk, _ pin.PIN) { d.sent(t, ada) },
		"that the mailbox changed": func(t *testing.T, d desk, _ pin.PIN) { require.NoError(t, d.Forget(t.Context(), ada)) },
		"that nobody took a newer one": func(t *testing.T, d desk, _ pin.PIN) {
			d.post.fail = errors.New("no")
			require.Error(t, d.wish(ada, oneTime))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
				d := deskOn(t, again())
				code := d.sent(t, ada)
				spoil(t, d, code)
				require.Equal(t, mailbox.WrongPIN, d.verify(ada, code, oneTime))
			})
		})
	}
}

// Who hangs up to read the mail and calls again can use the code in it.
func TestACodeThatIsGoodStillStands(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		code := d.sent(t, ada)
		for _, at := range []mailbox.Attempt{oneTime, stranger(3)} {
			d.clock.pass(time.Minute)
			require.NoError(t, d.Send(t.Context(), ada, at))
		}
		require.Equal(t, 1, d.post.n)
		d.tries(t, ada, code, 2)
		require.NoError(t, d.Send(t.Context(), ada, oneTime))
		require.Equal(t, mailbox.OK, d.verify(ada, code, call(4)))
		require.NoError(t, d.Send(t.Context(), ada, oneTime), "it was used")
		require.Equal(t, 2, d.post.n)
		d.tries(t, ada, d.post.last, 3)
		require.NoError(t, d.Send(t.Context(), ada, oneTime), "its tries are used up")
		require.Equal(t, 3, d.post.n)
	})
}

// tries types wrong codes.
func (d desk) tries(t testing.TB, a mailbox.Account, code pin.PIN, n int) {
	t.Helper()
	for range n {
		require.Equal(t, mailbox.WrongPIN, d.verify(a, other(t, code), oneTime))
	}
}

func TestTheLimitsHoldJustSoFar(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		code := d.sent(t, ada)
		d.tries(t, ada, code, 2)
		d.clock.pass(10*time.Minute - time.Millisecond)
		require.Equal(t, mailbox.OK, d.verify(ada, code, oneTime), "the third try, in the last moment")
		d.sent(t, ada)
		last := d.sent(t, ada)
		require.Equal(t, mailbox.Throttled, mailbox.CodeOf(d.wish(ada, oneTime)), "three a day")
		require.Equal(t, mailbox.OK, d.verify(ada, last, oneTime), "one that was not sent replaces nothing")
		d.sent(t, bob)
		d.clock.pass(24*time.Hour - time.Hour) // less than a day after the first
		require.Equal(t, mailbox.Throttled, mailbox.CodeOf(d.wish(ada, oneTime)))
		d.clock.pass(10 * time.Minute)
		require.Equal(t, mailbox.OK, d.verify(ada, d.sent(t, ada), oneTime), "the day is over")
	})
}

func TestTriesAndCodesOutliveTheProcessAndAreSharedByNodes(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		one := deskOn(t, again())
		two := deskWith(t, again(), one.vault, one.post, one.clock)
		code := one.sent(t, ada)
		one.tries(t, ada, code, 2)
		require.Equal(t, mailbox.OK, two.verify(ada, code, call(7)))
		require.Equal(t, mailbox.WrongPIN, one.Change(t.Context(), ada, code, code, call(7)).Reason, "a call is one process's")
		require.Equal(t, mailbox.Proved(), two.Change(t.Context(), ada, code, codeOf(t, "739164"), call(7)))
		code = one.sent(t, ada)
		one.tries(t, ada, code, 3)
		require.Equal(t, mailbox.WrongPIN, two.verify(ada, code, oneTime))
	})
}

// Twenty at once get no more than three tries, and one right code lets one of them in.
func TestManyAtOnceGetNoMoreThanOneAfterTheOther(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		one := deskOn(t, again())
		nodes := []desk{one, deskWith(t, again(), one.vault, one.post, one.clock)}
		for _, wrong := range []int{0, 1, 20} {
			code := one.sent(t, ada)
			var all sync.WaitGroup
			var in atomic.Int32
			begin := make(chan struct{})
			for i := range 20 {
				typed := code
				if i < wrong {
					typed = other(t, code)
				}
				all.Go(func() {
					<-begin
					switch got := nodes[i%2].verify(ada, typed, call(uint64(i+1))); got {
					case mailbox.OK:
						in.Add(1)
					case mailbox.WrongPIN:
					default:
						t.Error(got)
					}
				})
			}
			close(begin)
			all.Wait()
			require.LessOrEqual(t, in.Load(), int32(1))
			if wrong == 0 {
				require.EqualValues(t, 1, in.Load())
			}
			require.Equal(t, mailbox.WrongPIN, one.verify(ada, code, oneTime), "the tries are used up, or the code is")
		}
	})
}

func TestARefusedChangeMayBeTriedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		code, next := d.sent(t, ada), codeOf(t, "739164")
		require.Equal(t, mailbox.OK, d.verify(ada, code, oneTime))
		d.vault.answer = mailbox.Refuse(mailbox.Fail("change", mailbox.InHistory, nil))
		require.Equal(t, mailbox.InHistory, d.Change(t.Context(), ada, code, next, oneTime).Reason)
		d.vault.answer = mailbox.Result{}
		require.Equal(t, mailbox.Proved(), d.Change(t.Context(), ada, code, next, oneTime))
	})
}

// Who has proved the code and has lost the mailbox since changes nothing.
func TestWhatWasProvedIsForgottenToo(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		admin := deskWith(t, again(), d.vault, d.post, d.clock)
		for range 2 {
			code := d.sent(t, ada)
			require.Equal(t, mailbox.OK, d.verify(ada, code, oneTime))
			require.NoError(t, admin.Forget(t.Context(), ada))
			require.NoError(t, admin.Forget(t.Context(), bob), "one of whom nothing is known")
			require.Equal(t, mailbox.WrongPIN, d.Change(t.Context(), ada, code, code, oneTime).Reason)
		}
		require.Zero(t, d.vault.granted)
		require.Equal(t, mailbox.OK, d.verify(ada, d.sent(t, ada), oneTime))
		require.Equal(t, mailbox.Proved(), d.Change(t.Context(), ada, codeOf(t, "1"), codeOf(t, "739164"), oneTime))
	})
}

func TestAProofEndsWithTheLifeOfACode(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		code := d.sent(t, ada)
		d.clock.pass(9 * time.Minute)
		require.Equal(t, mailbox.OK, d.verify(ada, code, oneTime))
		d.clock.pass(10 * time.Minute)
		require.Equal(t, mailbox.WrongPIN, d.Change(t.Context(), ada, code, code, oneTime).Reason)
		require.Zero(t, d.vault.granted)
	})
}

// A call without a number has no place to keep its proof.
func TestOutsideOfACallNothingIsChanged(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		code := d.sent(t, ada)
		require.Equal(t, mailbox.OK, d.verify(ada, code, call(0)))
		require.Equal(t, mailbox.WrongPIN, d.Change(t.Context(), ada, code, code, call(0)).Reason)
	})
}

func TestProofsAreBounded(t *testing.T) {
	var p proofs
	now := time.Unix(1_800_000_000, 0)
	for i := range maxProofs {
		require.True(t, p.room(now))
		p.keep(uint64(i+1), proof{until: now.Add(time.Minute)})
	}
	require.False(t, p.room(now))
	require.True(t, p.room(now.Add(time.Minute)))
	require.Empty(t, p.kept)
}

func TestOtherClaimsPassThrough(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		d.vault.code = codeOf(t, "482915")
		for _, claim := range []mailbox.Claim{mailbox.ByCode, mailbox.ByFirstUse} {
			at := mailbox.Attempt{Claim: claim, Call: 1}
			require.Equal(t, mailbox.OK, d.verify(ada, d.vault.code, at))
			require.Equal(t, mailbox.WrongPIN, d.verify(ada, codeOf(t, "1"), at))
			require.Equal(t, mailbox.Proved(), d.Change(t.Context(), ada, d.vault.code, codeOf(t, "1"), at))
		}
		require.Equal(t, []mailbox.Claim{0, 0, 0, mailbox.ByFirstUse, mailbox.ByFirstUse, mailbox.ByFirstUse}, d.vault.asked)
		found, err := d.Lookup(t.Context(), mailbox.Query{})
		require.NoError(t, err)
		require.Equal(t, []mailbox.Account{ada}, found)
		require.Zero(t, d.Lag(ada))
		require.Zero(t, d.Traits(ada))
	})
}

type slow struct{ *vault }

func (slow) Lag(mailbox.Account) time.Duration         { return time.Minute }
func (slow) Traits(mailbox.Account) (t mailbox.Traits) { t.Limit = 7; return t }

// Settle and the lock-out ask the Desk as they would ask what it wraps.
func TestAbilitiesOfTheWrappedStoreStay(t *testing.T) {
	db := opened(t)(sqlkit.Open(t.Context(), sqlkit.Options{Path: t.TempDir() + "/x.db"}))
	d, err := New(t.Context(), db, slow{}, nil, DefaultOptions(), nil)
	require.NoError(t, err)
	require.Equal(t, time.Minute, d.Lag(ada))
	require.Equal(t, 7, d.Traits(ada).Limit)
	require.ErrorIs(t, d.Send(t.Context(), ada, oneTime), errNoCarrier)
}

func TestNobodyIsSentWhatIsOfNoUse(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		for flags, want := range map[mailbox.Flags]mailbox.Code{
			{Disabled: true}: mailbox.Disabled, {Locked: true}: mailbox.Locked, {CannotChange: true}: mailbox.CannotChange,
		} {
			a := ada
			a.Flags = flags
			require.Equal(t, want, mailbox.CodeOf(d.wish(a, oneTime)))
		}
		require.Equal(t, mailbox.NotFound, mailbox.CodeOf(d.wish(nobody, oneTime)))
		require.Zero(t, d.post.n)
		require.Equal(t, mailbox.OK, d.verify(ada, d.sent(t, ada), oneTime))
	})
}

// A code that found no way is none of the day's three.
func TestWhatWasNotCarriedIsNotCounted(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		for _, why := range []mailbox.Code{mailbox.NotFound, mailbox.Busy, mailbox.Unavailable, mailbox.NotFound} {
			d.post.fail = mailbox.Fail("carry", why, nil)
			require.Equal(t, why, mailbox.CodeOf(d.wish(ada, oneTime)))
		}
		d.post.fail = nil
		for range 3 {
			d.sent(t, ada)
		}
		require.Equal(t, mailbox.Throttled, mailbox.CodeOf(d.wish(ada, oneTime)))
	})
}

func TestRowsAreForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		for i := range 5 {
			a := ada
			a.ID = fmt.Sprint(i)
			require.Equal(t, mailbox.WrongPIN, d.verify(a, codeOf(t, "12345678"), oneTime))
		}
		d.sent(t, bob)
		rows := func() (n int) {
			require.NoError(t, d.db.Read(t.Context(), func(db *sql.DB) error {
				return db.QueryRow("SELECT count(*) FROM one_time").Scan(&n)
			}))
			return n
		}
		require.Equal(t, 6, rows())
		d.clock.pass(time.Hour)
		d.sent(t, bob)
		require.Equal(t, 1, rows())
		d.clock.pass(24 * time.Hour)
		d.sent(t, ada)
		require.Equal(t, 1, rows())
	})
}

func TestADatabaseThatIsGoneIsUnavailable(t *testing.T) {
	db, err := sqlkit.Open(t.Context(), sqlkit.Options{Path: t.TempDir() + "/x.db"})
	require.NoError(t, err)
	d := deskOn(t, db)
	code := d.sent(t, ada)
	require.NoError(t, db.Close())
	require.Equal(t, mailbox.Unavailable, d.verify(ada, code, oneTime))
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(d.wish(ada, oneTime)))
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(d.Forget(t.Context(), ada)))
}

// A row that was damaged is no code, and asks for no work that would exhaust the machine.
func TestADamagedRowIsNoCode(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		for _, damage := range []string{"memory = 2147483647", "passes = 101", "passes = 0", "hash = salt"} {
			d.clock.pass(24 * time.Hour)
			code := d.sent(t, ada)
			require.NoError(t, d.db.Write(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.Exec("UPDATE one_time SET " + damage)
				return err
			}))
			require.Equal(t, mailbox.WrongPIN, d.verify(ada, code, oneTime), damage)
		}
	})
}

func TestOptionsOutOfTheirRange(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	for want, alter := range map[string]func(*Options){
		"digits is 7; use 8 to 12":    func(o *Options) { o.Digits = 7 },
		"life is 9m0s; use 10m":       func(o *Options) { o.Life = 9 * time.Minute },
		"life is 31m0s":               func(o *Options) { o.Life = 31 * time.Minute },
		"tries is 0; use 1 to 5":      func(o *Options) { o.Tries = 0 },
		"per_day is 21; use 1 to 20":  func(o *Options) { o.PerDay = 21 },
		"digits is 13; use 8 to 12":   func(o *Options) { o.Digits = 13 },
		"tries is 6; use 1 to 5":      func(o *Options) { o.Tries = 6 },
		"per_day is 0; use 1 to 20":   func(o *Options) { o.PerDay = 0 },
		"life is 0s; use 10m to 30m":  func(o *Options) { o.Life = 0 },
		"digits is -8; use 8 to 12":   func(o *Options) { o.Digits = -8 },
		"per_day is -1; use 1 to 20":  func(o *Options) { o.PerDay = -1 },
		"tries is 100; use 1 to 5":    func(o *Options) { o.Tries = 100 },
		"life is 1h0m0s; use 10m to ": func(o *Options) { o.Life = time.Hour },
	} {
		o := DefaultOptions()
		alter(&o)
		require.ErrorContains(t, o.Validate(), want)
		_, err := New(t.Context(), nil, nil, nil, o, nil)
		require.ErrorContains(t, err, want)
	}
}
