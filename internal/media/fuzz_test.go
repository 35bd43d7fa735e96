package media

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
)

// datagrams cuts fuzz input into datagrams: a length of two bytes before each.
func datagrams(data []byte) (list [][]byte) {
	for len(data) >= 2 && len(list) < 64 {
		n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
		list, data = append(list, data[2:2+n]), data[2+n:]
	}
	return list
}

func joined(list ...[]byte) (data []byte) {
	for _, d := range list {
		data = append(binary.BigEndian.AppendUint16(data, uint16(len(d))), d...)
	}
	return data
}

// mayPress reads a datagram by hand: could it hold an event that is a key? It is a
// second reading of RFC 3550 section 5.1 and RFC 4733 section 2.3, laxer than the
// program's where that costs nothing.
func mayPress(d []byte) bool {
	if len(d) < 12 || d[0]>>6 != 2 {
		return false
	}
	head := 12 + 4*int(d[0]&15)
	switch d[1] & 0x7F {
	case 101:
		return len(d) >= head+4
	case 121:
		return len(d) >= head+5
	}
	return false
}

// FuzzRTP feeds datagrams from the caller's and a stranger's address. No digit comes
// out unless the caller sent an event; the session sends and hears keys afterwards.
func FuzzRTP(f *testing.F) {
	event := []byte{0x80, 101, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 5, 10, 0, 160}
	audio := append([]byte{0x80, 0, 0, 2, 0, 0, 1, 64, 0, 0, 0, 7}, make([]byte, 160)...)
	f.Add(joined(event, audio))
	f.Add(joined(append([]byte{0x8F}, event[1:]...), append([]byte{0xB0}, event[1:]...)))
	f.Add(joined([]byte{0x80, 121, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0x80 | 101, 0, 0, 4, 101, 1, 10, 0, 1, 1, 10, 0, 2}, event))
	f.Add(joined([]byte{0x90, 101, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0xBE, 0xDE, 0, 1, 0x10, 1, 0, 0, 3, 10, 0, 160}))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBench(t, &sink{})
		b.Start(0)
		var allowed bool
		for i, d := range datagrams(data) {
			from := signalled
			if i%4 == 3 {
				from = netip.AddrPortFrom(loopback, 9)
			}
			allowed = allowed || from == signalled && mayPress(d)
			b.now += time.Duration(len(d)) * time.Millisecond
			b.receive(d, from, b.now)
		}
		if b.queue.size() > 0 {
			require.True(t, allowed, "a digit out of nothing")
		}
		require.LessOrEqual(t, b.queue.size(), EventQueue)
		b.drain()
		b.now += time.Minute
		b.far.SSRC, b.far.SequenceNumber, b.far.Timestamp = ^b.parsed.SSRC, 1, 5000
		pieces := keyPieces()
		b.hear(101, pieces[0].Payload[:])
		var heard bool
		for b.queue.size() > 0 {
			e := b.queue.take()
			heard = heard || e.Kind == Pressed && e.Report.Kind == dtmf.Down && e.Report.Digit == 5
		}
		require.True(t, heard, "the next key counts")
		sent := b.sink.sent
		b.frame()
		require.Equal(t, sent+1, b.sink.sent)
	})
}

// FuzzRTCP feeds control datagrams. No event comes out, and the next true report is
// understood.
func FuzzRTCP(f *testing.F) {
	rr, _ := (&rtcp.ReceiverReport{SSRC: 7, Reports: []rtcp.ReceptionReport{{SSRC: 1}}}).Marshal()
	sr, _ := (&rtcp.SenderReport{SSRC: 7, NTPTime: 1 << 40}).Marshal()
	bye, _ := (&rtcp.Goodbye{Sources: []uint32{7}, Reason: "x"}).Marshal()
	f.Add(joined(rr, sr, append(append([]byte{}, sr...), bye...)))
	f.Add(joined(append(append([]byte{}, rr...), 0x80, 207, 0, 0), rr[:9]))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBench(t, &sink{})
		b.Start(0)
		b.audio(make([]byte, 160))
		for i, d := range datagrams(data) {
			from := benchStream.RemoteRTCP
			if i%2 == 1 {
				from = netip.AddrPortFrom(signalled.Addr(), 7777)
			}
			b.receiveRTCP(d, from, b.now)
			b.sendReport(b.now)
		}
		require.Empty(t, b.queue.ch)
		require.False(t, b.closed)
		good, err := rtcp.CompoundPacket{
			&rtcp.ReceiverReport{SSRC: 7, Reports: []rtcp.ReceptionReport{{SSRC: b.out.header.SSRC, TotalLost: 4242}}},
			rtcp.NewCNAMESourceDescription(7, "far"),
		}.Marshal()
		require.NoError(t, err)
		b.receiveRTCP(good, benchStream.RemoteRTCP, b.now)
		require.Equal(t, b.Stats().PacketsOut, b.Stats().RemoteLost, "no more than were sent, whoever says so")
	})
}
