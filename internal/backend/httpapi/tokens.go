package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"star97/internal/mailbox"
	"star97/internal/secret"
)

const (
	// fetchLimit bounds one fetch of a token.
	fetchLimit = 30 * time.Second
	// early is how long before its end a token is renewed; for one of a short life a
	// tenth of that.
	early = time.Minute
	// again is how long nobody tries to renew a token that still serves, after a failure.
	again = 5 * time.Second
)

// Tokens is an Auth of bearer tokens that end (RFC 6750; an OAuth 2.0 access token, RFC
// 6749 section 1.4). fetch gets one and tells when it ends, the zero time for never; its
// errors are mailbox's codes. It runs once at a time for all who wait for it, and goes
// on for the others when one of them waits no longer, for up to 30 s. A token is renewed
// a minute before its end; should that fail, the old one serves to its end. Close ends a
// fetch that runs.
func Tokens(fetch func(ctx context.Context) (token string, expires time.Time, err error)) Auth {
	ctx, stop := context.WithCancel(context.Background())
	return &tokens{fetch: fetch, life: ctx, stop: stop}
}

type tokens struct {
	fetch func(ctx context.Context) (string, time.Time, error)
	life  context.Context // of fetches
	stop  context.CancelFunc
	one   singleflight.Group
	runs  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	header  secret.Secret // Authorization with the current token; empty: none
	renew   time.Time
	expires time.Time
}

// Format shows what it is.
func (t *tokens) Format(f fmt.State, _ rune) { io.WriteString(f, "tokens") }

// Apply puts the current token on r.
func (t *tokens) Apply(ctx context.Context, r *http.Request) error {
	header, fresh := t.current()
	if !fresh {
		next, err := t.next(ctx)
		switch {
		case err == nil:
			header = next
		case header.Empty():
			return err
		}
	}
	r.Header.Set("Authorization", header.Reveal())
	return nil
}

// current is the token that is in force, and whether it need not be renewed yet.
func (t *tokens) current() (header secret.Secret, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.header.Empty() || !t.expires.IsZero() && !now.Before(t.expires) {
		return secret.Secret{}, false
	}
	return t.header, t.renew.IsZero() || now.Before(t.renew)
}

// next waits for a new token.
func (t *tokens) next(ctx context.Context) (secret.Secret, error) {
	// The fetch is started by the first who waits and stops when it is done, after
	// fetchLimit, or when the Auth is closed. It owns the renewal.
	got := t.one.DoChan("", func() (any, error) { return t.get() })
	select {
	case <-ctx.Done():
		return secret.Secret{}, mailbox.Expired(ctx, "token")
	case r := <-got:
		if r.Err != nil {
			return secret.Secret{}, r.Err
		}
		return r.Val.(secret.Secret), nil
	}
}

// get fetches a token and makes it the current one.
func (t *tokens) get() (secret.Secret, error) {
	if !t.begin() {
		return secret.Secret{}, mailbox.Fail("token", mailbox.Unavailable, errors.New("the backend is closed"))
	}
	defer t.runs.Done()
	if header, fresh := t.current(); fresh {
		return header, nil // somebody was quicker
	}
	ctx, cancel := context.WithTimeout(t.life, fetchLimit)
	defer cancel()
	token, expires, err := t.fetch(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if err != nil {
		t.renew = now.Add(again)
		return secret.Secret{}, err
	}
	t.header, t.expires, t.renew = secret.Of("Bearer "+token), expires, time.Time{}
	if !expires.IsZero() {
		t.renew = expires.Add(-min(early, expires.Sub(now)/10))
	}
	return t.header, nil
}

// begin counts a fetch in, unless t is closed.
func (t *tokens) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.runs.Add(1)
	}
	return !t.closed
}

// Rejected forgets the token that r went with, if it is still the current one.
func (t *tokens) Rejected(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Header.Get("Authorization") == t.header.Reveal() {
		t.header = secret.Secret{}
	}
	return true
}

// Close ends a fetch that runs and waits for its end.
func (t *tokens) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.stop()
	t.runs.Wait()
	return nil
}
