package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
)

// What is a key's way, but no key, is told by its kind.
func TestDigitsTellsOfWhatIsNoKey(t *testing.T) {
	first := func(code byte) func([]byte) []byte {
		return func(payload []byte) []byte { return append([]byte{code}, payload[1:]...) }
	}
	for name, c := range map[string]struct {
		spoil func([]byte) []byte
		want  string
	}{
		"cut off":       {func(payload []byte) []byte { return payload[:3] }, "8 packets of telephone events were damaged"},
		"a hook flash":  {first(16), "8 reports of a hook flash (event 16), which is no key"},
		"another event": {first(36), "8 reports of events that are no keys (beyond 16)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := spokenCall(t)
			s.invites(0, 1, "0 96", "200 OK", "0 96")
			d := eventsBy(96)
			d.spoil = c.spoil
			d.press(t, s.trace, time.Second, 5)
			keys, _, text := s.heard(t)
			require.Empty(t, keys)
			require.Contains(t, text, "0 keys counted, 0 not")
			require.Contains(t, text, "  "+c.want)
		})
	}
}

// An INFO that should have a key and has none is told, once for each time it was meant.
func TestDigitsTellsOfAnINFOWithoutAKey(t *testing.T) {
	s := spokenCall(t)
	for i, info := range []struct{ kind, body string }{
		{"application/dtmf-relay", "Signal=flash\r\nDuration=100\r\n"},
		{"application/dtmf-relay", "Signal=16\r\n"},
		{"application/dtmf", "55"},
		{"application/dtmf-relay", "Duration=100\r\n"},
		{"application/media_control+xml", "<x/>"},
	} {
		for range 2 { // sent again
			s.message(time.Second, true, "INFO sip:97@pbx SIP/2.0", string('2'+rune(i))+" INFO", info.kind, info.body)
		}
	}
	keys, _, text := s.heard(t)
	require.Empty(t, keys)
	require.Contains(t, text, "3 SIP INFO without a key: INFO signal is not one of the 16 keys")
	require.Contains(t, text, "1 SIP INFO without a key: INFO body names no single key")
}

// A key may have been in what was lost.
func TestDigitsTellsOfLostPackets(t *testing.T) {
	tr := newTrace(t)
	tr.audio(t, phoneRTP, make([]int16, 160*20), 5, 6, 11)
	_, _, text := tr.heard(t)
	require.Contains(t, text, "  3 packets from "+phoneRTP+" to "+serviceRTP+" were lost: a key may have been in them\n")
	whole := newTrace(t)
	whole.audio(t, phoneRTP, make([]int16, 160*20))
	_, _, text = whole.heard(t)
	require.NotContains(t, text, "lost")
}

// Each number that is missing counts, and no other.
func TestGapsOfSequenceNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		numbers []uint16
		missing int
	}{
		"in order":                        {[]uint16{1, 2, 3, 4}, 0},
		"one lost":                        {[]uint16{1, 3, 4}, 1},
		"one late":                        {[]uint16{1, 3, 2, 4}, 0},
		"one late and twice":              {[]uint16{1, 4, 2, 2, 5}, 1},
		"each twice":                      {[]uint16{1, 1, 2, 2, 4, 4}, 1},
		"late before the first":           {[]uint16{3, 2, 1, 4}, 0},
		"over the end of the numbers":     {[]uint16{65534, 1, 2}, 2},
		"many lost":                       {[]uint16{1, 102, 103}, 100},
		"one astray":                      {[]uint16{1, 2, 20000, 3, 4}, 0},
		"begun anew":                      {[]uint16{1, 2, 20000, 20001, 20003}, 1},
		"begun anew behind":               {[]uint16{20000, 20001, 2, 3, 5}, 1},
		"so late that it may be anything": {[]uint16{1000, 1001, 900, 1002}, 0},
	} {
		for start := range 16 {
			var g gaps
			for _, n := range c.numbers {
				g.add(7, n+uint16(start*4096))
			}
			require.Equal(t, c.missing, g.missing, "%s from %d", name, start*4096)
		}
	}
	g := gaps{begun: true, ssrc: 7, high: 10, missing: 2}
	g.add(8, 500)
	g.add(8, 501)
	require.Equal(t, 2, g.missing)
}

// A stream that an SDP names is taken from its first packet, also where the SDP came later;
// without a word of it so little may be anything.
func TestDigitsOfAShortStream(t *testing.T) {
	for name, c := range map[string]struct {
		before, behind bool // an SDP
		from, to, keys string
	}{
		"named":                     {true, false, phoneRTP, serviceRTP, "5"},
		"named behind":              {false, true, phoneRTP, serviceRTP, "5"},
		"named by who sends":        {true, false, phoneRTP, "10.0.0.9:40000", "5"},
		"not named":                 {false, false, phoneRTP, serviceRTP, ""},
		"another port of the hosts": {true, false, "192.0.2.1:4002", "192.0.2.9:40002", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := spokenCall(t)
			if c.before {
				s.invites(0, 1, "0 101", "200 OK", "0 101")
			}
			for i, duration := range []byte{160, 255} {
				s.rtpTo(t, time.Second, c.from, c.to, rtp.Packet{Header: rtp.Header{PayloadType: 101, SSRC: 7, SequenceNumber: uint16(i), Marker: i == 0},
					Payload: []byte{5, 10, 0, duration}})
			}
			if c.behind {
				s.invites(2*time.Second, 1, "0 101", "200 OK", "0 101")
			}
			keys, _, text := s.heard(t)
			require.Equal(t, c.keys, keys)
			require.Contains(t, text, fmt.Sprintf("%d RTP streams", len(c.keys)))
		})
	}
}
