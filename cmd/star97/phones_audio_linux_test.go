package main

import (
	"encoding/binary"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"star97/internal/codec"
	"star97/internal/prompt"
)

// rtpAudio lines up the PCMU audio that reaches one port.
type rtpAudio struct {
	port int

	mu      sync.Mutex
	samples []int16
	begun   bool
	next    uint32 // timestamp
}

// longestSilence bounds what is put in the place of packets that did not come.
const longestSilence = 2 * prompt.Rate

// packet takes one RTP packet. What is not audio, or is late, is left out. A talkspurt
// begins right after the one before (RFC 3551 section 4.1): a sentence that the sender
// came late to goes on.
func (a *rtpAudio) packet(data []byte) {
	var p rtp.Packet
	format, _ := codec.ByID(codec.PCMU)
	if p.Unmarshal(data) != nil || p.PayloadType != format.PayloadType {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	gap := int32(p.Timestamp - a.next)
	switch {
	case !a.begun, p.Marker && gap > -int32(len(p.Payload)):
	case gap < 0:
		return
	default:
		a.samples = append(a.samples, make([]int16, min(gap, longestSilence))...)
	}
	pcm := make([]int16, len(p.Payload))
	format.Decode(pcm, p.Payload)
	a.samples = append(a.samples, pcm...)
	a.begun, a.next = true, p.Timestamp+uint32(len(pcm))
}

// take returns what came so far.
func (a *rtpAudio) take(t testing.TB) []int16 {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.NotEmpty(t, a.samples, "no audio came to port %d", a.port)
	return a.samples
}

// receiveRTP opens a port of the test's own.
func receiveRTP(t testing.TB) *rtpAudio {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	a := &rtpAudio{port: conn.LocalAddr().(*net.UDPAddr).Port}
	// The reader of one port: started here, stops when the port is closed.
	go func() {
		data := make([]byte, 2048)
		for {
			n, err := conn.Read(data)
			if err != nil {
				return
			}
			a.packet(data[:n])
		}
	}()
	return a
}

const (
	allIPv4      = 0x0800 // ETH_P_IP
	captureEvery = 200 * time.Millisecond
)

// captureRTP takes the packets that reach another program's port on loopback.
func captureRTP(t testing.TB, port int) *rtpAudio {
	t.Helper()
	network := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, allIPv4)) // htons
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, int(network))
	if err != nil && os.Getenv("STAR97_PHONES") == "optional" {
		t.Skip("capturing packets needs root")
	}
	require.NoError(t, err, "capturing what SIPp receives needs root (CAP_NET_RAW), as SIPp's own events do; "+
		"run make test as root or leave real telephones out with STAR97_PHONES=optional")
	only(t, fd, port)
	lo, err := net.InterfaceByName("lo")
	require.NoError(t, err)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: network, Ifindex: lo.Index}))
	wake := syscall.NsecToTimeval(captureEvery.Nanoseconds())
	require.NoError(t, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &wake))
	a := &rtpAudio{port: port}
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-stopped })
	// The capture of one port: started here, stops when the test ends, owns the socket.
	go func() {
		defer close(stopped)
		defer syscall.Close(fd)
		for data := make([]byte, 2048); ; {
			select {
			case <-stop:
				return
			default:
			}
			n, from, err := syscall.Recvfrom(fd, data, 0)
			if link, ok := from.(*syscall.SockaddrLinklayer); err == nil && ok && link.Pkttype != syscall.PACKET_OUTGOING {
				a.ip(data[:n])
			}
		}
	}()
	return a
}

// only lets the kernel drop what is not UDP (RFC 768) in IPv4 (RFC 791) to the port:
// on a busy machine the rest would flood the socket.
func only(t testing.TB, fd, port int) {
	t.Helper()
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1}, // protocol
		bpf.JumpIf{Val: syscall.IPPROTO_UDP, SkipFalse: 4},
		bpf.LoadMemShift{Off: 0},          // X = length of the IP header
		bpf.LoadIndirect{Off: 2, Size: 2}, // destination port
		bpf.JumpIf{Val: uint32(port), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{},
	})
	require.NoError(t, err)
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	require.NoError(t, unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}))
}

// ip takes a UDP packet to the port out of an IPv4 packet. What came before there was
// a filter is not all of that kind.
func (a *rtpAudio) ip(data []byte) {
	const udpHeader = 8
	if len(data) < 20 || data[9] != syscall.IPPROTO_UDP {
		return
	}
	header := int(data[0]&0x0f) * 4
	if len(data) < header+udpHeader || int(binary.BigEndian.Uint16(data[header+2:])) != a.port {
		return
	}
	a.packet(data[header+udpHeader:])
}
