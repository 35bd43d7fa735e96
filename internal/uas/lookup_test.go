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
	for identity, want := range map[string]string{
		"": "", "none": "", "pai": "P-Asserted-Identity", "from": "From", "header  X-Mailbox ": "X-Mailbox",
		"From": "", "header": "", "header a b": "", "guess": "",
	} {
		p := Peer{Identity: identity}
		require.Equal(t, want, p.Believes(), identity)
		require.Equal(t, want != "", p.Trusted(), identity)
	}
}

func TestAddressesArePrefixes(t *testing.T) {
	p := Peer{Addresses: []string{"192.0.2.20", "::ffff:192.0.2.21", "pbx.example.org", "10.1.2.3/8", "2001:db8::1/32"}}
	var told []string
	for _, one := range p.Prefixes() {
		told = append(told, one.String())
	}
	require.Equal(t, []string{"192.0.2.20/32", "192.0.2.21/32", "10.0.0.0/8", "2001:db8::/32"}, told)
}
