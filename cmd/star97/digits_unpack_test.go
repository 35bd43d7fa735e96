package main

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/require"
)

// infoOf is a SIP message of several hundred bytes with a key.
func infoOf(key string) string {
	return fmt.Sprintf("INFO sip:97@pbx SIP/2.0\r\nX: %s\r\nFrom: <sip:a@pbx>;tag=1\r\nTo: <sip:b@pbx>;tag=2\r\nCall-ID: x\r\nCSeq: 1%s INFO\r\n"+
		"Content-Type: application/dtmf\r\nContent-Length: 1\r\n\r\n%s", strings.Repeat("x", 600), key, key)
}

// What is too long for one IP packet comes in several.
func TestDigitsOfDatagramsInFragments(t *testing.T) {
	for name, c := range map[string]struct {
		order []int // the fragments as they were captured, of 4
		keys  string
	}{
		"in order":     {[]int{0, 1, 2, 3}, "5"},
		"backwards":    {[]int{3, 2, 1, 0}, "5"},
		"twice":        {[]int{0, 0, 1, 2, 1, 3}, "5"},
		"first lost":   {[]int{1, 2, 3}, ""},
		"one lost":     {[]int{0, 1, 3}, ""},
		"the end lost": {[]int{0, 1, 2}, ""},
	} {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprint(name, v6), func(t *testing.T) {
				tr := newTrace(t)
				head := &layers.UDP{SrcPort: 5060, DstPort: 5060}
				require.NoError(t, head.SetNetworkLayerForChecksum(&layers.IPv4{SrcIP: net.IPv4zero, DstIP: net.IPv4zero}))
				udp := serialized(t, head, gopacket.Payload(infoOf("5")))
				const size = 200
				pieces := slices.Collect(slices.Chunk(udp, size))
				require.Len(t, pieces, 4)
				for _, i := range c.order {
					tr.fragment(t, v6, i*size/8, i < 3, pieces[i])
				}
				keys, _, text := tr.heard(t)
				require.Equal(t, c.keys, keys)
				require.Equal(t, c.keys == "", strings.Contains(text, "1 datagrams came in fragments of which some are missing"))
			})
		}
	}
}

func (tr *trace) fragment(t *testing.T, v6 bool, offset int, more bool, piece []byte) {
	if v6 {
		tr.frame(t, 0, layers.EthernetTypeIPv6, &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolIPv6Fragment,
			SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::9")}, fragmentHeader(offset, more), gopacket.Payload(piece))
		return
	}
	var flags layers.IPv4Flag
	if more {
		flags = layers.IPv4MoreFragments
	}
	tr.frame(t, 0, layers.EthernetTypeIPv4, &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: layers.IPProtocolUDP, Flags: flags, FragOffset: uint16(offset),
		SrcIP: net.IPv4(192, 0, 2, 1), DstIP: net.IPv4(192, 0, 2, 9)}, gopacket.Payload(piece))
}

// fragmentHeader is that of RFC 8200 section 4.5, which the library only reads.
func fragmentHeader(offset int, more bool) gopacket.Payload {
	last := byte(offset << 3)
	if more {
		last |= 1
	}
	return gopacket.Payload{byte(layers.IPProtocolUDP), 0, byte(offset >> 5), last, 0, 0, 0, 7}
}

// segment is a piece of what a telephone sends by TCP.
type segment struct {
	from, to int // bytes of the stream
	back     bool
}

// A SIP message ends where its Content-Length says, not where a segment does.
func TestDigitsOfMessagesInSegments(t *testing.T) {
	one, two := infoOf("5"), infoOf("6")
	both, n := one+two, len(one)
	for name, c := range map[string]struct {
		stream   string
		segments []segment
		keys     string
		gaps     bool
	}{
		"a message each":         {both, []segment{{0, n, false}, {n, 2 * n, false}}, "56", false},
		"both in one":            {both, []segment{{0, 2 * n, false}}, "56", false},
		"in pieces":              {both, []segment{{0, 9, false}, {9, n - 1, false}, {n - 1, n + 300, false}, {n + 300, 2 * n, false}}, "56", false},
		"in another order":       {both, []segment{{0, 9, false}, {n - 1, n + 300, false}, {9, n - 1, false}, {n + 300, 2 * n, false}}, "56", false},
		"sent again":             {both, []segment{{0, 300, false}, {0, 300, false}, {200, n, false}, {n, 2 * n, false}}, "56", false},
		"begun before":           {both, []segment{{300, n, false}, {n, 2 * n, false}}, "6", false},
		"behind keep-alives":     {"\r\n\r\n" + both, []segment{{0, 4, false}, {4, 2*n + 4, false}}, "56", false},
		"both ways":              {both, []segment{{0, 300, false}, {n, 2 * n, true}, {300, n, false}}, "65", false},
		"a hole":                 {both + both, []segment{{0, n, false}, {n + 300, 2 * n, false}, {2 * n, 3*n + 9, false}}, "5", true},
		"the end lost":           {both, []segment{{0, n, false}, {n, n + 300, false}}, "5", false},
		"no length that is one":  {strings.Replace(one, "Length: 1", "Length: x", 1) + two, []segment{{0, n, false}, {n, 2 * n, false}}, "6", false},
		"without a length":       {strings.Replace(one, "Content-Length", "X", 1), []segment{{0, n - 13, false}}, "5", false},
		"behind something else":  {"HTTP/1.1 200 OK\r\n\r\n" + one, []segment{{0, 19, false}, {19, n + 19, false}}, "5", false},
		"behind what has no end": {strings.Repeat("x", maxStartLine) + one, []segment{{0, maxStartLine, false}, {maxStartLine, maxStartLine + n, false}}, "5", false},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrace(t)
			for i, s := range c.segments {
				l := &layers.TCP{SrcPort: 5070, DstPort: 5060, ACK: true, PSH: true, Window: 1000, Seq: 0xFFFFFF00 + uint32(s.from)}
				src, dst := net.IPv4(192, 0, 2, 1), net.IPv4(192, 0, 2, 9)
				if s.back {
					src, dst, l.SrcPort, l.DstPort = dst, src, l.DstPort, l.SrcPort
				}
				ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src, DstIP: dst}
				require.NoError(t, l.SetNetworkLayerForChecksum(ip))
				tr.frame(t, time.Duration(i)*time.Second, layers.EthernetTypeIPv4, ip, l, gopacket.Payload(c.stream[s.from:s.to]))
			}
			keys, _, text := tr.heard(t)
			require.Equal(t, c.keys, keys)
			require.Equal(t, c.gaps, strings.Contains(text, "1 gaps in TCP connections that carry SIP"))
		})
	}
}

// Whatever comes, what is cut off and what stays is of the data, and all of a stream is cut
// the same way in pieces as at once.
func FuzzCutMessage(f *testing.F) {
	f.Add([]byte(infoOf("5")+infoOf("6")+"BYE"), uint16(100))
	f.Add([]byte("\r\n\r\nSIP/2.0 200 OK\r\nl: 3\r\n\r\nabcdef"), uint16(7))
	f.Add([]byte("BYE a SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n"), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		cut := func(all []string, data []byte) ([]string, []byte) {
			for {
				message, rest := cutMessage(data)
				if message == nil {
					require.True(t, bytes.HasSuffix(data, rest))
					return all, rest
				}
				require.Less(t, len(rest), len(data))
				require.True(t, isSIP(message))
				all, data = append(all, string(message)), rest
			}
		}
		whole, left := cut(nil, data)
		if len(left) == 0 || len(data) > maxStartLine {
			return // something else, or without a length, ends where a piece does
		}
		var pieces []string
		var held []byte
		for part := range slices.Chunk(data, max(1, int(piece))) {
			pieces, held = cut(pieces, append(held, part...))
		}
		require.Equal(t, left, held)
		require.Equal(t, whole, pieces)
	})
}

// Frames of any kind are taken apart or passed over, twice the same way.
func FuzzFrames(f *testing.F) {
	tcp := []byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9, 0x13, 0xC4, 0x13, 0xC4, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 0, 9, 0, 0, 0, 0}
	f.Add(append(tcp, "BYE a SIP/2.0\r\nl:0\r\n"...), uint8(60))
	f.Add(append(bytes.Clone(tcp[:40]), append(bytes.Clone(tcp[:27]), 0, 0, 0, 0, 0, 0x50, 0x11, 0, 9, 0, 0, 0, 0)...), uint8(40))
	part := []byte{0x45, 0, 0, 28, 0, 7, 0x20, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9, 0x13, 0xC4, 0x13, 0xC4, 0, 16, 0, 0}
	f.Add(append(bytes.Clone(part), append(append(bytes.Clone(part[:6]), 0, 1), part[8:]...)...), uint8(28))
	v6 := append([]byte{0x60, 0, 0, 0, 0, 16, 44, 64}, make([]byte, 32)...)
	f.Add(append(bytes.Clone(v6), 17, 0, 0, 1, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8), uint8(56))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		told := func() (all []string) {
			u := newUnpacker(func(body []byte, id streamID, udp bool) { all = append(all, fmt.Sprint(id, udp, body)) })
			for frame := range slices.Chunk(data, max(1, int(size))) {
				u.frame(frame, layers.LinkTypeRaw, gopacket.CaptureInfo{})
			}
			u.end()
			return append(all, fmt.Sprint(len(u.open), u.segments.missing))
		}
		require.Equal(t, told(), told())
	})
}
