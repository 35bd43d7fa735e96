package register

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/metrics"
	"star97/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Addresses of registrars, and of ourselves.
var (
	first  = netip.MustParseAddrPort("192.0.2.1:5060")
	second = netip.MustParseAddrPort("192.0.2.2:5060")
	own    = netip.MustParseAddrPort("10.0.0.5:5060")
	shown  = netip.MustParseAddrPort("203.0.113.9:40000") // by a NAT
)

// heard is a request as a registrar got it.
type heard struct {
	*sip.Request
	at      time.Time
	network string
	to      netip.AddrPort
}

// yard is the network of a test: our own sockets, the DNS, and registrars that answer as
// answer says.
type yard struct {
	t *testing.T

	mu     sync.Mutex
	answer func(heard) *sip.Response // nil: silence
	sent   []heard
	pings  []time.Time
	gone   error // of the next pings
	local  netip.AddrPort
	chosen bool
	nat    netip.AddrPort // where our requests seem to come from; not valid: there is none
	placed map[string][]netip.Addr
	shown  netip.AddrPort // what Contact is to say in calls
	hosts  map[string][]netip.Addr
	srv    map[string][]*net.SRV // by _service._proto.name
	dnsErr error

	log    bytes.Buffer
	counts *metrics.Metrics
	*Registrar
}

func newYard(t *testing.T, answer func(heard) *sip.Response) *yard {
	y := &yard{t: t, answer: answer, local: own, placed: map[string][]netip.Addr{}, srv: map[string][]*net.SRV{},
		hosts: map[string][]netip.Addr{"example.org": {first.Addr()}}, counts: metrics.New(metrics.Words{Failures: Reasons()})}
	y.counts.Allow(metrics.Names{Registrations: []string{"account"}})
	y.Registrar = New(Deps{Sender: y, Resolver: y, Metrics: y.counts,
		Log: slog.New(slog.NewTextHandler(&y.log, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(y.log.String())
		}
	})
	return y
}

// play runs a test in a time of its own.
func play(t *testing.T, answer func(heard) *sip.Response, run func(*testing.T, *yard)) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, answer)
		defer y.Close()
		run(t, y)
	})
}

// set changes the yard while registrations run.
func (y *yard) set(change func()) {
	y.mu.Lock()
	defer y.mu.Unlock()
	change()
}

// took is what was sent since it was asked last, once nothing moves any more.
func (y *yard) took() []heard {
	synctest.Wait()
	y.mu.Lock()
	defer y.mu.Unlock()
	all := y.sent
	y.sent = nil
	return all
}

// said is what stands in the log, once nothing moves any more.
func (y *yard) said() string {
	synctest.Wait()
	return y.log.String()
}

// places are where calls of the account may come from.
func (y *yard) places() []netip.Addr {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.placed["account"]
}

// pinged is how often the way was kept open since it was asked last.
func (y *yard) pinged() int {
	synctest.Wait()
	y.mu.Lock()
	defer y.mu.Unlock()
	n := len(y.pings)
	y.pings = nil
	return n
}

func (y *yard) Send(ctx context.Context, req *sip.Request, network string, to netip.AddrPort, _ string) (*sip.Response, error) {
	y.mu.Lock()
	from := y.local
	if y.nat.IsValid() {
		from = y.nat
	}
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(network), Host: y.local.Addr().String(), Port: int(y.local.Port()),
		Params: sip.HeaderParams{{K: "branch", V: sip.GenerateBranch()}, {K: "rport", V: strconv.Itoa(int(from.Port()))}, {K: "received", V: from.Addr().String()}}}
	y.mu.Unlock()
	req.PrependHeader(via)
	parsed, err := sip.ParseMessage([]byte(req.String()))
	if err != nil {
		y.t.Errorf("what is sent cannot be read: %v\n%s", err, req)
		return nil, err
	}
	h := heard{parsed.(*sip.Request), time.Now(), network, to}
	y.mu.Lock()
	y.sent = append(y.sent, h)
	answer := y.answer
	y.mu.Unlock()
	res := answer(h)
	if res == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	again, err := sip.ParseMessage([]byte(res.String()))
	if err != nil {
		return nil, err
	}
	return again.(*sip.Response), nil
}

func (y *yard) Local(context.Context, string, netip.AddrPort, string) (netip.AddrPort, bool, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.local, y.chosen, nil
}

func (y *yard) Ping(string, netip.AddrPort, string) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.pings = append(y.pings, time.Now())
	return y.gone
}

func (y *yard) Place(name string, at []netip.Addr, _ string, shown netip.AddrPort) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.shown = shown
	y.placed[name] = slices.Clone(at)
}

func (y *yard) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	all, ok := y.srv["_"+service+"._"+proto+"."+name]
	if !ok {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return name, all, y.dnsErr
}

func (y *yard) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.dnsErr != nil {
		return nil, y.dnsErr
	}
	all, ok := y.hosts[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return slices.Clone(all), nil
}

// account is a registration with a password, as most tests want it.
func account(t *testing.T, change ...func(*Options)) Options {
	o := DefaultOptions()
	o.Name, o.Registrar, o.User = "account", "example.org", "4970"
	o.Password = secret.Source{File: filepath.Join(t.TempDir(), "password")}
	require.NoError(t, os.WriteFile(o.Password.File, []byte("right-word\n"), 0o600))
	for _, c := range change {
		c(&o)
	}
	require.NoError(t, o.Validate())
	return o
}

// reply is an answer with header lines.
func reply(h heard, status int, lines ...string) *sip.Response {
	res := sip.NewResponseFromRequest(h.Request, status, "Because", nil)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		res.AppendHeader(sip.NewHeader(name, value))
	}
	return res
}

// ok grants what was asked for, as a registrar does: with all Contacts that it has.
func ok(h heard) *sip.Response {
	return reply(h, 200, contacts(h)...)
}

func contacts(h heard) (lines []string) {
	for _, c := range h.GetHeaders("Contact") {
		if !strings.Contains(c.Value(), "expires=0") {
			lines = append(lines, "Contact: "+c.Value())
		}
	}
	return lines
}

// guard asks for the password of 4970 first, and lets next answer who knows it.
func guard(status int, realm string, algorithms []string, next func(heard) *sip.Response) func(heard) *sip.Response {
	asks, answers := "WWW-Authenticate", "Authorization"
	if status == 407 {
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	}
	return func(h heard) *sip.Response {
		for _, c := range h.GetHeaders(answers) {
			cred, err := digest.ParseCredentials(c.Value())
			if err != nil || cred.Realm != realm {
				continue
			}
			want, err := digest.Digest(&digest.Challenge{Realm: realm, Nonce: cred.Nonce, Algorithm: cred.Algorithm, QOP: []string{"auth"}},
				digest.Options{Method: string(h.Method), URI: cred.URI, Username: "4970", Password: "right-word", Cnonce: cred.Cnonce, Count: cred.Nc})
			if err == nil && want.Response == cred.Response && cred.URI == h.Recipient.String() {
				return next(h)
			}
		}
		var lines []string
		for _, a := range algorithms {
			lines = append(lines, asks+`: Digest realm="`+realm+`", nonce="`+token()+`", algorithm=`+a+`, qop="auth-int, auth"`)
		}
		return reply(h, status, lines...)
	}
}

func contactOf(h heard) string {
	if c := h.GetHeader("Contact"); c != nil {
		return c.Value()
	}
	return ""
}

// within requires that a wait is in a range.
func within(t *testing.T, least, most, is time.Duration) {
	t.Helper()
	require.GreaterOrEqual(t, is, least)
	require.LessOrEqual(t, is, most)
}
