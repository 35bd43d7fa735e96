package main

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/ip4defrag"
	"github.com/gopacket/gopacket/ip6defrag"
	"github.com/gopacket/gopacket/layers"
)

// unpacker takes the packets of a capture apart: datagrams that came in several IP packets
// (RFC 791 section 3.2, RFC 8200 section 4.5) and SIP messages that came in several TCP
// segments (RFC 3261 section 18.3) are put together.
type unpacker struct {
	take     func(body []byte, id streamID, udp bool) // a datagram, or a SIP message of a connection
	v4       *ip4defrag.IPv4Defragmenter
	v6       *ip6defrag.IPv6Defragmenter
	open     map[datagramID]bool // of which only some fragments came so far
	segments *segments
}

// datagramID is what the fragments of a datagram have in common.
type datagramID struct {
	flow   gopacket.Flow
	number uint32
}

func newUnpacker(take func(body []byte, id streamID, udp bool)) *unpacker {
	return &unpacker{
		take: take, v4: ip4defrag.NewIPv4Defragmenter(), v6: ip6defrag.NewIPv6Defragmenter(), open: map[datagramID]bool{},
		segments: newSegments(func(message []byte, id streamID) { take(message, id, false) }),
	}
}

// frame takes one frame, which it does not keep; false: it has no meaning here.
func (u *unpacker) frame(frame []byte, link gopacket.Decoder, info gopacket.CaptureInfo) bool {
	p := decoded(frame, link)
	if isFragment(p) {
		if p = u.whole(decoded(bytes.Clone(frame), link), info.Timestamp); p == nil { // it is kept
			return true
		}
	}
	network, transport := p.NetworkLayer(), p.TransportLayer()
	if network == nil || transport == nil {
		return transport != nil || p.ErrorLayer() == nil
	}
	switch l := transport.(type) {
	case *layers.UDP:
		u.take(l.Payload, idOf(network.NetworkFlow(), uint16(l.SrcPort), uint16(l.DstPort)), true)
	case *layers.TCP:
		u.segments.add(network.NetworkFlow(), l, info)
	}
	return true
}

// end takes what still waits for segments that never came.
func (u *unpacker) end() { u.segments.end() }

func decoded(data []byte, first gopacket.Decoder) gopacket.Packet {
	return gopacket.NewPacket(data, first, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
}

func idOf(network gopacket.Flow, from, to uint16) streamID {
	src, _ := netip.AddrFromSlice(network.Src().Raw())
	dst, _ := netip.AddrFromSlice(network.Dst().Raw())
	return streamID{netip.AddrPortFrom(src, from), netip.AddrPortFrom(dst, to)}
}

func isFragment(p gopacket.Packet) bool {
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		return ip.Flags&layers.IPv4MoreFragments != 0 || ip.FragOffset != 0
	case *layers.IPv6:
		return p.Layer(layers.LayerTypeIPv6Fragment) != nil
	}
	return false
}

// whole is the datagram of which p is the last fragment; nil while others are missing.
func (u *unpacker) whole(p gopacket.Packet, at time.Time) gopacket.Packet {
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		id := datagramID{ip.NetworkFlow(), uint32(ip.Id)}
		u.open[id] = true
		if all, err := u.v4.DefragIPv4WithTimestamp(ip, at); err == nil && all != nil {
			delete(u.open, id)
			return rebuilt(all, all.Payload)
		}
	case *layers.IPv6:
		part := p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment)
		id := datagramID{ip.NetworkFlow(), part.Identification}
		u.open[id] = true
		if all := u.v6.DefragIPv6(ip, part); all != nil {
			delete(u.open, id)
			return rebuilt(all, all.Payload)
		}
	}
	return nil
}

// header is that of IP.
type header interface {
	gopacket.SerializableLayer
	LayerType() gopacket.LayerType
}

// rebuilt is the packet that was sent in fragments.
func rebuilt(h header, payload []byte) gopacket.Packet {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, h, gopacket.Payload(payload)); err != nil {
		return nil
	}
	return decoded(b.Bytes(), h.LayerType())
}
