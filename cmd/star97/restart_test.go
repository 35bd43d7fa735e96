//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
)

// Certificate and key are exchanged while calls are up and new ones come: no call fails or
// loses a packet, and soon the new certificate is shown.
func TestCertificatesAreExchangedUnderLoad(t *testing.T) {
	t.Parallel()
	v, certificate := both(t, "")
	done := make(chan outcome, 1)
	// The calls: started here; stop when they were measured.
	go func() {
		done <- v.measure(t, loadRun{name: "calls while certificates change", number: "*98", args: listeningCalls(10, 6), figures: securedFigures, trusts: certificate}, "", time.Now())
	}()
	shown := func() string {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: soon}, "tcp", v.TLS.String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return ""
		}
		defer conn.Close()
		return string(conn.ConnectionState().PeerCertificates[0].Raw)
	}
	v.reads("star97_calls_in_progress 10")
	before := shown()
	require.NotEmpty(t, before)
	other, otherKey := selfSigned(t)
	key := filepath.Join(filepath.Dir(certificate), "key.pem")
	require.NoError(t, os.Rename(other, certificate))
	require.Equal(t, before, shown(), "the files do not belong together: the pair before stays")
	require.NoError(t, os.Rename(otherKey, key))
	require.Eventually(t, func() bool { now := shown(); return now != before && now != "" }, soon, 50*time.Millisecond)
	o := <-done
	require.Equal(t, 10, o.Report.Answered, "%v", o.Report.Failures)
	require.Equal(t, [3]int{10, 0, 0}, [3]int{lossless(o.Report), o.Report.EndedEarly, int(o.Report.Unopened)})
}

// selfSigned makes files of another certificate of 127.0.0.1 and its key.
func selfSigned(t testing.TB) (certificate, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pemFile(t, "CERTIFICATE", raw), pemFile(t, "PRIVATE KEY", secret)
}

func pemFile(t testing.TB, kind string, raw []byte) string {
	name := filepath.Join(t.TempDir(), "file.pem")
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600))
	return name
}

// One of two nodes is restarted while calls are up. Who asks before each call, and goes to
// the other node on 503, loses none; the calls that were up go on to their end; then the
// node is there again.
func TestARestartUnderCallsLosesNone(t *testing.T) {
	t.Parallel()
	s := setup{Sections: map[string]string{"drain": "1m", "dialplan": benchDialplan(t)}}
	nodes := []*service{startService(t, s), startService(t, s)}
	up := make(chan *caller.LoadReport, 1)
	// The calls in progress: started here; stop when they were measured.
	go func() {
		up <- nodes[0].reporting(t, "*98", listeningCalls(10, 8)...)
	}()
	nodes[0].reads("star97_calls_in_progress 10")

	turn, calls, elsewhere := 0, 0, 0
	dispatch := func() {
		turn++
		n := turn % 2
		if !strings.HasPrefix(options(nodes[n].UDP, 70), "SIP/2.0 200 ") {
			n = 1 - n
			elsewhere++
		}
		call := func() error {
			c, err := caller.Dial(t.Context(), caller.Options{URI: "sip:*98@" + nodes[n].UDP.String(), From: "4001", Listen: "127.0.0.1"})
			if err == nil {
				err = c.Hangup(t.Context())
				c.Close()
			}
			return err
		}
		err := call()
		var refused *caller.Refused
		if errors.As(err, &refused) && refused.Status == 503 { // it began to drain after it was asked
			n = 1 - n
			elsewhere++
			err = call()
		}
		require.NoError(t, err)
		calls++
	}
	for range 4 {
		dispatch()
	}
	nodes[0].signal(syscall.SIGTERM)
	require.Eventually(t, func() bool { return strings.HasPrefix(options(nodes[0].UDP, 70), "SIP/2.0 503 ") }, soon, 10*time.Millisecond)
	for range 4 {
		dispatch()
	}
	r := <-up
	require.Equal(t, [3]int{10, 10, 0}, [3]int{r.Answered, lossless(r), r.EndedEarly}, "%v", r.Failures)
	require.NoError(t, nodes[0].wait(), "%s", nodes[0].Stderr)
	for range 4 {
		dispatch()
	}
	nodes[0].again(s)
	for range 4 {
		dispatch()
	}
	require.Equal(t, 16, calls)
	require.GreaterOrEqual(t, elsewhere, 4)
	t.Logf("%d calls dispatched around a restart, %d of them to the other node, none lost; 10 calls in progress complete", calls, elsewhere)
}

// The process stands still while more connections come than it has places for. Afterwards
// those that are too many are closed, the others served, and a call comes through.
func TestAFullAcceptQueueIsWorkedOff(t *testing.T) {
	t.Parallel()
	const places, comers = 40, 300
	v := startService(t, setup{Sections: map[string]string{
		"sip": fmt.Sprintf(`{listen: [{network: udp, address: "127.0.0.1:0"}, {network: tcp, address: "127.0.0.1:0"}], limits: {connections: %d}}`, places)}})
	v.signal(syscall.SIGSTOP)
	var all []net.Conn
	for range comers {
		conn, err := net.Dial("tcp", v.TCP.String()) // the system accepts it
		require.NoError(t, err)
		all = append(all, conn)
		require.NoError(t, askOptions(conn, "TCP", 70, 1))
	}
	v.signal(syscall.SIGCONT)
	served, closed := 0, 0
	for _, conn := range all {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(soon)))
		buf := make([]byte, 2048)
		n, err := conn.Read(buf)
		switch {
		case err == nil && strings.HasPrefix(string(buf[:n]), "SIP/2.0 200 "):
			served++
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
			closed++
		default:
			require.FailNow(t, "a connection was left to itself", "%v %q", err, buf[:n])
		}
	}
	require.Positive(t, served)
	require.LessOrEqual(t, served, places)
	require.Equal(t, comers, served+closed)
	for _, conn := range all {
		conn.Close()
	}
	require.Eventually(t, func() bool {
		c, err := caller.Dial(t.Context(), caller.Options{URI: "sip:*98@" + v.TCP.String() + ";transport=tcp", From: "4001", Listen: "127.0.0.1", Answer: 2 * time.Second})
		if err != nil {
			return false
		}
		defer c.Close()
		return c.Hangup(t.Context()) == nil
	}, soon, 100*time.Millisecond)
	t.Logf("%d connections while the process stood still: %d served, %d closed", comers, served, closed)
}
