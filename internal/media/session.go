package media

import (
	"crypto/rand"
	"encoding/base64"
	"net/netip"
	"sync"
	"time"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/srtp"
)

// restartWithin is how much audio may have been sent when a change of address or
// direction still starts the current utterance again.
const restartWithin = 3 * time.Second

// session implements Session for every engine; its carrier reads and keeps time for it.
// Times inside are on the engine's clock; events are told on the session's own, which
// begins at base.
//
// Locks, in this order: control lets the acts of the run loop and of the signalling
// side follow one another; mu guards everything below it and is held for one
// packet at a time; the carrier's lock comes last.
type session struct {
	engine  *base
	carrier carrier
	ports   pair
	local   netip.AddrPort
	base    time.Duration

	control sync.Mutex

	mu      sync.Mutex
	closed  bool
	started bool // by Start
	held    bool // Held was told
	resting bool // no frame is due, because nothing is said to a sparse peer
	stream  Stream
	frame   time.Duration // of what we send
	due     int64         // slot of the next frame; 0: none
	out     outgoing
	player  player
	packet  []byte // header and payload of one frame
	queue   queue
	receiver
	guard srtp.Session
	rtcp  reporter
	alarm alarm
	stats counters
}

// counters are what of Stats the session counts itself; the receiver has the others.
type counters struct {
	PacketsOut, RemoteLost, SourceChanges, Overruns uint64
	RoundTrip                                       time.Duration
	Reported                                        bool
}

func newSession(e *base, ports pair, local netip.AddrPort) *session {
	s := &session{engine: e, ports: ports, local: local, base: e.now(), out: newOutgoing(), queue: newQueue()}
	s.reports = make([]dtmf.Report, 0, dtmf.MaxReports)
	s.rtcp.cname = newCNAME()
	if e.options.KernelFilter != FilterOff {
		s.filter.socket, _ = ports.rtp.(thinner)
	}
	return s
}

// carry gives a new session its carrier.
func (s *session) carry(c carrier) { s.carrier, s.alarm.bell = c, c.bell(s.ring) }

// newCNAME is the short-term persistent name of RFC 7022 section 4.2: 96 random bits.
func newCNAME() string {
	var b [12]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// LocalAddr implements Session.
func (s *session) LocalAddr() netip.AddrPort { return s.local }

// Epoch implements Session.
func (s *session) Epoch() time.Time { return s.engine.epoch.Add(s.base) }

// Events implements Session.
func (s *session) Events() <-chan Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.queue.flush()
	}
	return s.queue.ch
}

// Set implements Session.
func (s *session) Set(stream Stream) {
	s.control.Lock()
	defer s.control.Unlock()
	stream.Remote, stream.RemoteRTCP = plain(stream.Remote), plain(stream.RemoteRTCP)
	stream.Signaller = stream.Signaller.Unmap().WithZone("")
	var audio [MaxClips][]byte
	payloads(&audio, &s.player.utter, stream.Codec)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	now := s.engine.now()
	before := s.stream
	s.stream, s.frame = stream, frameTime(stream.PTime)
	s.setReceive(before, now)
	s.setCodec(&audio)
	s.guard.Rekey(stream.OurKey, stream.TheirKey)
	s.latch.signaller = stream.Signaller
	s.admitHosts()
	moved := stream.Remote.IsValid() && stream.Remote != s.latch.signalled
	if moved {
		s.rtcp.source = netip.AddrPort{}
		s.latch.signal(stream.Remote, now)
	}
	turned := before.Send != stream.Send || before.Recv != stream.Recv
	if (moved || turned) && s.out.sent < restartWithin {
		s.player.rewind()
	}
	s.direct(now, moved)
}

// admitHosts lets any host be the caller's where that is wanted, from Start on, or where
// each packet proves whose it is.
func (s *session) admitHosts() {
	s.latch.keyed = s.guard.Proves()
	s.latch.anyHost = s.stream.AnyHost && s.started || s.latch.keyed
}

// plain is an address as sessions compare it. SDP knows no zones: a socket on a link-local
// address is bound to its own.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// setCodec changes the format of what is sent from the next frame on.
func (s *session) setCodec(audio *[MaxClips][]byte) {
	f, _ := codec.ByID(s.stream.Codec)
	s.player.recode(f, audio)
	s.out.header.PayloadType = s.stream.PT
	if f == nil {
		return
	}
	s.out.perMs = uint32(f.ClockRate / 1000)
	size := headerSize + int(s.frame.Milliseconds())*f.BytesPerMs
	if cap(s.packet) < size {
		s.packet = make([]byte, size)
	}
	s.packet = s.packet[:size]
}

// direct tells Held or Resumed when the right to send has changed, and begins or
// ends sending. A new address gets its first packet at once.
func (s *session) direct(now time.Duration, moved bool) {
	if !s.started {
		return
	}
	may := s.stream.Send && s.stream.Remote.IsValid() && s.player.format != nil
	switch {
	case may && (s.due == 0 || moved):
		if s.held {
			s.held = false
			s.heard = now // quiet while held is no sign of a lost call
			s.tell(Event{Kind: Resumed, At: now - s.base}, now)
		}
		s.talk(now)
	case !may && !s.held:
		s.held, s.due, s.resting = true, 0, false
		s.tell(Event{Kind: Held, At: now - s.base}, now)
	}
}

// Start implements Session.
func (s *session) Start(lead time.Duration) {
	s.control.Lock()
	defer s.control.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.started {
		return
	}
	now := s.engine.now()
	s.started, s.heard = true, now
	s.admitHosts()
	s.player.lead = int(max(lead, 0).Milliseconds())
	s.startAlarms(now)
	s.direct(now, false)
}

// Say implements Session.
func (s *session) Say(u Utterance) {
	s.control.Lock()
	defer s.control.Unlock()
	var audio [MaxClips][]byte
	payloads(&audio, &u, s.stream.Codec) // written under control only
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.player.say(&u, &audio)
	if (s.due != 0 || s.resting) && s.player.lead == 0 {
		s.talk(s.engine.now())
	}
}

// Stop implements Session.
func (s *session) Stop() {
	s.control.Lock()
	defer s.control.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.player.stop()
}

// Stats implements Session.
func (s *session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.stats
	st := Stats{PacketsOut: c.PacketsOut, Reported: c.Reported, RemoteLost: c.RemoteLost, RoundTrip: c.RoundTrip,
		SourceChanges: c.SourceChanges, Overruns: c.Overruns, Codec: s.stream.Codec}
	s.receiver.count(&st)
	return st
}

// Close implements Session.
func (s *session) Close() {
	s.takeLeave()
	s.end()
}

// takeLeave tells the far end that nothing more will come.
func (s *session) takeLeave() {
	defer s.survive()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.due, s.resting = 0, false
		s.sendBye(s.engine.now())
	}
}

// end closes the session once, without a word to the far end.
func (s *session) end() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed, s.due, s.resting = true, 0, false
	s.alarm.stop()
	close(s.queue.ch)
	s.mu.Unlock()
	s.engine.drop(s)
}

// survive keeps a panic to this call: the session ends, which closes Events, and
// the engine goes on. Every goroutine of the engine defers it before it takes mu.
func (s *session) survive() {
	if cause := recover(); cause != nil {
		s.end()
		if tell := s.engine.options.OnPanic; tell != nil {
			tell(cause)
		}
	}
}

// tell queues an event.
func (s *session) tell(e Event, now time.Duration) {
	if !s.queue.push(e) {
		s.stats.Overruns++
	}
	if s.queue.behind != nil {
		s.alarm.at(alarmFlush, now+flushPause, now)
	}
}
