package uas

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/media"
	"star97/internal/srtp"
)

// line is the RTP side of a phone: it presses keys as RFC 4733 events, and keeps what
// comes.
type line struct {
	t    testing.TB
	conn *net.UDPConn
	to   netip.AddrPort
	seq  uint16
	ts   uint32
	pt   uint8
	rate int
	out  *srtp.Context // nil: plain
	open uint32        // timestamp of the key that is held
	held int           // packets of it

	mu   sync.Mutex
	came []rtp.Packet
}

func newLine(t testing.TB) *line {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	l := &line{t: t, conn: conn, pt: 101, rate: 8000, seq: 65530, ts: 1<<32 - 4000}
	ended := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-ended })
	go func() {
		defer close(ended)
		var buf [2048]byte
		for {
			n, err := conn.Read(buf[:])
			if err != nil {
				return
			}
			var p rtp.Packet
			if p.Unmarshal(slices.Clone(buf[:n])) == nil {
				l.mu.Lock()
				l.came = append(l.came, p)
				l.mu.Unlock()
			}
		}
	}()
	return l
}

func (l *line) port() int { return l.conn.LocalAddr().(*net.UDPAddr).Port }

// heard are the packets that came so far.
func (l *line) heard() []rtp.Packet {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.came)
}

func (l *line) send(ts uint32, marker, end bool, digit byte, duration int) {
	l.t.Helper()
	d, ok := dtmf.DigitOf(digit)
	require.True(l.t, ok)
	payload := []byte{byte(d), 10, 0, 0}
	if end {
		payload[1] |= 0x80
	}
	binary.BigEndian.PutUint16(payload[2:], uint16(duration))
	l.seq++
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: l.pt, Marker: marker, SequenceNumber: l.seq, Timestamp: ts, SSRC: 0x97}, Payload: payload}
	raw, err := p.Marshal()
	require.NoError(l.t, err)
	if l.out != nil {
		raw, err = l.out.Protect(make([]byte, 0, len(raw)+srtp.Overhead), raw)
		require.NoError(l.t, err)
	}
	_, err = l.conn.WriteToUDPAddrPort(raw, l.to)
	require.NoError(l.t, err)
}

// hold sends three packets of a key, the first ones or the next; release its end, thrice.
func (l *line) hold(digit byte) {
	if l.held == 0 {
		l.open = l.ts
	}
	for range 3 {
		l.held++
		l.send(l.open, l.held == 1, false, digit, l.held*l.rate/50)
	}
}

func (l *line) release(digit byte) {
	for range 3 {
		l.send(l.open, false, true, digit, l.held*l.rate/50)
	}
	l.ts += uint32(l.held*l.rate/50 + l.rate)
	l.held = 0
}

func (l *line) press(digit byte) { l.hold(digit); l.release(digit) }

// keys are those that a call was told of.
type keys struct {
	mu   sync.Mutex
	down string
}

func (k *keys) all() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.down
}

// listensTo reads a session's events until it is closed.
func listensTo(t testing.TB, s media.Session) *keys {
	k := &keys{}
	ended := make(chan struct{})
	t.Cleanup(func() { s.Close(); <-ended })
	go func() {
		defer close(ended)
		for e := range s.Events() {
			if e.Kind != media.Pressed || e.Report.Kind != dtmf.Down {
				continue
			}
			for _, c := range "0123456789*#ABCD" {
				if d, _ := dtmf.DigitOf(byte(c)); d == e.Report.Digit {
					k.mu.Lock()
					k.down += string(c)
					k.mu.Unlock()
				}
			}
		}
	}()
	return k
}

// soonest waits until just these keys were told of.
func (k *keys) soonest(t testing.TB, want string) {
	t.Helper()
	soon(t, func() bool { return k.all() == want || len(k.all()) > len(want) }, want)
	require.Equal(t, want, k.all())
}

// described is an offer of one codec with events under pt at rate; pt 0: without.
func described(port int, audio uint8, pt uint8, rate int, more ...string) string {
	name := map[uint8]string{0: "PCMU", 8: "PCMA", 9: "G722"}[audio]
	formats, lines := fmt.Sprint(audio), fmt.Sprintf("a=rtpmap:%d %s/8000\r\n", audio, name)
	if pt != 0 {
		formats += fmt.Sprint(" ", pt)
		lines += fmt.Sprintf("a=rtpmap:%d telephone-event/%d\r\na=fmtp:%d 0-15\r\n", pt, rate, pt)
	}
	for _, line := range more {
		lines += line + "\r\n"
	}
	return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio " + strconv.Itoa(port) + " RTP/AVP " + formats + "\r\n" + lines
}

// rtpOf is where a description wants RTP.
func rtpOf(t testing.TB, description string) netip.AddrPort {
	t.Helper()
	_, rest, ok := strings.Cut(description, "m=audio ")
	require.True(t, ok, description)
	return netip.MustParseAddrPort("127.0.0.1:" + strings.Fields(rest)[0])
}

// talks begins a call with an offer and its RTP.
func talks(t *testing.T, h *house, p *phone, l *line, offer string) (*taken, *keys) {
	t.Helper()
	p.send("INVITE", offer, "application/sdp")
	ok := p.expect(200)
	p.learn(ok)
	p.send("ACK", "", "")
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	l.to = rtpOf(t, ok.body)
	return c, listensTo(t, c.session)
}

// again renegotiates by INVITE or UPDATE.
func again(t *testing.T, p *phone, method, offer string) message {
	t.Helper()
	p.send(method, offer, "application/sdp")
	ok := p.expect(200)
	if method == "INVITE" {
		p.send("ACK", "", "")
	}
	return ok
}

// A key that is pressed while the call is agreed anew counts, and counts once: under the
// numbers and the clock of before and those of after, and where it is held across them.
func TestKeysCountOnceAcrossARenegotiation(t *testing.T) {
	type agreed struct {
		audio, pt uint8
		rate      int
	}
	for rule, row := range map[string][2]agreed{
		"another number of events":         {{0, 101, 8000}, {0, 96, 8000}},
		"another codec":                    {{0, 101, 8000}, {8, 101, 8000}},
		"a wider codec":                    {{0, 101, 8000}, {9, 96, 8000}},
		"another codec and number":         {{8, 97, 8000}, {0, 127, 8000}},
		"events by a clock of 16000":       {{0, 101, 8000}, {0, 102, 16000}},
		"events by a clock of 48000":       {{0, 101, 8000}, {0, 101, 48000}},
		"and back":                         {{0, 101, 48000}, {0, 96, 8000}},
		"nothing at all":                   {{0, 101, 8000}, {0, 101, 8000}},
		"the codec takes the events' type": {{0, 96, 8000}, {8, 100, 8000}},
	} {
		for _, method := range []string{"INVITE", "UPDATE"} {
			t.Run(rule+" by "+method, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t, setting{})
				p, l := h.udp(t), newLine(t)
				l.pt, l.rate = row[0].pt, row[0].rate
				_, k := talks(t, h, p, l, described(l.port(), row[0].audio, row[0].pt, row[0].rate))
				l.press('1')
				k.soonest(t, "1")
				l.hold('2')
				k.soonest(t, "12")
				again(t, p, method, described(l.port(), row[1].audio, row[1].pt, row[1].rate))
				if row[0].rate == row[1].rate {
					l.release('2') // what the phone sent before it read the answer
				}
				l.press('3')
				k.soonest(t, "123")
				l.pt, l.rate = row[1].pt, row[1].rate
				l.press('4')
				l.press('4')
				k.soonest(t, "12344")
				l.hold('5')
				again(t, p, method, described(l.port(), row[0].audio, row[1].pt, row[1].rate))
				l.hold('5')
				l.release('5')
				l.press('6')
				k.soonest(t, "1234456")
			})
		}
	}
}

// A call whose telephone takes its events back, and offers them again, loses no key: they
// come by INFO meanwhile.
func TestEventsAreTakenBackAndOfferedAgain(t *testing.T) {
	h := newHouse(t, setting{})
	p, l := h.udp(t), newLine(t)
	c, k := talks(t, h, p, l, described(l.port(), 0, 101, 8000))
	l.press('1')
	k.soonest(t, "1")
	ok := again(t, p, "INVITE", described(l.port(), 0, 0, 0))
	require.NotContains(t, ok.body, "telephone-event")
	c.hearsNext(p) // a key by INFO
	ok = again(t, p, "UPDATE", described(l.port(), 0, 98, 8000))
	require.Contains(t, ok.body, "a=rtpmap:98 telephone-event/8000")
	l.pt = 98
	l.press('2')
	k.soonest(t, "12")
}

// frames is a sentence whose n-th frame consists of the byte n, in any codec.
type frames int

func (f frames) Payload(codec.ID) []byte {
	var all []byte
	for n := range int(f) {
		all = append(all, slices.Repeat([]byte{byte(n)}, 160)...)
	}
	return all
}

// A sentence goes on in the other codec where it was, frame by frame.
func TestASentenceGoesOnInAnotherCodec(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{})
	p, l := h.udp(t), newLine(t)
	const length = 100
	c, _ := talks(t, h, p, l, described(l.port(), 0, 101, 8000))
	c.session.Say(media.Utterance{Tag: 1, Clips: [media.MaxClips]media.Clip{frames(length)}})
	sentence := func() (got []byte, types string) {
		for _, packet := range l.heard() {
			if b := packet.Payload[0]; b < length && len(packet.Payload) == 160 {
				got = append(got, b)
				if name := fmt.Sprint(packet.PayloadType, " "); !strings.HasSuffix(types, name) {
					types += name
				}
			}
		}
		return got, types
	}
	come := func(n int) {
		t.Helper()
		soon(t, func() bool { got, _ := sentence(); return len(got) >= n })
	}
	come(20)
	again(t, p, "INVITE", described(l.port(), 8, 101, 8000))
	come(60)
	again(t, p, "UPDATE", described(l.port(), 0, 101, 8000))
	come(length)
	got, types := sentence()
	require.Equal(t, "0 8 0 ", types)
	for n, b := range got {
		require.EqualValues(t, n, b, "no frame is lost or said twice")
	}
}

// Held, and resumed at another address: the sentence is heard there.
func TestHeldAndResumedElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{})
	p, l, other := h.udp(t), newLine(t), newLine(t)
	c, k := talks(t, h, p, l, described(l.port(), 0, 101, 8000))
	c.session.Say(media.Utterance{Tag: 1, Clips: [media.MaxClips]media.Clip{frames(100)}})
	soon(t, func() bool { return len(l.heard()) > 30 })
	l.press('1')
	k.soonest(t, "1")
	require.Contains(t, again(t, p, "INVITE", described(l.port(), 0, 101, 8000, "a=sendonly")).body, "a=recvonly")
	l.press('2') // a key counts while the call is held
	k.soonest(t, "12")
	again(t, p, "UPDATE", described(other.port(), 0, 101, 8000, "a=sendrecv"))
	other.to, other.seq, other.ts = l.to, l.seq, l.ts
	soon(t, func() bool {
		return slices.ContainsFunc(other.heard(), func(r rtp.Packet) bool { return len(r.Payload) == 160 && r.Payload[0] == 99 })
	}, "the sentence comes to its end there")
	other.press('3')
	k.soonest(t, "123")
}

// New keys of SRTP by re-INVITE: what the phone sends until it has our answer, and what
// the network delivers late, is still protected by the old one, and counts.
func TestKeysCountOnceAcrossNewKeysOfSRTP(t *testing.T) {
	for _, suite := range srtp.Suites() {
		t.Run(suite.String(), func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			h := secureHouse(t, a, func(o *Options) { o.Peers[0].SRTP, o.Peers[0].Transports = srtpRequired, []string{"tls"} }, nil)
			p, l := h.tlsPhone(t, &tls.Config{RootCAs: a.pool()}), newLine(t)
			offer := func(k srtp.Key) string {
				return strings.Replace(described(l.port(), 0, 101, 8000, "a=crypto:"+k.Attribute(1)), "RTP/AVP", "RTP/SAVP", 1)
			}
			contextOf := func(k srtp.Key) *srtp.Context {
				c, err := srtp.NewContext(&k)
				require.NoError(t, err)
				return c
			}
			first, second := srtp.NewKey(suite), srtp.NewKey(suite)
			l.out = contextOf(first)
			_, k := talks(t, h, p, l, offer(first))
			l.press('1')
			k.soonest(t, "1")
			l.hold('2')
			k.soonest(t, "12")
			again(t, p, "INVITE", offer(second))
			l.hold('2')
			l.release('2')
			l.press('3')
			k.soonest(t, "123")
			l.hold('4')
			l.out = contextOf(second)
			l.hold('4')
			l.release('4')
			l.press('5')
			k.soonest(t, "12345")
			l.out = nil // nobody takes what is not protected
			l.press('6')
			l.out = contextOf(srtp.NewKey(suite))
			l.press('7')
			l.out = contextOf(second)
			l.press('8')
			k.soonest(t, "123458")
		})
	}
}
