package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// An INVITE with a forged source address is never acknowledged: nobody may be sent
// audio by it, nobody's tries may be used up, and it holds a call for 64*T1 at most.
func TestAnInviteWithoutAckGetsNothing(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		const t1 = 40 * time.Millisecond
		h := openHouse(t, func(c *config.Config) { c.SIP.T1, c.SIP.T2 = t1, 8*t1 })
		h.add("4001", codes["old"], mailbox.Flags{})
		o := h.phone("*97", "4001")
		o.Keys, o.Ack.Withhold = caller.Info, true
		c := dial(t, o)
		if err := c.PressAs(t.Context(), codes["wrong"]+"#", caller.Press{Length: 10 * time.Millisecond, Gap: -1}); err != nil {
			require.ErrorIs(t, err, caller.ErrEnded, "slower than the call lasts")
		}
		sendEvents(t, c.Call, codes["wrong"]+"#")
		select {
		case <-c.Done():
		case <-time.After(patience):
			require.Fail(t, "the call is held for ever")
		}
		require.Equal(t, caller.TheyHung, c.End())
		require.Greater(t, c.Times().Ended, c.Times().Answered.Add(48*t1), "64*T1 less what a busy machine takes to send")
		require.GreaterOrEqual(t, c.Repeated2xx(), 3, "40, 120, 280, 600, 920 ms and so on")
		r, ok := h.log.end(c.CallID(), patience)
		require.True(t, ok)
		require.Equal(t, "hung-up", r["end"])
		require.Equal(t, "0", r["packets_out"])
		require.Empty(t, c.Media().Packets(), "not one packet")
		stats := c.Media().Stats()
		require.Zero(t, stats.SenderReports+stats.ReceiverReports+stats.Byes+stats.Junk, "nor RTCP")
		require.Zero(t, h.faults.Count("lookup")+h.faults.Count("verify"))
		require.Empty(t, records(t, h.stores)[2:], "the only records are the mailbox's own")
		dial(t, h.phone("*97", "4001")).Hear(prompt.Welcome)
	})
}

// sendEvents sends keys as RFC 4733 packets from a stranger's socket.
func sendEvents(t testing.TB, c *caller.Call, keys string) {
	agreed := c.Agreed()
	conn, err := net.Dial("udp", agreed.Remote.String())
	require.NoError(t, err)
	defer conn.Close()
	header := rtp.Header{Version: 2, PayloadType: agreed.EventPT, SSRC: 97}
	for _, key := range []byte(keys) {
		d, _ := dtmf.DigitOf(key)
		for _, piece := range dtmf.Encode(nil, dtmf.Press{Digit: d, Length: 40 * time.Millisecond, Volume: 10}, agreed.EventRate, agreed.PTime) {
			header.SequenceNumber++
			header.Marker = piece.Marker
			raw, err := (&rtp.Packet{Header: header, Payload: piece.Payload[:]}).Marshal()
			require.NoError(t, err)
			_, err = conn.Write(raw)
			require.NoError(t, err)
		}
		header.Timestamp += 800
	}
}

// A call that a telephone system transfers or bridges gets its media address late,
// or its direction: the caller hears the whole greeting all the same.
func TestTheWholeGreetingIsHeardAfterARenegotiation(t *testing.T) {
	t.Parallel()
	for name, road := range map[string]struct {
		options caller.Options
		stream  caller.Stream
		wait    func(n int) time.Duration
		calls   int
	}{
		"the media address moves 300 ms after the ACK": {
			caller.Options{}, caller.Stream{MovePort: true}, moved, alike},
		"the media address moves 300 ms after the ACK of a delayed offer": {
			caller.Options{Delayed: true}, caller.Stream{MovePort: true}, moved, alike},
		"the first offer is inactive": {
			caller.Options{Direction: caller.Inactive}, caller.Stream{Direction: caller.SendRecv}, resumed, alike},
		"the answer to a delayed offer is inactive": {
			caller.Options{Delayed: true, Direction: caller.Inactive}, caller.Stream{Direction: caller.SendRecv}, resumed, alike},
		"the first offer is inactive, the address moves, the second offer is ours": {
			caller.Options{Direction: caller.Inactive}, caller.Stream{Direction: caller.SendRecv, MovePort: true, NoOffer: true}, resumed, 10},
		"resumed by UPDATE": {
			caller.Options{Direction: caller.Inactive}, caller.Stream{Direction: caller.SendRecv, Update: true}, resumed, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				h := openHouse(t, func(c *config.Config) {
					c.Media.PortMin, c.Media.PortMax = reserve(road.calls)
				})
				h.add("4001", codes["old"], mailbox.Flags{})
				var all sync.WaitGroup
				failures := make([]error, road.calls)
				for n := range road.calls {
					free := occupy()
					all.Go(func() {
						defer free()
						o := h.phone("*97", "4001")
						o.Delayed, o.Direction = road.options.Delayed, road.options.Direction
						failures[n] = greeted(t.Context(), o, road.wait(n), road.stream)
					})
				}
				all.Wait()
				for n, err := range failures {
					require.NoError(t, err, "call %d; the service says: %v", n, h.log)
				}
			})
		})
	}
}

func moved(int) time.Duration { return 300 * time.Millisecond }

// resumed is 300 to 1500 ms.
func resumed(n int) time.Duration { return time.Duration(300+n*23%50*24) * time.Millisecond }

// greeted makes a call, renegotiates it after a while, and tells what of the greeting
// was not heard from its beginning to its end where the stream leads from then on.
func greeted(ctx context.Context, o caller.Options, after time.Duration, s caller.Stream) error {
	c, err := caller.Dial(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	time.Sleep(after)
	for end := time.Now().Add(patience); o.Direction != caller.Inactive && len(c.Media().Packets()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("no packet came before the stream was changed")
		}
	}
	if n := len(c.Media().Packets()); n > 0 && o.Direction == caller.Inactive {
		return fmt.Errorf("%d packets came before the stream was changed", n)
	}
	old, changed := c.Media().LocalAddr().Port(), time.Now()
	if err := c.Renegotiate(ctx, s); err != nil {
		return err
	}
	for _, want := range []prompt.ID{prompt.Welcome, prompt.EnterCode} {
		if err := heardSince(c, want, changed); err != nil {
			return err
		}
	}
	if s.MovePort {
		if err := movedFor(c.Media().Packets(), old); err != nil {
			return err
		}
	}
	return c.Hangup(ctx)
}

// movedFor checks that after the first packet to another port none goes to the old one.
func movedFor(all []caller.Packet, old uint16) error {
	slices.SortStableFunc(all, func(a, b caller.Packet) int { return a.At.Compare(b.At) })
	first := slices.IndexFunc(all, func(p caller.Packet) bool { return p.Port != old })
	if first < 0 {
		return errors.New("no packet went to the new address")
	}
	if slices.ContainsFunc(all[first:], func(p caller.Packet) bool { return p.Port == old }) {
		return errors.New("a packet still goes to the old address after one to the new")
	}
	return nil
}

// heardSince waits until a sentence was heard whole that did not begin before a
// moment.
func heardSince(c *caller.Call, id prompt.ID, since time.Time) error {
	const early = 5 * time.Millisecond // of a beginning that is dated by its arrival
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if slices.ContainsFunc(c.Media().Heard(), func(s caller.Heard) bool {
			return s.ID == id && s.Complete && !s.At.Before(since.Add(-early))
		}) {
			return nil
		}
	}
	return fmt.Errorf("%s was not heard whole after the stream was changed; media %+v, heard %+v", id, c.Media().Stats(), c.Media().Heard())
}

// Neither audio nor keys have to come by RTP.
func TestACallerWhoSendsNoRTP(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := newHouse(t)
		a := h.add("4001", codes["old"], mailbox.Flags{})
		o := h.phone("*97", "4001")
		o.Talk, o.Keys = caller.Nothing, caller.Info
		c := dial(t, o)
		c.Hear(prompt.Welcome, prompt.EnterCode)
		c.Press(codes["old"] + "#")
		c.Hear(prompt.MainMenu)
		c.Press("2" + codes["new"] + "#" + codes["new"] + "#")
		c.Hear(prompt.Changed)
		require.Zero(t, c.Media().Stats().Sent)
		require.Zero(t, c.Media().Stats().BeforeAck)
		require.True(t, h.inForce(a, codes["new"]))
	})
}
