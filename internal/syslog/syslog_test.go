package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/audit"
	"star97/internal/ledger"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within bounds what hangs; a busy machine needs much less.
const within = time.Minute

func trail(t testing.TB) *ledger.Ledger {
	t.Helper()
	o := sqlkit.DefaultOptions()
	o.Path = filepath.Join(t.TempDir(), "ledger.db")
	db, err := sqlkit.Open(context.Background(), o)
	require.NoError(t, err)
	l, err := ledger.New(context.Background(), db, ledger.DefaultOptions(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(l.Close(), db.Close())) })
	return l
}

func add(t testing.TB, l *ledger.Ledger, n int) {
	t.Helper()
	for range n {
		_, err := l.Append(context.Background(), record())
		require.NoError(t, err)
	}
}

func record() audit.Record {
	return audit.Record{
		Time: time.UnixMicro(1_770_116_400_123_456).UTC(), Node: "node-1", Action: audit.Login, Door: mailbox.AnyDoor, Result: mailbox.WrongPIN,
		Source: "192.0.2.1 +15550100", CallID: `a"b]c\d`, Mailbox: "a1", Extension: "4001", Reason: "Jürgen, 佐藤", Policy: "strong",
	}
}

// run follows until the test ends, or stop is called.
func run(t testing.TB, l Trail, o Options, log io.Writer) (stop func()) {
	t.Helper()
	f, err := New(l, o, "node-1", "1.2.3", slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	// The follower of one test: started here, stops by stop; owns its connection.
	go func() { defer close(done); f.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// transcript is a log that is read while it is written.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

func eventually(t testing.TB, is func() bool, what string) {
	t.Helper()
	require.Eventually(t, is, within, 10*time.Millisecond, what)
}

// begun makes the cursor of a new trail.
func begun(t testing.TB, l *ledger.Ledger) *ledger.Ledger {
	t.Helper()
	_, err := l.Cursor(t.Context(), cursorName)
	require.NoError(t, err)
	return l
}

func to(at net.Addr, network string) Options {
	o := DefaultOptions()
	o.Address, o.Network = at.String(), network
	return o
}

func numbers(from, last uint64) (all []uint64) {
	for n := from; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

func TestRecordsArriveOnceAndInOrder(t *testing.T) {
	pair, ca, _ := paper(t)
	for _, network := range []string{overTLS, overTCP} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			l := begun(t, trail(t))
			r := receive(t, listen(t, network, &tls.Config{Certificates: []tls.Certificate{pair}}), 0)
			o := to(r.listener.Addr(), network)
			o.TLS.CAFile = ca
			add(t, l, 30)
			stop := run(t, l, o, io.Discard)
			eventually(t, func() bool { return len(r.messages()) >= 30 }, "what was there")
			add(t, l, 20)
			eventually(t, func() bool { return len(r.messages()) >= 50 }, "what came")
			add(t, l, 5)
			stop()
			eventually(t, func() bool { return len(r.messages()) >= 55 }, "what came at last")
			require.Equal(t, numbers(1, 55), r.seqs())
			seq, err := l.Cursor(t.Context(), cursorName)
			require.NoError(t, err)
			require.EqualValues(t, 55, seq)
		})
	}
}

// What the collector keeps is an export, and can be verified as one.
func TestWhatTheCollectorKeepsCanBeVerified(t *testing.T) {
	t.Parallel()
	l := begun(t, trail(t))
	r := receive(t, listen(t, overTCP, nil), 0)
	run(t, l, to(r.listener.Addr(), overTCP), io.Discard)
	add(t, l, 10)
	eventually(t, func() bool { return len(r.messages()) == 10 }, "all")
	var kept strings.Builder
	for _, m := range r.messages() {
		kept.WriteString(*m.Message + "\n")
	}
	head, err := l.Head(t.Context())
	require.NoError(t, err)
	last, err := audit.Verify(audit.ReadLines(strings.NewReader(kept.String())), head)
	require.NoError(t, err)
	require.Equal(t, head, last)
}

// A collector that goes away in the middle gets everything, some of it twice.
func TestABrokenConnectionLosesNothing(t *testing.T) {
	t.Parallel()
	pair, ca, _ := paper(t)
	l := begun(t, trail(t))
	add(t, l, 40)
	r := receive(t, listen(t, overTLS, &tls.Config{Certificates: []tls.Certificate{pair}}), 15)
	o := to(r.listener.Addr(), overTLS)
	o.TLS.CAFile = ca
	var log transcript
	run(t, l, o, &log)
	eventually(t, func() bool {
		seqs := r.seqs()
		return len(seqs) > 0 && seqs[len(seqs)-1] == 40
	}, "the last record")
	met := map[uint64]bool{}
	for _, seq := range r.seqs() {
		met[seq] = true
	}
	require.Len(t, met, 40)
	eventually(t, func() bool { return strings.Contains(log.String(), "audit records go to syslog again") }, "the end of the trouble is told")
	require.Equal(t, 1, strings.Count(log.String(), "audit records wait for syslog"), log.String())
}

// While the collector is away nobody else notices.
func TestRecordsWaitForACollector(t *testing.T) {
	t.Parallel()
	l := begun(t, trail(t))
	gone := listen(t, overTCP, nil)
	require.NoError(t, gone.Close())
	var log transcript
	stop := run(t, l, to(gone.Addr(), overTCP), &log)
	add(t, l, 10)
	eventually(t, func() bool { return strings.Contains(log.String(), "audit records wait for syslog") }, "trouble is told")
	require.Contains(t, log.String(), "cannot be reached")
	stop()
	seq, err := l.Cursor(t.Context(), cursorName)
	require.NoError(t, err)
	require.Zero(t, seq)
	r := receive(t, listen(t, overTCP, nil), 0)
	run(t, l, to(r.listener.Addr(), overTCP), io.Discard)
	eventually(t, func() bool { return len(r.messages()) == 10 }, "another process goes on where this one stopped")
}

func TestWhoTheCollectorIs(t *testing.T) {
	pair, ca, _ := paper(t)
	_, otherCA, _ := paper(t)
	client, clientCert, clientKey := paper(t)
	pool := x509.NewCertPool()
	pool.AddCert(client.Leaf)
	for name, c := range map[string]struct {
		server *tls.Config
		set    func(o *Options)
		says   string // empty: the records come
	}{
		"known":                        {&tls.Config{}, func(o *Options) { o.TLS.CAFile = ca }, ""},
		"unknown authority":            {&tls.Config{}, func(*Options) {}, "certificate"},
		"another authority":            {&tls.Config{}, func(o *Options) { o.TLS.CAFile = otherCA }, "certificate"},
		"another name":                 {&tls.Config{}, func(o *Options) { o.TLS.CAFile, o.TLS.ServerName = ca, "logs.example.com" }, "logs.example.com"},
		"an old version":               {&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, func(o *Options) { o.TLS.CAFile = ca }, "protocol version"},
		"no certificate of ours":       {&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}, func(o *Options) { o.TLS.CAFile = ca }, "certificate required"},
		"our certificate":              {&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}, func(o *Options) { o.TLS.CAFile, o.CertFile, o.KeyFile = ca, clientCert, clientKey }, ""},
		"a certificate that is no one": {&tls.Config{}, func(o *Options) { o.TLS.CAFile, o.CertFile, o.KeyFile = ca, clientKey, clientCert }, "cert_file: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := begun(t, trail(t))
			add(t, l, 1)
			c.server.Certificates = []tls.Certificate{pair}
			r := receive(t, listen(t, overTLS, c.server), 0)
			r.breakAt = 1000 // a refused handshake is no wrong message
			o := to(r.listener.Addr(), overTLS)
			c.set(&o)
			var log transcript
			run(t, l, o, &log)
			if c.says == "" {
				eventually(t, func() bool { return len(r.messages()) == 1 }, "the record")
				return
			}
			eventually(t, func() bool { return strings.Contains(log.String(), c.says) }, "what is wrong: "+c.says)
			require.Empty(t, r.messages())
		})
	}
}

func TestDatagrams(t *testing.T) {
	t.Parallel()
	l := begun(t, trail(t))
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer conn.Close()
	add(t, l, 3)
	run(t, l, to(conn.LocalAddr(), overUDP), io.Discard)
	packet := make([]byte, 64<<10)
	for range 3 {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(within)))
		n, _, err := conn.ReadFrom(packet)
		require.NoError(t, err)
		_, err = rfc5424.NewParser().Parse(packet[:n])
		require.NoError(t, err)
	}
}

// elsewhere is a trail that another node follows.
type elsewhere struct{ *ledger.Ledger }

func (elsewhere) Lead(context.Context, string, string) (bool, error) { return false, nil }

func (e elsewhere) Records(context.Context, uint64) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) { yield(audit.Record{}, errors.New("not asked")) }
}

func TestAnotherNodeSends(t *testing.T) {
	t.Parallel()
	l := begun(t, trail(t))
	add(t, l, 1)
	f, err := New(elsewhere{l}, to(listenNowhere(t), overTCP), "node-2", "", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, f.catchUp(t.Context()))
}
