package caller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"golang.org/x/sys/unix"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/sdp"
	"star97/internal/srtp"
)

// How a load run presses a key.
const (
	loadPressLength = 100 * time.Millisecond
	loadPressGap    = 100 * time.Millisecond
	loadPressVolume = 10

	packSamples = int(packTime/time.Millisecond) * samplesPerMs
	toneSamples = int(loadPressLength/time.Millisecond) * samplesPerMs
)

// streamBuffer is a load call's socket buffer: a few seconds of packets.
const streamBuffer = 128 << 10

// loadStream is the RTP of one call of a load run: a port pair outside Go's poller,
// read and written by the deck's thread alone.
type loadStream struct {
	deck      *deck
	rtp, rtcp int // descriptors
	local     netip.AddrPort
	ackedAt   atomic.Int64 // wall clock, nanoseconds; 0: not yet
	talking   atomic.Bool  // from Start to Hush
	overAt    atomic.Int64 // when Hush ended the call, wall clock, nanoseconds; 0: not yet

	// Owned by the deck's thread.
	agreed    sdp.Agreed
	format    *codec.Format
	guard     srtp.Session
	slot      int
	turn      int // of the slot's rounds: when it is read
	got       reception
	gone      bool
	silent    [maxSilent]byte // what a packet of digital silence holds
	start     time.Time
	base      uint32
	ssrc      uint32
	seq       uint16
	packets   uint32 // sent
	octets    uint32
	packet    [12 + maxSilent]byte
	queue     []dtmf.Digit // sign-in keys still to press
	pieces    []dtmf.Piece // of the press under way, by events
	piece     int          // next of them
	tone      *dtmf.ToneSound
	samples   int       // of the tone still to send
	pressed   time.Time // its key-down
	due       time.Time
	scheduled bool
	keyless   bool // a key could not be pressed
	reports   reports
	reportAt  time.Time // when ours is due
}

// openStream binds an even port and its neighbour at ip.
func openStream(d *deck, ip netip.Addr) (*loadStream, error) {
	var last error
	for range portTries {
		rtp, port, err := bindRaw(ip, 0)
		if err != nil {
			return nil, fmt.Errorf("opening an RTP port: %w", err)
		}
		if port%2 == 0 {
			rtcp, _, err := bindRaw(ip, port+1)
			if err == nil {
				return &loadStream{deck: d, rtp: rtp, rtcp: rtcp, local: netip.AddrPortFrom(ip, port), start: time.Now(),
					base: rand.Uint32(), ssrc: rand.Uint32(), seq: uint16(rand.Uint32()), reportAt: time.Now().Add(firstReport)}, nil
			}
			last = err
		}
		unix.Close(rtp)
	}
	return nil, fmt.Errorf("opening an RTP port pair: %w", last)
}

// bindRaw opens a UDP socket that tells arrival times.
func bindRaw(ip netip.Addr, port uint16) (fd int, bound uint16, err error) {
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, 0, err
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, streamBuffer),
		unix.Bind(fd, sockaddr(netip.AddrPortFrom(ip, port))))
	if err == nil {
		var name unix.Sockaddr
		if name, err = unix.Getsockname(fd); err == nil {
			switch a := name.(type) {
			case *unix.SockaddrInet4:
				return fd, uint16(a.Port), nil
			case *unix.SockaddrInet6:
				return fd, uint16(a.Port), nil
			}
		}
	}
	unix.Close(fd)
	return -1, 0, err
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// LocalAddr is where our RTP comes to.
func (s *loadStream) LocalAddr() netip.AddrPort { return s.local }

// Set applies a negotiated stream.
func (s *loadStream) Set(a sdp.Agreed) {
	s.deck.post(func() {
		s.agreed = a
		s.guard.Rekey(a.OurKey, a.TheirKey)
		if f, ok := codec.ByID(a.Codec); ok {
			s.format = f
			for i := range s.silent {
				s.silent[i] = f.Silence
			}
		}
		if a.Remote.IsValid() && !s.gone {
			// Connected, the socket takes packets from there alone, as a telephone behind
			// a firewall does; if it cannot be, sending fails and shows as such.
			_ = unix.Connect(s.rtp, sockaddr(a.Remote))
			if a.RemoteRTCP.IsValid() {
				_ = unix.Connect(s.rtcp, sockaddr(a.RemoteRTCP))
			}
		}
	})
}

func (s *loadStream) acked(at time.Time) { s.ackedAt.Store(at.UnixNano()) }

// Start permits sending.
func (s *loadStream) Start() { s.talking.Store(true) }

// Hush ends sending.
func (s *loadStream) Hush() {
	s.talking.Store(false)
	s.overAt.CompareAndSwap(0, time.Now().UnixNano())
}

func (s *loadStream) move() error { return errors.ErrUnsupported }

// Close takes the stream out of the run and waits until its figures are counted.
func (s *loadStream) Close() {
	left := make(chan struct{})
	s.deck.post(func() {
		s.deck.leave(s)
		close(left)
	})
	<-left
}

func (s *loadStream) closeSockets() {
	if s.rtp >= 0 {
		unix.Close(s.rtp)
		unix.Close(s.rtcp)
		s.rtp, s.rtcp = -1, -1
	}
}

// sendAudio sends the packet of this beat: silence, or the tone of a key. None is sent
// while a key is down that goes by events, nor by a silent caller.
func (s *loadStream) sendAudio(beat time.Time) {
	if !s.talking.Load() || !s.agreed.Send || s.piece < len(s.pieces) {
		return
	}
	payload, begins := s.silent[:packSamples], s.packets == 0
	switch {
	case s.samples > 0:
		begins = begins || s.deck.o.Talk == Nothing && s.samples == toneSamples
		payload = s.deck.sound(s, beat)
	case s.deck.o.Talk == Nothing:
		return
	}
	s.send(s.agreed.PT, begins, s.clock(beat), payload)
}

// takesKeys tells whether the far end hears us press a key.
func (s *loadStream) takesKeys() bool {
	return s.agreed.Send && (s.deck.o.Road == Inband || s.agreed.EventPT != 0)
}

// begin starts a press now.
func (s *loadStream) begin(key dtmf.Digit) {
	s.pressed = time.Now()
	if s.deck.o.Road == Inband {
		s.tone, s.samples = dtmf.NewToneSound(key, loadPressVolume, 1000*samplesPerMs), toneSamples
		return
	}
	s.pieces = dtmf.Encode(s.pieces[:0], dtmf.Press{Digit: key, Length: loadPressLength, Volume: loadPressVolume}, max(s.agreed.EventRate, 8000), packTime)
	s.piece = 0
}

func (s *loadStream) sendPiece() {
	p := s.pieces[s.piece]
	s.piece++
	if s.agreed.EventPT != 0 && s.agreed.Send {
		s.send(s.agreed.EventPT, p.Marker, s.clock(s.pressed)+p.Offset, p.Payload[:])
	}
}

// clock is the media clock at a moment, 8 per ms.
func (s *loadStream) clock(at time.Time) uint32 {
	return s.base + uint32(at.Sub(s.start)/(time.Millisecond/8))
}

func (s *loadStream) send(pt uint8, marker bool, timestamp uint32, payload []byte) {
	s.seq++
	p := s.packet[:12]
	p[0], p[1] = 0x80, pt // RFC 3550 section 5.1: version 2, no extras
	if marker {
		p[1] |= 0x80
	}
	binary.BigEndian.PutUint16(p[2:], s.seq)
	binary.BigEndian.PutUint32(p[4:], timestamp)
	binary.BigEndian.PutUint32(p[8:], s.ssrc)
	if sealed := s.guard.Seal(append(p, payload...)); sealed != nil {
		write(s.rtp, sealed)
		s.packets++
		s.octets += uint32(len(payload))
	}
}

// report sends our RTCP, each 5 s of a call that sends, and reads the far end's.
func (s *loadStream) report(now time.Time) {
	if s.gone || now.Before(s.reportAt) {
		return
	}
	s.deck.readReports(s)
	s.reportAt = now.Add(reportEvery)
	if s.packets == 0 || !s.talking.Load() || !s.agreed.Send {
		return
	}
	raw, err := s.reports.compose(now, sending{ssrc: s.ssrc, timestamp: s.clock(now), packets: s.packets, octets: s.octets}, s.got.hearing())
	if err != nil {
		return
	}
	if sealed := s.guard.SealControl(raw); sealed != nil {
		write(s.rtcp, sealed)
	}
}

// readReports takes what came to a stream's RTCP port, dated by the kernel.
func (d *deck) readReports(s *loadStream) {
	for n := batchSize; n == batchSize; {
		n = d.batch.receive(s.rtcp)
		for i := range n {
			raw, at := d.batch.message(i)
			packets, err := rtcp.Unmarshal(s.guard.OpenControl(raw))
			if err != nil {
				continue
			}
			for _, p := range packets {
				s.reports.far.take(p, time.Unix(0, at), s.ssrc)
			}
		}
	}
}

// read takes everything that came since the last beat. Until the far end has said where
// its packets come from they wait in the socket: the port may have been another call's a
// moment ago, whose last packets are none of this one's.
func (d *deck) read(s *loadStream) {
	for !s.gone && s.agreed.Remote.IsValid() {
		n := d.batch.receive(s.rtp)
		for i := range n {
			raw, at := d.batch.message(i)
			if d.over || d.batch.from(i) != s.agreed.Remote || len(raw) < 12 || raw[0]>>6 != 2 || isControl(raw) {
				continue
			}
			if raw = s.guard.Open(raw); raw == nil {
				d.total.unopened++
				continue
			}
			payload := raw[12:] // no CSRC or extension is agreed on
			p := arrival{at: at, seq: binary.BigEndian.Uint16(raw[2:]), ts: binary.BigEndian.Uint32(raw[4:]), ssrc: binary.BigEndian.Uint32(raw[8:]),
				marker: raw[1]&0x80 != 0, sound: -1}
			if pt := raw[1] & 0x7F; pt != s.agreed.PT {
				s.got.aside(&d.total, at, p.seq, p.ssrc, pt == comfortNoise)
				continue
			}
			if s.format != nil {
				p.loud, p.sound = audible(s.format, d.audible[s.agreed.Codec], payload)
			}
			s.got.packet(&d.total, p, s.agreed.PTime)
		}
		if n < batchSize {
			return
		}
	}
}

// comfortNoise is the payload type of RFC 3389 section 4 at 8000 Hz.
const comfortNoise = 13

// isControl tells RTCP on a port of RTP (RFC 5761 section 4).
func isControl(raw []byte) bool { return raw[1] >= 192 && raw[1] <= 223 }
