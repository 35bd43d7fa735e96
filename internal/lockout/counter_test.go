package lockout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDefaultsAreValid(t *testing.T) { require.NoError(t, DefaultOptions().Validate()) }

func TestOptionsOutOfRange(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Options)
		says string
	}{
		"no try in a call":         {func(o *Options) { o.CallTries = 0 }, "call_tries is 0; use 1 to 10"},
		"wait from too late":       {func(o *Options) { o.WaitFrom = 21 }, "wait_from is 21; use 1 to 20"},
		"close before wait":        {func(o *Options) { o.CloseFrom = 4 }, "close_from is 4; use 5 to 100"},
		"more than SP 800-63B":     {func(o *Options) { o.HardStop = 101 }, "hard_stop is 101; use 10 to 100"},
		"hard stop before close":   {func(o *Options) { o.HardStop = 9 }, "hard_stop is 9; use 10 to 100"},
		"no guess at a mailbox":    {func(o *Options) { o.MailboxPerHour = 0 }, "mailbox_per_hour is 0; use 1 to 1000"},
		"no mailbox of a source":   {func(o *Options) { o.SourceMailboxes = 0 }, "source_mailboxes is 0; use 1 to 1000"},
		"more than is counted":     {func(o *Options) { o.TotalPerHour = 1_000_001 }, "total_per_hour is 1000001; use 3 to 1000000"},
		"for good before an hour":  {func(o *Options) { o.CloseForGood = 9 }, "close_for_good is 9; use 0, which is never, or 10 to 100"},
		"source too strict":        {func(o *Options) { o.SourcePerHour = 2 }, "source_per_hour is 2; use 3 to 1000"},
		"no wait":                  {func(o *Options) { o.WaitFirst = 0 }, "wait_first is 0s; use 1s to 1h0m0s"},
		"longest below first":      {func(o *Options) { o.WaitMax = time.Second }, "wait_max is 1s; use 30s to 24h0m0s"},
		"closed shorter than wait": {func(o *Options) { o.CloseFirst = time.Second }, "close_first is 1s; use 30s to 24h0m0s"},
		"closed for ever":          {func(o *Options) { o.CloseMax = 721 * time.Hour }, "close_max is 721h0m0s; use 1h0m0s to 720h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			c.set(&o)
			require.EqualError(t, o.Validate(), c.says)
			_, err := New(nil, nil, o, nil)
			require.Error(t, err)
		})
	}
}

func TestLadder(t *testing.T) {
	o := DefaultOptions()
	for w, want := range map[int][2]time.Duration{ // own, any
		0: {0, 0}, 4: {0, 0},
		5: {30 * time.Second, 30 * time.Second}, 9: {8 * time.Minute, 8 * time.Minute},
		10: {16 * time.Minute, time.Hour}, 11: {32 * time.Minute, 2 * time.Hour},
		12: {time.Hour, 4 * time.Hour}, 14: {time.Hour, 16 * time.Hour},
		15: {time.Hour, 24 * time.Hour}, 99: {time.Hour, 24 * time.Hour}, 1 << 40: {time.Hour, 24 * time.Hour},
	} {
		require.Equal(t, want, [2]time.Duration{o.wait(false, w), o.wait(true, w)}, "%d in a row", w)
	}
}

// Between one and two generations of calls are remembered, never more.
func TestCallsAreBounded(t *testing.T) {
	c, now := newCalls(1), time.Unix(1_800_000_000, 0)
	const n = 5 * maxCalls / 2
	for i := uint64(1); i <= n; i++ {
		require.True(t, c.take(i, now))
		require.LessOrEqual(t, len(c.young)+len(c.older), 2*maxCalls)
	}
	require.False(t, c.take(n, now), "the last is remembered")
	require.False(t, c.take(n-maxCalls, now), "so is one of the generation before")
	require.True(t, c.take(1, now), "the first is forgotten")
	c.giveBack(1 << 60)
	c.giveBack(n - maxCalls)
	require.True(t, c.take(n-maxCalls, now), "a try given back is there again")
}

func TestCallsAreForgottenByAge(t *testing.T) {
	c, now := newCalls(1), time.Unix(1_800_000_000, 0)
	require.True(t, c.take(1, now))
	require.False(t, c.take(1, now.Add(callKept-time.Second)))
	require.False(t, c.take(1, now.Add(callKept)), "it takes its tries into the next generation")
	require.True(t, c.take(2, now.Add(2*callKept)))
	require.True(t, c.take(1, now.Add(3*callKept)))
	require.Len(t, c.older, 1)
}

func TestOnlyWrongCodesTakeRoom(t *testing.T) {
	c, now := newCalls(3), time.Unix(1_800_000_000, 0)
	for i := uint64(1); i <= 100; i++ {
		require.True(t, c.take(i, now))
		c.giveBack(i)
	}
	require.Empty(t, c.young)
	require.True(t, c.take(7, now))
	require.True(t, c.take(7, now))
	c.giveBack(7)
	require.Equal(t, map[uint64]int{7: 1}, c.young)
}

func TestNoCallHasNoCallLimit(t *testing.T) {
	c := newCalls(1)
	require.True(t, c.take(0, time.Time{}))
	require.True(t, c.take(0, time.Time{}))
	require.Empty(t, c.young)
}

func TestLongKeysAreBoundedAndStayApart(t *testing.T) {
	long := make([]byte, 10_000)
	a, b := bounded(string(long)), bounded(string(long)+"x")
	require.Len(t, a, 64)
	require.NotEqual(t, a, b)
	require.Equal(t, "short", bounded("short"))
}

// FuzzCounter holds the counter against a list of tries: whatever the order in
// which answers come, it never counts fewer tries than are held against the key
// (a guess for nothing) nor more than were made; in order it counts exactly.
func FuzzCounter(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0x12, 0, 0x21})
	f.Add([]byte{0, 0, 0, 2, 1, 3})
	f.Fuzz(func(t *testing.T, steps []byte) {
		steps = steps[:min(len(steps), 256)]
		var c Counter
		now := time.Unix(1_800_000_000, 0)
		held := map[uint64]bool{}
		var pending []uint64
		inOrder := true
		for _, s := range steps {
			if s%4 == 0 || len(pending) == 0 {
				n := c.count(now)
				held[n] = true
				pending = append(pending, n)
				continue
			}
			i := int(s/4) % len(pending)
			n := pending[i]
			inOrder = inOrder && len(pending) == 1
			pending = append(pending[:i], pending[i+1:]...)
			switch s % 4 {
			case 1: // right
				c.clear(n, now)
				for k := range held {
					if k <= n {
						delete(held, k)
					}
				}
			case 2: // not tried
				c.giveBack(n, now, now)
				delete(held, n)
			}
			require.GreaterOrEqual(t, c.Wrong(), len(held))
			require.LessOrEqual(t, c.Cleared, c.Tries)
			if inOrder {
				require.Equal(t, len(held), c.Wrong())
			}
			require.Equal(t, c.Wrong() == 0 && c.Tries > 0, !c.Expires.IsZero(), "only a counter that holds nothing may be forgotten")
		}
	})
}

func TestEntries(t *testing.T) {
	at := time.UnixMilli(4_102_444_800_123) // 2100
	for _, what := range []int64{0, 1, maxEntry} {
		e := entry(at, what)
		require.Positive(t, e)
		require.Equal(t, at, timeOf(e))
		require.Equal(t, what, whatOf(e))
	}
}

// A clock that is set back leaves no entry that never ends.
func TestEntriesOfTheFutureBecomeNow(t *testing.T) {
	var c Counter
	now := time.UnixMilli(1_800_000_000_000)
	c.list(entry(now.Add(24*time.Hour), 7), hour)
	c.slide(now, hour)
	require.Equal(t, []int64{entry(now, 7)}, c.Recent)
	c.slide(now.Add(hour), hour)
	require.Empty(t, c.Recent)
}

// FuzzTally holds a tally against a list of every try: no hour ever has more than the
// limit, and what is given back is free again.
func FuzzTally(f *testing.F) {
	f.Add([]byte{1, 1, 1, 200, 1, 2, 1})
	f.Add([]byte{59, 61, 3, 3, 3, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, steps []byte) {
		const limit = 20
		var c Counter
		now := time.Unix(1_800_000_000, 0)
		var tries []time.Time
		for _, s := range steps[:min(len(steps), 500)] {
			now = now.Add(time.Duration(s) * time.Second)
			c.slide(now, tallyWindow)
			inHour := 0
			for _, at := range tries {
				if at.After(now.Add(-hour)) {
					inHour++
				}
			}
			until := c.tallied(limit)
			require.True(t, inHour < limit || now.Before(until), "%d in the hour", inHour)
			require.LessOrEqual(t, len(c.Recent), 62)
			if now.Before(until) {
				require.LessOrEqual(t, until.Sub(now), tallyWindow)
				continue
			}
			before := append([]int64(nil), c.Recent...)
			c.tally(now)
			if s%3 == 0 {
				c.untally(now)
				require.ElementsMatch(t, before, c.Recent)
				continue
			}
			tries = append(tries, now)
		}
	})
}
