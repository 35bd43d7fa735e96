package callertest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// How often a test is played, and with which verdict.
func TestWhatIsPlayedAgain(t *testing.T) {
	t.Parallel()
	disturbed := func(mark) string { return "the machine stood still" }
	calm := func(mark) string { return "" }
	for name, c := range map[string]struct {
		lost   func(mark) string
		fails  int // in how many runs, from the first on
		runs   int
		passes bool
		says   string
	}{
		"right on a calm machine":                {calm, 0, 1, true, ""},
		"right on a disturbed one":               {disturbed, 0, 1, true, ""},
		"wrong on a calm machine":                {calm, 99, 1, false, "on a machine that kept time:\nthat was wrong"},
		"wrong once on a disturbed one":          {disturbed, 1, 2, true, "played again: the machine stood still:\nthat was wrong"},
		"wrong three times on a disturbed one":   {disturbed, 3, 4, true, "played again"},
		"always wrong on a disturbed one":        {disturbed, 99, 4, false, "played 4 times, at last while the machine stood still:\nthat was wrong"},
		"wrong, disturbed at the first run only": {once(disturbed, calm), 99, 2, false, "on a machine that kept time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, verdict, runs := newTheatre(), newPlay(t), 0
			h.lost = c.lost
			verdict.perform(func(t testing.TB) {
				h.play(t, func(t testing.TB) {
					if runs++; runs <= c.fails {
						t.Fatal("that was wrong")
					}
				})
			})
			require.Equal(t, c.passes, !verdict.Failed())
			require.Equal(t, c.runs, runs)
			require.Contains(t, verdict.said.String(), c.says)
		})
	}
}

// once asks one at first and then another.
func once(first, then func(mark) string) func(mark) string {
	asked := false
	return func(m mark) string {
		if asked {
			return then(m)
		}
		asked = true
		return first(m)
	}
}

// What is played again waits for those that have not begun, and has few beside it.
func TestPlaysAreRepeatedAtTheEndFewAtATime(t *testing.T) {
	t.Parallel()
	const plays = 12
	h := newTheatre()
	h.lost = func(mark) string { return "the machine stood still" }
	var firsts, again, most atomic.Int32
	var all sync.WaitGroup
	for range plays {
		all.Go(func() {
			verdict, n := newPlay(t), 0
			verdict.perform(func(t testing.TB) {
				h.play(t, func(t testing.TB) {
					if n++; n == 1 {
						time.Sleep(10 * time.Millisecond)
						firsts.Add(1)
						t.FailNow()
					}
					now := again.Add(1)
					most.Store(max(most.Load(), now))
					time.Sleep(time.Millisecond)
					again.Add(-1)
					if now > atATime {
						t.Error("more at a time")
					}
				})
			})
			if verdict.Failed() {
				t.Error(verdict.said.String())
			}
		})
	}
	all.Wait()
	require.EqualValues(t, plays, firsts.Load())
	require.Positive(t, most.Load())
}

// A run has clean-ups and a context of its own, whichever way it ends.
func TestARunEndsWithItsCleanUps(t *testing.T) {
	t.Parallel()
	h, verdict := newTheatre(), newPlay(t)
	h.lost = once(func(mark) string { return "the machine stood still" }, func(mark) string { return "" })
	var did []string
	verdict.perform(func(t testing.TB) {
		h.play(t, func(t testing.TB) {
			did = append(did, "run")
			t.Cleanup(func() { did = append(did, "first") })
			t.Cleanup(func() {
				require.Error(t, t.Context().Err())
				did = append(did, "second")
				require.Fail(t, "a clean-up that fails")
			})
			require.NoError(t, t.Context().Err())
			if len(did) == 1 {
				require.Fail(t, "wrong")
			}
		})
	})
	require.Equal(t, []string{"run", "second", "first", "run", "second", "first"}, did)
	require.True(t, verdict.Failed(), "the second run's clean-up")
}

func TestASkippedRunSkipsItsTest(t *testing.T) {
	t.Parallel()
	verdict := newPlay(t)
	verdict.perform(func(t testing.TB) {
		newTheatre().play(t, func(t testing.TB) { t.Skip("not here") })
	})
	require.True(t, verdict.Skipped())
	require.False(t, verdict.Failed())
	require.Equal(t, "not here", verdict.story())
}

// The metronome tells a machine that lost time from one that kept it.
func TestTheMetronomeTellsLostTime(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	for name, c := range map[string]struct {
		late []time.Duration // one beat a second
		says string
	}{
		"no beat late":                   {nil, ""},
		"less than a packet":             {[]time.Duration{19 * time.Millisecond, 19 * time.Millisecond}, ""},
		"some packets":                   {[]time.Duration{30 * time.Millisecond, 0, 50 * time.Millisecond, 0}, ""},
		"a standstill":                   {[]time.Duration{0, 0, 0, 412 * time.Millisecond, 0}, "the machine stood still for 412ms at t=3.0s"},
		"the longest of two standstills": {[]time.Duration{0, 300 * time.Millisecond, 500 * time.Millisecond}, "the machine stood still for 500ms at t=2.0s"},
		"a little late all the time": {[]time.Duration{199 * time.Millisecond, 199 * time.Millisecond, 199 * time.Millisecond},
			"the machine was late by 597ms within 3s"},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(metronome)
			for i, late := range c.late {
				m.next = begin.Add(time.Duration(i) * time.Second)
				m.note(m.next.Add(late))
			}
			require.Equal(t, c.says, m.lostUntil(mark{at: begin}, begin.Add(time.Duration(len(c.late))*time.Second)))
		})
	}
}

// It sees that its own beats do not come.
func TestTheMetronomeSeesAStandstill(t *testing.T) {
	t.Parallel()
	m := new(metronome)
	since := m.begin()
	defer m.end()
	m.mu.Lock() // no beat is noted until it is over
	time.Sleep(2 * standstill)
	m.mu.Unlock()
	require.Contains(t, m.lost(since), "the machine ")
}
