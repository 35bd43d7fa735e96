package uas

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAHostIsAnAddressOrALinkOfIPv6(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.7":     "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"2001:db8:1:2::1":      "2001:db8:1:2::",
		"2001:db8:1:3::1":      "2001:db8:1:3::",
		"fe80::1%lo":           "fe80::",
		"::1":                  "::",
	} {
		require.Equal(t, want, hostOf(mustAddr(in)).String(), in)
	}
	require.False(t, hostOf(netip.Addr{}).IsValid())
}

func TestSharesAreOfOneAndOfAll(t *testing.T) {
	s, a, b, c := newShares(3), mustAddr("192.0.2.1"), mustAddr("192.0.2.2"), mustAddr("192.0.2.3")
	require.True(t, s.enter(a, 2))
	require.True(t, s.enter(a, 2))
	require.False(t, s.enter(a, 2), "each")
	require.True(t, s.enter(b, 2))
	require.False(t, s.enter(c, 2), "most")
	s.leave(a)
	require.True(t, s.enter(c, 2))
	for _, host := range []netip.Addr{a, b, c} {
		s.leave(host)
	}
	require.Empty(t, s.of)
	require.Zero(t, s.all)
}

func TestALongMessageCountsForSeveral(t *testing.T) {
	for n, want := range map[int]float64{0: 1, 4095: 1, 4096: 2, 16384: 5, 65535: 16} {
		require.Equal(t, want, weight(n), n)
	}
	g, now := gateOf(t, func(o *Options) { o.Limits.Rate, o.Limits.Burst = 10, 20 }), time.Now()
	long := strings.Replace(plain("OPTIONS"), "Contact", "X: "+strings.Repeat("x", 15000)+"\r\nContact", 1)
	passed := 0
	for range 20 {
		if pass, _, _ := g.admit("udp", someone, []byte(long), now); pass != nil {
			passed++
		}
	}
	require.Equal(t, 5, passed, "of a burst of 20")
}

func TestALinkOfIPv6HasOneRate(t *testing.T) {
	b, now, passed := apart(newBuckets(10, 20), "2001:db8::1", "2001:db8:0:1::1"), time.Now(), 0
	for i := range 1000 {
		if b.take(mustAddr(fmt.Sprintf("2001:db8::%x", i)), 1, now) {
			passed++
		}
	}
	require.Equal(t, 20, passed)
	require.True(t, b.take(mustAddr("2001:db8:0:1::1"), 1, now))
}

// An address of a prefix has half of the connections; one that is listed by itself all.
func TestAnAddressLeavesConnectionsToTheOthers(t *testing.T) {
	for listed, most := range map[string]int{"127.0.0.0/8": 4, "127.0.0.1": 8} {
		h := newHouse(t, setting{options: func(o *Options) {
			o.Limits.Connections, o.Peers[0].Addresses = 8, []string{listed, "127.0.0.9"}
		}})
		var all []*phone
		for range most {
			p := h.tcp(t)
			p.send("OPTIONS", "", "")
			p.expect(200)
			all = append(all, p)
		}
		beyond := h.tcp(t)
		require.NoError(t, beyond.conn.SetReadDeadline(time.Now().Add(patience)))
		_, err := beyond.reader.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		if most < 8 {
			other := dialFrom(t, "tcp", netip.MustParseAddrPort("127.0.0.9:0"), h.Addrs()[1].Addr)
			if other == nil {
				t.Skip("this system has no such loopback address")
			}
			q := newPhoneOn(t, "tcp", other)
			q.send("OPTIONS", "", "")
			q.expect(200)
		}
		require.NoError(t, all[0].conn.Close())
		soon(t, func() bool {
			p := h.tcp(t)
			defer p.conn.Close()
			_, _ = p.conn.Write([]byte(p.build("OPTIONS", "", "")))
			_ = p.conn.SetReadDeadline(time.Now().Add(patience))
			_, err := parseMessage(p.reader)
			return err == nil
		}, "its place is free again")
	}
}

// Of a wide prefix the addresses of one network have five eighths of the connections
// together, of which one address has not all. One that is listed by itself, or whose network
// is all that a peer lists, has what there is.
func TestANetworkLeavesConnectionsToTheOthers(t *testing.T) {
	for _, row := range []struct {
		listed, network string // where addresses come from: as a format
		most            int
		other           string // who is let in then
	}{
		{"0.0.0.0/0", "198.51.100.%d", 320, "198.51.101.1"},
		{"10.0.0.0/8", "10.0.0.%d", 320, "192.0.2.1"},
		{"198.51.100.0/24", "198.51.100.%d", 512, ""},
		{"198.51.100.64/26", "198.51.100.%d", 512, ""},
		{"198.0.0.0/8, 198.51.100.64/26", "198.51.100.%d", 512, ""},
		{"::/0", "2001:db8:1:%d::1", 320, "2001:db8:2::1"},
		{"2001:db8:1::/48", "2001:db8:1:%d::1", 512, ""},
	} {
		t.Run(row.listed, func(t *testing.T) {
			o := testOptions()
			o.Peers = []Peer{{Name: "telephones", Addresses: append(strings.Split(row.listed, ", "), "192.0.2.1")}}
			all, err := newPeers(o, nil)
			require.NoError(t, err)
			p := all.all[0]
			s, err := New(o, Deps{Log: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			r := s.room()
			var in []netip.Addr
			for range 2 * cap(r.taken) { // one takes all that it can
				if from := mustAddr(fmt.Sprintf(row.network, 64)); r.admit(p, from) {
					in = append(in, from)
				}
			}
			require.Len(t, in, cap(r.taken)/2)
			for range 100 {
				for host := range 12 {
					if from := mustAddr(fmt.Sprintf(row.network, 65+host)); r.admit(p, from) {
						in = append(in, from)
					}
				}
			}
			require.Len(t, in, row.most, "connections of 13 addresses")
			if row.other != "" {
				require.True(t, r.admit(p, mustAddr(row.other)), "another network")
				r.dismiss(p, mustAddr(row.other))
			}
			for _, from := range in {
				r.dismiss(p, from)
			}
			require.Empty(t, r.hosts.of)
			require.Empty(t, r.networks.of)
			require.Empty(t, r.taken)
		})
	}
}

func TestAConnectionThatBringsNothingIsClosed(t *testing.T) {
	h := newHouse(t, setting{server: func(s *Server) { s.gate.firstWait = 100 * time.Millisecond }})
	talks := h.tcp(t)
	talks.send("OPTIONS", "", "")
	talks.expect(200)
	for name, text := range map[string]string{"nothing": "", "pings": "\r\n\r\n", "a part": "OPTIONS"} {
		conn, err := net.Dial("tcp", h.at(1))
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte(text))
		require.NoError(t, err)
		if name == "a part" {
			continue // partWait bounds it
		}
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		_, err = io.Copy(io.Discard, conn)
		require.NoError(t, err, name)
	}
	talks.send("OPTIONS", "", "")
	talks.expect(200)
}

func TestTransactionsThatAreKeptAreBounded(t *testing.T) {
	h := newHouse(t, setting{server: func(s *Server) { s.kept = newShares(8) }})
	p := h.udp(t)
	c := begun(t, h, p)
	for range 20 { // what is repeated is still answered, by a transaction or by its CSeq
		p.send("INFO", "5", "application/dtmf")
		p.expect(200)
	}
	h.idle(t)
	h.kept.mu.Lock()
	require.Equal(t, 4, h.kept.all, "half of them for one host")
	h.kept.mu.Unlock()
	for range 20 {
		c.hear(t)
	}
	p.send("BYE", "", "")
	p.expect(200)
	h.over(t)
}
