package caller

import (
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtp"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/sdp"
)

const (
	maxPresses  = 8    // presses waiting to be sent
	maxKeyDowns = 4096 // key-down times kept
)

// sender makes the RTP of one call: silence by absolute deadlines, and key presses
// in its place.
type sender struct {
	talk   Talk
	keys   Keys
	seal   func(packet []byte) []byte
	wake   chan struct{} // cap 1
	silent chan struct{} // closed by hush

	mu       sync.Mutex
	agreed   sdp.Agreed
	queue    []pressing
	keyDowns []time.Time
	sent     uint64
	octets   uint64
	hushed   bool
	start    time.Time // set by run, which reads it without the lock

	// Owned by run.
	header rtp.Header
	base   uint32 // never changes
	buf    []byte
	pieces []dtmf.Piece

	format  *codec.Format // of encoder
	encoder codec.Encoder
	pcm     [maxPCM]int16
	payload [maxFrame]byte
}

// maxPCM holds a packet of 60 ms at 16 kHz.
const maxPCM = 2 * maxFrame

// pressing is one press in the queue; up is closed when its last packet was sent.
type pressing struct {
	digit dtmf.Digit
	press Press
	up    chan struct{}
}

func newSender(o Options, seal func(packet []byte) []byte) *sender {
	var seed [10]byte
	_, _ = rand.Read(seed[:]) // never fails (crypto/rand)
	return &sender{talk: o.Talk, keys: o.Keys, seal: seal, wake: make(chan struct{}, 1), silent: make(chan struct{}),
		header: rtp.Header{Version: 2, SSRC: binary.BigEndian.Uint32(seed[:]), SequenceNumber: binary.BigEndian.Uint16(seed[4:])},
		base:   binary.BigEndian.Uint32(seed[6:]), buf: make([]byte, maxPayload)}
}

func (s *sender) set(a sdp.Agreed) {
	s.mu.Lock()
	s.agreed = a
	s.mu.Unlock()
	s.poke()
}

func (s *sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// press queues one key.
func (s *sender) press(d dtmf.Digit, p Press, up chan struct{}) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hushed {
		return ErrEnded
	}
	if len(s.queue) >= maxPresses {
		return errManyKeys
	}
	s.queue = append(s.queue, pressing{d, p, up})
	s.poke()
	return nil
}

// hush stops sending for good.
func (s *sender) hush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hushed {
		s.hushed = true
		close(s.silent)
	}
}

func (s *sender) next() (pressing, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return pressing{}, false
	}
	p := s.queue[0]
	s.queue = s.queue[1:]
	return p, true
}

func (s *sender) stream() sdp.Agreed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agreed
}

// run sends until quit or hush. Started by Media.Start, owns the RTP header, clock
// and buffer. A late wake-up sends what is due from the absolute schedule.
func (s *sender) run(quit <-chan struct{}, conn func() *net.UDPConn) {
	due := time.Now()
	s.mu.Lock()
	s.start = due
	s.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for marker := true; ; {
		select {
		case <-timer.C:
		case <-quit:
			return
		case <-s.silent:
			return
		}
		if p, ok := s.next(); ok {
			send := s.sendPress
			if s.keys == Inband {
				send = s.sendTone
			}
			if due = send(p, due, quit, conn); due.IsZero() {
				return
			}
			marker = true
			timer.Reset(time.Until(due))
			continue
		}
		a := s.stream()
		if s.talk == Nothing || !a.Send {
			if due = s.idle(quit); due.IsZero() {
				return
			}
			marker = true
			timer.Reset(0)
			continue
		}
		clear(s.pcm[:])
		s.sendAudio(conn(), a, due, marker, false)
		marker = false
		due = due.Add(a.PTime)
		timer.Reset(time.Until(due))
	}
}

// idle waits until there may be something to send; zero time: nothing will be.
func (s *sender) idle(quit <-chan struct{}) time.Time {
	select {
	case <-s.wake:
		return time.Now()
	case <-quit:
	case <-s.silent:
	}
	return time.Time{}
}

// sendPress sends one press from due on and returns when the next packet is due;
// zero time: quit.
func (s *sender) sendPress(p pressing, due time.Time, quit <-chan struct{}, conn func() *net.UDPConn) time.Time {
	a := s.stream()
	s.pieces = dtmf.Encode(s.pieces[:0], dtmf.Press{Digit: p.digit, Length: p.press.Length, Volume: p.press.Volume}, a.EventRate, a.PTime)
	begin := s.clock(due, a.EventRate)
	var leak *tone
	if f, ok := codec.ByID(a.Codec); ok && s.keys == All {
		leak = newTone(f, p)
	}
	last := due
	for n, piece := range s.pieces {
		last = due.Add(piece.After)
		if !waitUntil(last, quit, s.silent) {
			return time.Time{}
		}
		if n == 0 {
			s.noteKeyDown()
		}
		end := piece.Payload[1]&0x80 != 0 // the E bit of RFC 4733 section 2.3
		if leak != nil {
			leak.fill(s.pcm[:samplesOf(leak.format, a.PTime)])
			s.sendAudio(conn(), a, last, false, false)
		}
		s.header.PayloadType, s.header.Marker, s.header.Timestamp = a.EventPT, piece.Marker, begin+piece.Offset
		s.send(conn(), a.Remote, piece.Payload[:], p.press.Lose != nil && p.press.Lose(n, end))
	}
	close(p.up)
	return last.Add(a.PTime)
}

func (s *sender) noteKeyDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keyDowns) < maxKeyDowns {
		s.keyDowns = append(s.keyDowns, time.Now())
	}
}

// sendAudio encodes and sends a packet of pcm.
func (s *sender) sendAudio(conn *net.UDPConn, a sdp.Agreed, due time.Time, marker, lost bool) {
	f, ok := codec.ByID(a.Codec)
	if !ok {
		return
	}
	if s.format != f {
		s.format, s.encoder = f, f.NewEncoder()
	}
	n := s.encoder.Encode(s.payload[:], s.pcm[:samplesOf(f, a.PTime)])
	s.header.PayloadType, s.header.Marker, s.header.Timestamp = a.PT, marker, s.clock(due, f.ClockRate)
	s.send(conn, a.Remote, s.payload[:n], lost)
}

// samplesOf is how many samples a packet has.
func samplesOf(f *codec.Format, d time.Duration) int {
	return min(int(d/time.Millisecond)*f.SampleRate/1000, maxPCM*f.SampleRate/16000)
}

// tone is the sound of one press, and silence after it.
type tone struct {
	format *codec.Format
	sound  *dtmf.ToneSound
	left   int // samples
}

func newTone(f *codec.Format, p pressing) *tone {
	return &tone{f, dtmf.NewToneSound(p.digit, p.press.Volume, f.SampleRate), int(p.press.Length * time.Duration(f.SampleRate) / time.Second)}
}

func (t *tone) fill(pcm []int16) {
	n := min(t.left, len(pcm))
	t.sound.Fill(pcm[:n])
	clear(pcm[n:])
	t.left -= n
}

// sendTone sends one press as sound from due on and returns when the next packet is
// due; zero time: quit.
func (s *sender) sendTone(p pressing, due time.Time, quit <-chan struct{}, conn func() *net.UDPConn) time.Time {
	a := s.stream()
	f, ok := codec.ByID(a.Codec)
	if !ok {
		close(p.up)
		return due
	}
	sound := newTone(f, p)
	for n := 0; sound.left > 0; n++ {
		if !waitUntil(due, quit, s.silent) {
			return time.Time{}
		}
		if n == 0 {
			s.noteKeyDown()
		}
		sound.fill(s.pcm[:samplesOf(f, a.PTime)])
		s.sendAudio(conn(), a, due, n == 0 && s.talk == Nothing, p.press.Lose != nil && p.press.Lose(n, false))
		due = due.Add(a.PTime)
	}
	close(p.up)
	return due
}

// clock is the media clock at a moment: one clock for audio and events.
func (s *sender) clock(at time.Time, rate int) uint32 {
	return s.base + uint32(int64(at.Sub(s.start))*int64(rate)/int64(time.Second))
}

// sending is what a report of this moment says of us.
func (s *sender) sending(now time.Time) sending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sending{ssrc: s.header.SSRC, timestamp: s.clock(now, 1000*samplesPerMs), packets: uint32(s.sent), octets: uint32(s.octets)}
}

func (s *sender) send(conn *net.UDPConn, to netip.AddrPort, payload []byte, lost bool) {
	s.header.SequenceNumber++
	n, err := s.header.MarshalTo(s.buf)
	if err != nil || lost || !to.IsValid() {
		return
	}
	n += copy(s.buf[n:], payload)
	packet := s.seal(s.buf[:n])
	if packet == nil {
		return
	}
	if _, err := conn.WriteToUDPAddrPort(packet, to); err == nil {
		s.mu.Lock()
		s.sent++
		s.octets += uint64(len(payload))
		s.mu.Unlock()
	}
}

func waitUntil(at time.Time, quit, silent <-chan struct{}) bool {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-quit:
	case <-silent:
	}
	return false
}
