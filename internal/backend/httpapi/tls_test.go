package httpapi

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// ca is an authority of one test, and the file that Options name.
type ca struct {
	cert *x509.Certificate
	key  crypto.Signer
	file string
}

// cert is what differs from an ordinary certificate for 127.0.0.1.
type cert struct {
	name    string // instead of the address
	expired bool
	rsa     bool
	self    bool // signed by itself
}

// rsaKey takes a moment to make.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func authority(t *testing.T) ca {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return ca{parsed, key, file}
}

// server is the configuration of a server with a certificate of the authority.
func (a ca) server(t *testing.T, want cert) *tls.Config {
	var key crypto.Signer
	var err error
	if want.rsa {
		key, err = rsaKey()
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if want.name != "" {
		template.IPAddresses, template.DNSNames = nil, []string{want.name}
	}
	if want.expired {
		template.NotAfter = time.Now().Add(-time.Hour)
	}
	parent, signer := a.cert, a.key
	if want.self {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}}
}

// colons writes a fingerprint as openssl does.
func colons(hex string) string {
	var pairs []string
	for i := 0; i < len(hex); i += 2 {
		pairs = append(pairs, strings.ToUpper(hex[i:i+2]))
	}
	return strings.Join(pairs, ":")
}

func TestTheServerIsWhoItShouldBe(t *testing.T) {
	authority := authority(t)
	byCA := func(*tls.Config) TLS { return TLS{CAFile: authority.file} }
	byPin := func(s *tls.Config) TLS { return TLS{Fingerprint: sum(s.Certificates[0].Leaf)} }
	for name, c := range map[string]struct {
		cert cert
		tune func(*tls.Config) TLS
		want string // in the error; empty: none
	}{
		"signed by the authority":     {cert{}, byCA, ""},
		"signed by nobody known":      {cert{}, func(*tls.Config) TLS { return TLS{} }, "signed by no authority trusted here"},
		"signed by another authority": {cert{self: true}, byCA, "signed by no authority trusted here"},
		"expired":                     {cert{expired: true}, byCA, "is not valid today"},
		"for another name":            {cert{name: "vm.example"}, byCA, "set tls.server_name"},
		"for the name that is set": {cert{name: "vm.example"}, func(*tls.Config) TLS {
			return TLS{CAFile: authority.file, ServerName: "vm.example"}
		}, ""},
		"of the fingerprint":           {cert{}, byPin, ""},
		"of the fingerprint, by name":  {cert{name: "vm.example"}, byPin, ""},
		"of the fingerprint, self":     {cert{self: true}, byPin, ""},
		"of the fingerprint, expired":  {cert{self: true, expired: true}, byPin, ""},
		"of the fingerprint by colons": {cert{}, func(s *tls.Config) TLS { return TLS{Fingerprint: colons(sum(s.Certificates[0].Leaf))} }, ""},
		"of another fingerprint": {cert{}, func(*tls.Config) TLS { return TLS{Fingerprint: sum(authority.cert)} },
			"not the one of tls.fingerprint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked, greeted atomic.Int32
			s := httptest.NewUnstartedServer(answering(&asked, 200))
			s.TLS, s.Config.ErrorLog = authority.server(t, c.cert), quiet
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					greeted.Add(1)
				}
			}
			s.StartTLS()
			defer s.Close()
			o := patient()
			o.URL, o.TLS = s.URL, c.tune(s.TLS)
			client := open(t, o, nil)
			for range 2 { // the second handshake resumes the first one's session
				_, err := client.Do(ctx, Request{Op: "lookup", Method: "GET", Safe: true})
				client.transport.CloseIdleConnections()
				if c.want == "" {
					require.NoError(t, err)
					continue
				}
				require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
				require.ErrorContains(t, err, c.want)
			}
			require.EqualValues(t, 2, greeted.Load(), "a certificate does not become better by asking again")
			if c.want != "" {
				require.Zero(t, asked.Load())
				_, err := client.Do(ctx, Request{Op: "change", Method: "POST", Body: []byte("x")})
				require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "nothing was sent")
			}
		})
	}
}

func TestTheSumInTheErrorIsTheOneToPin(t *testing.T) {
	o := serve(t, func(http.ResponseWriter, *http.Request) {})
	o.TLS = TLS{}
	_, err := open(t, o, nil).Do(ctx, Request{Op: "lookup", Method: "GET"})
	require.Error(t, err)
	_, rest, found := strings.Cut(err.Error(), "SHA-256 ")
	require.True(t, found)
	o.TLS.Fingerprint = rest[:64]
	_, err = open(t, o, nil).Do(ctx, Request{Op: "lookup", Method: "GET"})
	require.NoError(t, err)
}

func TestOldTLSMustBeAskedFor(t *testing.T) {
	authority := authority(t)
	for name, tune := range map[string]func(*tls.Config){
		"TLS 1.0":              func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 },
		"TLS 1.1":              func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 },
		"RSA key exchange":     old12(tls.TLS_RSA_WITH_AES_128_CBC_SHA),
		"3DES":                 old12(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA),
		"RC4":                  old12(tls.TLS_RSA_WITH_RC4_128_SHA),
		"CBC with ECDHE, 1.0":  func(c *tls.Config) { old12(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA)(c); c.MaxVersion = tls.VersionTLS10 },
		"3DES of TLS 1.0 only": func(c *tls.Config) { old12(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA)(c); c.MaxVersion = tls.VersionTLS10 },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			s := httptest.NewUnstartedServer(answering(&asked, 200))
			s.TLS, s.Config.ErrorLog = authority.server(t, cert{rsa: true}), quiet
			tune(s.TLS)
			s.StartTLS()
			defer s.Close()
			o := patient()
			o.URL, o.TLS.CAFile = s.URL, authority.file
			_, err := open(t, o, nil).Do(ctx, Request{Op: "lookup", Method: "GET", Safe: true})
			require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
			require.ErrorContains(t, err, "needs tls.legacy")
			o.TLS.Legacy = true
			_, err = open(t, o, nil).Do(ctx, Request{Op: "lookup", Method: "GET", Safe: true})
			require.NoError(t, err)
			require.EqualValues(t, 1, asked.Load())
		})
	}
}

// old12 is a server that knows one cipher.
func old12(suite uint16) func(*tls.Config) {
	return func(c *tls.Config) {
		c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS10, tls.VersionTLS12, []uint16{suite}
	}
}

func TestPlainHTTPStaysOnThisMachine(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	o := patient()
	o.URL = s.URL
	_, err := open(t, o, nil).Do(ctx, Request{Op: "lookup", Method: "GET"})
	require.NoError(t, err)

	// A name server that gives localhost the address of another machine.
	require.Error(t, onlyHere("tcp", "192.0.2.1:80", nil))
	require.NoError(t, onlyHere("tcp", "127.0.0.1:80", nil))
	require.NoError(t, onlyHere("tcp", "[::1]:80", nil))
}

func TestNoProxyIsAsked(t *testing.T) {
	var asked, wronged atomic.Int32
	proxy := httptest.NewServer(answering(&wronged, 200))
	defer proxy.Close()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	c := open(t, serve(t, answering(&asked, 200)), nil)
	require.Nil(t, c.transport.Proxy, "net/http would ask none for 127.0.0.1 in any case")
	_, err := c.Do(ctx, Request{Op: "lookup", Method: "GET"})
	require.NoError(t, err)
	require.EqualValues(t, 1, asked.Load())
	require.Zero(t, wronged.Load())
}

func TestAFileOfAuthoritiesHoldsOne(t *testing.T) {
	o := patient()
	o.URL, o.TLS.CAFile = "https://vm.example", filepath.Join(t.TempDir(), "absent.pem")
	_, err := New(o, nil)
	require.ErrorContains(t, err, "tls.ca_file: there is no file")
	require.NoError(t, os.WriteFile(o.TLS.CAFile, []byte("no PEM"), 0o600))
	_, err = New(o, nil)
	require.ErrorContains(t, err, "holds no certificate")
}
