package uas

import (
	"net/netip"
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
	d := &dialog{s: h.Server, session: session, peer: &peer{}, source: "192.0.2.1:5060"}
	_, refused := d.answerOffer([]byte(offerText))
	require.Equal(t, 488, refused.status)
	require.False(t, d.talk.agreed)
	d.source = "127.0.0.1:5060"
	_, refused = d.answerOffer([]byte(offerText))
	require.Nil(t, refused)
}
