package media_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/media"
	"star97/internal/srtp"
)

// row is a pitfall of RFC 4733 reception: what a sender or a network does, and the
// key-downs, key-ups (') and losses (!) that have to come of it.
type row struct {
	name, want string
	packets    []sentAt
}

type sentAt struct {
	at time.Duration
	rtp.Packet
}

// rows are those of the decoder's own test.
func rows(t testing.TB) (all []row) {
	t.Helper()
	f, err := os.Open("../dtmf/testdata/rows.txt")
	require.NoError(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "row":
			all = append(all, row{name: rest})
			continue
		case "want":
			all[len(all)-1].want = rest
			continue
		}
		var p sentAt
		var ms, marker int
		var payload string
		n, err := fmt.Sscan(lines.Text(), &ms, &p.SSRC, &p.SequenceNumber, &p.Timestamp, &marker, &payload)
		require.True(t, err == nil || n == 5, lines.Text()) // a payload can be empty
		p.at, p.Marker, p.PayloadType, p.Version = time.Duration(ms)*time.Millisecond, marker == 1, eventPT, 2
		p.Payload, err = hex.DecodeString(payload)
		require.NoError(t, err)
		all[len(all)-1].packets = append(all[len(all)-1].packets, p)
	}
	require.Greater(t, len(all), 40)
	return all
}

// testRowsThinned: the filter takes no key away.
func testRowsThinned(t *testing.T, w world) {
	w.thinned = true
	testRows(t, w)
}

// length is how long a row takes.
func (r *row) length() time.Duration { return r.packets[len(r.packets)-1].at }

// testRows plays every row over the network, all at once. A machine that does not keep
// time makes another sender of ours: then a row is played again.
func testRows(t *testing.T, w world) {
	e := w.engine(t, w.options())
	var playing sync.WaitGroup
	for _, r := range rows(t) {
		if w.protected && strings.Contains(r.name, "starts a new sequence") || // SRTP allows none
			!w.exact && r.length() > 2*time.Second && os.Getenv("STAR97_LONG") == "" {
			continue
		}
		playing.Go(func() {
			for tries := 10; ; tries-- {
				got, late := w.play(t, e, &r)
				if got == r.want {
					return
				}
				if late < 10*time.Millisecond || tries == 0 {
					t.Errorf("%s: %s, not %s; up to %v late", r.name, got, r.want, late)
					return
				}
			}
		})
	}
	playing.Wait()
}

// play sends a row to a call of its own and returns what came of it, and how late the
// sender was.
func (w world) play(t testing.TB, e media.Engine, r *row) (got string, late time.Duration) {
	s, p := w.callOn(t, e)
	defer s.Close()
	ssrc := p.header.SSRC
	if w.thinned {
		p.header.SSRC += r.packets[0].SSRC
		p.header.SequenceNumber += r.packets[0].SequenceNumber - 60
		p.thin(s)
	} else {
		s.Set(p.stream())
		s.Start(0)
	}
	begin := time.Now()
	for _, q := range r.packets {
		q.SSRC, q.SequenceNumber, q.Timestamp = q.SSRC+ssrc, q.SequenceNumber+65530, q.Timestamp+0xFFFFFE00
		due := begin.Add(q.at)
		time.Sleep(time.Until(due))
		late = max(late, time.Since(due))
		data, err := q.Marshal()
		if err == nil {
			_, err = p.rtp.WriteToUDPAddrPort(p.keys.sealed(t, data, (*srtp.Context).Protect, p.keys.out), p.to)
		}
		if err != nil {
			t.Error(err)
		}
	}
	var trace strings.Builder
	for quiet := time.After(time.Second); ; {
		select {
		case e := <-s.Events():
			trace.WriteString(shown(e))
			if trace.Len() == len(r.want) {
				quiet = time.After(100 * time.Millisecond) // and no more
			}
		case <-quiet:
			return trace.String(), late
		}
	}
}

// shown is a report as the rows have it.
func shown(e media.Event) string {
	switch {
	case e.Kind != media.Pressed:
		return fmt.Sprintf("?%d", e.Kind)
	case e.Report.Kind == dtmf.Up:
		return "'"
	case e.Report.Kind == dtmf.Lost:
		return "!"
	}
	return string(e.Report.Digit.Char())
}

// testEventClocks: events at each clock that an answer can have, whatever that of the
// audio is (RFC 4733 section 2.4.1).
func testEventClocks(t *testing.T, w world) {
	for _, rate := range []int{8000, 16000, 48000} {
		s, p := w.call(t)
		st := p.stream()
		st.EventRate = rate
		s.Set(st)
		for d := range dtmf.Digit(3) {
			start := p.header.Timestamp
			pieces := dtmf.Encode(nil, dtmf.Press{Digit: d, Length: 200 * time.Millisecond, Volume: 10}, rate, frame)
			for i, piece := range pieces[4:] { // the first ones are lost
				p.header.Timestamp = start + piece.Offset
				p.send(p.rtp, eventPT, i == 0, piece.Payload[:])
			}
			p.header.Timestamp = start + uint32(rate/2)
			down := wantKey(t, s, dtmf.Down, d)
			require.Equal(t, 100*time.Millisecond, down.Report.Held, "%d Hz", rate)
			wantKey(t, s, dtmf.Up, d)
		}
		require.Empty(t, s.Events())
	}
}

// testThief: somebody on the caller's own host who knows everything but does not sit
// in its place gets nothing, and is not heard, as long as the caller is.
func testThief(t *testing.T, w world) {
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	p.talk(p.rtp, 2)
	thief := w.phone(t, home)
	thief.to = s.LocalAddr()
	p.hear()
	for n := range 40 {
		p.talk(p.rtp, 1)
		thief.header = p.header // SSRC, sequence and time, one packet ahead
		thief.talk(thief.rtp, 1)
		if n%8 == 0 {
			thief.press(thief.rtp, 7)
		}
		p.hear()
	}
	require.Eventually(t, func() bool { return s.Stats().Dropped == 40+5*7 }, patience, time.Millisecond)
	require.Equal(t, uint64(42), s.Stats().PacketsIn)
	require.Zero(t, s.Stats().SourceChanges)
	require.Empty(t, s.Events(), "a thief's keys are not the caller's")
	thief.quiet(60 * time.Millisecond)
	p.press(p.rtp, 2)
	wantKey(t, s, dtmf.Down, 2)
	wantKey(t, s, dtmf.Up, 2)
}
