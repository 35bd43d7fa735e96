package uas

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPeersAreFoundByTheirAddressAsAtTheDoor(t *testing.T) {
	o := DefaultOptions()
	o.Peers = []Peer{
		{Name: "trunk", Addresses: []string{"192.0.2.0/24"}},
		{Name: "pbx", Addresses: []string{"192.0.2.20", "2001:db8::/32"}, Transports: []string{"udp"}, Identity: "pai"},
	}
	for from, want := range map[string]string{
		"udp 192.0.2.20": "pbx", "tcp 192.0.2.20": "", "udp 192.0.2.21": "trunk", "tcp 192.0.2.21": "trunk",
		"udp 2001:db8::1": "pbx", "udp ::ffff:192.0.2.20": "pbx", "udp 198.51.100.1": "", "udp ::1": "",
	} {
		p, ok := o.PeerAt(from[:3], netip.MustParseAddr(from[4:]))
		require.Equal(t, want != "", ok, from)
		require.Equal(t, want, p.Name, from)
	}
	_, ok := Options{Peers: []Peer{{Name: "x", Identity: "guess"}}}.PeerAt("udp", netip.MustParseAddr("::1"))
	require.False(t, ok)
}

func TestAPeerIsTrustedWhoseWordIsBelieved(t *testing.T) {
	for identity, want := range map[string]bool{"": false, "none": false, "pai": true, "from": true, "header X-Mailbox": true, "guess": false} {
		require.Equal(t, want, Peer{Identity: identity}.Trusted(), identity)
	}
}
