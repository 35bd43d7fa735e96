package uas

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/srtp"
)

// A call that began over TLS takes no keys from a re-INVITE that came by another way.
func TestNewKeysOfSRTPAreTakenOverTLSAlone(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) { o.Peers[0].SRTP = srtpOffered }, nil)
	offer := func(k srtp.Key) string {
		return strings.Replace(offerText, "RTP/AVP", "RTP/SAVP", 1) + "a=crypto:" + k.Attribute(1) + "\r\n"
	}
	first, second := srtp.NewKey(srtp.AES128SHA80), srtp.NewKey(srtp.AES128SHA80)
	p := h.tlsPhone(t, &tls.Config{RootCAs: a.pool()})
	p.send("INVITE", offer(first), "application/sdp")
	p.learn(p.expect(200))
	p.send("ACK", "", "")
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)

	open := h.tcp(t)
	open.callID, open.tag, open.toTag, open.cseq = p.callID, p.tag, p.toTag, p.cseq
	open.send("INVITE", offer(second), "application/sdp")
	open.expect(488)
	open.write(open.buildAs("ACK", open.cseq, "z9hG4bK-"+open.callID+"-1", "", ""))
	var held srtp.Key
	soon(t, func() bool { held = c.session.(*spy).last().TheirKey; return held.Equal(&first) })

	p.cseq = open.cseq
	p.send("INVITE", offer(second), "application/sdp")
	p.expect(200)
	p.send("ACK", "", "")
	soon(t, func() bool { held = c.session.(*spy).last().TheirKey; return held.Equal(&second) })
}
