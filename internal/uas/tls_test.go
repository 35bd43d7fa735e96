package uas

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/srtp"
)

// authority signs certificates of a test.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64 // serial
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, "ca")
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) text(name string) string {
	text, err := os.ReadFile(a.file(name))
	require.NoError(a.t, err)
	return string(text)
}

// sign writes NAME.pem and NAME.key.
func (a *authority) sign(c *x509.Certificate, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	a.last++
	c.SerialNumber, c.Subject = big.NewInt(a.last), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	for ending, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: private}} {
		require.NoError(a.t, os.WriteFile(a.file(name+ending), pem.EncodeToMemory(block), 0o600))
	}
	signed, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return signed, key
}

func (a *authority) host(name string) {
	a.sign(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, name)
}

// named writes NAME.pem and NAME.key for a host of that name.
func (a *authority) named(name string) {
	a.sign(&x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, name)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) pair(name string) tls.Certificate {
	c, err := tls.LoadX509KeyPair(a.file(name+".pem"), a.file(name+".key"))
	require.NoError(a.t, err)
	return c
}

// secureHouse listens on TLS and, second, on TCP.
func secureHouse(t testing.TB, a *authority, options func(*Options), set func(*Server)) *house {
	a.host("server")
	return newHouse(t, setting{server: set, options: func(o *Options) {
		o.Listen = []Listen{
			{Network: "tls", Address: "127.0.0.1:0", Certificate: a.file("server.pem"), Key: a.file("server.key")},
			{Network: "tcp", Address: "127.0.0.1:0"},
		}
		o.CAFile = a.file("ca.pem")
		if options != nil {
			options(o)
		}
	}})
}

// tlsPhone is a telephone on a TLS connection.
func (h *house) tlsPhone(t testing.TB, c *tls.Config) *phone {
	t.Helper()
	conn, err := tls.Dial("tcp", h.at(0), c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &phone{t: t, network: "tls", conn: conn, reader: bufio.NewReader(conn), ruri: "sip:*97@" + h.at(0),
		callID: "call-" + randomToken()[:12], tag: "from-" + randomToken()[:8],
		contact: "<sip:4001@" + conn.LocalAddr().String() + ";transport=tls>"}
}

func TestACallOverTLS(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, nil, nil)
	for scheme, contact := range map[string]string{"sip": "<sip:star97@" + h.at(0) + ";transport=tls>", "sips": "<sips:star97@" + h.at(0) + ">"} {
		p := h.tlsPhone(t, &tls.Config{RootCAs: a.pool()})
		p.ruri = scheme + ":*97@" + h.at(0)
		ok := p.dial()
		require.Equal(t, contact, ok.get("Contact"))
		c := h.calls.next(t)
		require.Equal(t, "tls", c.arrival.Transport)
		c.leg.Hangup()
		bye := p.expectRequest("BYE")
		require.Contains(t, bye.get("Via"), "SIP/2.0/TLS ")
		p.reply(bye, "200 OK")
		h.over(t)
	}
	plain := h.tcp(t)
	plain.ruri = "sips:*97@" + h.at(1)
	plain.send("INVITE", offerText, "application/sdp")
	plain.expect(416)
}

func TestOldTLSIsNotSpoken(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, nil, nil)
	_, err := tls.Dial("tcp", h.at(0), &tls.Config{RootCAs: a.pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	require.ErrorContains(t, err, "protocol version")
}

func TestOnlyWhoHasACertificateGetsIn(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	h := secureHouse(t, a, func(o *Options) { o.Listen[0].ClientCA = a.file("ca.pem") }, nil)
	a.host("phone")
	stranger.host("phone")
	for name, shown := range map[string][]tls.Certificate{"none": nil, "of another authority": {stranger.pair("phone")}} {
		conn, err := tls.Dial("tcp", h.at(0), &tls.Config{RootCAs: a.pool(), Certificates: shown})
		if err == nil { // TLS 1.3 tells with the first read
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		require.Error(t, err, name)
	}
	p := h.tlsPhone(t, &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{a.pair("phone")}})
	p.send("OPTIONS", "", "")
	p.expect(200)
}

// serial is the number of the certificate that the house shows.
func (h *house) serial(t testing.TB, a *authority) int64 {
	conn, err := tls.Dial("tcp", h.at(0), &tls.Config{RootCAs: a.pool()})
	require.NoError(t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestAChangedCertificateIsShown(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) { o.Limits.Rate, o.Limits.Burst = 1000000, 1000000 }, nil)
	first := h.serial(t, a)
	a.host("server")
	soon(t, func() bool { return h.serial(t, a) == first+1 })

	require.NoError(t, os.WriteFile(a.file("server.key"), []byte("spoilt"), 0o600))
	soon(t, func() bool {
		h.serial(t, a)
		return strings.Contains(h.log.String(), "a changed certificate cannot be used")
	})
	require.Equal(t, first+1, h.serial(t, a), "the one before stays")
	a.host("server")
	soon(t, func() bool { return h.serial(t, a) == first+2 })
}

func TestAHandshakeMustEndSoon(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, nil, func(s *Server) { s.gate.partWait = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", h.at(0))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "we were cut off")
	soon(t, func() bool { return len(h.connections) == 0 }, "its place is free again")
}

// A BYE finds its way over a connection of our own, to who proves to be the far end only.
func TestABYEOpensTLSToWhoProvesIt(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	h := secureHouse(t, a, nil, nil)
	for of, signer := range map[string]*authority{"ours": a, "a stranger": stranger} {
		signer.host("pbx")
		ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{signer.pair("pbx")}})
		require.NoError(t, err)
		defer ln.Close()
		p := h.tlsPhone(t, &tls.Config{RootCAs: a.pool()})
		p.contact = "<sip:4001@" + ln.Addr().String() + ";transport=tls>"
		c := begun(t, h, p)
		heard := make(chan string, 1)
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				heard <- err.Error()
				return
			}
			defer conn.Close()
			m, err := parseMessage(bufio.NewReader(conn))
			if err == nil {
				q := &phone{t: t, network: "tls", conn: conn}
				q.reply(m, "200 OK")
			}
			heard <- m.start
		}()
		require.NoError(t, p.conn.Close())
		soon(t, func() bool { return !h.connected("tls", p.conn.LocalAddr().String()) })
		c.leg.Hangup()
		said := <-heard
		if of == "ours" {
			require.Contains(t, said, "BYE ")
		} else {
			require.NotContains(t, said, "BYE")
		}
		h.over(t)
	}
}

func TestKeysOfSRTPAreTakenOverTLSAlone(t *testing.T) {
	theirs := srtp.NewKey(srtp.AES128SHA80)
	offered := strings.Replace(offerText, "RTP/AVP", "RTP/SAVP", 1) + "a=crypto:1 " + theirs.Suite().String() + " " + theirs.Inline() + "\r\n"
	for _, c := range []struct {
		name, setting, offer string
		overTLS              bool
		status               int
		protected            bool
	}{
		{"offered", srtpOffered, offered, true, 200, true},
		{"offered, plain call", srtpOffered, offerText, true, 200, false},
		{"offered over TCP", srtpOffered, offered, false, 488, false},
		{"off", srtpOff, offered, true, 488, false},
		{"required", srtpRequired, offered, true, 200, true},
		{"required, plain call", srtpRequired, offerText, true, 488, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthority(t)
			h := secureHouse(t, a, func(o *Options) {
				o.Peers[0].SRTP = c.setting
				if c.setting == srtpRequired {
					o.Peers[0].Transports = []string{"tls"}
				}
			}, nil)
			p := h.tcp(t)
			if c.overTLS {
				p = h.tlsPhone(t, &tls.Config{RootCAs: a.pool()})
			}
			p.send("INVITE", c.offer, "application/sdp")
			answer := p.expect(c.status)
			if c.status != 200 {
				require.NotContains(t, answer.body+h.log.String(), theirs.Inline()[len("inline:"):][:8])
				return
			}
			p.learn(answer)
			p.send("ACK", "", "")
			stream := h.calls.next(t).session.(*spy).last()
			require.Equal(t, c.protected, strings.Contains(answer.body, "a=crypto:1 "))
			require.Equal(t, c.protected, stream.TheirKey.Equal(&theirs))
			require.Equal(t, c.protected, strings.Contains(answer.body, stream.OurKey.Inline()) && stream.OurKey.Suite() != 0)
			require.NotContains(t, h.log.String(), theirs.Inline()[len("inline:"):][:8])
			if !c.protected {
				return
			}
			p.send("INVITE", c.offer, "application/sdp")
			again := p.expect(200)
			p.send("ACK", "", "")
			require.Contains(t, again.body, stream.OurKey.Inline(), "our key stays")
		})
	}
}

// A file of a listener that cannot be used is told under the key that names it.
func TestAListenersFileIsToldByItsOwnName(t *testing.T) {
	a := newAuthority(t)
	a.host("server")
	a.host("other")
	good := Listen{Network: "tls", Address: "127.0.0.1:0", Certificate: a.file("server.pem"), Key: a.file("server.key"), ClientCA: a.file("ca.pem")}
	own, intact := a.text("server.pem"), a.text("ca.pem")
	broken := strings.Replace(own, "M", "!", 1)
	written := func(parts []string) string {
		require.NoError(t, os.WriteFile(a.file("chain.pem"), []byte(strings.Join(parts, "")), 0o600))
		return a.file("chain.pem")
	}
	chain := func(parts ...string) func(*Listen) { return func(l *Listen) { l.Certificate = written(parts) } }
	authorities := func(parts ...string) func(*Listen) { return func(l *Listen) { l.ClientCA = written(parts) } }
	for name, row := range map[string]struct {
		spoil func(*Listen)
		told  string // empty: nothing
	}{
		"as it is":                   {func(*Listen) {}, ""},
		"no such certificate":        {func(l *Listen) { l.Certificate = "none.pem" }, "listen[0].certificate: there is no file none.pem; check the name"},
		"a certificate that is none": {func(l *Listen) { l.Certificate = l.Key }, "listen[0].certificate: " + a.file("server.key") + " holds no certificate in PEM; write star97's own"},
		"no such key":                {func(l *Listen) { l.Key = "none.key" }, "listen[0].key: there is no file none.key; check the name"},
		"a key of another":           {func(l *Listen) { l.Key = a.file("other.key") }, "listen[0].key: " + a.file("other.key") + " cannot be used with the certificate"},
		"no such authorities":        {func(l *Listen) { l.ClientCA = "none.pem" }, "listen[0].client_ca: there is no file none.pem; check the name"},
		"an authority that is none":  {func(l *Listen) { l.ClientCA = l.Key }, "listen[0].client_ca: " + a.file("server.key") + " holds no certificate in PEM; write the authority's"},
		"a damaged certificate":      {chain(broken, intact), "listen[0].certificate: the certificate in line 1 of " + a.file("chain.pem") + " is damaged: its text was cut off or altered; write it there again"},
		"a damaged authority":        {authorities(intact, broken), "listen[0].client_ca: the certificate in line "},
	} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			l := good
			row.spoil(&l)
			o.Listen = []Listen{l}
			err := o.Validate()
			if row.told == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, row.told)
		})
	}
}
