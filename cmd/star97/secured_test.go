package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// secured is a service that answers on TLS alone and takes no call without SRTP, and its
// certificate, which is its own authority.
func secured(t testing.TB) (s setup, trusted string) {
	t.Helper()
	certificate, key := newCertificate(t)
	return setup{Codes: map[string]string{extension: oldCode}, Sections: map[string]string{"sip": fmt.Sprintf(
		`{listen: [{network: tls, address: "127.0.0.1:0", certificate: %q, key: %q}], `+
			`peers: [{name: this-machine, addresses: [127.0.0.0/8], identity: from, transports: [tls], srtp: required}]}`,
		certificate, key)}}, certificate
}

// newCertificate makes files of a certificate of 127.0.0.1, its own authority, and its key.
func newCertificate(t testing.TB) (certificate, name string) {
	t.Helper()
	server := httptest.NewTLSServer(nil) // it has a certificate of 127.0.0.1
	defer server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: server.Certificate().Raw}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	return filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

func TestACallUnderTLSChangesACode(t *testing.T) {
	t.Parallel()
	s, certificate := secured(t)
	s.Race = true
	v := startService(t, s)
	codes := filepath.Join(t.TempDir(), "codes.txt")
	require.NoError(t, os.WriteFile(codes, []byte("old: "+oldCode+"\nnew: "+newCode+"\n"), 0o600))
	call := func(more ...string) (string, int) {
		out, errs, code := star97(t, "", append([]string{"call", "sips:*97@" + v.TLS.String(), "--from", extension, "--script", "change", "--codes", codes}, more...)...)
		require.NotContains(t, out+errs, newCode)
		return out + errs, code
	}
	said, code := call("--ca-file", certificate, "--srtp", "required")
	require.Zero(t, code, said)
	require.Contains(t, said, "changed")
	said, code = call("--ca-file", certificate)
	require.Equal(t, 3, code, said) // refused
	require.Contains(t, said, "488")
	said, code = call("--srtp", "required")
	require.Equal(t, 4, code, said) // nobody there whom it believes
	require.Contains(t, said, "certificate")
	requireUnseen(t, v)
}
