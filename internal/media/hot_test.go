package media

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/dtmf/tonetest"
	"star97/internal/metrics"
	"star97/internal/prompt"
	"star97/internal/srtp"
	"star97/prompts"
)

// sink is a socket that takes everything and brings nothing.
type sink struct{ sent int }

func (*sink) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) { select {} }
func (c *sink) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	c.sent++
	return len(b), nil
}
func (*sink) Close() error { return nil }

// bench is a session whose time and packets the test moves by hand.
type bench struct {
	*session
	pacer *pacer
	sink  *sink
	now   time.Duration
	far   rtp.Header
	data  []byte
	due   []turn

	theirs *srtp.Context // nil: plain RTP
	sealed []byte
}

// protect gives the session keys.
func (b *bench) protect(t testing.TB) {
	stream, theirs := benchStream, srtp.NewKey(srtp.AES128SHA80)
	stream.OurKey, stream.TheirKey = srtp.NewKey(srtp.AES128SHA80), theirs
	b.Set(stream)
	var err error
	b.theirs, err = srtp.NewContext(&theirs)
	require.NoError(t, err)
	b.sealed = make([]byte, 0, 400)
}

var benchStream = Stream{Remote: signalled, RemoteRTCP: netip.AddrPortFrom(signalled.Addr(), 4001), Codec: codec.PCMU,
	EventPT: 101, EventRate: 8000, RedPT: 121, PTime: 20 * time.Millisecond, Send: true, Recv: true}

type bytesClip []byte

func (c bytesClip) Payload(codec.ID) []byte { return c }

func newBench(t testing.TB, out PacketConn) *bench {
	e, o := new(base), DefaultOptions()
	o.PortMax, o.Metrics = o.PortMin, metrics.New(metrics.Words{})
	e.init(o, nil)
	s := newSession(e, pair{port: 40000, rtp: out, rtcp: &sink{}}, netip.AddrPortFrom(loopback, 40000))
	b := &bench{session: s, far: rtp.Header{Version: 2, SSRC: 7}, data: make([]byte, 0, 300)}
	b.sink, _ = out.(*sink)
	b.pacer = newPacer(func() time.Duration { return b.now }, nil)
	s.carry(b.pacer)
	s.Set(benchStream)
	t.Cleanup(s.Close)
	return b
}

// hear lets one packet arrive 20 ms after the last one.
func (b *bench) hear(pt uint8, payload []byte) {
	b.now += 20 * time.Millisecond
	b.far.SequenceNumber++
	b.far.PayloadType = pt
	b.data = b.data[:headerSize+len(payload)]
	b.far.MarshalTo(b.data)
	copy(b.data[headerSize:], payload)
	if b.theirs == nil {
		b.receive(b.data, signalled, b.now)
		return
	}
	b.sealed, _ = b.theirs.Protect(b.sealed, b.data)
	b.receive(b.sealed, signalled, b.now)
}

func (b *bench) audio(payload []byte) {
	b.far.Timestamp += 160
	b.hear(0, payload)
}

// press is one whole key: seven packets, two events.
func (b *bench) press(pieces []dtmf.Piece) (events int) {
	b.far.Timestamp += 1600
	for i := range pieces {
		b.hear(101, pieces[i].Payload[:])
	}
	return b.drain()
}

// drain takes the events out.
func (b *bench) drain() (events int) {
	for ; b.queue.size() > 0; events++ {
		b.queue.take()
	}
	return events
}

// frame moves the clock to the next frame and lets the pacer send it. Turns that the
// session has left behind come before it.
func (b *bench) frame() {
	at := b.session.due
	b.now = time.Duration(at) * slot
	for b.session.due == at {
		b.due, _ = b.pacer.collect(b.due[:0])
		for _, t := range b.due {
			t.s.tick(t.at, b.now)
		}
	}
}

func keyPieces() []dtmf.Piece {
	return dtmf.Encode(nil, dtmf.Press{Digit: 5, Length: 80 * time.Millisecond}, 8000, 20*time.Millisecond)
}

// toneFrames are all keys as PCMU.
func toneFrames() [][]byte {
	take, r := new(tonetest.Take), rand.New(rand.NewPCG(1, 1))
	for i := range tonetest.Keys {
		take.Press(r, tonetest.Press{Key: tonetest.Keys[i], On: 60 * time.Millisecond, Off: 60 * time.Millisecond, Level: -10})
	}
	return framesOf(take.PCM())
}

// speechFrames are our prompts as PCMU.
func speechFrames(t testing.TB) (frames [][]byte) {
	voice, problems := prompt.Load(prompts.FS)
	require.Empty(t, problems)
	for _, id := range voice.IDs("en-US")[:20] {
		if a, ok := voice.Audio("en-US", id, prompt.Words{}); ok {
			frames = append(frames, framesOf(a.PCM8k())...)
		}
	}
	return frames
}

func framesOf(pcm []int16) (frames [][]byte) {
	f, _ := codec.ByID(codec.PCMU)
	for at := 0; at+160 <= len(pcm); at += 160 {
		payload := make([]byte, 160)
		f.Encode(payload, pcm[at:at+160])
		frames = append(frames, payload)
	}
	return frames
}

func TestHotPathsAllocateNothing(t *testing.T) {
	payload, pieces := make([]byte, 160), keyPieces()
	b := newBench(t, &sink{})
	tones, told := toneFrames(), 0
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for _, f := range tones {
			b.audio(f)
			told += b.drain()
		}
	}), "audio with keys in it")
	require.Equal(t, 11*2*16, told, "every key was heard")
	b = newBench(t, &sink{})
	require.Zero(t, testing.AllocsPerRun(1000, func() { b.audio(payload) }), "an audio packet")
	require.Zero(t, testing.AllocsPerRun(1000, func() { require.Equal(t, 2, b.press(pieces)) }), "a key")
	require.Equal(t, uint64(1001+7*1001), b.Stats().PacketsIn)
	stranger := func() { b.receive(b.data, mapped, b.now) }
	require.Zero(t, testing.AllocsPerRun(1000, stranger), "a stranger's packet")

	b = newBench(t, &sink{})
	b.Start(0)
	long := Utterance{Clips: [MaxClips]Clip{make(bytesClip, 1<<20)}}
	b.Say(long)
	for range 20 { // let the ring's cells grow
		b.frame()
	}
	require.Zero(t, testing.AllocsPerRun(1000, b.frame), "a frame")
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		b.Say(long)
		<-b.queue.ch
		b.frame()
	}), "a talkspurt")
	require.Equal(t, 2+20+1001+2*1001, b.sink.sent)
}

// BenchmarkReceivePacket is the way of one packet from the socket's buffer to the
// event queue: parse, latch, statistics, and for keys the decoder. A key is seven
// packets; its figure is per packet. Where tones are listened to, 50 packets are a
// second of audio.
func BenchmarkReceivePacket(b *testing.B) {
	payload, pieces := make([]byte, 160), keyPieces()
	for name, frames := range map[string][][]byte{"tones-keys": toneFrames(), "tones-speech": speechFrames(b), "tones-silence": {bytes.Repeat([]byte{0xFF}, 160)}} {
		b.Run(name, func(b *testing.B) {
			s := newBench(b, &sink{})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.audio(frames[i%len(frames)])
				s.drain()
			}
		})
	}
	b.Run("audio", func(b *testing.B) {
		s := newBench(b, &sink{})
		s.TonesOff()
		b.ReportAllocs()
		for b.Loop() {
			s.audio(payload)
		}
	})
	b.Run("audio-srtp", func(b *testing.B) { // with the far end's half
		s := newBench(b, &sink{})
		s.protect(b)
		s.TonesOff()
		b.ReportAllocs()
		for b.Loop() {
			s.audio(payload)
		}
	})
	b.Run("key", func(b *testing.B) {
		s := newBench(b, &sink{})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%len(pieces) == 0 {
				s.press(nil)
			}
			s.hear(101, pieces[i%len(pieces)].Payload[:])
		}
	})
	b.Run("stranger", func(b *testing.B) {
		s := newBench(b, &sink{})
		s.audio(payload)
		b.ReportAllocs()
		for b.Loop() {
			s.receive(s.data, mapped, s.now)
		}
	})
}

// BenchmarkPacerSend is one frame from the pacer's ring to the socket: without the
// system call, and with it on loopback.
func BenchmarkPacerSend(b *testing.B) {
	b.Run("without-system", func(b *testing.B) { benchSend(b, &sink{}, signalled) })
	b.Run("loopback-udp", func(b *testing.B) {
		conn, err := listenUDP(netip.AddrPortFrom(loopback, 0), 46)
		require.NoError(b, err)
		far, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
		require.NoError(b, err)
		defer far.Close()
		benchSend(b, conn, far.LocalAddr().(*net.UDPAddr).AddrPort())
	})
}

// benchSend measures frames from out, which it closes.
func benchSend(b *testing.B, out PacketConn, to netip.AddrPort) {
	s := newBench(b, out)
	st := benchStream
	st.Remote = to
	s.Set(st)
	s.Start(0)
	s.Say(Utterance{Clips: [MaxClips]Clip{make(bytesClip, 100<<20)}})
	before, frames := s.Stats().PacketsOut, uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		s.frame()
		frames++
	}
	require.Equal(b, before+frames, s.Stats().PacketsOut)
}
