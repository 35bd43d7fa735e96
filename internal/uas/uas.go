// Package uas is star97's SIP user agent server (RFC 3261): transports and
// transactions are sipgo's, the dialog layer is ours: messages of one dialog in
// order, 2xx retransmission, delayed offer, re-INVITE, UPDATE, INFO, REFER, Replaces,
// the front door. It decides who may call and which door they take, not what they hear.
//
// A message passes three desks. The gate (gate.go) reads whole messages off the
// sockets: strangers, floods and malformed requests end there, answered without
// state or not at all. The front door (frontdoor.go) refuses what is well formed
// but not served. The dialog (dialog.go) takes the rest, one message at a time.
//
// WebSocket (RFC 7118) is not served. It would be one more reader beside gatedPackets and
// gatedStream, which hands each frame's payload to gate.admit as a whole message; its names
// ws and wss in isStream, isSecure and Options; and a server of sipgo's in bindStream.
package uas

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/media"
	"star97/internal/metrics"
	"star97/internal/pemfile"
)

// Calls carries an answered call to its end. Run returns when leg's Signals are
// closed, or earlier to end the call. It closes neither leg nor session.
type Calls interface {
	Run(ctx context.Context, leg call.Leg, session media.Session, arrival *call.Arrival)
}

// Plan decides what a call gets; *dialplan.Plan is one.
type Plan interface {
	Decide(dialplan.Question) (dialplan.Decision, dialplan.Refusal)
}

// Deps is what the server needs of the rooms below. All of it is safe for
// concurrent use, and required but for what says otherwise.
type Deps struct {
	Media media.Engine
	Plan  Plan
	Calls Calls
	Log   *slog.Logger
	// Metrics may be nil.
	Metrics *metrics.Metrics
	// Healthy says whether calls can be served; it returns at once. While it says no, OPTIONS
	// gets 503, and calls are answered all the same. nil: always.
	Healthy func() bool
	// ListenPacket opens the sockets of UDP listeners, network is udp4 or udp6;
	// nil: the system's.
	ListenPacket func(ctx context.Context, network, address string) (PacketConn, error)
}

// ErrClosed is returned by Serve once the server was closed.
var ErrClosed = errors.New("the SIP server is closed")

// Server answers calls. Make one with New, run it with Serve, once.
type Server struct {
	opts  Options
	deps  Deps
	log   *slog.Logger
	terms atomic.Pointer[terms]
	gate  *gate
	tags  tagger

	proofs *proofs

	exchanging sync.Mutex // one Exchange or Place at a time; guards tallies and listed
	tallies    map[string]*tally
	listed     Options // whose peers are in use

	transport    *sip.TransportLayer
	transactions *sip.TransactionLayer

	local     []netip.Prefix // networks that reach us directly
	dialogs   *registry
	readers   sync.WaitGroup // of the listeners
	sockets   sync.Map       // UDP listeners' *gatedPackets by their address
	sources   *sources
	kept      *shares // answered transactions
	admission *admission
	denials   *denials
	serving   atomic.Int64   // requests being handled
	dialling  sync.WaitGroup // the readers of dialled and dialledTLS
	// connections holds a token per TCP connection up.
	connections chan struct{}
	hosts       *shares // connections that others opened, by their host
	networks    *shares // and by its network
	dialled     *dialled
	dialledTLS  *dialled
	unlisted    *peer // whom we dial although no peer has his address
	referWait   time.Duration
	untold      time.Duration // so long after an INVITE sipgo has sent no 100

	calling  context.Context // ends when the callers' time is up
	overtime context.CancelFunc
	draining atomic.Bool
	shut     atomic.Bool // the sockets are closed, or about to be

	ready  chan struct{}
	mu     sync.Mutex
	bound  []*listener
	closed bool
}

// New makes a server that does not listen yet. The error names every option
// that is wrong.
func New(opts Options, deps Deps) (*Server, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	peers, err := newPeers(opts, nil)
	if err != nil {
		return nil, err
	}
	proofs := newProofs(opts.Limits, time.Now())
	authority, err := opts.authority(proofs.nonces, time.Now())
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: opts, listed: opts, deps: deps, log: deps.Log, proofs: proofs,
		tags:    newTagger(),
		local:   localNetworks(opts),
		dialogs: newRegistry(),
		ready:   make(chan struct{}),

		sources:     newSources(sourcesMost, sourcesWait),
		kept:        newShares(keptMost),
		referWait:   referWait,
		untold:      sip.Timer_1xx / 2, // it may have begun a little before us
		unlisted:    &peer{name: "unlisted", tally: new(tally)},
		connections: make(chan struct{}, opts.Limits.Connections),
	}
	s.tallies = map[string]*tally{}
	peers.count(s.tallies)
	s.terms.Store(&terms{peers, deps.Plan, deps.Calls, authority})
	s.gate = newGate(opts, peers, s.tags, deps.Log)
	s.gate.inUse, s.gate.served, s.gate.calls, s.gate.count = s.dialogs.inUse, s.dialogs.served, s.dialogs.calls, deps.Metrics
	s.admission = newAdmission(opts.Limits.Wait, deps.Log)
	s.denials = newDenials(64*opts.T1, time.Now())
	s.gate.overfull, s.gate.queued, s.gate.let = s.overfull, s.admission.queued, s.admission.let
	s.hosts, s.networks = newShares(opts.Limits.Connections), newShares(opts.Limits.Connections)
	s.dialled = s.newDialled("tcp", nil)
	outgoing := &tls.Config{MinVersion: tls.VersionTLS12}
	if outgoing.RootCAs, err = pemfile.Authorities("ca_file", opts.CAFile); err != nil {
		return nil, err
	}
	s.dialledTLS = s.newDialled("tls", outgoing)
	s.calling, s.overtime = context.WithCancel(context.Background())
	quiet := quietLogger(deps.Log)
	s.transport = sip.NewTransportLayer(net.DefaultResolver, sip.NewParser(), nil,
		sip.WithTransportLayerLogger(quiet),
		sip.WithTransportLayerTransports(sip.TransportsConfig{
			TCP: &sip.TransportTCP{DialerCreate: neverDials},
			TLS: &sip.TransportTLS{TransportTCP: &sip.TransportTCP{DialerCreate: neverDials}},
		}))
	s.transport.OnMessage(s.stamp) // it is asked before the transaction layer, which asks to be told next
	s.transactions = sip.NewTransactionLayer(s.transport,
		sip.WithTransactionLayerLogger(quiet),
		sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) {}))
	s.transactions.OnRequest(s.serve)
	return s, nil
}

// Serve listens on every address and blocks until ctx ends (nil) or the server
// is closed (ErrClosed). An address that cannot be had is an error at once.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.listen(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	for _, p := range s.terms.Load().peers.all {
		if p.identity.kind == fromHeader {
			s.log.Warn("the From header of this peer's calls is believed: only phones may reach star97 through it", "peer", p.name)
		}
	}
	close(s.ready)
	stopped := make(chan struct{})
	// Started by Serve; stops when the last listener is closed; owns nothing.
	go func() { defer close(stopped); s.readers.Wait() }()
	select {
	case <-ctx.Done():
		return s.Close()
	case <-stopped:
		return errors.Join(ErrClosed, s.Close())
	}
}

// Ready is closed once every address listens.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Calls is the number of calls up, each with the time it needs to end.
func (s *Server) Calls() int { return s.dialogs.count() }

// Drain refuses new calls with 503 and waits for those in progress. When ctx
// ends first, the remaining callers are told that their time is up and ctx's
// error is returned; another Drain waits for their farewells.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	err := s.dialogs.wait(ctx)
	if err != nil {
		s.overtime()
		return fmt.Errorf("%d calls are still up: %w", s.Calls(), err)
	}
	return nil
}

// Close hangs up what is left, waits up to closeWait for the answers to our BYEs,
// and frees every socket.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.draining.Store(true)
	s.dialogs.close()
	s.overtime()
	s.dialogs.each(func(d *dialog) { d.Hangup() })
	grace, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	_ = s.dialogs.wait(grace)
	s.dialogs.each(func(d *dialog) { d.abandon() })
	s.quiesce()
	s.shut.Store(true)
	var failed error
	s.mu.Lock()
	for _, l := range s.bound {
		failed = errors.Join(failed, l.close())
	}
	s.mu.Unlock()
	s.transactions.Close()
	failed = errors.Join(failed, s.dialled.Close(), s.dialledTLS.Close(), s.transport.Close())
	s.readers.Wait()
	s.sources.forget(s.transport.Pool("udp"))
	s.dialling.Wait()
	return failed
}

// quiesce returns when nothing that sipgo does can ask for a listener any more: for
// one that is gone it would open a socket of its own.
func (s *Server) quiesce() {
	s.gate.shut.Store(true)
	s.dialogs.work.Wait() // our own requests
	// What was let in last is on a goroutine of sipgo's that tells nobody until it
	// comes to serve. It needs to be scheduled once; each round is one more chance,
	// also where the whole process was held up.
	end := time.Now().Add(closeWait)
	for round := 0; round < 10 && time.Now().Before(end); round++ {
		time.Sleep(2 * time.Millisecond)
		if s.serving.Load() > 0 {
			round = 0
		}
	}
}

const (
	closeWait    = 2 * time.Second // Close waits so long for the answers to our BYEs
	writeTimeout = 2 * time.Second // a TCP peer that takes no bytes loses its message
)
