// Package console is the HTTP side: /healthz (the process lives), /readyz (it takes
// calls, or why not) and /metrics, for GET and HEAD (RFC 9110) and nothing else. It
// answers from this machine only unless it is configured otherwise, and it has no
// password; who asks for another host than this one gets 421 (section 15.5.20). It knows
// no room: what it shows are views that app hands to it.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// Reason is why the service takes no calls.
type Reason struct {
	Word  string `json:"reason"`          // of a closed set, for programs
	Class string `json:"class,omitempty"` // which kind of trouble, of a closed set as well
	Text  string `json:"text"`            // nothing that another system has said
}

// Deps are the views. Both are safe for concurrent use.
type Deps struct {
	Metrics http.Handler
	// Ready returns what keeps the service from taking calls, nothing if it takes
	// them. It returns within a few seconds.
	Ready func(context.Context) []Reason
	Log   *slog.Logger
}

// Bounds of what whoever asks can make us hold.
const (
	connectionsMax = 32
	headerBytes    = 8 << 10
	readWithin     = 5 * time.Second
	writeWithin    = 15 * time.Second
	idleFor        = time.Minute
	closeWithin    = time.Second
)

// Console answers until Close.
type Console struct {
	server *http.Server
	addr   netip.AddrPort
	ended  chan struct{}
}

// ErrTaken says that another program has the address.
var ErrTaken = errors.New("another program has this address")

// Open listens and answers. The error, which may be ErrTaken, names the address and
// the remedy.
func Open(o Options, d Deps) (*Console, error) {
	ln, err := net.Listen(o.network(), o.Listen)
	if err != nil {
		remedy := "choose one that this machine has"
		if errors.Is(err, syscall.EADDRINUSE) {
			err, remedy = ErrTaken, "free it, choose another address"
		}
		return nil, fmt.Errorf("cannot listen on http.listen %s: %w; %s, or write listen: \"\" to go without", o.Listen, err, remedy)
	}
	return serve(ln, o, d, readWithin), nil
}

// serve answers on ln; a request has to be read within a time.
func serve(ln net.Listener, o Options, d Deps, within time.Duration) *Console {
	c := &Console{
		addr:  ln.Addr().(*net.TCPAddr).AddrPort(),
		ended: make(chan struct{}),
		server: &http.Server{
			Handler:           hosts(o.Hosts).only(handler(d)),
			ReadHeaderTimeout: within, ReadTimeout: within, WriteTimeout: writeWithin, IdleTimeout: idleFor,
			MaxHeaderBytes: headerBytes,
			ErrorLog:       slog.NewLogLogger(d.Log.Handler(), slog.LevelDebug),
		},
	}
	// Started by serve; stops with Close; owns the listener.
	go func() {
		defer close(c.ended)
		if err := c.server.Serve(netutil.LimitListener(ln, connectionsMax)); !errors.Is(err, http.ErrServerClosed) {
			d.Log.Error("health and metrics are no longer answered; calls are", "address", c.addr, "error", err)
		}
	}()
	return c
}

// Addr is the address that it answers on.
func (c *Console) Addr() netip.AddrPort { return c.addr }

// Close lets answers in progress finish, for a second.
func (c *Console) Close() error {
	within, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := c.server.Shutdown(within)
	if errors.Is(err, context.DeadlineExceeded) {
		err = c.server.Close()
	}
	<-c.ended
	return err
}

func handler(d Deps) http.Handler {
	mux := http.NewServeMux() // a pattern with GET lets HEAD in and answers others with 405
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, struct {
			Alive bool `json:"alive"`
		}{true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		reasons := d.Ready(r.Context())
		status := http.StatusOK
		if len(reasons) > 0 {
			status = http.StatusServiceUnavailable
		}
		answer(w, status, struct {
			Ready   bool     `json:"ready"`
			Reasons []Reason `json:"reasons,omitempty"`
		}{len(reasons) == 0, reasons})
	})
	mux.Handle("GET /metrics", d.Metrics)
	return mux
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked may be gone
}
