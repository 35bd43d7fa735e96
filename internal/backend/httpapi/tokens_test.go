package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// issuer is a system with tokens, and where they come from.
type issuer struct {
	mu      sync.Mutex
	issued  int
	good    string        // what it accepts
	life    time.Duration // of a token; 0: for ever
	delay   time.Duration // of a fetch
	failure error         // of a fetch
	asked   atomic.Int32
	refused atomic.Int32
}

func (i *issuer) fetch(ctx context.Context) (string, time.Time, error) {
	i.mu.Lock()
	delay := i.delay
	i.issued++
	token, failure := fmt.Sprint("t", i.issued), i.failure
	i.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return "", time.Time{}, mailbox.Expired(ctx, "token")
	}
	if failure != nil {
		return "", time.Time{}, failure
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.good = token
	var expires time.Time
	if i.life > 0 {
		expires = time.Now().Add(i.life)
	}
	return token, expires, nil
}

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.issued
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i.asked.Add(1)
	i.mu.Lock()
	good := i.good != "" && r.Header.Get("Authorization") == "Bearer "+i.good
	i.mu.Unlock()
	if !good {
		i.refused.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Write(body)
}

// together sends n requests at the same time and requires each to be answered.
func together(t *testing.T, c *Client, n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			a, err := c.Do(ctx, Request{Op: "change", Method: "POST", Body: []byte("x")})
			if err != nil || string(a.Body) != "x" {
				t.Errorf("%v: %v", a, err)
			}
		})
	}
	wg.Wait()
}

func TestManyWithARevokedTokenCauseOneFetch(t *testing.T) {
	i := &issuer{delay: 20 * time.Millisecond}
	c := open(t, serve(t, i.ServeHTTP), Tokens(i.fetch))
	together(t, c, 20)
	require.Equal(t, 1, i.fetches())
	for n := range 5 {
		i.set(func() { i.good = "" })
		together(t, c, 20)
		require.Equal(t, 2+n, i.fetches())
	}
	require.NotZero(t, i.refused.Load())
}

func TestManyWithAnExpiredTokenCauseOneFetch(t *testing.T) {
	i := &issuer{life: time.Hour, delay: time.Second}
	simulate(t, DefaultOptions(), Tokens(i.fetch), i.ServeHTTP, func(t *testing.T, c *Client) {
		together(t, c, 1)
		time.Sleep(time.Hour)
		together(t, c, 16)
		require.Equal(t, 2, i.fetches())
		require.Zero(t, i.refused.Load(), "an expired token is not sent")
	})
}

func TestATokenIsRenewedBeforeItsEnd(t *testing.T) {
	for _, c := range []struct{ life, early time.Duration }{
		{time.Hour, early}, {100 * time.Second, 10 * time.Second}, {10 * time.Minute, early},
	} {
		i := &issuer{life: c.life}
		simulate(t, DefaultOptions(), Tokens(i.fetch), i.ServeHTTP, func(t *testing.T, client *Client) {
			together(t, client, 1)
			time.Sleep(c.life - c.early - time.Millisecond)
			together(t, client, 1)
			require.Equal(t, 1, i.fetches())
			time.Sleep(2 * time.Millisecond)
			together(t, client, 1)
			require.Equal(t, 2, i.fetches())
		})
	}
}

func TestAnOldTokenServesWhileNoNewOneCanBeHad(t *testing.T) {
	i := &issuer{life: time.Hour}
	simulate(t, DefaultOptions(), Tokens(i.fetch), i.ServeHTTP, func(t *testing.T, c *Client) {
		together(t, c, 1)
		i.set(func() { i.failure = mailbox.Fail("token", mailbox.Throttled, errors.New("later")) })
		time.Sleep(time.Hour - early + time.Millisecond)
		together(t, c, 5)
		together(t, c, 5)
		require.Equal(t, 2, i.fetches(), "a failed renewal is not tried for each request")
		time.Sleep(again)
		together(t, c, 5)
		require.Equal(t, 3, i.fetches())
		time.Sleep(early)
		_, err := c.Do(ctx, write)
		require.ErrorIs(t, err, mailbox.Throttled)
		require.EqualError(t, err, "change: throttled: token: throttled: later")
		i.set(func() { i.failure = nil })
		together(t, c, 1)
	})
}

func TestWhoWaitsForATokenNoLongerLeavesItToTheOthers(t *testing.T) {
	i := &issuer{delay: 2 * time.Second}
	simulate(t, DefaultOptions(), Tokens(i.fetch), i.ServeHTTP, func(t *testing.T, c *Client) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			code, _ := ask(c, short, write)
			if code != mailbox.Unavailable {
				t.Error(code)
			}
		})
		synctest.Wait()
		together(t, c, 5)
		wg.Wait()
		require.Equal(t, 1, i.fetches())
	})
}

func TestANewTokenThatIsRefusedTooIsTheAnswer(t *testing.T) {
	i := &issuer{}
	refuse := func(w http.ResponseWriter, r *http.Request) { i.asked.Add(1); w.WriteHeader(http.StatusUnauthorized) }
	simulate(t, DefaultOptions(), Tokens(i.fetch), refuse, func(t *testing.T, c *Client) {
		_, err := c.Do(ctx, write)
		require.ErrorIs(t, err, mailbox.ServiceRefused)
		require.EqualValues(t, 2, i.asked.Load())
		require.Equal(t, 2, i.fetches())
		a, err := c.Do(ctx, Request{Op: "change", Method: "PUT", AllowStatus: []int{401}})
		require.NoError(t, err)
		require.Equal(t, 401, a.Status)
	})
}

func TestCloseEndsAFetch(t *testing.T) {
	i := &issuer{delay: time.Hour}
	simulate(t, DefaultOptions(), Tokens(i.fetch), i.ServeHTTP, func(t *testing.T, c *Client) {
		began := time.Now()
		codes := make(chan mailbox.Code, 1)
		go func() { code, _ := ask(c, ctx, write); codes <- code }()
		synctest.Wait()
		require.NoError(t, c.Close())
		require.Equal(t, mailbox.Unavailable, <-codes)
		require.Zero(t, time.Since(began))
		_, err := c.Do(ctx, write)
		require.ErrorContains(t, err, "closed")
		require.Equal(t, 1, i.fetches())
	})
}

func TestAFetchIsBounded(t *testing.T) {
	i := &issuer{delay: time.Hour}
	simulate(t, DefaultOptions(), Tokens(i.fetch), i.ServeHTTP, func(t *testing.T, c *Client) {
		began := time.Now()
		code, _ := ask(c, ctx, write)
		require.Equal(t, mailbox.Unavailable, code)
		require.Equal(t, fetchLimit, time.Since(began))
	})
}
