package media_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/media"
)

// clip is a sentence whose every byte is known. PCMA carries the complement.
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

// sentence is ms milliseconds of bytes that count from first.
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

// engine builds an engine for one test and closes it at its end.
type engine func(t testing.TB, o media.Options) media.Engine

func options() media.Options {
	o := media.DefaultOptions()
	o.PortMin, o.PortMax = 41000, 42998
	return o
}

// call is a session with its phone on loopback.
func (build engine) call(t testing.TB, local string) (media.Session, *phone) {
	t.Helper()
	e := build(t, options())
	return open(t, e, local)
}

func open(t testing.TB, e media.Engine, local string) (media.Session, *phone) {
	t.Helper()
	s, err := e.Open(netip.MustParseAddr(local))
	require.NoError(t, err)
	t.Cleanup(s.Close)
	p := newPhone(t, local)
	p.to = s.LocalAddr()
	return s, p
}

// event reads the session's next event.
func event(t testing.TB, s media.Session) media.Event {
	t.Helper()
	select {
	case e, ok := <-s.Events():
		require.True(t, ok, "Events is closed")
		return e
	case <-time.After(2 * time.Second):
		require.Fail(t, "no event came")
		return media.Event{}
	}
}

func testFirst(t *testing.T, build engine) {
	s, p := build.call(t, "127.0.0.1")
	s.Set(p.stream())
	s.Say(speak(7, sentence(50, 1)))
	s.Start(40 * time.Millisecond)
	a := p.must()
	require.True(t, a.Marker)
	require.Equal(t, bytes.Repeat([]byte{0xFF}, 160), a.Payload)
	b := p.must()
	require.Equal(t, a.SequenceNumber+1, b.SequenceNumber)
	require.Equal(t, a.Timestamp+160, b.Timestamp)
	c := p.must()
	require.Equal(t, byte(1), c.Payload[0])
	require.Equal(t, media.Started, event(t, s).Kind)
	p.must()
	e := p.must()
	require.Equal(t, byte(3), e.Payload[0])
	require.Equal(t, byte(0xFF), e.Payload[80])
	require.Equal(t, media.Finished, event(t, s).Kind)
	p.press(p.rtp, 5)
	require.Equal(t, media.Pressed, event(t, s).Kind)
}

func TestFirst(t *testing.T) {
	testFirst(t, func(t testing.TB, o media.Options) media.Engine {
		e, err := media.NewPortable(o)
		require.NoError(t, err)
		t.Cleanup(func() { e.Close() })
		return e
	})
}
