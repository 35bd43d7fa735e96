package hashpool

import (
	"context"
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
		require.Len(t, p.slots, 2, "two at work")
		require.Len(t, p.seats, 5, "three more waiting")
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
		require.Empty(t, p.seats)
		require.Empty(t, p.slots)
	})
}

func TestPoolFreesItsPlaceAfterAPanic(t *testing.T) {
	p := New(1, 0, time.Second)
	require.Panics(t, func() { _ = p.Do(t.Context(), "verify", func() { panic("in use") }) })
	require.NoError(t, p.Do(t.Context(), "verify", func() {}))
}
