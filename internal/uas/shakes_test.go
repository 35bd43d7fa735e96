package uas

import (
	"crypto/tls"
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Sources open TLS connections as fast as they can for a minute: the handshakes that are
// made for them stay within the rates, and who has calls up, or stands alone in a peer's
// list, gets in meanwhile.
func TestNewTLSConnectionsHaveARate(t *testing.T) {
	g := gateOf(t, func(o *Options) {
		o.Peers = []Peer{{Name: "phones", Addresses: []string{"127.0.0.0/8"}}, {Name: "pbx", Addresses: []string{"192.0.2.1", "192.0.2.2"}}}
	})
	const rate, burst, minute = 2000. / 32, 4000. / 32, 60
	busy := mustAddr("127.200.0.1")
	calls := func(a netip.Addr) bool { return a == busy }
	for name, attack := range map[string]struct {
		sources int
		each    int // connections of one source a second
		most    float64
	}{
		"one source":                        {1, 1000, burst + rate*minute},
		"many sources":                      {200, 20, totalShare * (burst + rate*minute)},
		"many sources, each within its own": {600, 1, totalShare * (burst + rate*minute)},
	} {
		t.Run(name, func(t *testing.T) {
			g.shakes = newShakes(DefaultOptions().Limits)
			apart(g.shakes.each, "127.1.0.0", "127.200.0.1", "192.0.2.1")
			let := map[string]float64{}
			asked := map[string]float64{}
			ask := func(who string, from netip.Addr, now time.Time) {
				asked[who]++
				if g.shakes.admit(g.peers.Load().of("tls", from), from, calls, now) {
					let[who]++
				}
			}
			begin := time.Unix(1_800_000_000, 0)
			for second := range minute {
				for i := range attack.sources * attack.each {
					now := begin.Add(time.Duration(second)*time.Second + time.Duration(i)*time.Second/time.Duration(attack.sources*attack.each))
					source := i % attack.sources
					ask("attacker", netip.AddrFrom4([4]byte{127, 1, byte(source >> 8), byte(source)}), now)
				}
				end := begin.Add(time.Duration(second+1) * time.Second)
				ask("caller", busy, end)
				ask("pbx", mustAddr("192.0.2.1"), end)
			}
			t.Logf("let in: %v of %v", let, asked)
			require.LessOrEqual(t, let["attacker"], attack.most+1)
			require.Greater(t, let["attacker"], min(asked["attacker"], attack.most)*0.9)
			require.EqualValues(t, minute, let["caller"])
			require.EqualValues(t, minute, let["pbx"])
		})
	}
}

// One address opens TLS connections over and over. Most are closed before a handshake is
// made, with some lines in the log; a call of another address goes on, and its telephone may
// make another connection.
func TestAFloodOfTLSConnectionsCostsFewHandshakes(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) { o.Limits.Rate, o.Limits.Burst = 32, 32*20 },
		func(s *Server) { apart(s.gate.shakes.each, "127.0.0.1", "127.0.0.9") })
	p := h.tlsPhone(t, &tls.Config{RootCAs: a.pool()})
	c := begun(t, h, p)
	config := &tls.Config{RootCAs: a.pool(), ServerName: "127.0.0.1"}
	begin, made := time.Now(), 0
	for range 300 {
		conn := dialFrom(t, "tcp", netip.MustParseAddrPort("127.0.0.9:0"), h.Addrs()[0].Addr)
		if conn == nil {
			t.Skip("this system has no such loopback address")
		}
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		if tls.Client(conn, config).Handshake() == nil {
			made++
		}
		require.NoError(t, conn.Close())
	}
	t.Logf("%d handshakes for 300 connections", made)
	require.GreaterOrEqual(t, made, 20)
	require.LessOrEqual(t, float64(made), 20+time.Since(begin).Seconds()+1)
	c.hearsNext(p)
	again := h.tlsPhone(t, &tls.Config{RootCAs: a.pool()})
	again.send("OPTIONS", "", "")
	again.expect(200)
	lines := strings.Count(h.log.String(), "more TLS connections come than sip.limits.rate has room for")
	require.Positive(t, lines)
	require.LessOrEqual(t, float64(lines), linesBurst+linesRate*time.Since(begin).Seconds()+1)
	h.reads(t, `star97_refusals_total{reason="flood"}`, strconv.Itoa(300-made))
}

// apart gives addresses a slot each: which ones share one differs from start to start.
func apart(b *buckets, all ...string) *buckets {
	for {
		slots := map[uint64]bool{}
		for _, a := range all {
			slots[b.keyOf(mustAddr(a))%uint64(b.size)] = true
		}
		if len(slots) == len(all) {
			return b
		}
		b.seed = maphash.MakeSeed()
	}
}
