package media_test

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/media"
)

// Thin gives the socket a filter, as the system's have it.
func (w *wire) Thin(v media.Voice) (err error) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	w.through, err = media.ThinMachine(v)
	return err
}

// Whole takes it off.
func (w *wire) Whole() error {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	w.through = nil
	return nil
}

// flash is an event that is no key and always gets through: with it, what was sent before
// has been read.
func (p *phone) flash(s media.Session) {
	p.t.Helper()
	before := s.Stats().Keys.Flash
	p.send(p.rtp, eventPT, false, []byte{16, 10, 0, 160})
	require.Eventually(p.t, func() bool { return s.Stats().Keys.Flash == before+1 }, patience, time.Millisecond)
}

// read sends n packets of audio and tells how many of them were read.
func (p *phone) read(s media.Session, n int) int {
	p.t.Helper()
	before := s.Stats().PacketsIn
	p.talk(p.rtp, n)
	p.flash(s)
	return int(s.Stats().PacketsIn - before - 1)
}

// some is how many packets in a row are needed to know whether they are thinned.
const some = 128

// filtered tells whether the filter is on.
func (p *phone) filtered(s media.Session) bool {
	p.t.Helper()
	n := p.read(s, some)
	if n != some {
		require.Equal(p.t, some/64, n)
	}
	return n != some
}

// settle sends as much audio as the filter waits for.
func (p *phone) settle(s media.Session) {
	p.t.Helper()
	require.Equal(p.t, 60, p.read(s, 60))
}

// thin begins a call of which the filter is on where there is one; nobody listens to its audio.
func (p *phone) thin(s media.Session) {
	p.t.Helper()
	st := p.stream()
	st.Inband = media.InbandNever
	s.Set(st)
	s.Start(0)
	if p.world.protected {
		time.Sleep(3 * time.Second) // keys before these count no more
	}
	before := s.Stats().PacketsIn
	p.talk(p.rtp, 60)
	require.Eventually(p.t, func() bool {
		st := s.Stats()
		return st.Thinned || !p.world.thins && st.PacketsIn == before+60
	}, patience, time.Millisecond)
}

// key is one key, of which everything has been read.
func (p *phone) key(s media.Session, d dtmf.Digit) {
	p.t.Helper()
	p.press(p.rtp, d)
	wantKey(p.t, s, dtmf.Down, d)
	wantKey(p.t, s, dtmf.Up, d)
	p.flash(s)
}

func testFilter(t *testing.T, w world) {
	rows := map[string]struct {
		inband      media.Inband
		audio       int // packets before the key
		event, info bool
		thin        bool
		option      string
	}{
		"nobody has pressed a key":            {audio: 60},
		"a key came as an event":              {audio: 60, event: true, thin: true},
		"a key came in the first packets":     {audio: 10, event: true},
		"a key came as INFO":                  {audio: 60, info: true},
		"the audio is never listened to":      {audio: 50, inband: media.InbandNever, thin: true},
		"never, but nobody has said anything": {inband: media.InbandNever},
		"the audio is always listened to":     {audio: 60, inband: media.InbandAlways, event: true},
		"the option is off":                   {audio: 60, event: true, option: media.FilterOff},
	}
	type call struct {
		media.Session
		*phone
	}
	calls := make(map[string]call)
	for name, tt := range rows {
		o := w.options()
		if tt.option != "" {
			o.KernelFilter = tt.option
		}
		s, p := w.callOn(t, w.engine(t, o))
		st := p.stream()
		st.Inband = tt.inband
		s.Set(st)
		s.Start(0)
		calls[name] = call{s, p}
	}
	if w.protected {
		time.Sleep(3 * time.Second)
	}
	for name, tt := range rows {
		s, p := calls[name].Session, calls[name].phone
		require.Equal(t, tt.audio, p.read(s, tt.audio), name)
		if tt.event {
			p.key(s, 5)
		}
		if tt.info {
			s.TonesOff()
		}
		require.Equal(t, 1, p.read(s, 1), name) // whatever comes with the packet that puts the filter on
		want := tt.thin && w.thins
		require.Equal(t, want, s.Stats().Thinned, name)
		if !want {
			continue
		}
		require.True(t, p.filtered(s), name)
		for d := range dtmf.Digit(3) {
			p.key(s, d)
		}
		require.Zero(t, s.Stats().LostIn, name)
	}
}

// testFilterOff: each way in which the filter goes, and whether a key is needed before it
// comes back.
func testFilterOff(t *testing.T, w world) {
	for name, tt := range map[string]struct {
		act  func(s media.Session, p *phone)
		keep bool // it comes back without a key, after steady audio
	}{
		"a renegotiation": {act: func(s media.Session, p *phone) { s.Set(p.stream()) }},
		"another codec": {act: func(s media.Session, p *phone) {
			st := p.stream()
			st.Codec, st.PT, st.EventPT = codec.PCMA, 8, eventPT
			s.Set(st)
			st.Codec, st.PT = codec.PCMU, 0
			s.Set(st)
		}},
		"another SSRC": {act: func(s media.Session, p *phone) {
			p.header.SSRC++
			p.flash(s)
		}},
		"another source": {act: func(s media.Session, p *phone) {
			other := p.world.phone(t, home)
			other.to, other.header, other.keys.out = p.to, p.header, p.keys.out
			p.header.SequenceNumber++ // SRTP takes no copies
			before := s.Stats().Dropped
			other.send(other.rtp, eventPT, false, []byte{16, 10, 0, 160})
			require.Eventually(t, func() bool { return s.Stats().Dropped > before }, patience, time.Millisecond)
		}},
		"quiet": {keep: true, act: func(_ media.Session, p *phone) {
			if p.world.exact {
				time.Sleep(4100 * time.Millisecond)
			}
		}},
	} {
		s, p := w.call(t)
		s.Set(p.stream())
		s.Start(0)
		if w.protected {
			time.Sleep(3 * time.Second)
		}
		p.settle(s)
		p.key(s, 1)
		p.read(s, 1)
		require.Equal(t, w.thins, p.filtered(s), name)
		if tt.keep && !w.exact {
			continue // it takes seconds
		}
		tt.act(s, p)
		require.Equal(t, 40, p.read(s, 40), name)
		p.read(s, 60)
		require.Equal(t, tt.keep && w.thins, p.filtered(s), name)
		p.key(s, 2)
		p.read(s, 60)
		require.Equal(t, w.thins, p.filtered(s), name)
	}
}

// testFilterThief: somebody on the caller's own host, who knows everything and sends what
// gets through the filter, finds the caller as present as without it.
func testFilterThief(t *testing.T, w world) {
	if w.protected {
		t.Skip("there is no thief without the keys")
	}
	for !w.filterThief(t) {
		t.Log("the caller was too slow: once more")
	}
}

// filterThief returns false where the machine kept the caller quiet for so long that whoever
// comes may follow.
func (w world) filterThief(t *testing.T) bool {
	s, p := w.call(t)
	p.thin(s)
	thief := w.phone(t, home)
	thief.to = s.LocalAddr()
	for p.header.SequenceNumber%64 != 1 { // a packet of the caller has just got through
		p.talk(p.rtp, 1)
	}
	p.flash(s)
	before := s.Stats()
	longest, last := time.Duration(0), time.Now()
	for n := range 45 {
		p.talk(p.rtp, 1)
		longest, last = max(longest, time.Since(last)), time.Now()
		p.hear()
		if n < 35 {
			continue // longer than the latch waits for a caller who is quiet
		}
		thief.header = p.header
		for range 3 { // in a row, and each gets through
			thief.header.SequenceNumber = thief.header.SequenceNumber&^63 + 64
			thief.talk(thief.rtp, 1)
		}
		thief.press(thief.rtp, 7)
	}
	p.flash(s)
	if longest = max(longest, time.Since(last)); !w.exact && longest > 300*time.Millisecond {
		return false
	}
	require.Zero(t, s.Stats().SourceChanges)
	require.Equal(t, uint64(10*10), s.Stats().Dropped-before.Dropped)
	require.Empty(t, s.Events(), "a thief's keys are not the caller's")
	thief.quiet(60 * time.Millisecond)
	p.key(s, 2)
	return true
}

// testFilterRebound: the caller goes on from another port, where his packets go as soon as
// the old port is known to be quiet.
func testFilterRebound(t *testing.T, w world) {
	if !w.exact || w.protected {
		t.Skip("it takes seconds")
	}
	s, p := w.call(t)
	p.thin(s)
	moved := w.phone(t, home)
	moved.to, moved.header = s.LocalAddr(), p.header
	p.forget()
	began := time.Now()
	for len(moved.packets) == 0 {
		moved.talk(moved.rtp, 1)
		time.Sleep(frame)
	}
	require.Less(t, time.Since(began), 500*time.Millisecond+5*frame)
	require.Equal(t, uint64(1), s.Stats().SourceChanges)
	moved.key(s, 4)
	moved.read(s, 60)
	require.Equal(t, w.thins, moved.filtered(s))
}

// testFilterSilence: slow packets behind the filter are no sign of a lost call, and a
// caller who stops is told as such, not earlier and little later than without it.
func testFilterSilence(t *testing.T, w world) {
	if !w.exact {
		t.Skip("it takes seconds")
	}
	o := w.options()
	o.Timeout = 5 * time.Second
	s, p := w.callOn(t, w.engine(t, o))
	p.thin(s)
	var quiet time.Time
	for range 500 {
		p.talk(p.rtp, 1)
		quiet = time.Now()
		time.Sleep(3 * frame)
	}
	require.Empty(t, s.Events())
	want(t, s, media.Silent)
	require.GreaterOrEqual(t, time.Since(quiet), 5*time.Second)
	require.Less(t, time.Since(quiet), 10*time.Second)
}

// testFilterLoss: what the kernel dropped was not lost, what was lost behind the filter is
// told to nobody, and before and after it each packet counts.
func testFilterLoss(t *testing.T, w world) {
	lose := func(p *phone, n uint16) { p.header.SequenceNumber += n }
	block := func(s media.Session, p *phone) []rtcp.ReceptionReport {
		p.hear()
		s.Close()
		return p.farewell()[0].(*rtcp.SenderReport).Reports
	}
	s, p := w.call(t)
	s.Set(p.stream())
	p.read(s, 1)
	lose(p, 1)
	p.thin(s)
	for range 5 {
		p.read(s, some)
		lose(p, 10)
	}
	if !w.thins {
		require.Equal(t, uint64(1+4*10), s.Stats().LostIn, "of the last ten nothing tells yet")
		return
	}
	require.Equal(t, uint64(1), s.Stats().LostIn)
	require.Empty(t, block(s, p), "nothing is reported while nothing is known")

	s, p = w.call(t)
	first := p.header.SequenceNumber
	s.Set(p.stream())
	p.read(s, 1)
	lose(p, 1)
	p.thin(s)
	p.read(s, some)
	lose(p, 10)
	st := p.stream()
	s.Set(st)
	p.read(s, 20)
	lose(p, 2)
	p.read(s, 20)
	require.Equal(t, uint64(3), s.Stats().LostIn)
	last := p.header.SequenceNumber - 1
	b := block(s, p)
	require.Len(t, b, 1)
	require.Equal(t, uint32(3), b[0].TotalLost)
	require.Equal(t, uint32(first)+uint32(last-first), b[0].LastSequenceNumber, "one cycle")
}
