package onetime

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/hashpool"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// The memory that a hash takes proves that it was made: for whom there is no code, for
// whom there is no mailbox, and for whom nothing is sent.
func TestTheWorkIsTheSameWhoeverItIs(t *testing.T) {
	db := opened(t)(sqlkit.Open(t.Context(), sqlkit.Options{Path: t.TempDir() + "/x.db"}))
	d, err := New(t.Context(), db, &vault{}, &postman{fail: mailbox.NotFound}, DefaultOptions(), nil)
	require.NoError(t, err)
	code := codeOf(t, "12345678")
	locked := bob
	locked.Flags.Locked = true
	for name, do := range map[string]func(){
		"verify at no mailbox":        func() { _ = d.Verify(context.Background(), nobody, code, oneTime) },
		"verify where there is none":  func() { _ = d.Verify(context.Background(), ada, code, oneTime) },
		"send to no mailbox":          func() { _ = d.Send(context.Background(), nobody, oneTime) },
		"send where there is no way":  func() { _ = d.Send(context.Background(), ada, oneTime) },
		"send to a mailbox locked up": func() { _ = d.Send(context.Background(), locked, oneTime) },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		require.Greater(t, after.TotalAlloc-before.TotalAlloc, uint64(usual.memory)<<10, name)
	}
}

// A try that found no place to be looked at is given back; one whose caller left is not.
func TestABusyPoolCostsNoTry(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		code := d.sent(t, ada)
		release, full := make(chan struct{}), sync.WaitGroup{}
		for range hashers + queued {
			full.Go(func() { _ = d.pool.Do(context.Background(), "test", func() { <-release }) })
		}
		require.Eventually(t, func() bool { return d.pool.Waiting() == queued }, 30*time.Second, time.Millisecond)
		for range 5 {
			require.Equal(t, mailbox.Busy, d.verify(ada, code, oneTime))
		}
		require.Equal(t, mailbox.Busy, mailbox.CodeOf(d.Send(t.Context(), ada, oneTime)))
		close(release)
		full.Wait()
		require.Equal(t, mailbox.OK, d.verify(ada, code, oneTime))
	})
}

// Strangers who have codes sent without end hold up no owner who needs one.
func TestAFloodOfSendsLeavesTheOwnersATurn(t *testing.T) {
	d := deskOn(t, opened(t)(sqlkit.Open(t.Context(), sqlkit.Options{Path: t.TempDir() + "/x.db"})))
	const places = 4
	d.pool = hashpool.New(1, places, time.Minute)
	busy, release, all := make(chan struct{}), make(chan struct{}), sync.WaitGroup{}
	all.Go(func() { _ = d.pool.Do(context.Background(), "test", func() { close(busy); <-release }) })
	<-busy
	flood := make(chan error, places+1)
	for n := range places {
		all.Go(func() {
			flood <- d.Send(context.Background(), bob, mailbox.Attempt{Door: mailbox.AnyDoor, Peer: "pbx", Caller: "12015550143"})
		})
		require.Eventually(t, func() bool { return d.pool.Waiting() > n }, 30*time.Second, time.Millisecond)
	}
	sent := make(chan error, 1)
	all.Go(func() {
		sent <- d.Send(context.Background(), ada, mailbox.Attempt{Door: mailbox.OwnDoor, Peer: "pbx", Caller: "4001"})
	})
	var turnedAway error
	select {
	case turnedAway = <-flood:
	case err := <-sent:
		sent <- err
	}
	close(release)
	all.Wait()
	require.NoError(t, <-sent)
	require.Equal(t, mailbox.Busy, mailbox.CodeOf(turnedAway), "it makes room")
}
