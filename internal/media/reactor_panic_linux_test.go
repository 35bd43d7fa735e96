package media

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mined is a socket that fails at its next write.
type mined struct{ PacketConn }

func (mined) WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error) { panic("a write failed") }

// A program error on the thread ends the call that met it; its neighbours and the thread
// go on.
func TestReactorOutlivesAPanic(t *testing.T) {
	for _, row := range []struct {
		name string
		rtp  bool
		meet func(*testing.T, *session, *net.UDPConn)
	}{
		{"in a frame", true, func(*testing.T, *session, *net.UDPConn) {}},
		{"in a report", false, func(_ *testing.T, s *session, _ *net.UDPConn) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.alarm.at(alarmReport, 1, 0)
		}},
		{"in a packet of the caller", false, func(t *testing.T, s *session, far *net.UDPConn) {
			packet := make([]byte, 200) // our own: a collision, which sends a BYE
			n, _, err := far.ReadFromUDPAddrPort(packet)
			require.NoError(t, err)
			_, err = far.WriteToUDPAddrPort(packet[:n], s.LocalAddr())
			require.NoError(t, err)
		}},
		{"in the farewell", false, func(_ *testing.T, s *session, _ *net.UDPConn) { s.Close() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := DefaultOptions()
			o.Engine, o.Pacers = EngineReactor, 1
			causes := make(chan any, 9)
			o.OnPanic = func(cause any) { causes <- cause }
			e, err := New(o)
			require.NoError(t, err)
			defer func() { require.NoError(t, e.Close()) }()
			call := func() (*session, *net.UDPConn) {
				far, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
				require.NoError(t, err)
				t.Cleanup(func() { far.Close() })
				require.NoError(t, far.SetReadDeadline(time.Now().Add(time.Minute)))
				s, err := e.Open(loopback)
				require.NoError(t, err)
				stream := benchStream
				stream.Remote = far.LocalAddr().(*net.UDPAddr).AddrPort()
				s.Set(stream)
				s.Start(0)
				return s.(*session), far
			}
			s, far := call()
			_, other := call()
			s.mu.Lock()
			armed := &s.ports.rtcp
			if row.rtp {
				armed = &s.ports.rtp
			}
			*armed = mined{*armed}
			s.mu.Unlock()
			row.meet(t, s, far)
			require.Equal(t, "a write failed", <-causes)
			_, open := <-s.Events()
			require.False(t, open, "the call is not told")
			for range 10 {
				_, _, err := other.ReadFromUDPAddrPort(make([]byte, 200))
				require.NoError(t, err)
			}
			_, later := call()
			_, _, err = later.ReadFromUDPAddrPort(make([]byte, 200))
			require.NoError(t, err)
			require.Empty(t, causes)
		})
	}
}
