package media_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/media"
)

var silence = bytes.Repeat([]byte{0xFF}, 160)

func testFirstPackets(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Say(speak(7, sentence(50, 1), sentence(40, 10)))
	began := time.Now()
	s.Start(60 * time.Millisecond)
	first := p.hear()
	require.True(t, first.Marker)
	require.Less(t, first.SequenceNumber, uint16(1<<15))
	if w.exact {
		require.Equal(t, began, first.at, "the first packet leaves at once")
	}
	var audio []byte
	for n, last := 0, first; n < 9; n++ {
		h := first
		if n > 0 {
			h = p.hear()
			p.follows(last, h, 160)
		}
		require.Zero(t, h.PayloadType)
		audio, last = append(audio, h.Payload...), h
	}
	said := append(bytes.Repeat(silence, 3), sentence(50, 1)...)
	said = append(append(said, sentence(40, 10)...), silence[:80]...)
	require.Equal(t, append(said, silence...), audio, "lead, both clips without a gap, padding, silence")
	require.Equal(t, uint32(7), want(t, s, media.Started).Tag)
	require.Equal(t, uint32(7), want(t, s, media.Finished).Tag)
	require.Empty(t, s.Events())
}

func testPacketTimes(t *testing.T, w world) {
	e := w.engine(t, w.options())
	for _, ms := range []int{10, 15, 20, 30, 40, 60} {
		s, p := w.callOn(t, e)
		st := p.stream()
		st.PTime = time.Duration(ms) * time.Millisecond
		s.Set(st)
		whole := sentence(250, 1)
		s.Say(speak(1, whole))
		s.Start(0)
		var got []byte
		last := p.hear()
		for got = append(got, last.Payload...); len(got) < len(whole); {
			h := p.hear()
			require.Len(t, h.Payload, ms*8)
			p.follows(last, h, ms*8)
			got, last = append(got, h.Payload...), h
		}
		require.Equal(t, []byte(whole), got[:len(whole)], "%d ms", ms)
		want(t, s, media.Started, media.Finished)
	}
}

func testNothingBeforeStart(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Say(speak(1, sentence(500, 1)))
	p.talk(p.rtp, 5)
	p.quiet(100 * time.Millisecond)
	require.Empty(t, s.Events())
	require.Empty(t, p.reports)
	s.Close()
	p.quiet(20 * time.Millisecond)
	require.Empty(t, p.reports, "who sent nothing says no BYE")
}

func testLead(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(60 * time.Millisecond)
	s.Start(time.Hour) // the second one means nothing
	first := p.hear()
	time.Sleep(5 * time.Millisecond)
	s.Say(speak(1, sentence(40, 1)))
	last, lead := first, 0
	for ; last.Payload[0] == 0xFF; lead++ {
		last = p.hear()
	}
	require.GreaterOrEqual(t, lead, 3, "the lead is kept")
	for _, b := range []byte{1, 2, 0xFF} {
		require.Equal(t, b, last.Payload[0])
		if b != 0xFF {
			h := p.hear()
			p.follows(last, h, 160)
			last = h
		}
	}
	if w.exact {
		require.Equal(t, 3, lead, "and not longer")
		require.InDelta(t, 100*time.Millisecond, last.at.Sub(first.at), float64(2500*time.Microsecond))
	}
}

func testSayAtOnce(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	began := time.Now()
	s.Start(0)
	first := p.hear()
	time.Sleep(107 * time.Millisecond)
	for n := range 20 {
		p.forget()
		time.Sleep(time.Duration(rand.N(25000)) * time.Microsecond)
		said := time.Now()
		s.Say(speak(uint32(n), sentence(40, 1), bytesOf(20, 5000)))
		h := p.until(1)
		require.True(t, h.Marker)
		p.onClock(first, h, began, said)
		if w.exact {
			require.Equal(t, said, h.at, "the first packet leaves from Say itself")
		}
		next := p.hear()
		require.Equal(t, byte(2), next.Payload[0])
		p.follows(h, next, 160)
		require.Equal(t, uint32(n), want(t, s, media.Started).Tag)
		if w.exact {
			require.InDelta(t, 20*time.Millisecond, next.at.Sub(h.at), float64(2500*time.Microsecond))
			require.Equal(t, frame, p.hear().at.Sub(next.at), "then exactly every packet time")
		}
	}
}

func testStop(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Say(speak(1, sentence(5000, 1)))
	s.Start(0)
	p.until(3)
	s.Stop()
	last := p.until(0xFF)
	for range 5 {
		h := p.hear()
		require.Equal(t, silence, h.Payload)
		require.Equal(t, last.SequenceNumber+1, h.SequenceNumber, "silence keeps the way open")
		last = h
	}
	want(t, s, media.Started)
	require.Empty(t, s.Events(), "no Finished")
}

func testHold(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	began := time.Now()
	s.Start(0)
	first := p.hear()
	s.Set(p.held())
	want(t, s, media.Held)
	s.Say(speak(9, sentence(60, 1)))
	p.quiet(100 * time.Millisecond)
	require.Empty(t, s.Events(), "Started waits for the first packet")
	s.Set(p.held())
	resumed := time.Now()
	s.Set(p.stream())
	h := p.hear()
	require.Equal(t, byte(1), h.Payload[0])
	require.True(t, h.Marker)
	p.onClock(first, h, began, resumed) // it ran on while we were held
	want(t, s, media.Resumed, media.Started, media.Finished)
	require.Equal(t, h.SequenceNumber+1, p.hear().SequenceNumber)
}

// testHoldByAddress is the old way of RFC 2543: connection address 0.0.0.0.
func testHoldByAddress(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Say(speak(3, sentence(5000, 1)))
	s.Start(0)
	p.hear()
	mapped := w.phone(t, home)
	mapped.to = s.LocalAddr()
	mapped.talk(mapped.rtp, 3)
	mapped.hear()
	st := p.stream()
	st.Remote, st.RemoteRTCP = netip.AddrPort{}, netip.AddrPort{}
	s.Set(st)
	want(t, s, media.Started, media.Held)
	mapped.quiet(60 * time.Millisecond)
	if w.exact {
		for len(p.reports) > 0 {
			<-p.reports
		}
		mapped.quiet(20 * time.Second)
		require.Empty(t, p.reports, "no RTCP either")
		require.Empty(t, mapped.reports)
	}
	s.Set(p.stream())
	want(t, s, media.Resumed)
	require.True(t, mapped.hear().Marker, "the source is still the one that was heard")
}

func testInactiveFirstAnswer(t *testing.T, w world) {
	s, p := w.call(t)
	st := p.held()
	st.Recv = false
	s.Set(st)
	s.Say(speak(3, sentence(60, 1)))
	s.Start(40 * time.Millisecond)
	want(t, s, media.Held)
	p.quiet(80 * time.Millisecond)
	s.Set(p.stream())
	for _, b := range []byte{0xFF, 0xFF, 1, 2, 3, 0xFF} {
		require.Equal(t, b, p.hear().Payload[0], "the lead and the whole sentence")
	}
	want(t, s, media.Resumed, media.Started, media.Finished)
}

func testEarlyChange(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Say(speak(3, sentence(1500, 1)))
	s.Start(20 * time.Millisecond)
	p.until(5)
	s.Set(p.held())
	p.forget()
	s.Set(p.stream())
	require.Equal(t, byte(1), p.hear().Payload[0], "direction")
	want(t, s, media.Started, media.Held, media.Resumed)
	p.until(4)

	other := w.phone(t, home)
	s.Set(other.stream())
	h := other.hear()
	require.Equal(t, byte(1), h.Payload[0], "address")
	require.True(t, h.Marker)
	other.until(5)
	s.Set(other.stream())
	require.Equal(t, byte(6), other.hear().Payload[0], "a refresh changes nothing")
	other.until(75)
	want(t, s, media.Finished)
}

func testLateChange(t *testing.T, w world) {
	if !w.exact {
		t.Skip("takes more than three seconds")
	}
	s, p := w.call(t)
	s.Set(p.stream())
	s.Say(speak(3, sentence(4800, 1)))
	s.Start(0)
	p.until(151)
	s.Set(p.held())
	time.Sleep(10 * time.Second)
	p.forget()
	s.Set(p.stream())
	require.Equal(t, byte(152), p.hear().Payload[0], "it goes on where it stood")
	other := w.phone(t, home)
	s.Set(other.stream())
	require.Equal(t, byte(153), other.hear().Payload[0])
}

func testCodecChange(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Say(speak(3, sentence(1500, 1)))
	s.Start(0)
	h := p.until(5)
	st := p.stream()
	st.Codec, st.PT, st.PTime = codec.PCMA, 8, 30*time.Millisecond
	s.Set(st)
	next := p.hear()
	for next.PayloadType == 0 { // on its way before the change
		h, next = next, p.hear()
	}
	require.Equal(t, uint8(8), next.PayloadType)
	require.Len(t, next.Payload, 240)
	require.Equal(t, h.Payload[0]+1, ^next.Payload[0], "the same moment in the other codec")
	p.follows(h, next, 160)
	p.follows(next, p.hear(), 240)
	want(t, s, media.Started, media.Finished)
}

// testSchedule speaks at random moments for a minute: nothing is sent twice, early
// or late, and time never runs backwards for the listener.
func testSchedule(t *testing.T, w world) {
	if !w.exact {
		t.Skip("compares times")
	}
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	began := time.Now()
	for n := uint32(0); time.Since(began) < time.Minute; n++ {
		time.Sleep(time.Duration(rand.N(300000)) * time.Microsecond)
		s.Say(speak(n, sentence(100, 1)))
		for len(s.Events()) > 0 {
			<-s.Events()
		}
	}
	s.Close()
	time.Sleep(time.Millisecond)
	last, spurt := p.hear(), true
	for len(p.packets) > 0 {
		h := p.hear()
		gap := h.at.Sub(last.at)
		require.Equal(t, last.SequenceNumber+1, h.SequenceNumber)
		require.Positive(t, int32(h.Timestamp-last.Timestamp))
		switch {
		case h.Marker:
			require.Less(t, gap, 22500*time.Microsecond)
			require.Equal(t, byte(1), h.Payload[0])
		case spurt:
			require.InDelta(t, frame, gap, float64(2500*time.Microsecond))
		default:
			require.Equal(t, frame, gap)
		}
		last, spurt = h, h.Marker
	}
}
