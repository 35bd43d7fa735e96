package uas

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// ownerHeader tells, within this process alone, whose certificate the connection has shown
// that a request came by: sipgo hands over a request without its connection. A word that
// never leaves the process stands in it, so that nobody else can write one.
const ownerHeader = "Star97-Owner"

// recognize keeps whose certificate the far end has shown, if it was asked for one and
// somebody of the listener's client_ca has signed it.
func (c *gatedStream) recognize(state tls.ConnectionState) {
	if len(state.VerifiedChains) == 0 {
		return
	}
	p := ownerOf(state.PeerCertificates[0])
	c.owner = ownerHeader + ": " + c.gate.word + " " + url.QueryEscape(p.user) + "@" + url.QueryEscape(p.host) + "\r\n"
}

// branded is a request with the owner of the connection in it.
func (c *gatedStream) branded(msg []byte) []byte {
	begin := bytes.Index(msg, []byte("\r\n")) + 2
	if c.owner == "" || begin < 2 || bytes.HasPrefix(msg, []byte("SIP/")) {
		return bytes.Clone(msg)
	}
	return slices.Concat(msg[:begin], []byte(c.owner), msg[begin:])
}

// ownerOf is whom a certificate names: the user of its SIP URI (RFC 3261 section 26.3), or,
// where it has no alternative names that are URIs, its common name, which has no host.
// Nobody, if it names two.
func ownerOf(c *x509.Certificate) party {
	var all []party
	for _, u := range c.URIs {
		var uri sip.Uri
		if strings.HasPrefix(strings.ToLower(u.Scheme), "sip") && sip.ParseUri(u.String(), &uri) == nil && uri.User != "" {
			all = append(all, uriParty(uri))
		}
	}
	switch {
	case len(all) == 1:
		return all[0]
	case len(c.URIs) == 0:
		return party{user: c.Subject.CommonName}
	}
	return party{}
}

// owner is whose certificate came with the connection of a request; the zero party if it
// names nobody that can be a user. Without a certificate the request is refused.
func (s *Server) owner(req *sip.Request) (party, *refusal) {
	for _, h := range req.GetHeaders(ownerHeader) {
		word, name, _ := strings.Cut(h.Value(), " ")
		if word != s.gate.word {
			continue
		}
		user, host, _ := strings.Cut(name, "@")
		user, err1 := url.QueryUnescape(user)
		host, err2 := url.QueryUnescape(host)
		if err1 != nil || err2 != nil || !isUser(user) || strings.ContainsAny(user, "%;") {
			return party{}, nil
		}
		return party{user, host}, nil
	}
	return party{}, refuse(sip.StatusForbidden, "Forbidden").because("its connection has shown no certificate")
}

// validateOwners tells where peers with identity certificate could call without one.
func (o Options) validateOwners(bad func(string, ...any)) {
	for i, p := range o.Peers {
		if id, err := parseIdentity(p.Identity); err != nil || id.kind != byCertificate {
			continue
		}
		if len(p.Transports) != 1 || p.Transports[0] != "tls" {
			bad("peers[%d].identity is certificate, which only TLS shows; write transports: [tls] beside it", i)
		}
		for j, l := range o.Listen {
			if l.Network == "tls" && l.ClientCA == "" {
				bad("listen[%d].client_ca is empty, but peers[%d] (%s) has identity certificate; name a file of the CA certificates that sign those of telephones", j, i, p.Name)
			}
		}
		return
	}
}
