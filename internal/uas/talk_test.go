package uas

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/media"
)

// The media engine believes the host that SIP comes from, and any other one only
// where the peer says so.
func TestTheStreamNamesWhoSignalsIt(t *testing.T) {
	for _, row := range []struct {
		source string
		any    bool
	}{{"", false}, {"signalled", false}, {"any", true}} {
		t.Run(row.source, func(t *testing.T) {
			h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].RTPSource = row.source }})
			h.udp(t).dial()
			stream := h.calls.next(t).session.(*spy).last()
			require.Equal(t, mustAddr("127.0.0.1"), stream.Signaller)
			require.Equal(t, row.any, stream.AnyHost)
		})
	}
}

// SDP names the address that RTP comes to, which need not be the one of SIP.
func TestSDPNamesTheAddressOfTheMedia(t *testing.T) {
	for _, row := range []struct{ name, bind, advertise, want string }{
		{"the listener's", "", "", "127.0.0.1"},
		{"bind", "127.0.0.7", "", "127.0.0.7"},
		{"bind to every address", "0.0.0.0", "", "127.0.0.1"},
		{"advertise", "127.0.0.7", "203.0.113.5", "203.0.113.5"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHouse(t, setting{
				options: func(o *Options) {
					o.LocalNetworks = []string{"192.0.2.0/24"}
					for i := range o.Listen {
						o.Listen[i].Advertise = row.advertise
					}
				},
				media: func(o *media.Options) {
					if row.bind != "" {
						o.Bind = []netip.Addr{mustAddr(row.bind)}
					}
				},
			})
			require.Contains(t, h.udp(t).dial().body, "\r\nc=IN IP4 "+row.want+"\r\n")
		})
	}
}

func TestNobodyElseSendsUsToOurLoopback(t *testing.T) {
	h := newHouse(t, setting{})
	session, err := h.engine.Open(mustAddr("127.0.0.1"))
	require.NoError(t, err)
	defer session.Close()
	d := &dialog{s: h.Server, session: session, peer: &peer{codecs: codecs}, source: "192.0.2.1:5060"}
	_, _, refused := d.answerOffer([]byte(offerText))
	require.Equal(t, 488, refused.status)
	require.Nil(t, d.talk.settled)
	d.source = "127.0.0.1:5060"
	_, _, refused = d.answerOffer([]byte(offerText))
	require.Nil(t, refused)
}

func TestRedundancyOfEventsIsAgreed(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.send("INVITE", strings.Replace(offerText, "0 101", "0 101 121", 1)+"a=rtpmap:121 red/8000\r\na=fmtp:121 101/101\r\n", "application/sdp")
	require.Contains(t, p.expect(200).body, "a=fmtp:121 101/101\r\n")
	require.Equal(t, uint8(121), h.calls.next(t).session.(*spy).last().RedPT)
}

// RFC 3264 section 8 and RFC 3261 section 14.1: a re-INVITE without an offer gets
// one that goes on from what was agreed.
func TestOurOfferInADialogKeepsLinesAndPayloadTypes(t *testing.T) {
	head, _, _ := strings.Cut(offerText, "m=")
	offer := head + "m=audio 39000 RTP/AVP 101 0 96\r\na=rtpmap:101 opus/48000/2\r\na=rtpmap:96 telephone-event/8000\r\n" +
		"m=video 39002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n"
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.send("INVITE", offer, "application/sdp")
	p.learn(p.expect(200))
	p.send("ACK", "", "")
	s := h.calls.next(t).session.(*spy)
	before := s.last()

	p.send("INVITE", "", "")
	ours := p.expect(200).body
	require.Contains(t, ours, " RTP/AVP 0 9 8 96\r\n")
	require.Contains(t, ours, "a=rtpmap:96 telephone-event/8000\r\n")
	require.Contains(t, ours, "\r\nm=video 0 RTP/AVP 97\r\n")
	require.Contains(t, ours, " 2 IN IP4 127.0.0.1\r\n", "the version grows")
	p.send("ACK", head+"m=audio 39000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\nm=video 0 RTP/AVP 97\r\n", "application/sdp")
	soon(t, func() bool { return s.sets() == 2 })
	require.Equal(t, before, s.last())
	require.Equal(t, uint8(96), s.last().EventPT)
}
