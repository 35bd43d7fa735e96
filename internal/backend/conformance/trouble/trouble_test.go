package trouble

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOrdersComeInTurnForEachOp(t *testing.T) {
	var o Orders
	require.Equal(t, Order{}, o.Take("read"))
	o.Give("read", Order{Kind: Slow, Times: 2})
	o.Give("read", Order{Kind: Empty})
	o.Give(Any, Order{Kind: HTML})
	var kinds []Kind
	for range 4 {
		kinds = append(kinds, o.Take("read").Kind)
	}
	require.Equal(t, []Kind{Slow, Slow, Empty, HTML}, kinds)
	require.Equal(t, None, o.Take("write").Kind, "used up")
	require.Equal(t, 5, o.Seen("read"))
	require.Equal(t, 6, o.Seen(Any))

	o.Give("write", Order{Kind: Late, Delay: time.Second})
	require.Equal(t, None, o.Take("write").Kind, "what the fake does itself waits for its question")
	require.Equal(t, None, o.Asked("write", Expired).Kind)
	require.Equal(t, time.Second, o.Asked("write", Late).Delay)
	require.Zero(t, o.Due())

	o.Give("write", Order{Kind: Empty, Times: Always})
	for range 10 {
		require.Equal(t, Empty, o.Take("write").Kind)
	}
	o.Clear()
	require.Equal(t, None, o.Take("write").Kind)
}

func TestOrdersAreSafeForSeveralAtOnce(t *testing.T) {
	var o Orders
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				o.Give("x", Order{Kind: Slow})
				if o.Take("x").Kind == Slow {
					taken.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 800, taken.Load())
}

// counter is a system that counts what was done.
type counter struct{ done atomic.Int64 }

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n := c.done.Add(1)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Body", string(body))
	fmt.Fprintf(w, `{"done":%d}`, n)
}

func opOf(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") }

func client(t *testing.T, c *Cert) *http.Client {
	tr := &http.Transport{}
	if c != nil && c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		require.NoError(t, err)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(pem))
		tr.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func TestEveryTroubleOverHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		order  Order
		done   int64
		cut    bool
		status int
		kind   string
		body   string
	}{
		"none":                 {Order{}, 1, false, 200, "application/json", `{"done":1}`},
		"cut before":           {Order{Kind: CutBefore}, 0, true, 0, "", ""},
		"cut after":            {Order{Kind: CutAfter}, 1, true, 0, "", ""},
		"slow":                 {Order{Kind: Slow, Delay: time.Millisecond}, 1, false, 200, "application/json", `{"done":1}`},
		"slow, done at once":   {Order{Kind: Slow, Delay: time.Millisecond, Applied: true}, 1, false, 200, "application/json", `{"done":1}`},
		"status":               {Order{Kind: Status, Status: 403}, 0, false, 403, "text/plain; charset=utf-8", "trouble\n"},
		"status without one":   {Order{Kind: Status}, 0, false, 500, "text/plain; charset=utf-8", "trouble\n"},
		"status with its text": {Order{Kind: Status, Status: 400, Body: "{}", Type: "application/json"}, 0, false, 400, "application/json", "{}"},
		"status, done":         {Order{Kind: Status, Status: 502, Applied: true}, 1, false, 502, "text/plain; charset=utf-8", "trouble\n"},
		"malformed":            {Order{Kind: Malformed, Applied: true}, 1, false, 200, "application/json", `{"don` + "\x01<{\"]broken"},
		"malformed, not done":  {Order{Kind: Malformed}, 0, false, 200, "application/json", "\x01<{\"]broken"},
		"empty":                {Order{Kind: Empty}, 0, false, 200, "application/json", ""},
		"HTML":                 {Order{Kind: HTML, Status: 500}, 0, false, 500, "text/html; charset=utf-8", string(Order{Kind: HTML}.spoil(nil))},
		"wrong type":           {Order{Kind: WrongType}, 1, false, 200, "application/octet-stream", `{"done":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			var orders Orders
			var system counter
			s := Serve(t, Handler(&orders, opOf, &system), NewCert(t, Good))
			http := client(t, s.Cert)
			orders.Give("set", c.order)
			answer, err := http.Post(s.URL+"/set", "text/plain", strings.NewReader("hello"))
			require.EqualValues(t, c.done, system.done.Load())
			if c.cut {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			require.NoError(t, err)
			require.Equal(t, []any{c.status, c.kind, c.body}, []any{answer.StatusCode, answer.Header.Get("Content-Type"), string(body)})
			if c.order.Kind == None {
				require.Equal(t, "hello", answer.Header.Get("X-Body"), "the system reads the body")
			}
		})
	}
}

func TestRetryAfterIsPassedOn(t *testing.T) {
	var orders Orders
	s := Serve(t, Handler(&orders, opOf, &counter{}), nil)
	orders.Give(Any, Order{Kind: Status, Status: 429, RetryAfter: "7"})
	answer, err := client(t, nil).Get(s.URL + "/x")
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, "7", answer.Header.Get("Retry-After"))
}

func TestASlowRequestThatNobodyWaitsForIsNotDone(t *testing.T) {
	var orders Orders
	var system counter
	s := Serve(t, Handler(&orders, opOf, &system), nil)
	orders.Give("set", Order{Kind: Slow, Delay: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, s.URL+"/set", strings.NewReader("x"))
	require.NoError(t, err)
	_, err = client(t, nil).Do(r)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.Close()
	require.Zero(t, system.done.Load())
}

func TestCertificates(t *testing.T) {
	for k, want := range map[Trust]string{
		Good: "", Untrusted: "unknown authority", OutOfDate: "expired", WrongName: "cannot validate certificate for 127.0.0.1", Plain: "",
	} {
		t.Run(k.String(), func(t *testing.T) {
			s := Serve(t, &counter{}, NewCert(t, k))
			answer, err := client(t, s.Cert).Get(s.URL)
			if want != "" {
				require.ErrorContains(t, err, want)
				return
			}
			require.NoError(t, err)
			answer.Body.Close()
			require.Equal(t, k == Good, strings.HasPrefix(s.URL, "https://"))
			if k == Good {
				require.Len(t, s.Fingerprint, hex.EncodedLen(32))
			}
		})
	}
}

// echo repeats lines in upper case and makes the troubles of orders.
func echo(orders *Orders, done *atomic.Int64) func(context.Context, net.Conn) {
	return func(ctx context.Context, c net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			answer, keep := orders.Take("line").Reply(ctx, func() []byte {
				done.Add(1)
				return []byte(strings.ToUpper(string(buf[:n])))
			})
			if !keep {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
}

func TestEveryTroubleOverLines(t *testing.T) {
	for name, c := range map[string]struct {
		order Order
		done  int64
		want  string // empty: the connection ends
	}{
		"none":               {Order{}, 1, "HELLO"},
		"cut before":         {Order{Kind: CutBefore}, 0, ""},
		"cut after":          {Order{Kind: CutAfter}, 1, ""},
		"slow":               {Order{Kind: Slow, Delay: time.Millisecond}, 1, "HELLO"},
		"slow, done at once": {Order{Kind: Slow, Delay: time.Millisecond, Applied: true}, 1, "HELLO"},
		"malformed":          {Order{Kind: Malformed, Applied: true}, 1, "HE\x01<{\"]broken"},
		"status":             {Order{Kind: Status, Body: "ERROR"}, 0, "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			var orders Orders
			var done atomic.Int64
			s := Listen(t, nil, echo(&orders, &done))
			orders.Give("line", c.order)
			require.Equal(t, c.want, say(t, s.Addr, "hello"))
			require.Equal(t, c.done, done.Load())
		})
	}
}

// say sends text on a connection of its own and returns the answer.
func say(t *testing.T, addr, text string) string {
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Write([]byte(text))
	require.NoError(t, err)
	buf := make([]byte, 4096)
	n, _ := conn.Read(buf)
	return string(buf[:n])
}
