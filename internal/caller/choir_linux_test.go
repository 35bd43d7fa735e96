package caller

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
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
	most   int    // beats after which it is silent for good; 0: it goes on
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
			for ; (c.most == 0 || v.beats < c.most) && time.Since(v.began) >= time.Duration(v.beats)*packTime; v.beats++ {
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
