package adapter

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

func code(t testing.TB, digits string) pin.PIN {
	t.Helper()
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all Turns
		old, other := code(t, "482915"), code(t, "739164")
		first, err := all.Take(t.Context(), "change", "a", old)
		require.NoError(t, err)
		away, err := all.Take(t.Context(), "change", "b", old)
		require.NoError(t, err, "another mailbox's")
		away.End()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = all.Take(ctx, "change", "a", other)
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "whoever waits goes with his patience")
		require.Equal(t, 1, all.Waiting("a"))

		errs := make(chan error, 3)
		for _, current := range []pin.PIN{old, other, {}} {
			// Who waits: started here; stops when it has had its turn.
			go func() {
				mine, err := all.Take(t.Context(), "change", "a", current)
				if err == nil {
					mine.End()
				}
				errs <- err
			}()
		}
		synctest.Wait()
		require.Equal(t, 4, all.Waiting("a"))
		first.Replaced(old, other)
		first.End()
		got := map[mailbox.Code]int{}
		for range 3 {
			got[mailbox.CodeOf(<-errs)]++
		}
		require.Equal(t, map[mailbox.Code]int{mailbox.OK: 2, mailbox.WrongPIN: 1}, got, "who has the old code is not let try it")
		synctest.Wait()
		require.Empty(t, all.busy)
		later, err := all.Take(t.Context(), "change", "a", old)
		require.NoError(t, err, "whoever comes later asks the system")
		later.End()
	})
}

func TestACodeThatMayBeInForceAgainIsTried(t *testing.T) {
	old, next := code(t, "482915"), code(t, "739164")
	for name, replaced := range map[string]func(*Turn){
		"it replaced itself":                 func(m *Turn) { m.Replaced(old, old) },
		"an administrator's reset came then": func(m *Turn) { m.Replaced(old, next); m.Replaced(pin.PIN{}, old) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all Turns
				first, err := all.Take(t.Context(), "change", "a", old)
				require.NoError(t, err)
				got := make(chan error)
				// Who waits: started here; stops when it has the turn.
				go func() {
					_, err := all.Take(t.Context(), "change", "a", old)
					got <- err
				}()
				synctest.Wait()
				replaced(first)
				first.End()
				require.NoError(t, <-got)
			})
		})
	}
}

func TestAllowed(t *testing.T) {
	p := pin.Policy{MinLen: 6, MaxLen: 8, MaxSameRun: 2, Current: true}
	c := pin.Context{Extension: "4001", Current: code(t, "482915")}
	for next, want := range map[string]mailbox.Code{
		"739164": mailbox.OK, "": mailbox.TooShort, "73916": mailbox.TooShort, "739164208": mailbox.TooLong,
		"482915": mailbox.InHistory, "777164": mailbox.Trivial,
	} {
		require.Equal(t, want, mailbox.CodeOf(Allowed("change", p, code(t, next), c)), next)
	}
	require.ErrorContains(t, Allowed("change", p, code(t, "777164"), c), "rule "+string(pin.SameRun))
}

func TestResultsOfWrites(t *testing.T) {
	require.Equal(t, mailbox.Proved(), Written(nil))
	require.Equal(t, mailbox.Unknown, Written(mailbox.Fail("change", mailbox.OutcomeUnknown, nil)).Outcome)
	require.Equal(t, mailbox.Trivial, Written(mailbox.Fail("change", mailbox.Trivial, nil)).Reason)
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(Unwritten("change", mailbox.Fail("verify", mailbox.OutcomeUnknown, nil))))
	require.Equal(t, mailbox.Locked, mailbox.CodeOf(Unwritten("change", mailbox.Fail("verify", mailbox.Locked, nil))))
	require.NoError(t, Unwritten("change", nil))
}

func TestNoCodeIsNotTheCurrentOne(t *testing.T) {
	require.NoError(t, Known("change", mailbox.Account{}, code(t, "482915")))
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(Known("change", mailbox.Account{}, pin.PIN{})))
	require.Equal(t, mailbox.NoCode, mailbox.CodeOf(Known("change", mailbox.Account{Flags: mailbox.Flags{NoCode: true}}, pin.PIN{})))
}

func TestASystemThatCannotCheckSaysSo(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(Uncheckable(t.Context(), mailbox.Account{})))
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(Uncheckable(t.Context(), mailbox.Account{ID: "a"})))
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(Uncheckable(ended, mailbox.Account{ID: "a"})))
}

func TestReadBackLooksUntilTheCodeShows(t *testing.T) {
	errLine := errors.New("no line")
	for name, c := range map[string]struct {
		within time.Duration
		shows  func(n int) (bool, error)
		want   mailbox.Outcome
		looks  int
	}{
		"at once":                    {0, func(int) (bool, error) { return true, nil }, mailbox.Done, 1},
		"late":                       {time.Second, func(n int) (bool, error) { return n == 4, nil }, mailbox.Done, 4},
		"after an error":             {time.Second, func(n int) (bool, error) { return n == 2, errLine }, mailbox.Unknown, 6},
		"an error does not end it":   {time.Second, func(n int) (bool, error) { return n > 1, map[bool]error{n == 1: errLine}[true] }, mailbox.Done, 2},
		"too late":                   {time.Second, func(int) (bool, error) { return false, nil }, mailbox.Unknown, 6},
		"one look where no time is":  {0, func(int) (bool, error) { return false, nil }, mailbox.Unknown, 1},
		"longer than a caller waits": {time.Hour, func(int) (bool, error) { return false, nil }, mailbox.Unknown, 14},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				looks := 0
				r := ReadBack(ctx, c.within, func() (bool, error) {
					looks++
					return c.shows(looks)
				})
				require.Equal(t, c.want, r.Outcome)
				require.Equal(t, c.looks, looks)
			})
		})
	}
}

func TestMemoryIsBelievedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := Memory[int]{Keep: time.Minute}
		m.Set("a", 1)
		got, ok := m.Get("a")
		require.True(t, ok)
		require.Equal(t, 1, got)
		m.Forget("a")
		_, ok = m.Get("a")
		require.False(t, ok)
		m.Set("a", 2)
		time.Sleep(time.Minute)
		_, ok = m.Get("a")
		require.False(t, ok, "its time is over")
		for i := range maxKept + 10 {
			m.Set(fmt.Sprint(i), i)
		}
		require.LessOrEqual(t, len(m.kept), maxKept)
	})
}

func TestTheRulebookKnowsWhoHasWhichRules(t *testing.T) {
	b := Rulebook[int]{Memory: Memory[int]{Keep: time.Hour}}
	_, ok := b.Assign("ada", "strict")
	require.False(t, ok, "not read yet")
	b.Set("strict", 7)
	b.Set("", 3)
	for owner, want := range map[string]int{"ada": 7, "nobody": 3} {
		got, ok := b.Of(owner)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	got, ok := b.Assign("bea", "strict")
	require.True(t, ok)
	require.Equal(t, 7, got)
	for i := range maxKept + 10 {
		b.Assign(fmt.Sprint(i), "strict")
	}
	require.LessOrEqual(t, len(b.owners), maxKept)
}

func TestTrivialIsTheRuleOfThatName(t *testing.T) {
	p := Trivial(pin.Policy{MinLen: 4, MaxSequence: 3})
	require.Equal(t, pin.Policy{
		MinLen: 4, MaxSequence: 3, MaxSameRun: 2, WholeSequence: true, RepeatBlock: true, ReturningGroup: true, MinDistinct: 3,
		KeypadLine: true, OwnNumber: pin.NotContained, Name: true,
	}, p)
	require.NoError(t, p.Validate())
}

func TestWhatIsSaidOfEarlierCodes(t *testing.T) {
	require.Equal(t, pin.Policy{}, Old(pin.Policy{}, 0, 0))
	require.Equal(t, pin.Policy{Current: true, History: 12}, Old(pin.Policy{}, 12, 0))
	require.Equal(t, pin.Policy{Current: true}, Old(pin.Policy{}, -1, 1))
	p := Old(pin.Policy{}, 99, 2)
	require.Equal(t, pin.Policy{Current: true, NearCurrent: true, History: MaxHistory}, p)
	require.NoError(t, p.Validate())
	p.History++
	require.Error(t, p.Validate(), "more cannot be named")
}

func TestTheLowerOfTwoLimits(t *testing.T) {
	require.Equal(t, []int{0, 3, 3, 2}, []int{Lower(0, 0), Lower(0, 3), Lower(3, 0), Lower(4, 2)})
}

func TestPagesAreCutInOrder(t *testing.T) {
	all := []mailbox.Account{
		{ID: "d", Extension: "4002", Name: "Dana"}, {ID: "b", Domain: "west", Extension: "4001"},
		{ID: "c", Extension: "4001", Numbers: []string{"12015550143"}}, {ID: "a", Extension: "4001", Name: "Ada Example"},
	}
	ids := func(p mailbox.Page) (got string) {
		for _, a := range PageOf(all, p) {
			got += a.ID
		}
		return got
	}
	require.Equal(t, "acdb", ids(mailbox.Page{}))
	require.Equal(t, "ac", ids(mailbox.Page{Limit: 2}))
	require.Equal(t, "db", ids(mailbox.Page{Limit: 2, After: &all[2]}))
	require.Equal(t, "", ids(mailbox.Page{After: &all[1]}))
	require.Equal(t, "cdb", ids(mailbox.Page{After: &mailbox.Account{ID: "b", Extension: "4001"}}), "the one before is there no more")
	require.Equal(t, "a", ids(mailbox.Page{Search: "EXAMPLE"}))
	require.Equal(t, "c", ids(mailbox.Page{Search: "5550143"}))
	require.Equal(t, "d", ids(mailbox.Page{Search: "4002"}))
	many := make([]mailbox.Account, 2*maxPage)
	require.Len(t, PageOf(many, mailbox.Page{Limit: 3 * maxPage}), maxPage)
}
