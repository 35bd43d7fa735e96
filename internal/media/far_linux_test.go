package media_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"star97/internal/media"
)

// farEnd is the telephones of many calls in a process of their own, so that the
// processor time of this one is the engine's.
type farEnd struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	addrs []netip.AddrPort
}

// farReport is what the telephones met from the second second on.
type farReport struct {
	Packets             int
	Lost                int
	P50, P99, P999, Max int // of abs(gap - 20 ms) in microseconds
}

// newFarEnd starts n telephones, which talk or not.
func newFarEnd(t testing.TB, n int, talk bool) *farEnd {
	f := &farEnd{cmd: exec.Command(os.Args[0], "-test.run=^TestFarEnd$")}
	f.cmd.Env = append(os.Environ(), fmt.Sprintf("STAR97_FAR=%d,%t", n, talk))
	f.cmd.Stderr = os.Stderr
	var err error
	f.in, err = f.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := f.cmd.StdoutPipe()
	require.NoError(t, err)
	f.out = bufio.NewReader(out)
	require.NoError(t, f.cmd.Start())
	f.read(t, &f.addrs)
	return f
}

func (f *farEnd) read(t testing.TB, into any) {
	line, err := f.out.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(line), into))
}

// begin tells the telephones where their calls are.
func (f *farEnd) begin(t testing.TB, to []netip.AddrPort) {
	require.NoError(t, json.NewEncoder(f.in).Encode(to))
}

// end asks what they met.
func (f *farEnd) end(t testing.TB) (r farReport) {
	require.NoError(t, f.in.Close())
	f.read(t, &r)
	require.NoError(t, f.cmd.Wait())
	return r
}

// TestFarEnd is the other process.
func TestFarEnd(t *testing.T) {
	calls, talk, ok := strings.Cut(os.Getenv("STAR97_FAR"), ",")
	if !ok {
		t.Skip("is run by benchmarks")
	}
	n, err := strconv.Atoi(calls)
	require.NoError(t, err)
	phones, addrs := make([]farPhone, n), make([]netip.AddrPort, n)
	for i := range phones {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(home, 0)))
		require.NoError(t, err)
		raw, err := c.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }))
		require.NoError(t, err)
		phones[i].conn, addrs[i] = c, c.LocalAddr().(*net.UDPAddr).AddrPort()
		phones[i].batch = ipv4.NewPacketConn(c)
	}
	require.NoError(t, json.NewEncoder(os.Stdout).Encode(addrs))
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	var to []netip.AddrPort
	require.NoError(t, json.Unmarshal([]byte(line), &to))
	for i := range phones {
		phones[i].to = to[i]
	}
	ended := make(chan struct{})
	go func() { _, _ = in.ReadByte(); close(ended) }()
	require.NoError(t, json.NewEncoder(os.Stdout).Encode(beat(phones, talk == "true", ended)))
	os.Exit(0) // without the words of a test
}

type farPhone struct {
	conn  *net.UDPConn
	batch *ipv4.PacketConn
	to    netip.AddrPort
	seq   uint16
	last  time.Time
	next  uint16 // sequence number expected
}

// beat lets a quarter of the telephones read and talk every 5 ms.
func beat(phones []farPhone, talk bool, ended chan struct{}) (r farReport) {
	runtime.LockOSThread()
	var off []time.Duration
	packet := make([]byte, 172)
	packet[0] = 0x80
	messages := make([]ipv4.Message, 8)
	for i := range messages {
		messages[i].Buffers, messages[i].OOB = [][]byte{make([]byte, 200)}, make([]byte, 64)
	}
	began := time.Now()
	for n := 1; ; n++ {
		select {
		case <-ended:
			if len(off) == 0 {
				return r // this machine had no time for it
			}
			slices.Sort(off)
			at := func(share float64) int { return int(off[int(share*float64(len(off)-1))].Microseconds()) }
			r.Packets, r.P50, r.P99, r.P999, r.Max = len(off), at(0.5), at(0.99), at(0.999), at(1)
			return r
		default:
		}
		time.Sleep(time.Until(began.Add(time.Duration(n) * 5 * time.Millisecond)))
		for i := n % 4; i < len(phones); i += 4 {
			p := &phones[i]
			if talk {
				p.seq++
				binary.BigEndian.PutUint16(packet[2:], p.seq)
				binary.BigEndian.PutUint32(packet[4:], uint32(p.seq)*160)
				_, _ = p.conn.WriteToUDPAddrPort(packet, p.to)
			}
			got, _ := p.batch.ReadBatch(messages, unix.MSG_DONTWAIT)
			for _, m := range messages[:max(got, 0)] {
				if m.Buffers[0][1] >= 200 { // RTCP comes to the same port
					continue
				}
				off = p.take(&r, off, m, n > 200)
			}
		}
	}
}

func (p *farPhone) take(r *farReport, off []time.Duration, m ipv4.Message, counts bool) []time.Duration {
	seq := binary.BigEndian.Uint16(m.Buffers[0][2:])
	sec := int64(binary.NativeEndian.Uint64(m.OOB[16:]))
	at := time.Unix(sec, int64(binary.NativeEndian.Uint64(m.OOB[24:])))
	if counts && !p.last.IsZero() {
		if seq != p.next {
			r.Lost++
		}
		off = append(off, (at.Sub(p.last) - 20*time.Millisecond).Abs())
	}
	p.last, p.next = at, seq+1
	return off
}

// BenchmarkPacing lets many calls speak for a second each turn, to telephones that say
// nothing, that talk, or that talk to the kernel's filter, and prints how far the gaps between their packets are from 20 ms
// by the clock of the kernel, and the processor time that a call costs in a second.
// It compares nothing: the figures are for reading, side by side.
func BenchmarkPacing(b *testing.B) {
	for _, calls := range []int{200, 500, 1000, 2000} {
		for _, kind := range []string{"listening", "talking", "thinned"} {
			for _, engine := range []string{media.EnginePortable, media.EngineReactor} {
				b.Run(fmt.Sprintf("%d-calls/%s/%s", calls, kind, engine), func(b *testing.B) { benchPacing(b, engine, calls, kind) })
			}
		}
	}
}

// begin has one call of each telephone speak, in even steps.
func begin(b *testing.B, e media.Engine, far *farEnd, bend func(*media.Stream)) (sessions []media.Session) {
	var to []netip.AddrPort
	for i, addr := range far.addrs {
		s, err := e.Open(home)
		require.NoError(b, err)
		stream := (&phone{addr: addr, control: addr}).stream()
		bend(&stream)
		s.Set(stream)
		s.TonesOff()
		s.Say(speak(uint32(i), sentence(60000, 0)))
		s.Start(0)
		sessions, to = append(sessions, s), append(to, s.LocalAddr())
		time.Sleep(20 * time.Millisecond / time.Duration(len(far.addrs)))
	}
	far.begin(b, to)
	return sessions
}

func benchPacing(b *testing.B, engine string, calls int, kind string) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * runtime.NumCPU())) // as serve does
	o := media.DefaultOptions()
	o.Engine, o.PortMin, o.PortMax = engine, 20000, 30998
	e, err := media.New(o)
	require.NoError(b, err)
	defer e.Close()
	far := newFarEnd(b, calls, kind != "listening")
	begin(b, e, far, func(st *media.Stream) {
		if kind == "thinned" {
			st.Inband = media.InbandNever
		}
	})
	time.Sleep(1500 * time.Millisecond) // the filter waits for a second of audio
	b.ResetTimer()
	before, began := processor(), time.Now()
	time.Sleep(time.Duration(b.N) * time.Second)
	spent, took := processor()-before, time.Since(began)
	b.StopTimer()
	r := far.end(b)
	b.ReportMetric(float64(r.P50), "p50-us")
	b.ReportMetric(float64(r.P99), "p99-us")
	b.ReportMetric(float64(r.Max), "max-us")
	b.ReportMetric(float64(r.Lost), "lost")
	b.ReportMetric(float64(r.Packets), "packets")
	b.ReportMetric(float64(spent.Microseconds())/float64(calls)/took.Seconds(), "cpu-us/call-s")
	b.ReportMetric(0, "ns/op")
}
