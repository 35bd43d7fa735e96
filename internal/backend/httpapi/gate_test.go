package httpapi

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// pipes listens within a bubble of simulated time, where sockets cannot be.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return &counted{Conn: near}, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// simulate runs test in simulated time with a Client of a server on pipes.
func simulate(t *testing.T, o Options, auth Auth, h http.HandlerFunc, test func(t *testing.T, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		s := &http.Server{Handler: h, ErrorLog: quiet}
		// Started here, stops when the server is closed.
		go s.Serve(p)
		defer s.Close() // where test fails
		o.URL = "http://localhost"
		c, err := New(o, auth)
		require.NoError(t, err)
		defer c.Close()
		c.transport.DialContext = p.dial
		test(t, c)
		require.NoError(t, c.Close())
		require.NoError(t, s.Shutdown(ctx)) // waits for handlers that sleep
		synctest.Wait()
		require.Empty(t, c.gate.places, "who leaves gives the place back")
		require.Zero(t, c.gate.waiting.Load())
	})
}

var (
	write = Request{Op: "change", Method: "POST", Body: []byte("x")}
	read  = Request{Op: "lookup", Method: "GET", Safe: true}
)

// ask tells the code and the error of a request.
func ask(c *Client, ctx context.Context, r Request) (mailbox.Code, error) {
	_, err := c.Do(ctx, r)
	return mailbox.CodeOf(err), err
}

func TestAFailingServerIsLeftAlone(t *testing.T) {
	var asked, status atomic.Int32
	var told bytes.Buffer
	o := DefaultOptions()
	o.BreakAfter, o.BreakPause = 3, 20*time.Second
	o.Log = slog.New(slog.NewTextHandler(&told, nil))
	h := func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		time.Sleep(100 * time.Millisecond) // so that requests are under way together
		w.WriteHeader(int(status.Load()))
	}
	simulate(t, o, nil, h, func(t *testing.T, c *Client) {
		expect := func(code mailbox.Code, requests int32) {
			t.Helper()
			got, err := ask(c, ctx, write)
			require.Equal(t, code, got, "%v", err)
			require.Equal(t, requests, asked.Load())
		}
		status.Store(500)
		expect(mailbox.OutcomeUnknown, 1)
		expect(mailbox.OutcomeUnknown, 2)
		status.Store(404)
		expect(mailbox.OK, 3) // an answer ends the row
		status.Store(500)
		expect(mailbox.OutcomeUnknown, 4)
		expect(mailbox.OutcomeUnknown, 5)
		expect(mailbox.OutcomeUnknown, 6)
		expect(mailbox.Unavailable, 6)
		_, err := ask(c, ctx, write)
		require.ErrorContains(t, err, "is left alone for up to 20s; the last failure: localhost answers 500")
		require.Contains(t, told.String(), "left alone")

		time.Sleep(o.BreakPause)
		time.Sleep(time.Millisecond)
		codes := make(chan mailbox.Code, 10)
		for range 10 {
			go func() { code, _ := ask(c, ctx, write); codes <- code }()
		}
		count := map[mailbox.Code]int{}
		for range 10 {
			count[<-codes]++
		}
		require.Equal(t, map[mailbox.Code]int{mailbox.OutcomeUnknown: 1, mailbox.Unavailable: 9}, count, "one goes ahead")
		require.EqualValues(t, 7, asked.Load())
		expect(mailbox.Unavailable, 7)

		time.Sleep(o.BreakPause + time.Millisecond)
		status.Store(200)
		expect(mailbox.OK, 8)
		expect(mailbox.OK, 9)
		require.Contains(t, told.String(), "answers again")
	})
}

func TestWhatIsNoFailureOpensNoBreaker(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header []string
		r      Request
	}{
		"refused for one mailbox":   {401, nil, Request{Op: "change", Method: "PUT", AllowStatus: []int{401}}},
		"a fault that comes as 500": {500, nil, Request{Op: "change", Method: "POST", AllowStatus: []int{500}}},
		"no right":                  {403, nil, write},
		"not found":                 {404, nil, write},
		"too large":                 {200, []string{"Content-Length", "9999999"}, write},
		"packed":                    {200, []string{"Content-Encoding", "gzip"}, write},
		"a redirect":                {302, []string{"Location", "/"}, write},
		"told to wait no time":      {429, []string{"Retry-After", "0"}, write},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			o := DefaultOptions()
			o.BreakAfter = 2
			simulate(t, o, nil, answering(&asked, c.status, c.header...), func(t *testing.T, client *Client) {
				for range 10 {
					ask(client, ctx, c.r)
				}
				require.EqualValues(t, 10, asked.Load())
			})
		})
	}
}

func TestACallerWhoHangsUpSaysNothingAboutTheServer(t *testing.T) {
	o := DefaultOptions()
	o.BreakAfter = 1
	var slow atomic.Bool
	h := func(w http.ResponseWriter, r *http.Request) {
		if slow.Load() {
			time.Sleep(10 * time.Second)
		}
	}
	simulate(t, o, nil, h, func(t *testing.T, c *Client) {
		slow.Store(true)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		code, _ := ask(c, short, write)
		require.Equal(t, mailbox.OutcomeUnknown, code)
		slow.Store(false)
		code, _ = ask(c, ctx, write)
		require.Equal(t, mailbox.OK, code)

		slow.Store(true)
		long, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		ask(c, long, write)
		code, err := ask(c, ctx, write)
		require.Equal(t, mailbox.Unavailable, code)
		require.ErrorContains(t, err, "left alone")
	})
}

func TestAServerThatThrottlesIsLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header func() []string
		wait   time.Duration
	}{
		"seconds":        {429, func() []string { return []string{"Retry-After", "30"} }, 30 * time.Second},
		"seconds of 503": {503, func() []string { return []string{"Retry-After", "30"} }, 30 * time.Second},
		"a date":         {429, func() []string { return []string{"Retry-After", httpTime(30 * time.Second)} }, 30 * time.Second},
		"a date by the server's clock": {429, func() []string {
			return []string{"Retry-After", httpTime(time.Hour + 30*time.Second), "Date", httpTime(time.Hour)}
		}, 30 * time.Second},
		"no word":             {429, func() []string { return nil }, soon},
		"no word that is one": {429, func() []string { return []string{"Retry-After", "a while"} }, soon},
		"longer than a bound": {429, func() []string { return []string{"Retry-After", "99999999999999999999"} }, longestHold},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			o := DefaultOptions()
			h := func(w http.ResponseWriter, r *http.Request) {
				if asked.Load() == 0 {
					answering(&asked, c.status, c.header()...)(w, r)
					return
				}
				asked.Add(1)
			}
			simulate(t, o, nil, h, func(t *testing.T, client *Client) {
				began := time.Now()
				_, err := client.Do(ctx, write)
				var later *Later
				require.ErrorIs(t, err, mailbox.Throttled)
				require.ErrorAs(t, err, &later)
				require.InDelta(t, c.wait, later.After, float64(time.Second))
				rest := later.After / 3
				time.Sleep(later.After - rest)
				for _, r := range []Request{read, write} {
					_, err = client.Do(ctx, r)
					require.ErrorIs(t, err, mailbox.Throttled)
					require.ErrorAs(t, err, &later)
					require.InDelta(t, rest, later.After, float64(time.Millisecond))
				}
				require.InDelta(t, c.wait, time.Since(began)+rest, float64(time.Second), "nobody waited")
				require.EqualValues(t, 1, asked.Load())
				time.Sleep(rest)
				_, err = client.Do(ctx, write)
				require.NoError(t, err)
				require.EqualValues(t, 2, asked.Load())
			})
		})
	}
}

func TestTheLongestWaitIsKept(t *testing.T) {
	var asked atomic.Int32
	h := func(w http.ResponseWriter, r *http.Request) {
		wait := []string{"30", "5"}[asked.Load()]
		answering(&asked, 429, "Retry-After", wait)(w, r)
	}
	simulate(t, DefaultOptions(), nil, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(len(r.URL.Query().Get("slow"))) * time.Second)
		h(w, r)
	}, func(t *testing.T, c *Client) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			slow := write
			slow.Query = map[string][]string{"slow": {"x"}}
			ask(c, ctx, slow)
		}()
		synctest.Wait()
		ask(c, ctx, write)
		<-done
		require.EqualValues(t, 2, asked.Load())
		time.Sleep(20 * time.Second)
		code, _ := ask(c, ctx, write)
		require.Equal(t, mailbox.Throttled, code)
		require.EqualValues(t, 2, asked.Load())
	})
}

// httpTime is a moment from now on as a header writes it.
func httpTime(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }

func TestASafeRequestIsSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header []string
		limit  time.Duration // of the caller
		bad    int32         // answers before the good one
		code   mailbox.Code
		asked  int32
		a, b   time.Duration // it takes
	}{
		"after a failure":                       {500, nil, time.Minute, 1, mailbox.OK, 2, firstPause / 2, firstPause * 3 / 2},
		"after two":                             {500, nil, time.Minute, 2, mailbox.OK, 3, firstPause * 3 / 2, firstPause * 9 / 2},
		"not after three":                       {500, nil, time.Minute, 3, mailbox.Unavailable, 3, firstPause * 3 / 2, firstPause * 9 / 2},
		"not where the caller has not the time": {500, nil, firstPause / 3, 1, mailbox.Unavailable, 1, 0, 0},
		"when the server wants it":              {429, []string{"Retry-After", "2"}, time.Minute, 1, mailbox.OK, 2, 2 * time.Second, 2 * time.Second},
		"not when the server wants it too late": {429, []string{"Retry-After", "4"}, time.Minute, 1, mailbox.Throttled, 1, 0, 0},
		"not when the caller cannot wait":       {503, []string{"Retry-After", "2"}, time.Second, 1, mailbox.Throttled, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			h := func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if string(body) != "who" {
					w.WriteHeader(http.StatusBadRequest)
				}
				if asked.Load() < c.bad {
					answering(&asked, c.status, c.header...)(w, r)
					return
				}
				asked.Add(1)
			}
			simulate(t, DefaultOptions(), nil, h, func(t *testing.T, client *Client) {
				limited, cancel := context.WithTimeout(ctx, c.limit)
				defer cancel()
				began := time.Now()
				code, err := ask(client, limited, Request{Op: "lookup", Method: "POST", Body: []byte("who"), Safe: true})
				require.Equal(t, c.code, code, "%v", err)
				require.Equal(t, c.asked, asked.Load())
				require.GreaterOrEqual(t, time.Since(began), c.a)
				require.LessOrEqual(t, time.Since(began), c.b)
			})
		})
	}
}

func TestTheFirstFailureIsToldNotThatTheServerIsLeftAloneSince(t *testing.T) {
	o := DefaultOptions()
	o.BreakAfter = 1
	var asked atomic.Int32
	simulate(t, o, nil, answering(&asked, 502), func(t *testing.T, c *Client) {
		_, err := c.Do(ctx, read)
		require.EqualError(t, err, "lookup: unavailable: localhost answers 502")
		require.EqualValues(t, 1, asked.Load())
	})
}

func TestAnAccountThatIsRefusedIsNotTriedUntilItIsLocked(t *testing.T) {
	o := DefaultOptions()
	o.BreakAfter = 3
	var asked atomic.Int32
	simulate(t, o, nil, answering(&asked, 401), func(t *testing.T, c *Client) {
		for i := range int32(10) {
			code, _ := ask(c, ctx, read)
			require.Equal(t, mailbox.ServiceRefused, code)
			require.Equal(t, min(i+1, 3), asked.Load())
		}
		_, err := c.Do(ctx, read)
		require.ErrorContains(t, err, "lest it lock the account")
		time.Sleep(o.BreakPause)
		code, _ := ask(c, ctx, read)
		require.Equal(t, mailbox.ServiceRefused, code)
		require.EqualValues(t, 4, asked.Load())
	})
}

func TestAnAccountThatIsLetInBetweenIsNotAboutToBeLocked(t *testing.T) {
	for _, between := range []int{200, 403, 404} {
		o := DefaultOptions()
		o.BreakAfter = 3
		var asked, status atomic.Int32
		h := func(w http.ResponseWriter, r *http.Request) { answering(&asked, int(status.Load()))(w, r) }
		simulate(t, o, nil, h, func(t *testing.T, c *Client) {
			for i := range 10 {
				status.Store(401)
				if i%3 == 2 {
					status.Store(int32(between))
				}
				ask(c, ctx, write)
			}
			require.EqualValues(t, 10, asked.Load())
		})
	}
}

func TestNoMoreRequestsAreUnderWayThanAllowed(t *testing.T) {
	o := DefaultOptions()
	o.Concurrent = 2
	var now, most, asked atomic.Int32
	h := func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Second)
	}
	simulate(t, o, nil, h, func(t *testing.T, c *Client) {
		began := time.Now()
		codes := make(chan mailbox.Code, 100)
		for range 2 + crowd*2 + 5 {
			go func() { code, _ := ask(c, ctx, write); codes <- code }()
		}
		synctest.Wait()
		require.Len(t, codes, 5, "who finds too many waiting does not wait")
		for range 5 {
			require.Equal(t, mailbox.Busy, <-codes)
		}
		count := map[mailbox.Code]int{}
		for range 2 + crowd*2 {
			count[<-codes]++
		}
		require.Equal(t, map[mailbox.Code]int{mailbox.OK: 4, mailbox.Busy: crowd*2 - 2}, count, "nobody waits longer than Timeout")
		require.Equal(t, 4*time.Second, time.Since(began))
		require.EqualValues(t, 2, most.Load())
		require.EqualValues(t, 4, asked.Load())

		go ask(c, ctx, write)
		go ask(c, ctx, write)
		synctest.Wait()
		short, cancel := context.WithTimeout(ctx, time.Second)
		code, _ := ask(c, short, write)
		require.Equal(t, mailbox.Busy, code)
		cancel()
		code, err := ask(c, short, write)
		require.Equal(t, mailbox.Unavailable, code, "%v", err)
	})
}

func TestWhoWaitedForAPlaceHearsWhatBecameOfTheServer(t *testing.T) {
	for status, want := range map[int]mailbox.Code{429: mailbox.Throttled, 500: mailbox.Unavailable} {
		o := DefaultOptions()
		o.Concurrent, o.BreakAfter, o.BreakPause = 1, 1, time.Second
		var asked, good atomic.Int32
		h := func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			if good.Load() == 0 {
				answering(&asked, status)(w, r)
			}
		}
		simulate(t, o, nil, h, func(t *testing.T, c *Client) {
			codes := make(chan mailbox.Code, 3)
			for range 3 {
				go func() { code, _ := ask(c, ctx, write); codes <- code }()
			}
			<-codes
			synctest.Wait()
			require.Len(t, codes, 2)
			require.Equal(t, want, <-codes)
			require.Equal(t, want, <-codes)
			require.EqualValues(t, 1, asked.Load())
			time.Sleep(2 * time.Second)
			good.Store(1)
			code, err := ask(c, ctx, write)
			require.Equal(t, mailbox.OK, code, "%v", err) // nobody kept the place
		})
	}
}

func TestNoMoreRequestsASecondThanAllowed(t *testing.T) {
	o := DefaultOptions()
	o.PerSecond, o.Concurrent = 10, 1000
	var asked atomic.Int32
	simulate(t, o, nil, answering(&asked, 200), func(t *testing.T, c *Client) {
		began := time.Now()
		for range 5 {
			_, err := c.Do(ctx, read)
			require.NoError(t, err)
		}
		require.Equal(t, 400*time.Millisecond, time.Since(began).Round(time.Millisecond))

		codes := make(chan mailbox.Code, 50)
		for range 50 {
			go func() { code, _ := ask(c, ctx, write); codes <- code }()
		}
		synctest.Wait()
		for len(codes) > 0 {
			require.Equal(t, mailbox.Busy, <-codes, "whose turn would come after Timeout hears it at once")
		}
		time.Sleep(5 * time.Second)
		require.EqualValues(t, 5+30, asked.Load())
	})
}
