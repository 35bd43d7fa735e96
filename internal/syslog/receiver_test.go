package syslog

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/require"

	"star97/internal/audit"
)

// paper is a certificate for 127.0.0.1, its own authority.
func paper(t testing.TB) (tls.Certificate, string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: t.Name()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, certPEM, 0o600))
	require.NoError(t, os.WriteFile(keyFile, keyPEM, 0o600))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	return pair, certFile, keyFile
}

// receiver is a real collector: it reads frames as RFC 5425 says and parses each.
type receiver struct {
	t        testing.TB
	listener net.Listener
	breakAt  int // closes the first connection after so many messages; 0: never

	mu    sync.Mutex
	got   []*rfc5424.SyslogMessage
	wrong []error
	conns int
	all   sync.WaitGroup
}

// receive listens until the test ends. The goroutines of a receiver: started here, one
// for the listener and one for each connection; stop when it is closed; own nothing.
func receive(t testing.TB, l net.Listener, breakAt int) *receiver {
	r := &receiver{t: t, listener: l, breakAt: breakAt}
	r.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.all.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(r.close)
	return r
}

func (r *receiver) serve(conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(r.t.Context(), func() { conn.Close() })
	defer stop()
	r.mu.Lock()
	r.conns++
	first := r.conns == 1
	r.mu.Unlock()
	n := 0
	octetcounting.NewParser(syslog.WithMachineOptions(), syslog.WithListener(func(m *syslog.Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if m.Error != nil {
			if !errors.Is(m.Error, io.EOF) && r.t.Context().Err() == nil && !(first && r.breakAt > 0) {
				r.wrong = append(r.wrong, m.Error)
			}
			return
		}
		if n++; first && r.breakAt > 0 && n > r.breakAt {
			conn.Close()
			return
		}
		r.got = append(r.got, m.Message.(*rfc5424.SyslogMessage))
	})).Parse(conn)
}

func (r *receiver) close() {
	r.listener.Close()
	r.all.Wait()
	require.Empty(r.t, r.wrong)
}

func (r *receiver) messages() []*rfc5424.SyslogMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*rfc5424.SyslogMessage(nil), r.got...)
}

// seqs are the numbers of the records that came, in their order.
func (r *receiver) seqs() (all []uint64) {
	for _, m := range r.messages() {
		for one, err := range audit.ReadLines(strings.NewReader(*m.Message + "\n")) {
			require.NoError(r.t, err)
			all = append(all, one.Seq)
		}
	}
	return all
}

func listen(t testing.TB, network string, c *tls.Config) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	if network == overTLS {
		l = tls.NewListener(l, c)
	}
	return l
}

func listenNowhere(t *testing.T) net.Addr {
	l := listen(t, overTCP, nil)
	require.NoError(t, l.Close())
	return l.Addr()
}
