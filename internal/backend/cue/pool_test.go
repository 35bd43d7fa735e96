package cue

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
)

// look is how often a test looks whether something has come about.
const look = time.Millisecond

func TestConnectionsAreFewAndUsedAgain(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	o := settings(t, f)
	o.Sessions = 3
	s := openStore(t, o)
	// Each waits a little, so that all three are busy at a time.
	f.Orders().Give(fake.OpVersion, trouble.Order{Kind: trouble.Slow, Delay: 20 * time.Millisecond, Times: trouble.Always})
	var all sync.WaitGroup
	for range 30 {
		// One caller: started here; stops when answered.
		all.Go(func() {
			_, err := s.Probe(patient(t))
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, f.Logins(), 3)
	require.Equal(t, 30, f.Orders().Seen(fake.OpVersion))
	require.NoError(t, s.Close())
	require.Eventually(t, func() bool { return f.Open() == 0 }, 30*time.Second, look)
}

// Whoever has given a connection back does not look at it again: the next one may have it.
func TestAConnectionIsOnesAlone(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	o := settings(t, f)
	o.Sessions = 4
	s := openStore(t, o)
	ctx := patient(t)
	var all sync.WaitGroup
	for range 2 * o.Sessions {
		// One caller: started here; stops after its rounds.
		all.Go(func() {
			for range 500 {
				h, err := s.pool.take(ctx, "test")
				if !assert.NoError(t, err) {
					return
				}
				h.dead = false // as run does: the race detector sees who still reads it
				s.pool.give(h)
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, f.Logins(), o.Sessions)
}

func TestWhoFindsNoFreeConnectionIsTold(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	o := settings(t, f)
	o.Sessions = 1
	s := openStore(t, o)
	h, err := s.pool.take(patient(t), "test")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Probe(ctx)
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "no connection was free in time")

	s.pool.waiting.Add(crowd)
	_, err = s.Probe(patient(t))
	require.Equal(t, mailbox.Busy, mailbox.CodeOf(err))
	s.pool.waiting.Add(-crowd)
	s.pool.give(h)
	_, err = s.Probe(patient(t))
	require.NoError(t, err)
}

// An old system may take longer to sign in than a caller has patience: the connection is
// there for the next one.
func TestASlowSignInServesTheNextCaller(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	o := settings(t, f)
	o.Sessions = 1 // the next caller waits for this connection and makes none of his own
	s := openStore(t, o)
	f.Orders().Give(fake.OpLogin, trouble.Order{Kind: trouble.Slow, Delay: 300 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Probe(ctx)
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	_, err = s.Probe(patient(t))
	require.NoError(t, err)
	require.Equal(t, 1, f.Logins())
}

func TestConnectionsAreMadeAnew(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	proxy := trouble.NewProxy(t, f.Addr, nil)
	o := settings(t, f)
	o.Address = proxy.Addr
	s := openStore(t, o)
	for round := range 3 {
		_, err := s.Probe(patient(t))
		require.NoError(t, err)
		require.Equal(t, round+1, f.Logins())
		proxy.Hang()
		require.Eventually(t, func() bool { return f.Open() == 0 }, 30*time.Second, look)
	}
}

// What the system says while nobody asks puts no command out of step.
func TestAConnectionThatSpeaksUnaskedIsNotUsed(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	a := put(f, mailbox.Account{Extension: "4001"}, first)
	o := settings(t, f)
	o.Sessions = 1
	s := openStore(t, o)
	require.Len(t, find(t, s, "4001"), 1)
	f.Say("\r\n*** shutting down ***\r\nse-10-0-0-0#")
	require.Eventually(t, func() bool {
		s.pool.mu.Lock()
		defer s.pool.mu.Unlock()
		return len(s.pool.idle[0].in) > 0
	}, 30*time.Second, look)
	require.Equal(t, mailbox.Proved(), change(t, s, a, second))
	require.Equal(t, 2, f.Logins())
}

func TestIdleConnectionsAreKeptAliveAndThenEnded(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	s := openStore(t, settings(t, f))
	_, err := s.Probe(patient(t))
	require.NoError(t, err)
	lines := f.Orders().Seen(fake.OpOther)
	s.pool.tend()
	require.Equal(t, lines+1, f.Orders().Seen(fake.OpOther), "an empty line")
	require.Equal(t, 1, f.Open())

	f.Orders().Give(fake.OpOther, trouble.Order{Kind: trouble.CutBefore})
	s.pool.tend()
	require.Eventually(t, func() bool { return f.Open() == 0 }, 30*time.Second, look, "a dead one is not kept")
	_, err = s.Probe(patient(t))
	require.NoError(t, err)
	require.Equal(t, 2, f.Logins())

	s.pool.longest = time.Nanosecond
	s.pool.tend()
	require.Eventually(t, func() bool { return f.Open() == 0 }, 30*time.Second, look, "nor one that nobody uses")
	h := s.pool.waiter()
	require.Nil(t, h)
}

// A system that counts wrong passwords would lock star97's account.
func TestAfterAFewFailuresTheServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	proxy := trouble.NewProxy(t, f.Addr, nil)
	o := settings(t, f)
	o.Address, o.Password = proxy.Addr, conformance.Secret(t, "wrong")
	o.BreakAfter, o.BreakPause = 2, 5*time.Minute
	s := openStore(t, o)
	for range 5 {
		_, err := s.Probe(patient(t))
		require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "did not accept")
	}
	require.Equal(t, 2, proxy.Conns())
	require.Equal(t, 2, f.Guesses(), "one way to say a password is enough")
}

// Nothing of a connection that is over stays behind.
func TestACloseWhileSomebodyIsServed(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	s := openStore(t, settings(t, f))
	f.Orders().Give(fake.OpVersion, trouble.Order{Kind: trouble.Slow, Delay: 50 * time.Millisecond})
	answered := make(chan error, 1)
	// One caller: started here; stops when answered.
	go func() {
		_, err := s.Probe(patient(t))
		answered <- err
	}()
	require.Eventually(t, func() bool { return f.Orders().Seen(fake.OpVersion) == 1 }, 30*time.Second, look)
	require.NoError(t, s.Close())
	require.NoError(t, <-answered)
	require.Eventually(t, func() bool { return f.Open() == 0 }, 30*time.Second, look)
	_, err := s.Probe(patient(t))
	require.ErrorIs(t, err, errClosed)
}
