package hashpool

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// hold starts n callers whose work lasts d.
func hold(p *Pool, n int, d time.Duration, errs chan<- error) {
	for range n {
		go func() {
			errs <- p.Do(context.Background(), "verify", func() { time.Sleep(d) })
		}()
	}
	synctest.Wait()
}

func TestPoolBoundsWorkAndWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(2, 3, time.Minute)
		errs := make(chan error, 5)
		hold(p, 5, time.Second, errs)
		require.Equal(t, 2, p.running, "two at work")
		require.Equal(t, 3, p.Waiting())

		err := p.Do(t.Context(), "verify", func() { t.Error("must not run") })
		require.Equal(t, mailbox.Busy, mailbox.CodeOf(err), "the sixth is told at once")

		start := time.Now()
		for range 5 {
			require.NoError(t, <-errs)
		}
		require.Equal(t, 3*time.Second, time.Since(start), "two, two, one")
		require.NoError(t, p.Do(t.Context(), "verify", func() {}), "places are free again")
	})
}

func TestPoolWaitsNoLongerThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1, 2, 3*time.Second)
		errs := make(chan error, 1)
		hold(p, 1, time.Minute, errs)

		start := time.Now()
		err := p.Do(t.Context(), "verify", func() { t.Error("must not run") })
		require.Equal(t, mailbox.Busy, mailbox.CodeOf(err))
		require.Equal(t, 3*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		err = p.Do(ctx, "verify", func() { t.Error("must not run") })
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, <-errs)
		require.Zero(t, p.running)
		require.Zero(t, p.Waiting())
		require.Empty(t, p.others.lines)
	})
}

func TestPoolFreesItsPlaceAfterAPanic(t *testing.T) {
	p := New(1, 0, time.Second)
	require.Panics(t, func() { _ = p.Do(t.Context(), "verify", func() { panic("in use") }) })
	require.NoError(t, p.Do(t.Context(), "verify", func() {}))
}

// come has callers from somewhere wait for a pool, one after the other; each tells when
// its work is done, or why it is not.
func come(p *Pool, at mailbox.Attempt, n int, done chan<- string) {
	for range n {
		go func() {
			word := at.Caller
			err := p.Do(For(context.Background(), at), "verify", func() { time.Sleep(time.Second) })
			if err != nil {
				word += " " + mailbox.CodeOf(err).String()
			}
			done <- word
		}()
		synctest.Wait()
	}
}

func from(caller string) mailbox.Attempt {
	return mailbox.Attempt{Door: mailbox.AnyDoor, Peer: "pbx", Caller: caller}
}

// Whoever calls from elsewhere than the flood is next, and the own telephone before all.
func TestAFloodHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, done := New(1, 20, time.Minute), make(chan string, 20)
		come(p, from("flood"), 6, done)
		come(p, from("a"), 2, done)
		come(p, from("b"), 1, done)
		home := from("home")
		home.Door = mailbox.OwnDoor
		come(p, home, 2, done)
		var order []string
		for range 11 {
			order = append(order, <-done)
		}
		require.Equal(t, []string{"flood", "home", "home", "flood", "a", "b", "flood", "a", "flood", "flood", "flood"}, order)
	})
}

// In a full queue the flood makes room, and is told the truth; among equals who comes
// last is turned away.
func TestAFullQueueIsTheFloodsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, done := New(1, 4, time.Minute), make(chan string, 20)
		come(p, from("flood"), 6, done)
		require.Equal(t, "flood busy", <-done, "one at work, four wait, one too many")
		come(p, from("a"), 1, done)
		require.Equal(t, "flood busy", <-done)
		come(p, from("b"), 1, done)
		require.Equal(t, "flood busy", <-done)
		come(p, from("c"), 1, done)
		require.Equal(t, "flood busy", <-done)
		come(p, from("d"), 1, done)
		require.Equal(t, "d busy", <-done, "each has one place")
		home := from("home")
		home.Door = mailbox.OwnDoor
		come(p, home, 5, done)
		words := map[string]int{}
		for range 10 {
			words[<-done]++
		}
		require.Equal(t, map[string]int{"home": 4, "home busy": 1, "flood": 1, "flood busy": 1, "a busy": 1, "b busy": 1, "c busy": 1}, words)
		require.Zero(t, p.Waiting())
		require.Zero(t, p.running)
	})
}

// Whatever comes, is turned away or goes, no place is lost and none is made up.
func FuzzPool(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 0x81, 0x82, 0x41, 7, 7, 7, 7, 7})
	f.Fuzz(func(t *testing.T, steps []byte) {
		synctest.Test(t, func(t *testing.T) {
			const workers, queue = 2, 5
			p := New(workers, queue, 700*time.Millisecond)
			var working, most atomic.Int32
			var all sync.WaitGroup
			for _, s := range steps[:min(len(steps), 100)] {
				at := from(fmt.Sprint(s % 4))
				if s&0x80 != 0 {
					at.Door = mailbox.OwnDoor
				}
				ctx, cancel := context.WithTimeout(For(t.Context(), at), time.Duration(s%16)*100*time.Millisecond+time.Millisecond)
				all.Go(func() {
					defer cancel()
					_ = p.Do(ctx, "verify", func() {
						most.Store(max(most.Load(), working.Add(1)))
						time.Sleep(time.Duration(s>>4) * 50 * time.Millisecond)
						working.Add(-1)
					})
				})
				if s&0x40 != 0 {
					time.Sleep(100 * time.Millisecond)
				}
				synctest.Wait()
				require.LessOrEqual(t, p.Waiting(), queue)
			}
			all.Wait()
			require.LessOrEqual(t, most.Load(), int32(workers))
			require.Zero(t, p.running)
			require.Zero(t, p.waiting)
			require.Empty(t, p.own.lines)
			require.Empty(t, p.others.lines)
		})
	})
}
