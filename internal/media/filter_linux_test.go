package media

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The kernel judges as the machine does, for every payload type; what was there before the
// filter is read, and after it everything comes again.
func TestTheKernelFilters(t *testing.T) {
	for _, local := range []string{"127.0.0.1", "::1"} {
		t.Run(local, func(t *testing.T) {
			conn, err := listenUDP(netip.AddrPortFrom(netip.MustParseAddr(local), 0), 0)
			if err != nil && strings.Contains(local, ":") {
				t.Skip("no IPv6 here: ", err)
			}
			require.NoError(t, err)
			defer conn.Close()
			c := conn.(*filtered)
			far, err := net.DialUDP("udp", nil, c.LocalAddr().(*net.UDPAddr))
			require.NoError(t, err)
			defer far.Close()
			send := func(first, second byte, seq uint16) {
				_, err := far.Write(append(head(first, second, seq), make([]byte, headerSize-4+160)...))
				require.NoError(t, err)
			}
			read := func(want ...byte) { // the second bytes of what comes, up to the mark
				send(0, 0, 0)
				var got []byte
				for data := make([]byte, 500); ; {
					require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
					n, _, err := c.ReadFromUDPAddrPort(data)
					require.NoError(t, err)
					require.Equal(t, headerSize+160, n, "cut off")
					if data[0] == 0 {
						break
					}
					got = append(got, data[1])
				}
				require.Equal(t, want, got)
			}
			const audio = 8
			send(0x80, audio, 1)
			port := uint16(far.LocalAddr().(*net.UDPAddr).Port)
			require.NoError(t, c.Thin(voice{port: port, pt: audio}))
			send(0x80, audio, 2)
			read(audio)
			through := thinMachine(t, audio)
			for second := range 256 {
				var want []byte
				for seq := uint16(0xFFC0 - 5); seq != 70; seq++ {
					send(0x80, byte(second), seq)
					if through(append(head(0x80, byte(second), seq), make([]byte, headerSize)...)) {
						want = append(want, byte(second))
					}
				}
				read(want...)
			}
			require.NoError(t, c.Thin(voice{port: port}), "another one in its place")
			send(0x80, audio, 3)
			send(0x80, 0, 3)
			read(audio)
			other, err := net.DialUDP("udp", nil, c.LocalAddr().(*net.UDPAddr))
			require.NoError(t, err)
			defer other.Close()
			_, err = other.Write(append(head(0x80, 0, 3), make([]byte, headerSize-4+160)...))
			require.NoError(t, err)
			read(0)
			require.NoError(t, c.Whole())
			require.NoError(t, c.Whole(), "nothing was attached")
			send(0x80, 0, 4)
			read(0)
		})
	}
}

func TestAClosedSocketRefusesTheFilter(t *testing.T) {
	conn, err := listenUDP(netip.AddrPortFrom(loopback, 0), 0)
	require.NoError(t, err)
	conn.Close()
	require.Error(t, conn.(*filtered).Thin(voice{}))
	require.Error(t, conn.(*filtered).Whole())
}
