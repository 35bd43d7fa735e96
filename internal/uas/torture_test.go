package uas

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
)

// tormentor sends the messages of one RFC to a server and keeps what came of each.
type tormentor struct {
	t      *testing.T
	udp    *house
	tcp    *house // another: an INVITE that comes again is known
	hasty  *house // one that soon gives up a message that is not whole
	rows   []tortured
	bytes  func(name string) []byte
	from   func(row int) netip.Addr
	report strings.Builder
	as     map[string]int // rows by outcome
}

func tormented(t *testing.T, listen string, rows []tortured, text func(string) []byte, from func(int) netip.Addr) *tormentor {
	anywhere := plan{func(string) (dialplan.Route, bool) { return defaultRoutes("5000") }}
	address := func(o *Options) {
		o.Listen[0].Address, o.Listen[1].Address = listen, listen
		o.Limits.Rate, o.Limits.Burst = 1000000, 1000000
	}
	return &tormentor{
		t: t, rows: rows, bytes: text, from: from, as: map[string]int{},
		udp:   newHouse(t, setting{plan: anywhere, options: address}),
		tcp:   newHouse(t, setting{plan: anywhere, options: address}),
		hasty: newHouse(t, setting{plan: anywhere, options: address, server: func(s *Server) { s.gate.partWait = 50 * time.Millisecond }}),
	}
}

// all sends every row by udp and tcp. A row with a gap must not get what the RFC says.
func (m *tormentor) all() {
	for i, row := range m.rows {
		m.t.Run(row.name, func(t *testing.T) {
			for _, way := range []struct {
				network, want string
				play          func(*testing.T, int, tortured) (string, message)
			}{{"udp", row.udp, m.datagram}, {"tcp", row.tcp, m.stream}} {
				got, last := way.play(t, i, row)
				word := "as said"
				switch {
				case got == "no address":
					word = got
				case row.gap != "" && got != way.want:
					word = "known gap"
				case row.gap != "" && way.network == "udp":
					require.NotEqual(t, way.want, got, "this gap is closed: take it off the row")
				default:
					require.Equal(t, way.want, got, way.network)
					name, value, _ := strings.Cut(row.owes, ": ")
					require.True(t, strings.HasPrefix(last.get(name), value), "%s: %s", name, last.get(name))
				}
				m.as[way.network+" "+word]++
				fmt.Fprintf(&m.report, "%-9s %-29s %-4s %-8s %-9s %s\n", row.section, row.name, way.network, got, word, row.says)
				if word == "known gap" {
					fmt.Fprintf(&m.report, "%44s because %s\n", "", row.gap)
				}
			}
		})
	}
	m.t.Logf("%d messages: %v\n%s", len(m.rows), m.as, m.report.String())
}

// datagram sends a row over UDP from the port that its answer goes to.
func (m *tormentor) datagram(t *testing.T, i int, row tortured) (string, message) {
	msg := m.bytes(row.name)
	at := netip.AddrPortFrom(m.from(i), 0)
	if raw, isRequest := scanRequest(msg); isRequest {
		at = raw.replyPort(at)
	}
	conn := dialFrom(t, "udp", at, m.udp.Addrs()[0].Addr)
	if conn == nil {
		return "no address", message{}
	}
	p := newPhoneOn(t, "udp", conn)
	m.udp.idle(t) // several messages of RFC 5118 have the transaction of another
	p.write(string(msg))
	return answersOf(p, row.udp, row.gap != "")
}

// stream sends it over TCP.
func (m *tormentor) stream(t *testing.T, i int, row tortured) (string, message) {
	h := m.tcp
	if row.tcp == "- end" {
		h = m.hasty
	}
	conn := dialFrom(t, "tcp", netip.AddrPortFrom(m.from(i), 0), h.Addrs()[1].Addr)
	if conn == nil {
		return "no address", message{}
	}
	p := newPhoneOn(t, "tcp", conn)
	h.idle(t)
	p.write(string(m.bytes(row.name)))
	if wanted, ends := strings.CutSuffix(row.tcp, " end"); ends {
		var got []string
		var last message
		for {
			answer, err := parseMessage(p.reader)
			if err != nil {
				break
			}
			got, last = append(got, strconv.Itoa(answer.status())), answer
		}
		slices.Sort(got)
		if wanted == "-" {
			got = append(got, "-")
		}
		return strings.Join(append(got, "end"), " "), last
	}
	return answersOf(p, row.tcp, row.gap != "")
}

// answersOf reads as many final answers as a row wants, and makes sure by a question of
// its own that no other comes.
func answersOf(p *phone, want string, gap bool) (string, message) {
	n := len(strings.Fields(want))
	if want == "-" && !gap {
		n = 0
	}
	var got []string
	var last message
	for range n {
		last = p.fresh()
		got = append(got, strconv.Itoa(last.status()))
	}
	p.send("OPTIONS", "", "")
	for {
		m := p.fresh()
		if m.get("Call-Id") == p.callID {
			break
		}
		got = append(got, strconv.Itoa(m.status()))
	}
	if len(got) == 0 {
		return "-", last
	}
	slices.Sort(got)
	return strings.Join(got, " "), last
}

// dialFrom is a connection from an address; nil where the system has no such address, or
// keeps its port for itself.
// A port that is taken is waited for.
func dialFrom(t *testing.T, network string, from, to netip.AddrPort) (conn net.Conn) {
	var err error
	soon(t, func() bool {
		if network == "udp" {
			conn, err = net.DialUDP(network, net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(to))
		} else {
			conn, err = net.DialTCP(network, net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to))
		}
		return !errors.Is(err, syscall.EADDRINUSE)
	}, "another program keeps the port of the answers")
	var unknown net.UnknownNetworkError
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EACCES) || errors.As(err, &unknown) {
		return nil
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// sipgoDir is where the module of sipgo lies: its own tests have the messages of RFC 4475.
func sipgoDir(t testing.TB) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(dir))
}

// tortureFiles are the messages of RFC 4475 by their names.
func tortureFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sipgoDir(t), "sip", "testdata", "torture", "*", "*.dat"))
	require.NoError(t, err)
	all := map[string][]byte{}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".dat")
		if name == "test" { // not from the RFC
			continue
		}
		all[name], err = os.ReadFile(f)
		require.NoError(t, err)
	}
	return all
}

func TestRFC4475(t *testing.T) {
	files := tortureFiles(t)
	require.Len(t, rfc4475, 49)
	require.Len(t, files, 49)
	m := tormented(t, "127.0.0.1:0", rfc4475, func(name string) []byte { return files[name] },
		func(row int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 97, byte(row + 1)}) })
	m.all()
}

// wired is a message of RFC 5118's archive as it goes over the wire: its lines end with LF
// there, two have no empty line, and Content-Length does not count CRLF.
func wired(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "rfc5118", name))
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	end := headerEnd(text)
	require.Positive(t, end, name)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(text)-end)
	return regexp.MustCompile("Content-Length: .*\r\n").ReplaceAll(text, []byte(length))
}

func TestRFC5118(t *testing.T) {
	require.Len(t, rfc5118, 12)
	files, err := os.ReadDir(filepath.Join("testdata", "rfc5118"))
	require.NoError(t, err)
	for _, f := range files {
		require.True(t, slices.ContainsFunc(rfc5118, func(r tortured) bool { return r.name == f.Name() }), f.Name())
	}
	text := func(name string) []byte { return wired(t, name) }
	t.Run("over IPv4", func(t *testing.T) {
		tormented(t, "127.0.0.1:0", rfc5118, text, func(row int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 51, byte(row + 1)}) }).all()
	})
	t.Run("over IPv6", func(t *testing.T) {
		probe, err := net.Listen("tcp6", "[::1]:0")
		if err != nil {
			t.Skip("this machine has no IPv6 loopback: ", err)
		}
		require.NoError(t, probe.Close())
		rows := slices.Clone(rfc5118)
		const unreached = "audio over IPv4 only cannot be had by a server on IPv6 only"
		at := slices.IndexFunc(rows, func(r tortured) bool { return r.name == "mult-ip-in-sdp" })
		rows[at].udp, rows[at].tcp, rows[at].owes, rows[at].says = "488", "488", "", unreached
		tormented(t, "[::1]:0", rows, text, func(int) netip.Addr { return netip.IPv6Loopback() }).all()
	})
}
