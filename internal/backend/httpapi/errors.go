package httpapi

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// plain is the sentence for an error of net/http, and whether the same will be true of
// the next try. Once the request had a connection, an error can quote what the server
// said: then only those are told that do not.
func (c *Client) plain(err error, connected bool) (told error, lasting bool) {
	host := c.base.Host
	if told := untrusted(host, err); told != nil {
		return told, true
	}
	var op *net.OpError
	switch {
	case !connected && old(err) && !c.o.TLS.Legacy:
		return fmt.Errorf("%s cannot be reached: %w; a server that knows only old TLS must be updated, or needs tls.legacy", host, err), true
	case !connected:
		return fmt.Errorf("%s cannot be reached: %w", host, err), false
	case errors.As(err, &op):
		return fmt.Errorf("%s: the connection failed: %w", host, op), false
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s ended the connection before its answer was whole", host), false
	}
	return fmt.Errorf("%s ended the connection, or its answer is not HTTP", host), false
}

// old tells whether a handshake failed as those do with servers of another age.
func old(err error) bool {
	text := err.Error()
	return strings.Contains(text, "protocol version") || strings.Contains(text, "handshake failure")
}

// untrusted is the sentence for a certificate that does not prove the server; nil if err
// is about something else.
func untrusted(host string, err error) error {
	if errors.Is(err, errPin) {
		return fmt.Errorf("%s: %w", host, err)
	}
	var bad *tls.CertificateVerificationError
	if !errors.As(err, &bad) {
		return nil
	}
	shown := ""
	if len(bad.UnverifiedCertificates) > 0 {
		shown = sum(bad.UnverifiedCertificates[0])
	}
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("the certificate of %s is not for this name (%w): set tls.server_name to a name in it", host, name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate of %s is not valid today (%w): renew it there", host, invalid)
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate of %s (SHA-256 %s) is signed by no authority trusted here: "+
			"name the authority's file in tls.ca_file, or compare this sum with the server's and write it into tls.fingerprint", host, shown)
	}
	return fmt.Errorf("the certificate of %s (SHA-256 %s) does not prove it: %w; "+
		"where it cannot be replaced, compare this sum with the server's and write it into tls.fingerprint", host, shown, bad.Err)
}

// sum is a certificate's fingerprint as Options take it.
func sum(c *x509.Certificate) string {
	s := sha256.Sum256(c.Raw)
	return hex.EncodeToString(s[:])
}
