package uas

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An answer to our BYE counts only with the branch of that BYE, which none can guess; and
// what strangers send is not even read. The BYE comes again until its own answer is there.
func TestForgedAnswersToOurBYEEndNothing(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers = []Peer{{Name: "pbx", Addresses: []string{"127.0.0.1"}}, {Name: "other", Addresses: []string{"127.0.0.3"}}}
	}})
	p := h.udp(t)
	p.dial()
	h.calls.next(t).leg.Hangup()
	bye := p.expectRequest("BYE")
	real := bye.get("Via")
	head, _, ok := strings.Cut(real, "branch=")
	require.True(t, ok)
	for name, forged := range map[string]struct{ host, via string }{
		"a stranger who reads along":       {"127.0.0.66", real},
		"another peer that guesses":        {"127.0.0.3", head + "branch=z9hG4bKguessed"},
		"the caller's host, which guesses": {"127.0.0.1", head + "branch=z9hG4bKguessed"},
	} {
		conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(forged.host)}}).Dial("udp", h.at(0))
		require.NoError(t, err, name)
		for _, status := range []string{"200 OK", "481 Call/Transaction Does Not Exist"} {
			_, err = fmt.Fprintf(conn, "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
				status, forged.via, bye.get("From"), bye.get("To"), bye.get("Call-Id"), bye.get("Cseq"))
			require.NoError(t, err, name)
		}
		conn.Close()
	}
	again := p.next()
	require.Equal(t, [2]string{bye.start, real}, [2]string{again.start, again.get("Via")}, "the BYE comes again")
	require.Equal(t, 1, h.Calls(), "the call waits for its own answer")
	p.reply(again, "200 OK")
	h.over(t)
}
