package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/prompt"
)

// A recording of 16 kHz, one whose writer was stopped, and one at a rate that is not heard.
func TestDigitsOfOtherWAVs(t *testing.T) {
	wide := make([]int16, 0, 32000)
	for _, s := range append(toneCall("27"), make([]int16, 2000)...) {
		wide = append(wide, s, s)
	}
	read := func(data []byte) (*keysHeard, error) {
		h := &keysHeard{show: true}
		return h, h.read(data)
	}
	h, err := read(prompt.WriteWAV(16000, wide))
	require.NoError(t, err)
	require.Len(t, h.told, 2)
	require.Equal(t, "2", h.told[0].key)
	require.InDelta(t, 100, h.told[0].start.Milliseconds(), 6)
	require.Empty(t, h.note)

	live := prompt.WriteWAV(8000, toneCall("27"))
	binary.LittleEndian.PutUint32(live[4:], 0)
	binary.LittleEndian.PutUint32(live[40:], 0)
	h, err = read(live)
	require.NoError(t, err)
	require.Len(t, h.told, 2)
	require.Contains(t, h.note[0], "header is not finished")

	_, err = read(prompt.WriteWAV(44100, wide))
	require.ErrorContains(t, err, "44100 Hz, not 8000 or 16000")
}

// Comfort noise in a pause is no loss across which one press goes on.
func TestDigitsOfATelephoneThatIsSilentBetweenKeys(t *testing.T) {
	format, _ := codec.ByID(codec.PCMA)
	key, _ := dtmf.DigitOf('1')
	sound := dtmf.NewToneSound(key, 10, 8000)
	tr := newTrace(t)
	for i := range 30 {
		p := rtp.Packet{Header: rtp.Header{PayloadType: 13, SSRC: 7, SequenceNumber: uint16(i), Timestamp: uint32(160 * i)}, Payload: []byte{60}}
		if i%5 < 3 {
			pcm := make([]int16, 160)
			sound.Fill(pcm)
			p.PayloadType, p.Payload = format.PayloadType, make([]byte, 160)
			format.Encode(p.Payload, pcm)
		}
		tr.rtp(t, time.Duration(i+1)*20*millisecond, "192.0.2.1:4000", p)
	}
	keys, _, text := tr.heard(t)
	require.Equal(t, "111111", keys)
	require.NotContains(t, text, "type 13")
}

func eachFrame(t *testing.T, tr *trace, visit func([]byte, gopacket.CaptureInfo)) {
	r, err := pcapgo.NewReader(bytes.NewReader(tr.Bytes()))
	require.NoError(t, err)
	for {
		frame, info, err := r.ReadPacketData()
		if err != nil {
			return
		}
		visit(frame, info)
	}
}

// The same call in every kind of capture, and under every link.
func TestDigitsOfEveryKindOfCapture(t *testing.T) {
	vlan := func(f []byte) []byte { return append(append(bytes.Clone(f[:12]), 0x81, 0, 0, 97), f[12:]...) }
	sll2 := func(f []byte) []byte { return append(append([]byte{8, 0}, make([]byte, 18)...), f[14:]...) }
	bare := func(f []byte) []byte { return f[14:] }
	six := func(f []byte) []byte {
		p := gopacket.NewPacket(f, layers.LinkTypeEthernet, gopacket.Default)
		udp := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8::9")}
		return framed(t, layers.EthernetTypeIPv6, ip, &layers.UDP{SrcPort: udp.SrcPort, DstPort: udp.DstPort}, udp.Payload)
	}
	tcp := func(f []byte) []byte {
		p := gopacket.NewPacket(f, layers.LinkTypeEthernet, gopacket.Default)
		udp, ip := p.Layer(layers.LayerTypeUDP).(*layers.UDP), p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		if !isSIP(udp.Payload) {
			return f
		}
		to := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: ip.SrcIP, DstIP: ip.DstIP}
		return framed(t, layers.EthernetTypeIPv4, to, &layers.TCP{SrcPort: 5060, DstPort: 5060, PSH: true, ACK: true}, udp.Payload)
	}
	for name, c := range map[string]struct {
		link layers.LinkType
		kind string
		wrap func([]byte) []byte
	}{
		"nanoseconds": {layers.LinkTypeEthernet, "nano", bytes.Clone}, "pcapng": {layers.LinkTypeEthernet, "ng", bytes.Clone},
		"VLAN": {layers.LinkTypeEthernet, "", vlan}, "IPv6": {layers.LinkTypeEthernet, "", six}, "SIP over TCP": {layers.LinkTypeEthernet, "", tcp},
		"any interface": {layers.LinkTypeLinuxSLL2, "", sll2}, "raw": {layers.LinkTypeRaw, "", bare}, "IPv4 alone": {layers.LinkTypeIPv4, "", bare},
		"pcapng of two interfaces, the second raw": {layers.LinkTypeRaw, "ng2", bare},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			write := packetWriter(t, &out, c.kind, c.link)
			eachFrame(t, keyed(t), func(frame []byte, info gopacket.CaptureInfo) {
				frame = c.wrap(frame)
				info.CaptureLength, info.Length = len(frame), len(frame)
				write(info, frame)
			})
			h := &keysHeard{show: true}
			require.NoError(t, h.read(out.Bytes()))
			require.Len(t, h.told, 2, h.note)
			require.Equal(t, "*", h.told[0].key)
			require.Equal(t, "6", h.told[1].key)
			require.Equal(t, time.Second, h.told[1].emit)
			require.Len(t, h.note, 1)
		})
	}
}

// packetWriter writes a capture: "" pcap, "nano" of nanoseconds, "ng" pcapng, "ng2" whose
// first interface is another one.
func packetWriter(t *testing.T, out *bytes.Buffer, kind string, link layers.LinkType) func(gopacket.CaptureInfo, []byte) {
	if !strings.HasPrefix(kind, "ng") {
		w := pcapgo.NewWriter(out)
		if kind == "nano" {
			w = pcapgo.NewWriterNanos(out)
		}
		require.NoError(t, w.WriteFileHeader(65535, link))
		return func(info gopacket.CaptureInfo, frame []byte) { require.NoError(t, w.WritePacket(info, frame)) }
	}
	first, index := link, 0
	if kind == "ng2" {
		first, index = layers.LinkTypeEthernet, 1
	}
	w, err := pcapgo.NewNgWriter(out, first)
	require.NoError(t, err)
	if index == 1 {
		_, err = w.AddInterface(pcapgo.NgInterface{Name: "tun0", LinkType: link, TimestampResolution: 9})
		require.NoError(t, err)
	}
	return func(info gopacket.CaptureInfo, frame []byte) {
		info.InterfaceIndex = index
		require.NoError(t, w.WritePacket(info, frame))
		require.NoError(t, w.Flush())
	}
}

// framed is an Ethernet frame.
func framed(t *testing.T, kind layers.EthernetType, network gopacket.NetworkLayer, transport gopacket.SerializableLayer, body []byte) []byte {
	require.NoError(t, transport.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}).SetNetworkLayerForChecksum(network))
	buf := gopacket.NewSerializeBuffer()
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: kind}
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, network.(gopacket.SerializableLayer), transport, gopacket.Payload(body)))
	return buf.Bytes()
}

func TestMaskedTonesAreAlike(t *testing.T) {
	file := filepath.Join(t.TempDir(), "call.wav")
	told := map[string]string{}
	for _, key := range []byte("0123456789*#ABCD") {
		require.NoError(t, os.WriteFile(file, prompt.WriteWAV(8000, toneCall(string(key))), 0o600))
		told[digitsOf(t, file)+digitsOf(t, "--json", file)] += string(key)
	}
	require.Len(t, told, 1)
}
