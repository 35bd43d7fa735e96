package trouble

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
)

// largest bounds the bodies that a fake reads and holds, in bytes.
const largest = 4 << 20

// Handler makes the troubles of orders in front of h. opOf names a request's op; a
// request of no op ("") can be troubled by Any only.
func Handler(orders *Orders, opOf func(*http.Request) string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		orders.keep(fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Header))
		// Only with its body read is a request told that the client has gone.
		body, err := io.ReadAll(io.LimitReader(r.Body, largest))
		if err != nil {
			cut(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		orders.Take(opOf(r)).serve(w, r, h)
	})
}

func (o Order) serve(w http.ResponseWriter, r *http.Request, h http.Handler) {
	do := func() *httptest.ResponseRecorder {
		kept := httptest.NewRecorder()
		h.ServeHTTP(kept, r)
		return kept
	}
	switch o.Kind {
	case CutBefore:
		cut(w)
	case CutAfter:
		do()
		cut(w)
	case Slow:
		var kept *httptest.ResponseRecorder
		if o.Applied {
			kept = do()
		}
		switch {
		case !pause(r.Context(), o.Delay):
			cut(w)
		case o.Applied:
			send(w, kept, kept.Code, kept.Body.Bytes())
		default:
			h.ServeHTTP(w, r)
		}
	case Status, Malformed, Empty, HTML, WrongType:
		o.replace(w, do)
	default:
		h.ServeHTTP(w, r)
	}
}

// replace answers otherwise than the fake would.
func (o Order) replace(w http.ResponseWriter, do func() *httptest.ResponseRecorder) {
	kept := httptest.NewRecorder()
	if o.Applied || o.Kind == WrongType {
		kept = do()
	}
	if kept.Header().Get("Content-Type") == "" {
		kept.Header().Set("Content-Type", "application/json")
	}
	status := o.Status
	if status == 0 {
		status = http.StatusOK
	}
	body := o.spoil(kept.Body.Bytes())
	switch o.Kind {
	case Status:
		if o.Status == 0 {
			status = http.StatusInternalServerError
		}
		kept.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if o.Type != "" {
			kept.Header().Set("Content-Type", o.Type)
		}
	case HTML:
		kept.Header().Set("Content-Type", "text/html; charset=utf-8")
	case WrongType:
		status, body = kept.Code, kept.Body.Bytes()
		kept.Header().Set("Content-Type", "application/octet-stream")
	}
	if o.RetryAfter != "" {
		kept.Header().Set("Retry-After", o.RetryAfter)
	}
	send(w, kept, status, body)
}

func send(w http.ResponseWriter, kept *httptest.ResponseRecorder, status int, body []byte) {
	for name, values := range kept.Header() {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone misses nothing
}

// cut closes the connection without a word.
func cut(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}
