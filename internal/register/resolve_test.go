package register

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// zone is a DNS server of one zone, by type and name. What is not there does not
// exist; below broken.org. nothing is answered well.
type zone map[string][]dnsmessage.ResourceBody

// serve starts it and returns the system's resolver, which asks it alone.
func (z zone) serve(t *testing.T) *net.Resolver {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := z.answer(buf[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp4", conn.LocalAddr().String())
	}}
}

func (z zone) answer(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	bodies, there := z[q.Type.String()+" "+strings.ToLower(q.Name.String())]
	switch {
	case strings.HasSuffix(q.Name.String(), "broken.org."):
		m.RCode = dnsmessage.RCodeServerFailure
	case !there:
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, b := range bodies {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type, TTL: 5}, Body: b})
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

func srv(target string, port, priority, weight uint16) dnsmessage.ResourceBody {
	return &dnsmessage.SRVResource{Target: dnsmessage.MustNewName(target), Port: port, Priority: priority, Weight: weight}
}

// The order of RFC 2782 is the system resolver's: this is what is relied on.
func TestTheSystemsResolverOrdersServersByPriorityAndWeight(t *testing.T) {
	a := func(last byte) []dnsmessage.ResourceBody {
		return []dnsmessage.ResourceBody{&dnsmessage.AResource{A: [4]byte{192, 0, 2, last}}}
	}
	r := zone{
		"TypeSRV _sip._udp.example.org.": {srv("last.example.org.", 5060, 20, 0), srv("light.example.org.", 5060, 10, 10), srv("heavy.example.org.", 5060, 10, 90)},
		"TypeA last.example.org.":        a(3), "TypeA light.example.org.": a(2), "TypeA heavy.example.org.": a(1),
		"TypeAAAA last.example.org.": nil, "TypeAAAA light.example.org.": nil, "TypeAAAA heavy.example.org.": nil,
		"TypeA bare.example.org.": a(9), "TypeAAAA bare.example.org.": nil,
		"TypeSRV _sip._udp.off.example.org.": {srv(".", 0, 0, 0)},
	}.serve(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := DefaultOptions()
	o.Registrar = "example.org."
	heavy := 0
	const times = 200
	for range times {
		all, err := o.Targets(ctx, r)
		require.NoError(t, err)
		require.Len(t, all, 3)
		require.Equal(t, netip.MustParseAddrPort("192.0.2.3:5060"), all[2].Addr)
		if all[0].Addr.Addr() == netip.MustParseAddr("192.0.2.1") {
			heavy++
		}
	}
	within(t, times*3/4, times-1, time.Duration(heavy)) // nine of ten; once in 10^9 runs less
	o.Registrar = "bare.example.org."
	all, err := o.Targets(ctx, r)
	require.NoError(t, err)
	require.Equal(t, []Target{{Network: "udp", Addr: netip.MustParseAddrPort("192.0.2.9:5060")}}, all)
	o.Registrar = "off.example.org."
	_, err = o.Targets(ctx, r)
	require.EqualError(t, err, "the SRV records of off.example.org. lead to no address")
	o.Registrar = "broken.org."
	_, err = o.Targets(ctx, r)
	require.ErrorContains(t, err, "the SRV records of broken.org. cannot be looked up", "that a server fails does not say that there are none")
	o.Registrar = "nobody.example.org."
	_, err = o.Targets(ctx, r)
	require.ErrorContains(t, err, "the address of nobody.example.org. cannot be looked up")
}
