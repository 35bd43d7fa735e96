package uas

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

func uris(t testing.TB, texts ...string) (all []*url.URL) {
	for _, text := range texts {
		u, err := url.Parse(text)
		require.NoError(t, err)
		all = append(all, u)
	}
	return all
}

// Whose certificate it is says who calls, whatever the request says.
func TestTheCertificateNamesTheCaller(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) {
		o.Listen[0].ClientCA = a.file("ca.pem")
		o.Peers = []Peer{{Name: "edge", Addresses: []string{"0.0.0.0/0"}, Identity: "certificate", Transports: []string{"tls"}}}
	}, nil)
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for name, row := range map[string]struct {
		common string
		cert   x509.Certificate
		caller string // empty: nobody
	}{
		"a SIP URI":             {"phone-1", x509.Certificate{URIs: uris(t, "sip:4002@example.org")}, "4002"},
		"a SIPS URI and others": {"phone-2", x509.Certificate{URIs: uris(t, "https://example.org/x", "sips:4002@example.org"), DNSNames: []string{"p.example.org"}}, "4002"},
		"a common name":         {"4002", x509.Certificate{DNSNames: []string{"p.example.org"}}, "4002"},
		"two SIP URIs":          {"phone-3", x509.Certificate{URIs: uris(t, "sip:4002@example.org", "sip:4003@example.org")}, ""},
		"a URI of a domain":     {"4003", x509.Certificate{URIs: uris(t, "sip:example.org")}, ""}, // RFC 5922 section 7.1
		"an escaped number":     {"phone-4", x509.Certificate{URIs: uris(t, "sip:400%2532@example.org")}, ""},
		"a name that is nobody": {"anonymous", x509.Certificate{}, ""},
		"a name with a space":   {"Ann Example", x509.Certificate{}, "Ann Example"},
		"a name out of line":    {"4002\r\nX: y", x509.Certificate{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			row.cert.ExtKeyUsage = client
			cert, key := a.sign(&row.cert, row.common)
			p := h.tlsPhone(t, &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}})
			p.extra = ownerHeader + ": x 4001 example.org\r\n" + ownerHeader + ": 4001\r\n" // what anybody can write
			p.dial()
			c := h.calls.next(t)
			require.Equal(t, row.caller, c.arrival.Caller)
			if row.caller == "4002" {
				require.Equal(t, mailbox.OwnDoor, c.arrival.Door)
				require.Equal(t, "4002", c.arrival.Number)
				require.True(t, c.arrival.Proved)
			} else {
				require.Equal(t, mailbox.AnyDoor, c.arrival.Door)
				require.False(t, c.arrival.Proved)
			}
			p.send("BYE", "", "")
			p.expect(200)
		})
	}
	h.over(t)
	require.NotContains(t, h.log.String(), h.gate.word)
}

// Whoever learns the tags of a call is not its owner.
func TestAnotherCertificateSaysNothingInACall(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) {
		o.Listen[0].ClientCA = a.file("ca.pem")
		o.Peers = []Peer{{Name: "edge", Addresses: []string{"0.0.0.0/0"}, Identity: "certificate", Transports: []string{"tls"}}}
	}, nil)
	owned := func(name string) *phone {
		cert, key := a.sign(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, name)
		return h.tlsPhone(t, &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}})
	}
	p := owned("4002")
	p.dial()
	h.calls.next(t)
	thief := owned("4003")
	thief.callID, thief.tag, thief.toTag, thief.cseq = p.callID, p.tag, p.toTag, p.cseq
	for _, method := range []string{"INFO", "BYE"} {
		thief.send(method, "", "")
		thief.expect(403)
	}
	require.Equal(t, 1, h.Calls())
	p.send("BYE", "", "")
	p.expect(200)
	h.over(t)
}

func TestWithoutACertificateNobodyIsBelieved(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, nil, nil)
	o := testOptions()
	o.Peers = []Peer{{Name: "edge", Addresses: []string{"0.0.0.0/0"}, Identity: "certificate", Transports: []string{"tls"}}}
	require.NoError(t, h.Exchange(o, plan{defaultRoutes}, h.calls)) // the listener asks for none
	p := h.tlsPhone(t, &tls.Config{RootCAs: a.pool()})
	p.extra = ownerHeader + ": x 4001 example.org\r\n"
	p.send("INVITE", offerText, "application/sdp")
	p.expect(403)
}
