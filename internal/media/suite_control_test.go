package media_test

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/media"
)

// next reads the next RTCP datagram.
func (p *phone) next() []rtcp.Packet {
	p.t.Helper()
	select {
	case r := <-p.reports:
		return r
	case <-time.After(patience):
		require.FailNow(p.t, "no RTCP came")
		return nil
	}
}

// farewell reads RTCP up to the datagram that takes leave. On a busy machine a
// regular report can be due before it.
func (p *phone) farewell() []rtcp.Packet {
	p.t.Helper()
	for {
		if r := p.next(); takesLeave(r) {
			return r
		}
	}
}

func takesLeave(r []rtcp.Packet) bool {
	_, bye := r[len(r)-1].(*rtcp.Goodbye)
	return bye
}

// noFarewell checks that nobody has taken leave of this phone by now.
func (p *phone) noFarewell() {
	p.t.Helper()
	p.catchUp()
	for len(p.reports) > 0 {
		require.False(p.t, takesLeave(<-p.reports), "BYE came")
	}
}

func testSenderReport(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	// The time of day on the engine's clock: a step of the system's changes neither.
	day := func(at time.Time) time.Time { return s.Epoch().Round(0).Add(at.Sub(s.Epoch())) }
	began := day(time.Now())
	s.Start(0)
	p.talk(p.rtp, 3)
	p.header.SequenceNumber++ // one lost
	p.talk(p.rtp, 4)
	first := p.hear()
	last := first
	for range 4 {
		last = p.hear()
	}
	time.Sleep(7 * time.Millisecond)
	require.Eventually(t, func() bool { return s.Stats().PacketsIn == 7 }, patience, time.Millisecond)
	left := day(time.Now())
	s.Close()
	closed := day(time.Now())
	r := p.farewell()
	require.Len(t, r, 3)
	p.catchUp()
	sr := r[0].(*rtcp.SenderReport)
	sent := uint32(last.SequenceNumber-first.SequenceNumber) + 1 + uint32(len(p.packets))
	require.Equal(t, first.SSRC, sr.SSRC)
	require.Equal(t, sent, sr.PacketCount)
	require.Equal(t, sent*160, sr.OctetCount)
	wall := time.Unix(int64(sr.NTPTime>>32)-2208988800, int64(sr.NTPTime&0xFFFFFFFF*1e9>>32))
	require.WithinRange(t, wall, left.Add(-time.Millisecond), closed.Add(time.Millisecond))
	ran := int64(sr.RTPTime - first.Timestamp)
	require.GreaterOrEqual(t, ran, 8*wall.Sub(day(first.at)).Milliseconds()-8, "the report's clock is that of the talkspurts")
	require.LessOrEqual(t, ran, 8*wall.Sub(began).Milliseconds()+8, "the report's clock is that of the talkspurts")
	require.Len(t, sr.Reports, 1)
	require.Equal(t, p.header.SSRC, sr.Reports[0].SSRC)
	require.Equal(t, uint32(1), sr.Reports[0].TotalLost)
	require.Equal(t, uint8(32), sr.Reports[0].FractionLost, "one of eight")
	require.Equal(t, uint32(1<<16+1), sr.Reports[0].LastSequenceNumber, "65530 and seven later, one cycle")
	require.Equal(t, []uint32{first.SSRC}, r[2].(*rtcp.Goodbye).Sources)
	cname, err := rtcp.CompoundPacket(r).CNAME()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(cname), 16)
}

// heard is our SSRC once n packets of it have come.
func (p *phone) heard(n int) (ssrc uint32) {
	p.t.Helper()
	for range n {
		ssrc = p.hear().SSRC
	}
	return ssrc
}

func testReceivedReports(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	ours := p.heard(5)
	require.False(t, s.Stats().Reported)
	block := rtcp.ReceptionReport{SSRC: ours, TotalLost: 5}
	p.report(p.rtcp, &rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{block, {SSRC: ours + 1, TotalLost: 99}}})
	require.Eventually(t, func() bool { return s.Stats().RemoteLost == 5 }, patience, time.Millisecond)
	block.TotalLost = 1<<24 - 3 // minus three: copies came
	p.report(p.rtcp, &rtcp.SenderReport{SSRC: 1, Reports: []rtcp.ReceptionReport{block}})
	require.Eventually(t, func() bool { return s.Stats().RemoteLost == 0 }, patience, time.Millisecond)
	require.True(t, s.Stats().Reported)
	if !w.exact {
		return // the next report of ours takes seconds
	}
	sr := p.next()[0].(*rtcp.SenderReport)
	time.Sleep(500 * time.Millisecond)
	block.LastSenderReport, block.Delay = uint32(sr.NTPTime>>16), 65536*3/8
	p.talk(p.rtp, 1)
	p.report(p.rtcp, &rtcp.SenderReport{SSRC: p.header.SSRC, NTPTime: 0x1234_5678_9ABC_DEF0, Reports: []rtcp.ReceptionReport{block}})
	time.Sleep(250 * time.Millisecond)
	require.InDelta(t, 125*time.Millisecond, s.Stats().RoundTrip, float64(time.Millisecond))
	s.Close()
	for r := range p.reports {
		if len(r) == 3 {
			b := r[0].(*rtcp.SenderReport).Reports[0]
			require.Equal(t, uint32(0x5678_9ABC), b.LastSenderReport)
			require.InDelta(t, 65536/4, b.Delay, 100)
			return
		}
	}
}

// testSymmetricRTCP sends from another port than signalled, as behind a NAT: reports
// go where reports come from.
func testSymmetricRTCP(t *testing.T, w world) {
	s, p := w.call(t)
	mapped := w.phone(t, home)
	mapped.to = s.LocalAddr()
	s.Set(p.stream())
	s.Start(0)
	ours := p.heard(5)
	p.talk(p.rtp, 1)
	rr := &rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: ours, TotalLost: 5}}}
	require.Eventually(t, func() bool { return s.Stats().PacketsIn == 1 }, patience, time.Millisecond)
	mapped.report(mapped.rtcp, rr)
	require.Eventually(t, func() bool { return s.Stats().RemoteLost == 5 }, patience, time.Millisecond)
	s.Close()
	require.Len(t, mapped.farewell(), 3)
	p.noFarewell()
}

func testHostileRTCP(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	ours := p.heard(5)
	rr := &rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: ours, TotalLost: 5}}}
	good, err := rr.Marshal()
	require.NoError(t, err)
	bye, err := (&rtcp.Goodbye{Sources: []uint32{1}}).Marshal()
	require.NoError(t, err)
	before := s.Stats().Dropped
	bad := [][]byte{
		{}, {0x80}, good[:10], good[:len(good)-1], bye, append(append([]byte{}, bye...), good...),
		append(append([]byte{}, good...), 0x80, 203, 0xFF, 0xFF), append([]byte{0x40}, good[1:]...),
		append([]byte{good[0] | 0x20}, good[1:]...), make([]byte, 1600),
	}
	for _, b := range bad {
		p.reportRaw(p.rtcp, b)
	}
	stranger := w.phone(t, netip.MustParseAddr("127.0.0.9"))
	stranger.to = s.LocalAddr()
	stranger.report(stranger.rtcp, rr)
	require.Eventually(t, func() bool { return s.Stats().Dropped == before+uint64(len(bad))+1 }, patience, time.Millisecond)
	require.Zero(t, s.Stats().RemoteLost)

	p.report(p.rtcp, rr, &rtcp.Goodbye{Sources: []uint32{p.header.SSRC}})
	require.Eventually(t, func() bool { return s.Stats().RemoteLost == 5 }, patience, time.Millisecond)
	p.press(p.rtp, 8)
	wantKey(t, s, dtmf.Down, 8) // an RTCP BYE is not the end of a call
	p.forget()
	p.hear()
}

// testReportInterval: when reports leave, and what they tell (RFC 3550 sections 6.3 and 6.4).
func testReportInterval(t *testing.T, w world) {
	if !w.exact {
		t.Skip("takes minutes")
	}
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	last, gaps := time.Now(), map[time.Duration]bool{}
	for n := range 40 {
		r := p.next()
		gap := time.Since(last)
		last = time.Now()
		low, high := 2500*time.Millisecond, 7500*time.Millisecond
		if n == 0 {
			low, high = low/2, high/2
		}
		require.GreaterOrEqual(t, gap, low)
		require.LessOrEqual(t, gap, high)
		gaps[gap] = true
		switch {
		case n < 20:
			blocks := 0
			if n == 5 {
				blocks = 1
			}
			require.Len(t, r[0].(*rtcp.SenderReport).Reports, blocks, "of who was heard since the last report")
			if n == 4 {
				p.talk(p.rtp, 1)
			}
		case n == 20:
			s.Set(p.held())
		case n == 21:
			require.IsType(t, &rtcp.SenderReport{}, r[0], "who sent something in one of the last two intervals")
		case n > 22:
			require.IsType(t, &rtcp.ReceiverReport{}, r[0], "who sends nothing reports as a receiver")
		}
		p.forget()
	}
	require.Greater(t, len(gaps), 30, "the interval is random")
}

func testSilent(t *testing.T, w world) {
	if !w.exact {
		t.Skip("takes minutes")
	}
	s, p := w.call(t)
	s.Set(p.stream())
	time.Sleep(2 * time.Minute)
	require.Empty(t, s.Events(), "not before Start")
	began := time.Now()
	s.Start(0)
	silent := func(at time.Duration) {
		t.Helper()
		require.Equal(t, media.Silent, (<-s.Events()).Kind)
		require.Equal(t, at, time.Since(began))
	}
	silent(time.Minute)
	silent(2 * time.Minute)
	time.Sleep(30 * time.Second)
	p.talk(p.rtp, 1)
	silent(210 * time.Second)
	time.Sleep(10 * time.Second)
	p.report(p.rtcp, &rtcp.ReceiverReport{SSRC: 1})
	silent(280 * time.Second)
	s.Set(p.held())
	want(t, s, media.Held)
	time.Sleep(10*time.Minute + 20*time.Second)
	require.Empty(t, s.Events(), "never on hold")
	s.Set(p.stream())
	want(t, s, media.Resumed)
	resumed := time.Now()
	require.Equal(t, media.Silent, (<-s.Events()).Kind)
	require.InDelta(t, time.Minute, time.Since(resumed), float64(time.Minute))
	require.GreaterOrEqual(t, time.Since(resumed), time.Minute)
}

func testClose(t *testing.T, w world) {
	o := w.options()
	port := w.pair(t)
	o.PortMin, o.PortMax = port, port
	e := w.engine(t, o)
	for range 3 {
		s, p := w.callOn(t, e)
		require.Equal(t, port, s.LocalAddr().Port())
		_, err := e.Open(home)
		require.ErrorIs(t, err, media.ErrPortsExhausted)
		s.Set(p.stream())
		s.Start(0)
		s.Say(speak(1, sentence(5000, 1)))
		want(t, s, media.Started)
		s.Close()
		s.Close()
		_, more := <-s.Events()
		require.False(t, more)
		require.Len(t, p.farewell(), 3, "RTCP BYE")
		p.quiet(60 * time.Millisecond)
		s.Set(p.stream())
		s.Start(0)
		s.Say(speak(2, sentence(1000, 1)))
		s.Stop()
		require.NotZero(t, s.Stats().PacketsOut)
		require.NotZero(t, s.Epoch())
	}
}

func testEngineClose(t *testing.T, w world) {
	e := w.engine(t, w.options())
	s, p := w.callOn(t, e)
	s.Set(p.stream())
	s.Start(0)
	p.hear()
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	_, more := <-s.Events()
	require.False(t, more)
	p.quiet(40 * time.Millisecond)
	p.noFarewell()
	_, err := e.Open(home)
	require.ErrorIs(t, err, media.ErrClosed)
}

func testIPv6(t *testing.T, w world) {
	six := netip.IPv6Loopback()
	s, err := w.engine(t, w.options()).Open(six)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.Equal(t, six, s.LocalAddr().Addr())
	p := w.phone(t, six)
	p.to = s.LocalAddr()
	s.Set(p.stream())
	s.Start(0)
	s.Say(speak(1, sentence(40, 1)))
	p.until(1)
	p.press(p.rtp, 3)
	want(t, s, media.Started)
	for e := event(t, s); e.Kind != media.Pressed; e = event(t, s) {
		require.Equal(t, media.Finished, e.Kind)
	}
	require.Zero(t, s.Stats().Dropped)
}

// testRace lets everybody act at once. Whatever happens, what is sent is one
// unbroken sequence.
func testRace(t *testing.T, w world) {
	s, p := w.call(t)
	var acts sync.WaitGroup
	act := func(f func(n int)) {
		acts.Go(func() {
			for n := range 60 {
				f(n)
				time.Sleep(time.Duration(rand.N(5000)) * time.Microsecond)
			}
		})
	}
	act(func(n int) { s.Say(speak(uint32(n), sentence(30, 1))) })
	act(func(n int) {
		st := p.stream()
		st.Send = n%3 > 0
		st.PTime = time.Duration(10+10*(n%4)) * time.Millisecond
		s.Set(st)
	})
	act(func(int) { s.Start(10 * time.Millisecond) })
	act(func(int) { p.press(p.rtp, 5) })
	act(func(n int) {
		s.Stats()
		if n%10 == 9 {
			s.Stop()
		}
	})
	act(func(int) { p.report(p.rtcp, &rtcp.ReceiverReport{SSRC: 1}) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range s.Events() {
			continue
		}
	}()
	acts.Wait()
	s.Close()
	<-ended
	p.catchUp()
	last := p.hear()
	for len(p.packets) > 0 {
		h := p.hear()
		require.Equal(t, last.SequenceNumber+1, h.SequenceNumber)
		require.Positive(t, int32(h.Timestamp-last.Timestamp))
		last = h
	}
}
