package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
)

// both is a service that answers on UDP in clear and on TLS with SRTP, so that the two are
// measured side by side, and the certificate that it shows.
func both(t testing.TB, ports string) (v *service, certificate string) {
	certificate, key := newCertificate(t)
	sections := map[string]string{
		"sip": fmt.Sprintf(`{listen: [{network: udp, address: "127.0.0.1:0"}, {network: tls, address: "127.0.0.1:0", certificate: %q, key: %q}], `+
			`peers: [{name: this-machine, addresses: [127.0.0.0/8], identity: from, srtp: offered}], limits: {rate: 1000000, burst: 1000000, connections: 10000}}`,
			certificate, key),
		"log": "{level: info}", "dialplan": benchDialplan(t),
	}
	if ports != "" {
		sections["media"] = ports
	}
	return startService(t, setup{Sections: sections}), certificate
}

// listeningCalls are calls that listen for a while, all at once.
func listeningCalls(calls, seconds int) []string {
	return []string{"--mode", "listen", "--calls", strconv.Itoa(calls), "--rate", "100", "--duration", fmt.Sprint(seconds, "s")}
}

// securedFigures: every packet opens, and none is missing.
func securedFigures(r *caller.LoadReport) []figure {
	return append(listenFigures(r), atMost(0, told("packets that did not open", float64(r.Unopened), "")))
}

// pairs are how often plain and protected calls are measured, by turns.
const pairs = 3

// benchSecured measures what TLS and SRTP cost.
func benchSecured(t *testing.T, until time.Time) (all []outcome) {
	v, certificate := both(t, "{port_min: 20000, port_max: 23998}")
	var plain, secured []*outcome
	for range pairs {
		o := v.measure(t, loadRun{name: "listen, 200 calls, plain", number: "*98", args: listeningCalls(200, 10), figures: listenFigures}, "", until)
		plain = append(plain, &o)
		p := v.measure(t, loadRun{name: "listen, 200 calls, TLS and SRTP", number: "*98", args: listeningCalls(200, 10), figures: securedFigures, trusts: certificate}, "", until)
		secured = append(secured, &p)
		all = append(all, o, p)
	}
	plain, _ = undisturbed(plain)
	secured, _ = undisturbed(secured)
	ratio := told("CPU per call-second, SRTP to plain RTP", middle(secured, cpuPerCall)/middle(plain, cpuPerCall), "times")
	all[len(all)-1].Figures = append(all[len(all)-1].Figures, judged{figure: ratio})
	all = append(all,
		v.measure(t, loadRun{name: "listen, 500 calls, TLS and SRTP, 30 s", number: "*98", args: listeningCalls(500, 30), figures: securedFigures, trusts: certificate}, "", until),
		v.handshakes(t, certificate, false, 5*time.Second), v.handshakes(t, certificate, true, 5*time.Second))
	for i := range all {
		all[i].print()
		all[i].complain(t)
	}
	return all
}

// complain makes an error of each target that was missed.
func (o *outcome) complain(t *testing.T) {
	for _, f := range o.Figures {
		if f.Verdict == missed {
			t.Errorf("%s: %s is %g %s; the target is %g", o.Name, f.Name, f.Value, f.Unit, f.Limit)
		}
	}
}

// handshakes has clients connect by TLS, ask OPTIONS and leave, one after the other, from
// two goroutines. They resume a session where they may.
func (v *service) handshakes(t *testing.T, certificate string, resumed bool, lasting time.Duration) outcome {
	text, err := os.ReadFile(certificate)
	require.NoError(t, err)
	trusted := x509.NewCertPool()
	require.True(t, trusted.AppendCertsFromPEM(text))
	config := &tls.Config{RootCAs: trusted, ServerName: "127.0.0.1"}
	kind := "full"
	if resumed {
		kind, config.ClientSessionCache = "resumed", tls.NewLRUClientSessionCache(1)
		require.NoError(t, greet(v.TLS.String(), config, 0, nil)) // the ticket comes with the first answer
	}
	var made, again atomic.Int64
	var h caller.Histogram
	var mu sync.Mutex
	var failed atomic.Value
	before := cpuOf(t, v.cmd.Process.Pid)
	began := time.Now()
	var clients sync.WaitGroup
	for range 2 {
		// A client: started here; stops when the time is over.
		clients.Go(func() {
			for time.Since(began) < lasting && failed.Load() == nil {
				at := time.Now()
				if err := greet(v.TLS.String(), config, made.Add(1), &again); err != nil {
					failed.Store(err)
					return
				}
				mu.Lock()
				h.Record(time.Since(at))
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if err := failed.Load(); err != nil {
		require.NoError(t, err.(error))
	}
	took := time.Since(began).Seconds()
	cpu := cpuOf(t, v.cmd.Process.Pid) - before
	p := h.Percentiles()
	n := float64(made.Load())
	o := outcome{Name: "TLS set-up, " + kind + " handshakes, 2 clients", Tries: 1, Load: loadAverage(), Report: &caller.LoadReport{}}
	for _, f := range []figure{
		told("handshakes a second, each with an OPTIONS and its answer", n/took, "/s"), told("of them resumed", 100*float64(again.Load())/n, "%"),
		told("connect to answer p50", p.P50, "ms"), told("connect to answer p99", p.P99, "ms"), told("CPU of the service each", 1e6*cpu/n, "us"),
	} {
		o.Figures = append(o.Figures, judged{figure: f})
	}
	return o
}

// greet connects, asks OPTIONS, reads the answer and leaves.
func greet(to string, config *tls.Config, n int64, resumed *atomic.Int64) error {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: soon}, "tcp", to, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	if resumed != nil && conn.ConnectionState().DidResume {
		resumed.Add(1)
	}
	_ = conn.SetDeadline(time.Now().Add(soon))
	if err = askOptions(conn, "TLS", 70, n); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	size, err := conn.Read(buf)
	if err == nil && !strings.HasPrefix(string(buf[:size]), "SIP/2.0 200 ") {
		err = fmt.Errorf("OPTIONS was answered %q", buf[:size])
	}
	return err
}

// Calls by TLS hear every packet, each proved by SRTP, and TLS sessions are resumed.
func TestCallsUnderTLSAreComplete(t *testing.T) {
	t.Parallel()
	v, certificate := both(t, "")
	o := v.measure(t, loadRun{name: "small", number: "*98", args: listeningCalls(10, 2), figures: securedFigures, trusts: certificate}, "", time.Now())
	require.Equal(t, 10, o.Report.Answered, "%v", o.Report.Failures)
	require.Equal(t, 10, lossless(o.Report))
	require.Zero(t, o.Report.Unopened)
	require.Positive(t, o.Report.Packets)
	full := v.handshakes(t, certificate, false, 300*time.Millisecond)
	require.Zero(t, full.Figures[1].Value)
	resumed := v.handshakes(t, certificate, true, 300*time.Millisecond)
	require.EqualValues(t, 100, resumed.Figures[1].Value)
	for _, o := range []outcome{o, full, resumed} {
		o.print()
	}
}
