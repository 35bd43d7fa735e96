package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// After each key of the good path the caller hangs up. Before the last key nothing
// has changed; with it the change is made, whether or not anybody waits for it.
func TestHangUpAfterEachKeyOfTheGoodPath(t *testing.T) {
	t.Parallel()
	path := codes["old"] + "#2" + codes["new"] + "#" + codes["new"] + "#"
	for n := range len(path) + 1 {
		t.Run(fmt.Sprintf("%d of %d", n, len(path)), func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				s := newStation(t)
				s.faults.Queue("change", "slow", "300ms")
				c := dial(t, s.phone("*97", "4001"))
				c.Press(path[:n])
				if n == len(path) { // keys typed ahead are no entry until the code is verified
					require.Eventually(t, func() bool { return s.faults.Count("change") == 1 }, patience, time.Millisecond)
				}
				s.left(c, n == len(path))
			})
		})
	}
}

// The caller hangs up in each state, whether it speaks, waits or asks the store.
func TestHangUpInEachState(t *testing.T) {
	t.Parallel()
	speaking := func(id prompt.ID) func(*station, *callertest.Phone) {
		return func(_ *station, c *callertest.Phone) { underWay(c, id, 300*time.Millisecond) }
	}
	asking := func(op string) func(*station, *callertest.Phone) {
		return func(s *station, _ *callertest.Phone) {
			require.Eventually(s.t, func() bool { return !s.faults.Idle() && s.faults.Count(op) == 1 }, patience, 5*time.Millisecond)
		}
	}
	old, twice := codes["old"]+"#", codes["new"]+"#"+codes["new"]+"#"
	for state, c := range map[string]struct {
		door    string
		store   []string
		keys    string
		until   func(*station, *callertest.Phone)
		changed bool
		end     string
	}{
		"extension":     {"*98", nil, "", speaking(prompt.EnterExtension), false, "hung-up"},
		"access code":   {"*97", nil, "", speaking(prompt.EnterCode), false, "hung-up"},
		"finding":       {"*97", []string{"lookup", "slow", "4s"}, old, asking("lookup"), false, "hung-up"},
		"verifying":     {"*97", []string{"verify", "slow", "4s"}, old, asking("verify"), false, "hung-up"},
		"please wait":   {"*97", []string{"verify", "slow", "6s"}, old, speaking(prompt.PleaseWait), false, "hung-up"},
		"menu":          {"*97", nil, old, speaking(prompt.MainMenu), false, "hung-up"},
		"new code":      {"*97", nil, old + "2", speaking("enter-new-code-6-10"), false, "hung-up"},
		"confirm":       {"*97", nil, old + "2" + codes["new"] + "#", speaking(prompt.RepeatNewCode), false, "hung-up"},
		"changing":      {"*97", []string{"change", "slow", "4s"}, old + "2" + twice, asking("change"), true, "hung-up-while-changing"},
		"a dead change": {"*97", []string{"change", "dead"}, old + "2" + twice, asking("change"), false, "hung-up-while-changing"},
		"announcing":    {"*97", nil, old + "2" + twice, speaking(prompt.Changed), true, "hung-up"},
		"leaving":       {"*97", []string{"verify", "unavailable"}, old, speaking(prompt.Unavailable), false, "hung-up"},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				s := newStation(t)
				if c.store != nil {
					s.faults.Queue(c.store[0], c.store[1:]...)
				}
				call := dial(t, s.phone(c.door, "4001"))
				if c.keys != "" {
					call.Press(c.keys)
				}
				c.until(s, call)
				require.Equal(t, c.end, s.left(call, c.changed))
			})
		})
	}
}

// A caller may say BYE before the ACK of the 200 is in.
func TestHangUpBeforeTheAck(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		s := newStation(t)
		o := s.phone("*97", "4001")
		o.Ack.Withhold = true
		c := dial(t, o)
		require.Equal(t, "hung-up", s.left(c, false))
		require.Empty(t, c.Media().Packets())
	})
}

// station is a house with one mailbox and RTP ports for one call.
type station struct {
	*house
	account mailbox.Account
}

func newStation(t testing.TB) *station {
	h := openHouse(t, func(c *config.Config) { c.Media.PortMin, c.Media.PortMax = reserve(1) })
	return &station{house: h, account: h.add("4001", codes["old"], mailbox.Flags{})}
}

// left hangs up and proves that nothing of the call is left but what was done: its
// end record, the port pair free for the next caller, and the code in force. It
// returns the word of the call's end. Goroutines are counted when all tests are over.
func (s *station) left(c *callertest.Phone, changed bool) string {
	c.Hangup()
	r, ok := s.log.end(c.CallID(), patience)
	require.True(s.t, ok, "no end record")
	require.Eventually(s.t, func() bool {
		next, err := caller.Dial(s.t.Context(), s.phone("*98", "4001"))
		if err != nil {
			return false
		}
		defer next.Close()
		return next.Hangup(s.t.Context()) == nil
	}, patience, 20*time.Millisecond, "the only port pair is not free")
	s.stop()
	require.True(s.t, s.faults.Idle(), "the service waits for what it has begun")
	require.Equal(s.t, changed, s.inForce(s.account, codes["new"]))
	require.Equal(s.t, !changed, s.inForce(s.account, codes["old"]))
	return r["end"]
}
