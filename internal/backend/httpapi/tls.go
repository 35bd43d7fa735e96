package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"star97/internal/pemfile"
)

const (
	// idle is how long a connection may wait for another request: less than the 5 s of
	// Apache's KeepAliveTimeout, the shortest in the field, so that no request is lost
	// on a connection that the server is about to close.
	idle = 4 * time.Second
	// largestHeader bounds the header fields of an answer, in bytes.
	largestHeader = 64 << 10
)

// transport makes connections of HTTP/1.1, each for one request at a time: what has
// left on it belongs to that request. No proxy of the environment is asked, since it
// would see whom star97 talks to, and could be where it must not.
func (o Options) transport(base *url.URL) (*http.Transport, error) {
	secure, err := o.TLS.Config(base.Hostname())
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: o.Timeout}
	if base.Scheme == "http" {
		dialer.Control = onlyHere
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &counted{Conn: conn}, nil
		},
		TLSClientConfig:        secure,
		TLSHandshakeTimeout:    o.Timeout,
		MaxIdleConnsPerHost:    o.Concurrent,
		IdleConnTimeout:        idle,
		MaxResponseHeaderBytes: largestHeader,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t, nil
}

// onlyHere refuses connections to other machines, whatever the name localhost means.
func onlyHere(_, addr string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return errors.New("http goes to this machine only")
	}
	return nil
}

// Config is what crypto/tls wants for a server at host.
func (o TLS) Config(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	if o.ServerName != "" {
		c.ServerName = o.ServerName
	}
	if o.Legacy {
		c.MinVersion = tls.VersionTLS10
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			c.CipherSuites = append(c.CipherSuites, s.ID)
		}
		// Old servers stumble over a hello that needs two packets, as one with a
		// post-quantum key does.
		c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	var err error
	if c.RootCAs, err = pemfile.Authorities("tls.ca_file", o.CAFile); err != nil {
		return nil, err
	}
	if o.Fingerprint != "" {
		want, err := fingerprint(o.Fingerprint)
		if err != nil {
			return nil, err
		}
		c.InsecureSkipVerify = true // VerifyConnection knows better
		c.VerifyConnection = pinned(want)
	}
	return c, nil
}

// Readable tells why the authorities that o names cannot be used.
func (o TLS) Readable() error {
	_, err := o.Config("")
	return err
}

// pinned accepts the one certificate, whoever signed it and whenever it ends.
func pinned(want [sha256.Size]byte) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		got := sha256.Sum256(s.PeerCertificates[0].Raw)
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return fmt.Errorf("%w: it has SHA-256 %x", errPin, got)
		}
		return nil
	}
}

var errPin = errors.New("the certificate is not the one of tls.fingerprint")

// fingerprint reads 64 hex digits, with or without the colons that openssl writes.
func fingerprint(text string) (sum [sha256.Size]byte, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(raw) != len(sum) {
		return sum, errors.New("tls.fingerprint is no SHA-256 in hex: take it from openssl x509 -noout -fingerprint -sha256")
	}
	return [sha256.Size]byte(raw), nil
}
