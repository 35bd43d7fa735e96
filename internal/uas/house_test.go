package uas

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is the Calls of the tests: it keeps what each call was told.
type recorder struct {
	calls chan *taken
	act   func(context.Context, *taken) // nil: stay until Signals closes
}

type taken struct {
	leg     call.Leg
	session media.Session
	arrival call.Arrival
	heard   chan call.Signal // without renegotiations and stirs, which are counted
	again   atomic.Int32
	stirs   atomic.Int32
}

func (r *recorder) Run(ctx context.Context, leg call.Leg, session media.Session, a *call.Arrival) {
	t := &taken{leg: leg, session: session, arrival: *a, heard: make(chan call.Signal, 10000)}
	r.calls <- t
	if r.act != nil {
		r.act(ctx, t)
		return
	}
	for s := range leg.Signals() {
		switch s.Kind {
		case call.Renegotiated:
			t.again.Add(1)
		case call.Stirred:
			t.stirs.Add(1)
		default:
			t.heard <- *s
		}
	}
	close(t.heard)
}

// patience is how long a test waits for what must come, on however busy a machine.
const patience = 20 * time.Second

// soon waits for what another goroutine is about to do.
func soon(t testing.TB, what func() bool, why ...any) {
	t.Helper()
	require.Eventually(t, what, patience, time.Millisecond, why...)
}

// next is the next call that began.
func (r *recorder) next(t testing.TB) *taken {
	t.Helper()
	select {
	case c := <-r.calls:
		return c
	case <-time.After(patience):
		require.FailNow(t, "no call began")
		return nil
	}
}

// hear is the next signal of a call; the zero Signal once it is over.
func (c *taken) hear(t testing.TB) call.Signal {
	t.Helper()
	select {
	case s := <-c.heard:
		return s
	case <-time.After(patience):
		require.FailNow(t, "no signal came")
		return call.Signal{}
	}
}

// hearsNext fails if the call was told of anything that it has not heard yet: the next
// thing must be a key that p presses now. What is counted is then counted.
func (c *taken) hearsNext(p *phone) {
	p.t.Helper()
	p.send("INFO", "D", "application/dtmf")
	p.expect(200)
	s := c.hear(p.t)
	require.Equal(p.t, call.InfoKey, s.Kind)
	d, _ := dtmf.DigitOf('D')
	require.True(p.t, d == s.Report.Digit && s.Report.Kind == dtmf.Down, "another key came before")
}

// spy is a real media session that keeps what the signalling side asked of it.
type spy struct {
	media.Session
	mu      sync.Mutex
	streams []media.Stream
	starts  []time.Duration
	closed  bool
	onSet   func()
}

func (s *spy) Set(m media.Stream) {
	s.mu.Lock()
	s.streams = append(s.streams, m)
	hook := s.onSet
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	s.Session.Set(m)
}

func (s *spy) Start(lead time.Duration) {
	s.mu.Lock()
	s.starts = append(s.starts, lead)
	s.mu.Unlock()
	s.Session.Start(lead)
}

func (s *spy) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Session.Close()
}

func (s *spy) last() media.Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.streams) == 0 {
		return media.Stream{}
	}
	return s.streams[len(s.streams)-1]
}

func (s *spy) sets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

func (s *spy) started() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.starts)
}

func (s *spy) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// engine is the real portable engine behind a spy.
type engine struct {
	media.Engine
	open  func() error // asked first, may block or fail
	onSet func()       // of every session from now on
}

func (e *engine) Open(local netip.Addr) (media.Session, error) {
	if e.open != nil {
		if err := e.open(); err != nil {
			return nil, err
		}
	}
	s, err := e.Engine.Open(local)
	if err != nil {
		return nil, err
	}
	return &spy{Session: s, onSet: e.onSet}, nil
}

type plan struct {
	routes func(string) (dialplan.Route, bool)
}

// Decide asks a real plan that has the one route.
func (p plan) Decide(q dialplan.Question) (dialplan.Decision, dialplan.Refusal) {
	number := dialplan.User(q.Number)
	r, ok := p.routes(number)
	if !ok {
		return dialplan.Decision{}, dialplan.NoRoute
	}
	r.Number = number
	return (&dialplan.Plan{Routes: []dialplan.Route{r}}).Decide(q)
}

func defaultRoutes(n string) (dialplan.Route, bool) {
	switch n {
	case "*97":
		return dialplan.Route{Number: n, Door: mailbox.OwnDoor}, true
	case "5000":
		return dialplan.Route{Number: n, Door: mailbox.AnyDoor, Domain: "north"}, true
	}
	return dialplan.Route{}, false
}

// house is a running server.
type house struct {
	*Server
	calls  *recorder
	engine *engine
	log    *syncBuffer
	counts *metrics.Metrics
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// cut takes what was written so far.
func (b *syncBuffer) cut() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.b.String()
	b.b = bytes.Buffer{}
	return text
}

// setting is what a test changes of the usual house.
type setting struct {
	options func(*Options)
	plan    Plan
	open    func() error
	onSet   func()
	act     func(context.Context, *taken)
	rtp     uint16 // first port; 0: the usual range
	pairs   uint16
	media   func(*media.Options)
	server  func(*Server) // before it serves
	wire    *wire         // in place of a UDP socket; nil: a real one
	healthy func() bool
}

func testOptions() Options {
	o := DefaultOptions()
	o.Listen = []Listen{
		{Network: "udp", Address: "127.0.0.1:0"},
		{Network: "tcp", Address: "127.0.0.1:0"},
	}
	o.T1, o.T2 = 100*time.Millisecond, 800*time.Millisecond
	o.Limits.Wait = 0 // tests may have the machine to share
	return o
}

func newHouse(t testing.TB, set setting) *house {
	t.Helper()
	o := testOptions()
	if set.options != nil {
		set.options(&o)
	}
	mo := media.DefaultOptions()
	mo.PortMin, mo.PortMax = 20000, 29998 // below the ports that systems give away
	if set.rtp != 0 {
		mo.PortMin, mo.PortMax = set.rtp, set.rtp+2*(set.pairs-1)
	}
	if set.media != nil {
		set.media(&mo)
	}
	real, err := media.New(mo)
	require.NoError(t, err)
	h := &house{
		calls:  &recorder{calls: make(chan *taken, 1000), act: set.act},
		engine: &engine{Engine: real, open: set.open, onSet: set.onSet},
		log:    &syncBuffer{},
		counts: metrics.New(metrics.Words{Refusals: Refusals()}),
	}
	if set.plan == nil {
		set.plan = plan{defaultRoutes}
	}
	var listen func(context.Context, string, string) (PacketConn, error)
	if set.wire != nil {
		listen = func(context.Context, string, string) (PacketConn, error) { return set.wire, nil }
	}
	h.Server, err = New(o, Deps{
		ListenPacket: listen,
		Media:        h.engine, Plan: set.plan, Calls: h.calls, Metrics: h.counts, Healthy: set.healthy,
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	if set.server != nil {
		set.server(h.Server)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.Serve(ctx) }()
	t.Cleanup(func() {
		h.dialogs.each(func(d *dialog) { d.abandon() }) // their phones are gone
		stop()
		if err := <-served; !errors.Is(err, ErrClosed) {
			require.NoError(t, err)
		}
		require.NoError(t, real.Close())
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	select {
	case <-h.Ready():
	case err := <-served:
		served <- nil
		require.NoError(t, err)
	}
	return h
}

// at is the address of the n-th listener.
func (h *house) at(n int) string { return h.Addrs()[n].Addr.String() }

func (h *house) udp(t testing.TB) *phone { return newPhone(t, "udp", h.at(0)) }
func (h *house) tcp(t testing.TB) *phone { return newPhone(t, "tcp", h.at(1)) }

// idle waits until no request is being handled.
func (h *house) idle(t testing.TB) {
	t.Helper()
	soon(t, func() bool { return h.serving.Load() == 0 })
}

// over waits until no call is up.
func (h *house) over(t testing.TB) {
	t.Helper()
	soon(t, func() bool { return h.Calls() == 0 }, "a call stays up")
}
