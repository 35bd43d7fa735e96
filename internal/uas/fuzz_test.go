package uas

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

func newTestGate(t testing.TB) *gate {
	return gateOf(t, func(o *Options) { o.Limits.Rate, o.Limits.Burst = 1000000, 1000000 })
}

// FuzzGate: what the gate lets in, sipgo reads, and the front door can look at;
// what it answers is one readable SIP answer of 4xx or 5xx, no larger than the
// request allows, with the request's own transaction in it.
func FuzzGate(f *testing.F) {
	for _, text := range []string{
		invite(offerText), plain("OPTIONS"), plain("ACK"), plain("BYE"), "SIP/2.0 200 OK\r\n\r\n", "\r\n\r\n",
		strings.Replace(plain("OPTIONS"), "To: <", "To :\r\n <", 1),
		strings.Replace(plain("OPTIONS"), "Via: SIP/2.0/UDP ", "v: SIP/2.0/UDP [::1]:5, SIP/2.0/TCP ", 1),
		strings.ReplaceAll(plain("INVITE"), "\r\nFrom", "\nFrom"),
		strings.Replace(plain("INFO"), "CSeq: 1", "CSeq: 4294967296", 1),
		strings.Replace(plain("NOTIFY"), "Contact", "Event: refer;id=\"1\nSubscription-State: active\r\nContact", 1),
		strings.Replace(plain("INVITE"), "Contact", "P-Asserted-Identity: \"a,<\\\"\" <sip:1@x>, <tel:2>\r\nHistory-Info: <sip:1@x?Reason=a>;index=1;mp=1\r\nContact", 1),
	} {
		f.Add([]byte(text))
	}
	g := newTestGate(f)
	s := &Server{tags: g.tags, gate: g}
	f.Fuzz(func(t *testing.T, msg []byte) {
		pass, reply, to := g.admit("udp", someone, msg, time.Now())
		require.False(t, pass != nil && reply != nil)
		if pass != nil {
			parsed, err := g.parser.ParseSIP(pass)
			require.Equal(t, string(pass), string(tidy(pass)), "tidy once, tidy for ever")
			require.LessOrEqual(t, len(pass), len(msg)+3*bytes.Count(msg, []byte("\n")))
			require.NoError(t, err)
			if req, ok := parsed.(*sip.Request); ok {
				tagged := param(req.To().Params, "tag") != ""
				req.SetSource(someone.String())
				s.stamp(req)
				require.Equal(t, tagged || !req.IsAck(), param(req.To().Params, "tag") != "", "all but an ACK have a tag")
				require.Equal(t, !tagged && !req.IsAck(), cameOf(req).untagged, "and it is known whose it is")
				frontDoor(req, opening)
				_ = dialogOf(req)
				_ = identity{kind: asserted}.caller(req)
				_, _ = diverted(req), retargeted(req)
				_, unknown := s.owner(req)
				require.NotNil(t, unknown, "nobody writes whose certificate it is")
				_, _ = credentials(req, "sip.example.org")
				_, _ = eventOf(req)
				_, _ = fragStatus(req.Body())
				require.NotEmpty(t, response(req, 400, "x").String())
			}
		}
		if reply == nil {
			return
		}
		require.Equal(t, someone.Addr(), to.Addr(), "never to another address")
		require.LessOrEqual(t, len(reply), 2*len(msg)+300)
		text, whole := strings.CutSuffix(string(reply), "\r\n\r\n")
		require.True(t, whole)
		lines := strings.Split(text, "\r\n")
		require.Regexp(t, `^SIP/2\.0 [45]\d\d [A-Z]`, lines[0])
		require.Regexp(t, `^Via: `, lines[1])
		require.NotContains(t, strings.Join(lines, ""), "\n", "nothing slips a line into the answer")
		require.NotContains(t, strings.Join(lines, ""), "\r")
		for _, l := range lines[1:] {
			require.Regexp(t, `^(Via|From|To|Call-ID|CSeq|Content-Length): `, l)
		}
	})
}

// chunks is a connection that gives what a fuzzer wrote in pieces of one size.
type chunks struct {
	net.Conn
	data []byte
	size int
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.data[:min(c.size, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}

func (c *chunks) Close() error                     { return nil }
func (c *chunks) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(someone) }
func (c *chunks) Write(b []byte) (int, error)      { return len(b), nil }
func (c *chunks) SetReadDeadline(time.Time) error  { return nil }
func (c *chunks) SetWriteDeadline(time.Time) error { return nil }

// FuzzStream: however a stream is cut into reads, the same messages come out, and
// each is whole.
func FuzzStream(f *testing.F) {
	f.Add([]byte(plain("OPTIONS")+"\r\n\r\n"+invite(offerText)+plain("BYE")), 7)
	f.Add([]byte(invite(offerText)+"x"), 1)
	f.Add([]byte("\r\n\r\n\r\nSIP/2.0 200 OK\r\nl: 3\r\n\r\nabc"), 2)
	g := newTestGate(f)
	g.lingerWait = 0 // nobody answers
	read := func(data []byte, size int) (all [][]byte, left bool) {
		c := newStream(&chunks{data: data, size: size}, "tcp", g, func() {})
		b := make([]byte, 65536)
		for {
			n, err := c.Read(b)
			if err != nil {
				return all, err == io.EOF
			}
			all = append(all, bytes.Clone(b[:n]))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if size < 1 || len(data) > g.limit {
			return
		}
		at, ended := read(data, len(data)+1)
		cut, cutEnded := read(data, size)
		require.Equal(t, at, cut)
		require.Equal(t, ended, cutEnded)
		for _, m := range at {
			_, err := g.parser.ParseSIP(m)
			require.NoError(t, err)
			raw, _ := scanRequest(m)
			size, err := raw.length()
			require.NoError(t, err)
			require.Equal(t, size, len(m)-headerEnd(m), "exactly one message")
		}
	})
}
