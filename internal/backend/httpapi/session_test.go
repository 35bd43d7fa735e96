package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/secret"
)

// logins is a system that knows sessions: a request without a cookie signs in, one with
// a cookie that it does not know is refused.
type logins struct {
	mu    sync.Mutex
	begun int
	known map[string]bool
	seen  []string // the cookie of each request
	deny  bool     // every request
}

func (l *logins) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	cookie, err := r.Cookie("JSESSIONID")
	switch {
	case err != nil:
		l.seen = append(l.seen, "")
		l.begun++
		id := fmt.Sprint("s", l.begun)
		l.known = map[string]bool{id: true}
		http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Value: id, Path: "/vmrest/", Secure: true, HttpOnly: true})
	default:
		l.seen = append(l.seen, cookie.Value)
		if !l.known[cookie.Value] {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	if l.deny {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Write(body)
}

func TestASessionIsKept(t *testing.T) {
	l := &logins{}
	o := serve(t, l.ServeHTTP)
	o.Cookies = true
	c := open(t, o, Basic("admin", secret.Of("open")))
	put := func(path string) (Answer, error) {
		return c.Do(ctx, Request{Op: "change", Method: "PUT", Path: path, Body: []byte("x")})
	}
	for range 3 {
		_, err := put("/vmrest/users")
		require.NoError(t, err)
	}
	require.Equal(t, []string{"", "s1", "s1"}, l.seen)

	l.known, l.seen = nil, nil // the system forgets
	a, err := put("/vmrest/users")
	require.NoError(t, err)
	require.Equal(t, "x", string(a.Body), "the body is sent once more")
	require.Equal(t, []string{"s1", ""}, l.seen)

	l.deny, l.seen = true, nil
	_, err = put("/vmrest/users")
	require.ErrorIs(t, err, mailbox.ServiceRefused)
	require.Equal(t, []string{"s2", ""}, l.seen)
	a, err = c.Do(ctx, Request{Op: "change", Method: "PUT", Path: "/vmrest/users", AllowStatus: []int{401}})
	require.NoError(t, err)
	require.Equal(t, 401, a.Status, "a refusal for one mailbox is no session's end")
}

func TestASessionDoesNotSpeakForSomebodyElse(t *testing.T) {
	l := &logins{}
	o := serve(t, l.ServeHTTP)
	o.Cookies = true
	c := open(t, o, Basic("admin", secret.Of("open")))
	r := Request{Op: "verify", Method: "GET", Path: "/vmrest/users", AllowStatus: []int{401}}
	_, err := c.Do(ctx, r)
	require.NoError(t, err)
	r.Header = http.Header{"Authorization": {"Basic dXNlcjpjb2Rl"}}
	_, err = c.Do(ctx, r)
	require.NoError(t, err)
	l.deny = true
	a, err := c.Do(ctx, r)
	require.NoError(t, err)
	require.Equal(t, 401, a.Status)
	l.deny, l.known = false, map[string]bool{"s1": true}
	r.Header = nil
	_, err = c.Do(ctx, r)
	require.NoError(t, err)
	require.Equal(t, []string{"", "", "", "s1"}, l.seen, "and is not ended by his 401")
}

func TestCookiesAreNotKeptUnlessAskedFor(t *testing.T) {
	l := &logins{}
	c := open(t, serve(t, l.ServeHTTP), nil)
	for range 2 {
		_, err := c.Do(ctx, Request{Op: "change", Method: "PUT", Path: "/vmrest/users"})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"", ""}, l.seen)
}

func TestCookiesWithoutEndDoNotFillTheMemory(t *testing.T) {
	most, next := 0, 0
	h := func(w http.ResponseWriter, r *http.Request) {
		most = max(most, len(r.Cookies()))
		for range 300 {
			next++
			http.SetCookie(w, &http.Cookie{Name: fmt.Sprint("c", next), Value: "v"})
		}
	}
	o := serve(t, h)
	o.Cookies = true
	c := open(t, o, nil)
	for range 20 {
		_, err := c.Do(ctx, write)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, most, mostCookies)
	require.Positive(t, most)
}
