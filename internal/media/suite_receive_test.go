package media_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/media"
)

// wantKey reads the next event, which tells kind of key d.
func wantKey(t testing.TB, s media.Session, kind dtmf.Kind, d dtmf.Digit) media.Event {
	t.Helper()
	e := want(t, s, media.Pressed)
	require.Equal(t, kind, e.Report.Kind)
	require.True(t, d == e.Report.Digit, "another key")
	require.Equal(t, dtmf.FromEvent, e.Report.Source)
	require.LessOrEqual(t, e.At, time.Since(s.Epoch()))
	return e
}

// wantPress is a key that goes down and comes up.
func wantPress(t testing.TB, s media.Session, d dtmf.Digit) {
	t.Helper()
	wantKey(t, s, dtmf.Down, d)
	wantKey(t, s, dtmf.Up, d)
}

func testKeys(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	for d := range dtmf.Digit(16) {
		p.talk(p.rtp, 3)
		p.press(p.rtp, d)
		wantPress(t, s, d)
	}
	require.Empty(t, s.Events())
	p.header.Timestamp += 160
	p.pressAs(p.rtp, 3, eventPT, 6)
	wantKey(t, s, dtmf.Down, 3) // the first packet is enough
	st := s.Stats()
	if w.exact {
		require.Equal(t, uint64(16*2), st.Keys.DupEnd)
	} else { // read late, a key is over by our own clock, and its first end is one too many as well
		require.GreaterOrEqual(t, st.Keys.DupEnd, uint64(16*2))
		require.LessOrEqual(t, st.Keys.DupEnd, uint64(16*3))
	}
	require.Zero(t, st.Dropped)
	require.Zero(t, st.LostIn)
}

func testKeysBeforeStart(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	p.press(p.rtp, 4)
	wantPress(t, s, 4)
	p.quiet(40 * time.Millisecond)
}

func testRedundancy(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	event := []byte{6, 10, 0, 160}
	ended := []byte{6, 0x80 | 10, 2, 128}
	p.header.Timestamp = 5000
	// RFC 2198 section 3: the older block, with offset 0 and length 4, then the primary.
	red := binary.BigEndian.AppendUint32(nil, 1<<31|eventPT<<24|0<<10|4)
	red = append(append(append(red, eventPT), event...), ended...)
	p.send(p.rtp, redPT, false, red)
	wantPress(t, s, 6)
	require.Empty(t, s.Events())
}

func testForcedUp(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	for d := range dtmf.Digit(3) {
		p.pressAs(p.rtp, d, eventPT, 3)
		down := wantKey(t, s, dtmf.Down, d)
		up := wantKey(t, s, dtmf.Up, d)
		require.GreaterOrEqual(t, up.At-down.At, 150*time.Millisecond)
		if w.exact {
			require.Equal(t, 150*time.Millisecond, up.At-down.At)
		}
	}
	require.Equal(t, uint64(3), s.Stats().Keys.ForcedEnd)
}

func testPayloadTypes(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	p.talk(p.rtp, 1)
	p.pressAs(p.rtp, 1, 100, 0) // 7 packets of a payload type nobody agreed to
	p.send(p.rtp, 8, false, make([]byte, 160))
	p.send(p.rtp, 13, false, []byte{60}) // comfort noise
	for _, b := range [][]byte{{}, {0x80}, make([]byte, 12), append([]byte{0x80, eventPT}, make([]byte, 1600)...), {0x81, eventPT, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2}} {
		_, err := p.rtp.WriteToUDPAddrPort(b, p.to)
		require.NoError(t, err)
	}
	p.press(p.rtp, 2)
	wantPress(t, s, 2)
	st := s.Stats()
	require.Equal(t, uint64(7+1+5), st.Dropped)
	require.Zero(t, st.LostIn, "what the caller sent came")

	changed := p.stream()
	changed.EventPT = 96
	s.Set(changed)
	p.press(p.rtp, 3) // sent before the far end knew
	wantPress(t, s, 3)
	p.header.Timestamp += 160
	p.pressAs(p.rtp, 4, 96, 0)
	wantPress(t, s, 4)
	changed.RedPT = 122
	s.Set(changed)
	for n, pt := range []uint8{redPT, 122} { // the number of RFC 2198 before, and now
		p.header.Timestamp += 1600
		p.send(p.rtp, pt, false, []byte{96, 6 + byte(n), 0x80 | 10, 2, 128})
		wantPress(t, s, 6+dtmf.Digit(n))
	}
	if w.exact {
		time.Sleep(2 * time.Second)
		p.press(p.rtp, 5)
		p.send(p.rtp, redPT, false, []byte{96, 5, 0x80 | 10, 2, 128})
		p.send(p.rtp, 122, false, []byte{eventPT, 5, 0x80 | 10, 2, 128})
		time.Sleep(time.Millisecond)
		require.Empty(t, s.Events(), "the old payload types have had their time")
	}
}

// testEventsInRedundancyChanged: an event that was put into RFC 2198 before the far end knew
// of its new payload type.
func testEventsInRedundancyChanged(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	changed := p.stream()
	changed.EventPT = 96
	s.Set(changed)
	p.send(p.rtp, redPT, false, []byte{eventPT, 6, 0x80 | 10, 2, 128})
	wantPress(t, s, 6)
}

func testOverrun(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	const keys = 60
	for n := range dtmf.Digit(keys) {
		p.press(p.rtp, n%10)
		p.hear() // not faster than the socket takes
	}
	require.Eventually(t, func() bool { return s.Stats().PacketsIn == 7*keys }, patience, time.Millisecond)
	s.Say(speak(5, sentence(20, 1)))
	p.until(1)
	p.hear()
	for range media.EventQueue - 16 {
		want(t, s, media.Pressed)
	}
	require.Equal(t, uint32(5), want(t, s, media.Overrun, media.Started, media.Finished).Tag)
	require.Equal(t, uint64(2*keys-(media.EventQueue-16)), s.Stats().Overruns)
	p.press(p.rtp, 1)
	wantKey(t, s, dtmf.Down, 1)
}

// testLateEvents fills the queue and takes everything out while nothing else
// happens: what waited comes by itself.
func testLateEvents(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	for range media.EventQueue {
		s.Set(p.held())
		s.Set(p.stream())
	}
	s.Set(p.held())
	for range media.EventQueue / 2 {
		want(t, s, media.Held, media.Resumed)
	}
	want(t, s, media.Held) // the newest of those that waited
	require.Empty(t, s.Events())
}

func testJitter(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	for n := range 120 {
		p.talk(p.rtp, 1)
		if !w.exact {
			continue // all at once: far too early for their timestamps
		}
		time.Sleep(15 * time.Millisecond)
		if n%2 == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	require.Eventually(t, func() bool { return s.Stats().PacketsIn == 120 }, patience, time.Millisecond)
	if w.exact {
		require.InDelta(t, 5*time.Millisecond, s.Stats().JitterIn, float64(time.Millisecond))
	}
	require.Greater(t, s.Stats().JitterIn, 3*time.Millisecond)
}

func testSymmetric(t *testing.T, w world) {
	s, signalled := w.call(t)
	mapped, stranger := w.phone(t, home), w.phone(t, home)
	mapped.to, stranger.to = s.LocalAddr(), s.LocalAddr()
	stranger.header.SSRC++
	s.Set(signalled.stream())
	s.Start(0)
	signalled.hear()
	mapped.talk(mapped.rtp, 3)
	mapped.hear()
	signalled.quiet(60 * time.Millisecond)
	stranger.talk(stranger.rtp, 5)
	stranger.press(stranger.rtp, 1)
	stranger.quiet(60 * time.Millisecond)
	require.Empty(t, s.Events(), "a stranger's keys are not the caller's")
	mapped.press(mapped.rtp, 2)
	wantPress(t, s, 2)
	st := s.Stats()
	require.Equal(t, uint64(1), st.SourceChanges)
	require.Equal(t, uint64(2+5+7), st.Dropped)
	signalled.header.SSRC += 2
	signalled.talk(signalled.rtp, 1)
	signalled.hear()
	mapped.quiet(60 * time.Millisecond)
}

func testMoved(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	p.talk(p.rtp, 5)
	p.report(p.rtcp, &rtcp.ReceiverReport{SSRC: 1})
	p.hear()
	other := w.phone(t, home)
	other.to, other.header.SSRC = s.LocalAddr(), 77
	s.Set(other.stream())
	require.True(t, other.hear().Marker)
	p.press(p.rtp, 1) // still on its way from the old source
	wantPress(t, s, 1)
	p.quiet(60 * time.Millisecond)
	other.header.SequenceNumber = 9
	other.press(other.rtp, 2)
	wantPress(t, s, 2)
	p.press(p.rtp, 3)
	p.quiet(20 * time.Millisecond)
	require.Empty(t, s.Events(), "the old source is a stranger now")
	s.Close()
	require.Len(t, other.farewell(), 3)
	p.noFarewell() // RTCP has moved too
}

func testCollision(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	h := p.hear()
	p.header.SSRC = h.SSRC
	p.talk(p.rtp, 1)
	ours := h.SSRC
	for n := 0; ours == h.SSRC; n++ {
		require.Less(t, n, 200, "our SSRC did not change")
		next := p.hear()
		ours, next.SSRC = next.SSRC, h.SSRC
		p.follows(h, next, 160)
		h = next
	}
	bye := p.farewell()
	require.Equal(t, []uint32{p.header.SSRC}, bye[len(bye)-1].(*rtcp.Goodbye).Sources)
	// A far end that also sends the new one returns our own packets.
	dropped := s.Stats().Dropped
	p.header.SSRC = ours
	p.talk(p.rtp, 4)
	require.Eventually(t, func() bool { return s.Stats().Dropped == dropped+4 }, patience, time.Millisecond)
	p.forget()
	require.Equal(t, ours, p.hear().SSRC)
}

// testStranger: what a stranger sends is nothing, before the caller's first packet
// and in the caller's silence.
func testStranger(t *testing.T, w world) {
	s, p := w.call(t)
	thief := w.phone(t, netip.MustParseAddr("127.0.0.9"))
	thief.to = s.LocalAddr()
	steal := func() {
		t.Helper()
		thief.talk(thief.rtp, 3)
		thief.press(thief.rtp, 1)
		thief.report(thief.rtcp, &rtcp.ReceiverReport{SSRC: 1})
		thief.quiet(60 * time.Millisecond)
		require.Empty(t, s.Events(), "a stranger's keys are not the caller's")
	}
	s.Set(p.stream())
	steal()
	s.Start(0)
	steal()
	p.hear()
	p.talk(p.rtp, 1)
	if w.exact {
		time.Sleep(11 * time.Second)
	}
	steal()
	require.Eventually(t, func() bool { return s.Stats().Dropped == 3*(3+7+1) }, patience, time.Millisecond, "a stranger's packets are nothing")
	require.Equal(t, uint64(1), s.Stats().PacketsIn)
	require.Zero(t, s.Stats().SourceChanges)
}

// testDisbelief: a call whose RTP comes from an unexpected host alone says so, once.
func testDisbelief(t *testing.T, w world) {
	s, p := w.call(t)
	outer := w.phone(t, netip.MustParseAddr("127.0.0.9"))
	outer.to = s.LocalAddr()
	s.Set(p.stream())
	dropped := func(n uint64) {
		t.Helper()
		require.Eventually(t, func() bool { return s.Stats().Dropped == n }, patience, time.Millisecond)
	}
	outer.talk(outer.rtp, 60)
	dropped(60) // before Start nobody is expected
	s.Start(0)
	outer.talk(outer.rtp, 49)
	dropped(109)
	require.Empty(t, s.Events())
	outer.talk(outer.rtp, 1)
	e := want(t, s, media.Disbelieved)
	require.Equal(t, media.Disbelief{From: outer.addr, Signalled: p.addr}, *e.Disbelief)
	outer.talk(outer.rtp, 100)
	dropped(210)
	require.Empty(t, s.Events(), "once is enough")

	s, p = w.call(t)
	outer.to = s.LocalAddr()
	s.Set(p.stream())
	s.Start(0)
	p.talk(p.rtp, 1)
	require.Eventually(t, func() bool { return s.Stats().PacketsIn == 1 }, patience, time.Millisecond)
	outer.talk(outer.rtp, 100)
	dropped(100)
	require.Empty(t, s.Events(), "the caller was heard: this is a stranger")
}

// testSignaller is a telephone behind a NAT: its packets come from where its SIP
// messages do.
func testSignaller(t *testing.T, w world) {
	s, p := w.call(t)
	outer := w.phone(t, netip.MustParseAddr("127.0.0.9"))
	outer.to = s.LocalAddr()
	stream := p.stream()
	stream.Signaller = outer.addr.Addr()
	s.Set(stream)
	s.Start(0)
	p.hear()
	outer.talk(outer.rtp, 3)
	outer.hear()
	outer.press(outer.rtp, 2)
	wantPress(t, s, 2)
}

// testAnyHost is a peer whose media come from an address that nobody told us.
func testAnyHost(t *testing.T, w world) {
	s, p := w.call(t)
	other := w.phone(t, netip.MustParseAddr("127.0.0.9"))
	other.to = s.LocalAddr()
	stream := p.stream()
	stream.AnyHost = true
	s.Set(stream)
	other.talk(other.rtp, 5)
	other.press(other.rtp, 1)
	require.Eventually(t, func() bool { return s.Stats().Dropped == 5+7 }, patience, time.Millisecond)
	require.Empty(t, s.Events(), "nobody is believed before Start")
	s.Start(0)
	other.talk(other.rtp, 3)
	other.hear()
	other.press(other.rtp, 2)
	wantPress(t, s, 2)
}
