package console

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, ready func(context.Context) []Reason) string {
	t.Helper()
	c, err := Open(Options{Listen: "127.0.0.1:0"}, deps(ready))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return "http://" + c.Addr().String()
}

func deps(ready func(context.Context) []Reason) Deps {
	return Deps{
		Ready:   ready,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "star97_x 1\n") }),
		Log:     slog.New(slog.DiscardHandler),
	}
}

func well(context.Context) []Reason { return nil }

// ask makes one request on a connection of its own.
func ask(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

func TestWhatIsServed(t *testing.T) {
	url := open(t, well)
	for path, want := range map[string]string{
		"/healthz": `{"alive":true}` + "\n",
		"/readyz":  `{"ready":true}` + "\n",
		"/metrics": "star97_x 1\n",
	} {
		res, body := ask(t, "GET", url+path)
		require.Equal(t, 200, res.StatusCode, path)
		require.Equal(t, want, body, path)
		res, body = ask(t, "HEAD", url+path)
		require.Equal(t, 200, res.StatusCode, path)
		require.Empty(t, body, path)
	}
}

func TestNothingElseIsServed(t *testing.T) {
	url := open(t, well)
	for _, path := range []string{"/", "/index.html", "/metrics/", "/healthz/x", "/debug/pprof/", "/../etc/passwd", "/readyz%00"} {
		res, _ := ask(t, "GET", url+path)
		require.Contains(t, []int{404, 301, 307}, res.StatusCode, path)
		require.NotEqual(t, "/metrics", res.Header.Get("Location"), path)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
		res, _ := ask(t, method, url+"/metrics")
		require.Equal(t, 405, res.StatusCode, method)
		require.Equal(t, "GET, HEAD", res.Header.Get("Allow"), method)
	}
}

func TestNotReadySaysWhy(t *testing.T) {
	res, body := ask(t, "GET", open(t, func(context.Context) []Reason {
		return []Reason{{Word: "draining", Text: "star97 is shutting down."}, {Word: "store", Class: "unavailable", Text: "The store does not answer."}}
	})+"/readyz")
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	require.JSONEq(t, `{"ready": false, "reasons": [
		{"reason": "draining", "text": "star97 is shutting down."}, {"reason": "store", "class": "unavailable", "text": "The store does not answer."}]}`, body)
}

func TestATakenAddressIsSaid(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, err = Open(Options{Listen: ln.Addr().String()}, Deps{Log: slog.New(slog.DiscardHandler)})
	require.ErrorIs(t, err, ErrTaken)
	require.EqualError(t, err, "cannot listen on http.listen "+ln.Addr().String()+
		": another program has this address; free it, choose another address, or write listen: \"\" to go without")

	_, err = Open(Options{Listen: "192.0.2.1:8080"}, Deps{Log: slog.New(slog.DiscardHandler)}) // RFC 5737: nobody's
	require.NotErrorIs(t, err, ErrTaken)
	require.ErrorContains(t, err, "; choose one that this machine has, or write listen: \"\" to go without")
}

// A header that is too long, and whoever keeps more connections than there is room
// for, must not keep the monitoring out for good.
func TestAnIntruderIsBounded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := serve(ln, Options{}, deps(well), 300*time.Millisecond)
	defer c.Close()
	url := "http://" + c.Addr().String()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	if err == nil {
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, 431, res.StatusCode)
	}
	for range connectionsMax {
		idle, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		require.NoError(t, err)
		defer idle.Close()
	}
	res, _ := ask(t, "GET", url+"/healthz") // waits until the idle ones have timed out
	require.Equal(t, 200, res.StatusCode)
}

func TestAnAddressIsOfItsFamilyAlone(t *testing.T) {
	for listen, network := range map[string]string{"0.0.0.0:1": "tcp4", "127.0.0.1:1": "tcp4", "[::]:1": "tcp6", "[::1]:1": "tcp6", "[::ffff:127.0.0.1]:1": "tcp6"} {
		require.Equal(t, network, Options{Listen: listen}.network(), listen)
	}
	c, err := Open(Options{Listen: "0.0.0.0:0"}, deps(well))
	require.NoError(t, err)
	require.True(t, c.Addr().Addr().Is4())
	require.NoError(t, c.Close())
}

func TestOptions(t *testing.T) {
	for listen, c := range map[string]struct{ wrong, warned string }{
		"":               {},
		"127.0.0.1:9797": {},
		"127.9.0.1:1":    {},
		"[::1]:9797":     {},
		"0.0.0.0:9797":   {warned: "listen is 0.0.0.0:9797, which other machines may reach"},
		"[::]:80":        {warned: "write 127.0.0.1:80 unless"},
		"192.0.2.1:9797": {warned: "without a password"},
		"localhost:9797": {wrong: `listen is "localhost:9797"; write IP:port`},
		":9797":          {wrong: "write IP:port"},
		"9797":           {wrong: "write IP:port"},
	} {
		o := Options{Listen: listen}
		if c.wrong != "" {
			require.ErrorContains(t, o.Validate(), c.wrong, listen)
		} else {
			require.NoError(t, o.Validate(), listen)
		}
		if c.warned != "" {
			require.Contains(t, o.Warning(), c.warned, listen)
		} else {
			require.Empty(t, o.Warning(), listen)
		}
	}
	require.NoError(t, DefaultOptions().Validate())
}

func TestAProbeKeepsItsAnswerForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		down := errors.New("down")
		p := NewProbe(2*time.Second, 10*time.Second, func(context.Context) error {
			time.Sleep(time.Second)
			if asked.Add(1) == 2 {
				return nil
			}
			return down
		})
		for range 5 {
			go func() { require.ErrorIs(t, p.Ask(t.Context()), down) }()
		}
		time.Sleep(9 * time.Second)
		require.ErrorIs(t, p.Ask(t.Context()), down)
		require.EqualValues(t, 1, asked.Load(), "all of them asked together")
		time.Sleep(2 * time.Second)
		require.NoError(t, p.Ask(t.Context()))
		require.EqualValues(t, 2, asked.Load())
	})
}

func TestAProbeWithoutAnswerIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		p := NewProbe(2*time.Second, 10*time.Second, func(context.Context) error {
			asked.Add(1)
			time.Sleep(time.Minute) // ignores its deadline
			return nil
		})
		for range 10 {
			begin := time.Now()
			require.EqualError(t, p.Ask(t.Context()), "no answer within 2s")
			require.Equal(t, 2*time.Second, time.Since(begin))
		}
		require.EqualValues(t, 1, asked.Load())
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.Ask(impatient), context.DeadlineExceeded)
		time.Sleep(40 * time.Second)
		require.NoError(t, p.Ask(t.Context()), "the answer that came late counts")
	})
}

// Whoever asks for readiness must not be able to end the service.
func TestAProbeThatPanicsIsAnAnswer(t *testing.T) {
	p := NewProbe(10*time.Second, time.Minute, func(context.Context) error { panic("broken") })
	require.ErrorContains(t, p.Ask(t.Context()), "program error")
}
