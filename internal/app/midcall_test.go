package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// longKey is held so long that what happens at its start cannot be taken for what
// happens at its end, on a busy machine too. How soon it happens make bench measures.
var longKey = caller.Press{Length: 1200 * time.Millisecond}

// A key stops the sentence and the next one starts with it, as a talkspurt by the
// call's media clock: marker, sequence one on, timestamp of the moment.
func TestBargeInIsATalkspurtByTheMediaClock(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		h.add("4001", codes["old"], mailbox.Flags{})
		c := dial(t, h.phone("*97", "4001"))
		c.Press(codes["old"] + "#")
		underWay(c, prompt.MainMenu, 500*time.Millisecond)
		before := len(c.Media().KeyDowns())
		require.NoError(t, c.PressAs(t.Context(), "9", longKey)) // hear it again
		down := c.Media().KeyDowns()[before]
		c.Hear(prompt.MainMenu)

		all := c.Media().Packets()
		n := 0
		for all[n].At.Before(down) || !all[n].Marker {
			n++
		}
		first, last, begin := all[0], all[n-1], all[n]
		require.Less(t, begin.At, down.Add(longKey.Length/2), "not at the key's end")
		require.Equal(t, last.Seq+1, begin.Seq)
		require.Equal(t, last.SSRC, begin.SSRC)
		require.Positive(t, int32(begin.Timestamp-last.Timestamp), "time does not run backwards")
		require.InDelta(t, begin.At.Sub(first.At).Seconds()*8000, begin.Timestamp-first.Timestamp, 4000, "8 a millisecond since the first packet")
		require.Equal(t, begin.Seq+1, all[n+1].Seq)
		if !all[n+1].Marker {
			require.Equal(t, begin.Timestamp+160, all[n+1].Timestamp)
		}

		cut := sound(t, c, prompt.MainMenu, 0)
		require.False(t, cut.Complete)
		require.Less(t, cut.At.Add(cut.Sound.Heard), down.Add(longKey.Length/2), "the old sentence sounds no longer than up to the key")
	})
}

// The first key of an entry is followed by silence.
func TestTheFirstKeyOfAnEntryIsFollowedBySilence(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		h.add("4001", codes["old"], mailbox.Flags{})
		c := dial(t, h.phone("*97", "4001"))
		underWay(c, prompt.EnterCode, time.Second)
		require.NoError(t, c.PressAs(t.Context(), "7", longKey))
		down := c.Media().KeyDowns()[0]
		require.Less(t, c.Media().LastSound(), down.Add(longKey.Length/2))
		sent := c.Media().Stats().Received
		require.Eventually(t, func() bool { return c.Media().Stats().Received > sent+5 }, patience, time.Millisecond, "silence is sent, not nothing")
		c.Press("*")
		c.Hear(prompt.Cleared)
	})
}

// underWay waits until a sentence has sounded for a while.
func underWay(c *callertest.Phone, id prompt.ID, length time.Duration) {
	for {
		for _, s := range c.Media().Heard() {
			if s.ID == id && !s.Ended {
				time.Sleep(time.Until(s.At.Add(length)))
				return
			}
		}
		select {
		case <-c.Done():
			return // what the test wants to hear next is missing then
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// sound is the n-th end of a sentence.
func sound(t testing.TB, c *callertest.Phone, id prompt.ID, n int) caller.Heard {
	for _, s := range c.Media().Heard() {
		if s.ID == id && s.Ended {
			if n--; n < 0 {
				return s
			}
		}
	}
	require.Fail(t, "it was not heard", "%s", id)
	return caller.Heard{}
}

// Held in the middle of a sentence: nothing is sent and nothing runs out meanwhile,
// and the caller hears the rest.
func TestHeldInASentence(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		h.add("4001", codes["old"], mailbox.Flags{})
		c := dial(t, h.phone("*97", "4001"))
		underWay(c, prompt.EnterCode, 1800*time.Millisecond) // more than 3 s of the call: no restart
		held := quiet(t, c, 3*time.Second)
		require.NoError(t, c.Resume(t.Context()))
		c.Hear(prompt.EnterCode)
		require.True(t, sound(t, c, prompt.EnterCode, 0).Complete, "one sentence with a pause in it")
		require.Less(t, sound(t, c, prompt.EnterCode, 0).At, held, "and not begun again")
		c.HearNot(prompt.NoInput)
		c.Press(codes["old"] + "#")
		c.Hear(prompt.MainMenu)
	})
}

// Held while the service waits for a key: the timer stands still.
func TestHeldWhileATimerRuns(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		h.add("4001", codes["old"], mailbox.Flags{})
		c := dial(t, h.phone("*97", "4001"))
		c.Hear(prompt.EnterCode)
		asked := sound(t, c, prompt.EnterCode, 0)
		held := quiet(t, c, 2*h.config.Plan.Timers.FirstDigit)
		ran := held.Sub(asked.At.Add(asked.Sound.Heard)) // before the hold
		c.HearNot(prompt.NoInput)
		resumed := time.Now()
		require.NoError(t, c.Resume(t.Context()))
		c.Hear(prompt.NoInput)
		waited := sound(t, c, prompt.NoInput, 0).At.Sub(resumed)
		require.Greater(t, waited, h.config.Plan.Timers.FirstDigit-ran-500*time.Millisecond, "the rest of the timer")
	})
}

// quiet holds the call for a while, in which nothing may come, and tells since when.
func quiet(t testing.TB, c *callertest.Phone, length time.Duration) time.Time {
	require.NoError(t, c.Hold(t.Context()))
	held := time.Now()
	time.Sleep(500 * time.Millisecond) // for what is on its way
	got := c.Media().Stats().Received
	time.Sleep(time.Until(held.Add(length)))
	require.Equal(t, got, c.Media().Stats().Received, "not a packet while held")
	return held
}

// While the service drains, a caller finishes the change and new ones are sent away.
func TestDrainingLetsACallFinishItsChange(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		a := h.add("4001", codes["old"], mailbox.Flags{})
		c := dial(t, h.phone("*97", "4001"))
		c.Press(codes["old"] + "#")
		underWay(c, prompt.MainMenu, time.Second)
		h.leave()
		_, found := h.log.await(func(r map[string]string) bool { return r[message] == "draining" }, patience)
		require.True(t, found)
		require.Eventually(t, func() bool {
			other, err := callertest.TryDial(t, h.phone("*97", "4001"))
			if err == nil {
				other.Hangup()
				return false
			}
			var refused *caller.Refused
			require.ErrorAs(t, err, &refused)
			require.Equal(t, 503, refused.Status)
			return true
		}, patience, 50*time.Millisecond)
		c.Press("2" + codes["new"] + "#" + codes["new"] + "#")
		c.Hear(prompt.Changed, prompt.MainMenu)
		select {
		case <-h.ended:
			require.Fail(t, "the service left a caller alone")
		default:
		}
		c.Press("*")
		c.Hear(prompt.Goodbye)
		c.Ended()
		h.stop()
		require.True(t, h.inForce(a, codes["new"]))
	})
}

// A program error in one call ends that call, with words where the store failed, and
// no other.
func TestAPanicEndsOneCall(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := openHouse(t, func(c *config.Config) { c.Plan.Timers.Menu = time.Minute }) // the other call waits for the others' ends
		h.add("4001", codes["old"], mailbox.Flags{})
		b := h.add("4002", codes["old"], mailbox.Flags{})
		other := dial(t, h.phone("*97", "4002"))
		other.Press(codes["old"] + "#")
		underWay(other, prompt.MainMenu, 100*time.Millisecond)

		inStore := dial(t, h.phone("*97", "4001"))
		underWay(inStore, prompt.EnterCode, 100*time.Millisecond)
		h.faults.Queue("verify", "panic")
		inStore.Press(codes["old"] + "#")
		inStore.Hear(prompt.Unavailable, prompt.Goodbye)
		inStore.Ended()

		// The loop of a call logs what the store refused: there the journal fails.
		inLoop := dial(t, h.phone("*97", "4001"))
		underWay(inLoop, prompt.EnterCode, 100*time.Millisecond)
		h.faults.Queue("verify", "unavailable")
		h.log.trap(inLoop.CallID())
		_ = inLoop.Call.Press(t.Context(), codes["old"]+"#") // the call may be over before the # is up
		inLoop.Ended()
		_, found := h.log.await(func(r map[string]string) bool {
			return strings.Contains(r[message], "program error") && r["call_id"] == inLoop.CallID()
		}, patience)
		require.True(t, found)
		require.NotContains(t, h.log.String(), errTrap.Error(), "what a panic says may hold a digit")

		other.Press("2" + codes["new"] + "#" + codes["new"] + "#")
		other.Hear(prompt.Changed)
		other.Hangup()
		require.True(t, h.inForce(b, codes["new"]))
	})
}

var errTrap = errors.New("trap")
