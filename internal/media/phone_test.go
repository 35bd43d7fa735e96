package media_test

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/media"
	"star97/internal/srtp"
)

const (
	eventPT = 101
	redPT   = 121
	frame   = 20 * time.Millisecond

	// patience is how long something is waited for that comes at once unless the
	// machine is busy.
	patience = 20 * time.Second
)

// mark is a datagram of the phone to itself.
var mark = []byte("mark")

// phone is the far end of a session. Its sockets are read all the time.
type phone struct {
	t                 testing.TB
	world             world
	rtp, rtcp         media.PacketConn
	addr, control, to netip.AddrPort
	header            rtp.Header
	packets           chan heard
	reports           chan []rtcp.Packet
	marks             chan struct{}
	keys              keys // of SRTP; zero in a world without
}

// keys are those of one call.
type keys struct {
	engines, phones         srtp.Key // for what each sends
	mu                      sync.Mutex
	out, outControl         *srtp.Context // of the phone; RTP and RTCP are sent and read by several goroutines
	fromEngine, fromControl *srtp.Context
}

func (k *keys) init(t testing.TB) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.engines, k.phones = srtp.NewKey(srtp.AES128SHA80), srtp.NewKey(srtp.AES256GCM)
	for context, key := range map[**srtp.Context]*srtp.Key{&k.out: &k.phones, &k.outControl: &k.phones, &k.fromEngine: &k.engines, &k.fromControl: &k.engines} {
		var err error
		*context, err = srtp.NewContext(key)
		require.NoError(t, err)
	}
}

// opened is what is in a datagram of the engine.
func (k *keys) opened(data []byte, open func(c *srtp.Context, dst, data []byte) ([]byte, error), c **srtp.Context) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if *c == nil || bytes.Equal(data, mark) {
		return data
	}
	plain, err := open(*c, nil, data)
	if err != nil {
		return nil
	}
	return plain
}

// sealed is a datagram of the phone.
func (k *keys) sealed(t testing.TB, data []byte, seal func(c *srtp.Context, dst, data []byte) ([]byte, error), c *srtp.Context) []byte {
	if c == nil {
		return data
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	out, err := seal(c, nil, data)
	require.NoError(t, err)
	return out
}

// heard is one packet as it came.
type heard struct {
	rtp.Packet
	at time.Time
}

func (w world) phone(t testing.TB, local netip.Addr) *phone {
	t.Helper()
	p := &phone{t: t, world: w, packets: make(chan heard, 5000), reports: make(chan []rtcp.Packet, 500), marks: make(chan struct{}, 2),
		header: rtp.Header{Version: 2, SSRC: 0x51515151, SequenceNumber: 65530, Timestamp: 0xFFFFFF00}}
	p.rtp, p.addr = w.socket(t, local)
	p.rtcp, p.control = w.socket(t, local)
	if w.protected {
		p.keys.init(t)
	}
	done := make(chan struct{}, 2)
	go func() { p.readRTP(); done <- struct{}{} }()
	go func() { p.readRTCP(); done <- struct{}{} }()
	t.Cleanup(func() {
		p.rtp.Close()
		p.rtcp.Close()
		<-done
		<-done
	})
	return p
}

func (p *phone) readRTP() {
	for buf := make([]byte, 2000); ; {
		n, _, err := p.rtp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		h := heard{at: time.Now()}
		data := p.keys.opened(buf[:n], (*srtp.Context).Open, &p.keys.fromEngine)
		if bytes.Equal(data, mark) {
			p.marks <- struct{}{}
		} else if h.Unmarshal(bytes.Clone(data)) == nil {
			select {
			case p.packets <- h:
			default: // nobody listens
			}
		}
	}
}

func (p *phone) readRTCP() {
	for buf := make([]byte, 2000); ; {
		n, _, err := p.rtcp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var c rtcp.CompoundPacket // checks the rules of RFC 3550 section 6.1
		data := p.keys.opened(buf[:n], (*srtp.Context).OpenControl, &p.keys.fromControl)
		if bytes.Equal(data, mark) {
			p.marks <- struct{}{}
		} else if c.Unmarshal(bytes.Clone(data)) == nil {
			select {
			case p.reports <- c:
			default: // nobody listens
			}
		}
	}
}

// stream is what was negotiated with this phone: PCMU, 20 ms, both ways.
func (p *phone) stream() media.Stream {
	return media.Stream{Remote: p.addr, RemoteRTCP: p.control, Codec: codec.PCMU, PT: 0,
		EventPT: eventPT, EventRate: 8000, RedPT: redPT, PTime: frame, Send: true, Recv: true,
		OurKey: p.keys.engines, TheirKey: p.keys.phones}
}

// held is the stream while the far end has put us on hold.
func (p *phone) held() media.Stream {
	s := p.stream()
	s.Send = false
	return s
}

// hear reads the next packet.
func (p *phone) hear() heard {
	p.t.Helper()
	select {
	case h := <-p.packets:
		return h
	case <-time.After(patience):
		require.FailNow(p.t, "no RTP came")
		return heard{}
	}
}

// quiet fails if anything but what is on its way comes within d.
func (p *phone) quiet(d time.Duration) {
	p.t.Helper()
	p.forget()
	time.Sleep(d)
	p.catchUp()
	require.Empty(p.t, p.packets, "RTP came")
}

// forget drops what came so far and what is on its way.
func (p *phone) forget() {
	p.t.Helper()
	time.Sleep(5 * time.Millisecond)
	p.catchUp()
	for len(p.packets) > 0 {
		<-p.packets
	}
}

// catchUp waits until the phone has read what is in its sockets by now.
func (p *phone) catchUp() {
	p.t.Helper()
	for _, to := range []netip.AddrPort{p.addr, p.control} {
		_, err := p.rtp.WriteToUDPAddrPort(mark, to)
		require.NoError(p.t, err)
	}
	for range 2 {
		select {
		case <-p.marks:
		case <-time.After(patience):
			require.FailNow(p.t, "the phone does not read")
		}
	}
}

// until reads packets up to one whose payload begins with b.
func (p *phone) until(b byte) heard {
	p.t.Helper()
	for range 1000 {
		if h := p.hear(); h.Payload[0] == b {
			return h
		}
	}
	require.FailNow(p.t, "the sentence did not come")
	return heard{}
}

// follows checks that b is the packet after a, of which the timestamp counts units.
// On a busy machine a frame can be late by more than its length: then time is left
// out, with a marker.
func (p *phone) follows(a, b heard, units int) {
	p.t.Helper()
	require.Equal(p.t, a.SequenceNumber+1, b.SequenceNumber)
	require.Equal(p.t, a.SSRC, b.SSRC)
	step := b.Timestamp - a.Timestamp
	if b.Marker && !p.world.exact {
		require.Greater(p.t, step, uint32(units))
		require.Zero(p.t, step%40)
		return
	}
	require.False(p.t, b.Marker)
	require.Equal(p.t, uint32(units), step)
}

// onClock checks the stamp of a talkspurt that was begun between from and its
// arrival: the media clock has run since the first packet, which was sent between
// began and its arrival. A frame sent by slot is stamped up to half a slot ahead.
func (p *phone) onClock(first, spurt heard, began, from time.Time) {
	p.t.Helper()
	units := func(d time.Duration) int64 { return d.Milliseconds() * 8 }
	step := int64(spurt.Timestamp - first.Timestamp)
	require.GreaterOrEqual(p.t, step, units(from.Sub(first.at))-8)
	require.LessOrEqual(p.t, step, units(spurt.at.Sub(began))+8+20)
}

// talk sends n packets of audio from c at once.
func (p *phone) talk(c media.PacketConn, n int) {
	for range n {
		p.send(c, 0, false, make([]byte, 160))
		p.header.Timestamp += 160
	}
}

// send sends one packet and counts the sequence up.
func (p *phone) send(c media.PacketConn, pt uint8, marker bool, payload []byte) {
	p.t.Helper()
	h := p.header
	h.PayloadType, h.Marker = pt, marker
	data, err := (&rtp.Packet{Header: h, Payload: payload}).Marshal()
	require.NoError(p.t, err)
	data = p.keys.sealed(p.t, data, (*srtp.Context).Protect, p.keys.out)
	_, err = c.WriteToUDPAddrPort(data, p.to)
	require.NoError(p.t, err)
	p.header.SequenceNumber++
}

// press sends the packets of one key without waiting between them.
func (p *phone) press(c media.PacketConn, d dtmf.Digit) { p.pressAs(c, d, eventPT, 0) }

// pressAs is press with a payload type and without the last packets.
func (p *phone) pressAs(c media.PacketConn, d dtmf.Digit, pt uint8, without int) {
	p.t.Helper()
	start := p.header.Timestamp
	pieces := dtmf.Encode(nil, dtmf.Press{Digit: d, Length: 80 * time.Millisecond, Volume: 10}, 8000, frame)
	for _, piece := range pieces[:len(pieces)-without] {
		p.header.Timestamp = start + piece.Offset
		p.send(c, pt, piece.Marker, piece.Payload[:])
	}
	p.header.Timestamp = start + 1600
}

// report sends RTCP from c to the session.
func (p *phone) report(c media.PacketConn, packets ...rtcp.Packet) {
	p.t.Helper()
	data, err := rtcp.Marshal(packets)
	require.NoError(p.t, err)
	p.reportRaw(c, data)
}

func (p *phone) reportRaw(c media.PacketConn, data []byte) {
	p.t.Helper()
	data = p.keys.sealed(p.t, data, (*srtp.Context).ProtectControl, p.keys.outControl)
	_, err := c.WriteToUDPAddrPort(data, netip.AddrPortFrom(p.to.Addr(), p.to.Port()+1))
	require.NoError(p.t, err)
}

// clip is a sentence whose frames of 20 ms are numbered. PCMA carries the
// complement.
type clip []byte

func (c clip) Payload(id codec.ID) []byte {
	if id != codec.PCMA {
		return c
	}
	out := bytes.Clone(c)
	for i := range out {
		out[i] ^= 0xFF
	}
	return out
}

// bytesOf is ms milliseconds of the same byte.
func bytesOf(b byte, ms int) clip { return bytes.Repeat([]byte{b}, ms*8) }

// sentence is ms milliseconds whose frames count from first.
func sentence(ms int, first byte) clip {
	c := make(clip, ms*8)
	for i := range c {
		c[i] = first + byte(i/160)
	}
	return c
}

func speak(tag uint32, clips ...media.Clip) media.Utterance {
	u := media.Utterance{Tag: tag}
	copy(u.Clips[:], clips)
	return u
}
