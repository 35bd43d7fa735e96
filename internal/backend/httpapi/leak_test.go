package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/secret"
)

const (
	code     = "739164825017" // longer than any number in a log's line
	password = "open-sesame"
	number   = "box-4001"
)

// silent requires that nothing of what must not be told is in a text.
func silent(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{
		code, password, fmt.Sprintf("%x", code), fmt.Sprintf("%x", password), fmt.Sprint([]byte(code)),
		base64.StdEncoding.EncodeToString([]byte("admin:" + password)), base64.StdEncoding.EncodeToString([]byte(code)), number,
	} {
		require.NotContains(t, text, s)
	}
}

// telling answers with a code wherever an answer can hold one.
func telling(status int) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nX-Pin: %s\r\nSet-Cookie: pin=%s\r\nLocation: /%s\r\nWww-Authenticate: Basic realm=%q\r\n"+
		"Content-Type: text/%s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, code, code, code, code, code, code, len(code), code)
}

func TestNothingOfARequestOrAnswerIsInAnErrorOrLog(t *testing.T) {
	request := Request{
		Op: "change", Method: "PUT", Path: "/users/" + number, Query: url.Values{"extension": {number}, "pin": {code}},
		Header: http.Header{"X-Pin": {code}}, Body: []byte(code), Want: "json",
	}
	answers := map[string]string{
		"a status that is none":         "HTTP/1.1 " + code + " OK\r\n\r\n",
		"no HTTP":                       code + " is the code\r\n\r\n",
		"a protocol that is none":       "HTTP/" + code + " 200 OK\r\n\r\n",
		"a header that is none":         "HTTP/1.1 200 OK\r\n" + code + "\r\n\r\n",
		"a header's name that is none":  "HTTP/1.1 200 OK\r\n" + code + " x: y\r\n\r\n",
		"a length that is none":         "HTTP/1.1 200 OK\r\nContent-Length: x" + code + "\r\n\r\n",
		"two lengths":                   "HTTP/1.1 200 OK\r\nContent-Length: " + code + "\r\nContent-Length: 1\r\n\r\n",
		"a transfer coding":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + code + "\r\n\r\n",
		"a content coding":              "HTTP/1.1 200 OK\r\nContent-Encoding: x" + code + "\r\nContent-Length: 0\r\n\r\n",
		"a chunk that is none":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx" + code + "\r\n",
		"a trailer that is none":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + code + "\r\n\r\n",
		"a body that is cut":            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + code,
		"a switch of protocols":         "HTTP/1.1 101 " + code + "\r\nUpgrade: " + code + "\r\nConnection: Upgrade\r\n\r\n" + code,
		"a tracking id with other text": "HTTP/1.1 500 OK\r\nTrackingid: pin " + code + "\r\nContent-Length: 0\r\n\r\n",
		"a date":                        "HTTP/1.1 429 OK\r\nRetry-After: " + code + "x\r\nContent-Length: 0\r\n\r\n",
	}
	for _, status := range []int{200, 204, 302, 400, 401, 403, 404, 429, 500, 503} {
		answers[fmt.Sprint(status)] = telling(status)
	}
	for name, text := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told bytes.Buffer
			o := raw(t, says(text))
			o.Log = slog.New(slog.NewJSONHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c := open(t, o, Basic("admin", secret.Of(password)))
			a, err := c.Do(ctx, request)
			if err != nil {
				silent(t, err.Error())
				silent(t, fmt.Sprintf("%v %+v %#v %q", err, err, err, err))
			}
			var e *mailbox.Error
			if err != nil {
				require.ErrorAs(t, err, &e, "every error has a code")
			}
			require.Contains(t, told.String(), "backend asked")
			require.Contains(t, told.String(), `"op":"change"`)
			silent(t, told.String())
			if err == nil {
				if err := a.JSON(&struct{}{}); err != nil {
					silent(t, err.Error())
				}
			}
		})
	}
}

func TestARequestAnAnswerAndAClientDoNotPrint(t *testing.T) {
	r := Request{Op: "change", Path: "/" + number, Body: []byte(code), Header: http.Header{"X-Pin": {code}}}
	a := Answer{Status: 200, Body: []byte(code), Header: http.Header{"X-Pin": {code}}}
	o := DefaultOptions()
	o.URL = "https://vm.example"
	token := Tokens(func(context.Context) (string, time.Time, error) { return password, time.Time{}, nil })
	header := &http.Request{Header: http.Header{}}
	require.NoError(t, token.Apply(ctx, header))
	require.Equal(t, "Bearer "+password, header.Header.Get("Authorization"))
	var told bytes.Buffer
	log := slog.New(slog.NewTextHandler(&told, nil))
	for _, auth := range []Auth{Basic("admin", secret.Of(password)), Bearer(secret.Of(password)), token} {
		c := open(t, o, auth)
		log.Info("x", "auth", auth, "client", c)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			silent(t, fmt.Sprintf(verb, auth))
			silent(t, fmt.Sprintf(verb, c))
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		silent(t, fmt.Sprintf(verb, r)+fmt.Sprintf(verb, &r)+fmt.Sprintf(verb, a)+fmt.Sprintf(verb, []Answer{a}))
	}
	log.Info("x", "request", r, "answer", a)
	slog.New(slog.NewJSONHandler(&told, nil)).Info("x", "request", r, "answer", a, "in", struct{ A Answer }{a})
	silent(t, told.String())
	text, err := json.Marshal([]any{r, a})
	require.NoError(t, err)
	silent(t, string(text))
	require.Equal(t, "answer 200 of 12 bytes", fmt.Sprint(a))
}

func TestTheLogTellsWhatItCan(t *testing.T) {
	var told bytes.Buffer
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "r-1")
		io.WriteString(w, "seven..")
	})
	o.Log = slog.New(slog.NewJSONHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := open(t, o, nil)
	_, err := c.Do(ctx, Request{Op: "lookup", Method: "GET"})
	require.NoError(t, err)
	var line struct {
		Level, Msg, Host, Op, Tracking string
		Status, Size                   int
		Took                           time.Duration
	}
	require.NoError(t, json.Unmarshal(told.Bytes(), &line))
	require.Positive(t, line.Took)
	line.Took = 0
	require.Equal(t, "{DEBUG backend asked "+c.base.Host+" lookup r-1 200 7 0s}", fmt.Sprint(line))
}

// FuzzWhatAServerSays claims that whatever a server says ends as an answer within the
// bounds or an error with a code, and that no word of it is in the error.
func FuzzWhatAServerSays(f *testing.F) {
	for _, text := range []string{
		telling(200), telling(429), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n" + code + "\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\n" + code, "HTTP/1.1 100 Continue\r\n\r\n" + telling(404), code,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// The fuzzer finds words of ours: only the code is what an error may not hold.
		o := DefaultOptions()
		o.URL, o.LargestBody = "http://localhost", 1000
		c, err := New(o, nil)
		require.NoError(t, err)
		defer c.Close()
		served := make(chan struct{})
		c.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			// Started for the one connection, stops when it is closed.
			go func() {
				defer close(served)
				defer far.Close()
				far.Read(make([]byte, 4096))
				io.WriteString(far, text)
			}()
			return &counted{Conn: near}, nil
		}
		a, err := c.Do(ctx, Request{Op: "verify", Method: "POST", Want: "json"})
		<-served
		if err != nil {
			var e *mailbox.Error
			require.ErrorAs(t, err, &e)
			require.False(t, strings.Contains(err.Error(), code), "%q", err)
			return
		}
		require.LessOrEqual(t, len(a.Body), o.LargestBody)
	})
}
