package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func systemPorts(min, max uint16) *ports {
	return newPorts(min, max, func(at netip.AddrPort) (PacketConn, error) { return listenUDP(at, 46) })
}

func closePair(p pair) {
	p.rtp.Close()
	p.rtcp.Close()
}

// FreePorts finds the first of n pairs of ports that nobody holds, below the range
// from which the system takes the ports of others.
func FreePorts(t testing.TB, n int) uint16 {
	t.Helper()
	for range 1000 {
		first := uint16(31000 + 2*rand.IntN(800))
		free := true
		for port := first; port < first+2*uint16(n) && free; port++ {
			c, err := listenUDP(netip.AddrPortFrom(loopback, port), 0)
			if free = err == nil; free {
				c.Close()
			}
		}
		if free {
			return first
		}
	}
	require.FailNow(t, "no free ports")
	return 0
}

func TestPortsAreEvenPairsAndRunOut(t *testing.T) {
	first := FreePorts(t, 4)
	p := systemPorts(first, first+6)
	seen := map[uint16]bool{}
	for range 4 {
		got, err := p.open(loopback)
		require.NoError(t, err)
		t.Cleanup(func() { closePair(got) })
		require.Zero(t, got.port%2)
		require.False(t, seen[got.port])
		seen[got.port] = true
	}
	_, err := p.open(loopback)
	require.ErrorIs(t, err, ErrPortsExhausted)
	require.EqualError(t, err, fmt.Sprintf("media: no free RTP port pair in %d-%d at 127.0.0.1; widen port_min to port_max", first, first+7))
}

func TestPortsAreUsedAgainLast(t *testing.T) {
	first := FreePorts(t, 4)
	p := systemPorts(first, first+6)
	var order []uint16
	for range 8 {
		got, err := p.open(loopback)
		require.NoError(t, err)
		order = append(order, got.port)
		closePair(got)
		p.give(got.port)
	}
	require.Equal(t, order[:4], order[4:])
	slices.Sort(order[:4])
	require.Equal(t, []uint16{first, first + 2, first + 4, first + 6}, order[:4])
}

func TestPortsStartAtRandom(t *testing.T) {
	first := map[uint16]bool{}
	for range 50 {
		first[newPorts(40000, 60000, nil).free[0]] = true
	}
	require.Greater(t, len(first), 40)
}

func TestPortsHeldByOthersAreSkipped(t *testing.T) {
	for taken, name := range []string{"RTP", "RTCP"} {
		t.Run(name, func(t *testing.T) {
			first := FreePorts(t, 2)
			other, err := listenUDP(netip.AddrPortFrom(loopback, first+uint16(taken)), 0)
			require.NoError(t, err)
			p := systemPorts(first, first+2)
			got, err := p.open(loopback)
			require.NoError(t, err)
			require.Equal(t, first+2, got.port)
			_, err = p.open(loopback)
			require.ErrorIs(t, err, ErrPortsExhausted)
			other.Close()
			freed, err := p.open(loopback)
			require.NoError(t, err, "and tried again when its turn comes")
			closePair(got)
			closePair(freed)
		})
	}
}

func TestPortsNameTheRemedy(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.EMFILE:        "raise the limit of open files; each call takes two",
		syscall.EADDRNOTAVAIL: "set bind to addresses that this machine has",
		errors.New("odd"):     "check bind and the port range",
	} {
		p := newPorts(43400, 43402, func(netip.AddrPort) (PacketConn, error) { return nil, fmt.Errorf("listen: %w", cause) })
		_, err := p.open(loopback)
		require.ErrorIs(t, err, cause)
		require.ErrorContains(t, err, want)
		require.Len(t, p.free, 2, "nothing is lost from the range")
	}
	_, err := systemPorts(43400, 43402).open(netip.MustParseAddr("192.0.2.1"))
	require.ErrorContains(t, err, "set bind to addresses that this machine has")
}

func TestOptions(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	tests := []struct {
		name  string
		wrong func(*Options)
		want  string
	}{
		{"odd port", func(o *Options) { o.PortMin = 40001 }, "port_min is 40001; give an even port"},
		{"system port", func(o *Options) { o.PortMin = 80 }, "port_min is 80"},
		{"odd end", func(o *Options) { o.PortMax = 40999 }, "port_max is 40999"},
		{"upside down", func(o *Options) { o.PortMax = 30000 }, "port_max 30000 is below port_min 40000"},
		{"no address", func(o *Options) { o.Bind = []netip.Addr{{}} }, "bind holds invalid IP"},
		{"multicast", func(o *Options) { o.Bind = []netip.Addr{netip.MustParseAddr("224.0.0.1")} }, "bind holds 224.0.0.1"},
		{"dscp", func(o *Options) { o.DSCP = 64 }, "dscp is 64"},
		{"short timeout", func(o *Options) { o.Timeout = time.Second }, "timeout is 1s"},
		{"long timeout", func(o *Options) { o.Timeout = 2 * time.Hour }, "timeout is 2h"},
		{"no engine", func(o *Options) { o.Engine = "" }, `engine is ""; give auto, reactor or portable`},
		{"no pacer", func(o *Options) { o.Pacers = 0 }, "pacers is 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := DefaultOptions()
			tt.wrong(&o)
			require.ErrorContains(t, o.Validate(), tt.want)
			_, err := New(o)
			require.Error(t, err)
		})
	}
}

func TestBindFor(t *testing.T) {
	four, other, six := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1")
	for _, tt := range []struct {
		name  string
		bind  []netip.Addr
		local netip.Addr
		want  netip.Addr
	}{
		{"none listed: where the call came in", nil, four, four},
		{"listed itself", []netip.Addr{other, four}, four, four},
		{"mapped IPv4", []netip.Addr{four}, netip.MustParseAddr("::ffff:127.0.0.1"), four},
		{"first of the family", []netip.Addr{six, other}, four, other},
		{"IPv6", []netip.Addr{four, six}, netip.MustParseAddr("fe80::1"), six},
	} {
		got, err := Options{Bind: tt.bind}.bindFor(tt.local)
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.want, got, tt.name)
	}
	_, err := Options{Bind: []netip.Addr{four}}.bindFor(six)
	require.ErrorContains(t, err, "bind lists no address of the family of ::1")
	_, err = Options{}.bindFor(netip.Addr{})
	require.Error(t, err)
}

func TestFreePortsAreThoseThatNoSessionHas(t *testing.T) {
	o := DefaultOptions()
	o.PortMin = FreePorts(t, 3)
	o.PortMax = o.PortMin + 4
	e, err := New(o)
	require.NoError(t, err)
	defer e.Close()
	require.Equal(t, 3, e.FreePorts())
	s, err := e.Open(loopback)
	require.NoError(t, err)
	require.Equal(t, 2, e.FreePorts())
	s.Close()
	require.Equal(t, 3, e.FreePorts())
}
