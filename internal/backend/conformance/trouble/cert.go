package trouble

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Trust is what a server's certificate is worth to who trusts its CAFile.
type Trust uint8

// The ways in which a server is known.
const (
	Good      Trust = iota // signed by the authority of CAFile, for 127.0.0.1, ::1 and localhost
	Untrusted              // signed by an authority that CAFile lacks
	OutOfDate              // its time is over
	WrongName              // made out to another name
	Plain                  // none: the server speaks without TLS
)

// Trusts are all of them that use TLS and shall be refused.
func Trusts() []Trust { return []Trust{Untrusted, OutOfDate, WrongName} }

// String is a clause for a test's name.
func (k Trust) String() string {
	return [...]string{"a good certificate", "an untrusted certificate", "an expired certificate", "a certificate of another name", "no TLS"}[k]
}

// Cert is a server's certificate, made for one test.
type Cert struct {
	CAFile      string      // PEM file of the authority that the client trusts; empty without TLS
	Fingerprint string      // SHA-256 of the certificate in lower-case hex
	TLS         *tls.Config // the server's; nil without TLS
}

// NewCert makes a certificate of the kind.
func NewCert(t testing.TB, k Trust) *Cert {
	t.Helper()
	if k == Plain {
		return &Cert{}
	}
	from, to, dns, ips := -time.Hour, 24*time.Hour, "localhost", []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	switch k {
	case OutOfDate:
		from, to = -48*time.Hour, -time.Hour
	case WrongName:
		dns, ips = "elsewhere.example", nil
	}
	signer, signerKey := authority(t, "star97 test authority")
	trusted := signer
	if k == Untrusted {
		trusted, _ = authority(t, "star97 other test authority")
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: dns}, DNSNames: []string{dns}, IPAddresses: ips,
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, signer, &key.PublicKey, signerKey)
	require.NoError(t, err)
	sum := sha256.Sum256(der)
	c := &Cert{
		CAFile:      filepath.Join(t.TempDir(), "ca.pem"),
		Fingerprint: hex.EncodeToString(sum[:]),
		TLS:         &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"http/1.1"}},
	}
	require.NoError(t, os.WriteFile(c.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Raw}), 0o600))
	return c
}

// Scheme is https, and http without TLS.
func (c *Cert) Scheme() string {
	if c.TLS == nil {
		return "http"
	}
	return "https"
}

func authority(t testing.TB, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-72 * time.Hour), NotAfter: time.Now().Add(72 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return made, key
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func serial(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	return n
}
