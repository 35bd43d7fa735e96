package caller

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/pin"
	"star97/internal/sdp"
)

// choir is a far end of many calls: it speaks all the time, and begins anew at
// each key-down.
type choir struct {
	*peer
	mu     sync.Mutex
	voices map[netip.AddrPort]*voice
	quit   chan struct{}
	skip   uint16 // sequence number that is never sent to anybody
}

type voice struct {
	to    netip.AddrPort
	seq   uint16
	ts    uint32
	keys  map[uint32]bool
	began time.Time
	beats int // packets sent for their time had come
}

func newChoir(t *testing.T, skip uint16) *choir {
	c := &choir{peer: newPeer(t, UDP, "127.0.0.1").answering(), voices: map[netip.AddrPort]*voice{}, quit: make(chan struct{}), skip: skip}
	remotes := map[string]netip.AddrPort{} // of the peer's reading goroutine
	c.when(sip.INVITE, func(req *sip.Request) {
		agreed, err := sdp.Accept(req.Body(), req.Body(), sdp.Local{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Codecs: []codec.ID{codec.PCMU}})
		require.NoError(t, err)
		remotes[req.CallID().Value()] = agreed.Remote
		c.reply(req, 200, c.contact(), c.description("sendrecv"))
	})
	c.when(sip.ACK, func(req *sip.Request) {
		to := remotes[req.CallID().Value()]
		c.mu.Lock()
		if c.voices[to] == nil {
			c.voices[to] = &voice{to: to, keys: map[uint32]bool{}, began: time.Now()}
		}
		c.mu.Unlock()
	})
	done := make(chan struct{})
	go c.sing(done)
	t.Cleanup(func() {
		close(c.quit)
		<-done
	})
	return c
}

// sing sends a packet to everybody each 20 ms, late ones at once, and a marked one at
// each key-down.
func (c *choir) sing(done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	read := 0
	for {
		select {
		case <-tick.C:
		case <-c.quit:
			return
		}
		c.peer.mu.Lock()
		events := c.packets[read:]
		read = len(c.packets)
		froms := c.froms[read-len(events):]
		c.peer.mu.Unlock()
		c.mu.Lock()
		for i, e := range events {
			if v := c.voices[unmap(froms[i])]; v != nil && e.PayloadType == 101 && !v.keys[e.Timestamp] {
				v.keys[e.Timestamp] = true
				c.emit(v, true)
			}
		}
		for _, v := range c.voices {
			for ; time.Since(v.began) >= time.Duration(v.beats)*packTime; v.beats++ {
				c.emit(v, v.seq == 0)
			}
		}
		c.mu.Unlock()
	}
}

func (c *choir) emit(v *voice, marker bool) {
	v.seq++
	v.ts += 160
	if v.seq == c.skip {
		return
	}
	raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: v.seq, Timestamp: v.ts, SSRC: 3, Marker: marker}, Payload: bytes.Repeat([]byte{0x12}, 160)}).Marshal()
	require.NoError(c.t, err)
	_, _ = c.rtp.WriteToUDPAddrPort(raw, v.to)
}

func TestLoadInEveryMode(t *testing.T) {
	for name, road := range map[string]struct {
		o     LoadOptions
		skip  uint16
		check func(t *testing.T, r *LoadReport)
	}{
		"listen": {LoadOptions{Mode: Listen, Calls: 5}, 0, func(t *testing.T, r *LoadReport) {
			require.Equal(t, 5, r.Complete)
			require.Greater(t, r.Packets, uint64(5*5))
			require.EqualValues(t, 5, r.FirstRTP.N)
			require.Zero(t, r.Keys)
		}},
		"a packet is lost in each call": {LoadOptions{Mode: Listen, Calls: 3}, 5, func(t *testing.T, r *LoadReport) {
			require.EqualValues(t, 3, r.Lost)
			require.Zero(t, r.Complete)
		}},
		"silent callers": {LoadOptions{Mode: Listen, Calls: 2, Talk: Nothing}, 0, func(t *testing.T, r *LoadReport) {
			require.Equal(t, 2, r.Complete)
		}},
		"keys": {LoadOptions{Mode: KeysMode, Calls: 4, Every: 500 * time.Millisecond, Settle: time.Millisecond, Duration: 3 * time.Second}, 0, func(t *testing.T, r *LoadReport) {
			require.GreaterOrEqual(t, r.Keys, uint64(4))
			require.Equal(t, r.Keys, r.Next.N+r.NoNext)
			require.Positive(t, r.Next.N)
			require.Positive(t, r.Stop.N)
		}},
		"rate": {LoadOptions{Mode: RateMode, Calls: 50, Rate: 20, Hold: time.Second}, 0, func(t *testing.T, r *LoadReport) {
			require.Equal(t, 20, r.Attempted)
			require.Equal(t, 20, r.Answered)
			require.EqualValues(t, 20, r.DialLate.N)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newChoir(t, road.skip)
			road.o.URI, road.o.PID = far.uri(), os.Getpid()
			if road.o.Duration == 0 {
				road.o.Duration = time.Second
			}
			r, err := Load(within(t, 2*patience), road.o)
			require.NoError(t, err)
			require.Zero(t, r.Failed, "%v", r.Failures)
			require.Zero(t, r.NoRTP)
			require.Zero(t, r.BeforeAck)
			require.Zero(t, r.EndedEarly)
			require.Eventually(t, func() bool { return far.count(sip.BYE) == r.Answered }, patience, time.Millisecond)
			require.Positive(t, r.BeatLate.N)
			require.Positive(t, r.Usage.CallSeconds)
			road.check(t, r)

			var out bytes.Buffer
			require.NoError(t, r.Table(&out))
			require.Contains(t, out.String(), "INVITE -> 200")
			raw, err := json.Marshal(r)
			require.NoError(t, err)
			require.Contains(t, string(raw), `"invite_to_200":{"n":`)
		})
	}
}

func TestLoadSignsInAndTellsNoCode(t *testing.T) {
	far := newChoir(t, 0)
	code, err := pin.Parse(secretCode)
	require.NoError(t, err)
	r, err := Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: Listen, Calls: 1, Duration: time.Second, Settle: time.Millisecond,
		Users: []User{{From: "4001", Code: code}}})
	require.NoError(t, err)
	far.heardKeys(secretCode + "#")
	require.Equal(t, "4001", far.got(sip.INVITE, 1).From().Address.User)
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.NotContains(t, string(raw), secretCode)
}

func TestLoadFindsRTPBeforeTheAck(t *testing.T) {
	far := newChoir(t, 0)
	answer := far.on[sip.INVITE]
	far.when(sip.INVITE, func(req *sip.Request) {
		agreed, err := sdp.Accept(req.Body(), req.Body(), sdp.Local{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Codecs: []codec.ID{codec.PCMU}})
		require.NoError(t, err)
		far.sendRTP(agreed.Remote, make([]byte, 160), true)
		answer(req)
	})
	r, err := Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: Listen, Calls: 2, Duration: time.Second})
	require.NoError(t, err)
	require.Equal(t, 2, r.BeforeAck)
}

func TestLoadReportsWhatFails(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1")
	p.when(sip.INVITE, func(req *sip.Request) { p.reply(req, 503, "", "") })
	r, err := Load(within(t, 2*patience), LoadOptions{URI: p.uri(), Mode: Listen, Calls: 3, Duration: time.Second})
	require.NoError(t, err)
	require.Equal(t, 3, r.Failed)
	require.Zero(t, r.NoRTP, "a call that was refused is not a mute one")
	require.Equal(t, map[string]int{"503 Test": 3}, r.Failures)

	far := newChoir(t, 0)
	answer, begin := far.on[sip.INVITE], far.on[sip.ACK]
	var invite *sip.Request // of the reading goroutine
	far.when(sip.INVITE, func(req *sip.Request) { invite = req; answer(req) })
	far.when(sip.ACK, func(req *sip.Request) { begin(req); far.ask(invite, "BYE", 2, "") })
	r, err = Load(within(t, 2*patience), LoadOptions{URI: far.uri(), Mode: Listen, Calls: 1, Duration: time.Second})
	require.NoError(t, err)
	require.Equal(t, 1, r.EndedEarly)

	ctx, stop := context.WithCancel(context.Background())
	stop()
	_, err = Load(ctx, LoadOptions{URI: far.uri(), Mode: Listen, Calls: 1})
	require.ErrorIs(t, err, context.Canceled)
	_, err = Load(context.Background(), LoadOptions{URI: far.uri(), Mode: "all", Calls: 1})
	require.ErrorIs(t, err, ErrOptions)
	_, err = Load(context.Background(), LoadOptions{URI: far.uri(), Mode: Listen, Calls: 5001})
	require.ErrorIs(t, err, ErrOptions)
}

func TestReceivingInALoadRunAllocatesNothing(t *testing.T) {
	d, err := newDeck(LoadOptions{Mode: Listen}.withDefaults())
	require.NoError(t, err)
	s, err := openStream(d, netip.MustParseAddr("127.0.0.1"))
	require.NoError(t, err)
	defer s.closeSockets()
	s.agreed = sdp.Agreed{Codec: codec.PCMU, Send: true, PTime: 20 * time.Millisecond}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.local))
	require.NoError(t, err)
	defer conn.Close()
	raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 160)}).Marshal()
	require.NoError(t, err)
	receive := func() {
		before := d.total.packets
		_, err := conn.Write(raw)
		for begin := time.Now(); err == nil && d.total.packets == before && time.Since(begin) < patience; {
			d.read(s)
		}
	}
	receive()
	require.EqualValues(t, 1, d.total.packets)
	require.Zero(t, testing.AllocsPerRun(100, receive))
	require.EqualValues(t, 102, d.total.packets, "the first, the warm-up and the runs")
}
