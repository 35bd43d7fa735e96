package sdp

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 4733 section 2.6.2: telephone-event may come in RFC 2198 redundancy.
func TestRedundancyOfEvents(t *testing.T) {
	for _, c := range []struct {
		name  string
		offer []string // formats, then attributes beside the event's
		red   uint8
	}{
		{"none", []string{"0 96"}, 0},
		{"of events", []string{"0 96 121", "a=rtpmap:121 red/8000", "a=fmtp:121 96/96/96"}, 121},
		{"of events and audio", []string{"121 0 96", "a=rtpmap:121 RED/8000/1", "a=fmtp:121 0/96"}, 121},
		{"of audio", []string{"0 96 121", "a=rtpmap:121 red/8000", "a=fmtp:121 0/0"}, 0},
		{"of anything", []string{"0 96 121", "a=rtpmap:121 red/8000"}, 0},
		{"of another rate", []string{"0 96 121", "a=rtpmap:121 red/48000", "a=fmtp:121 96/96"}, 0},
		{"mapped but not listed", []string{"0 96", "a=rtpmap:121 red/8000", "a=fmtp:121 96/96"}, 0},
		{"the one of events", []string{"0 120 96 121", "a=rtpmap:120 red/8000", "a=fmtp:120 0/0", "a=rtpmap:121 red/8000", "a=fmtp:121 96/96"}, 121},
		{"without events", []string{"0 121", "a=rtpmap:121 red/8000", "a=fmtp:121 96/96"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			offer := text(append([]string{"v=0", "o=- 1 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0",
				"m=audio 4000 RTP/AVP " + c.offer[0], "a=rtpmap:96 telephone-event/8000"}, c.offer[1:]...)...)
			answer, got, err := Answer(offer, us())
			require.NoError(t, err)
			require.Equal(t, c.red, got.RedPT)
			theirs := us()
			theirs.Addr = netip.MustParseAddrPort("198.51.100.1:4000")
			back, err := Accept(offer, answer, theirs)
			require.NoError(t, err)
			require.Equal(t, c.red, back.RedPT)
			local := us()
			local.Settled = offer
			ours := Offer(local)
			if c.red == 0 {
				require.NotContains(t, string(answer)+string(ours), "red/8000")
				return
			}
			require.Equal(t, []string{"m=audio 20000 RTP/AVP 0 96 121"}, linesOf(answer, "m="))
			require.Equal(t, []string{"m=audio 20000 RTP/AVP 0 8 96 121"}, linesOf(ours, "m="))
			for _, ours := range [][]byte{answer, ours} {
				require.Equal(t, []string{"a=fmtp:96 0-15", "a=fmtp:121 96/96"}, linesOf(ours, "a=fmtp"))
				require.Equal(t, []string{"a=rtpmap:121 red/8000"}, linesOf(ours, "a=rtpmap:121"))
			}
		})
	}
	_, got, err := Answer(offerWith("a=rtpmap:121 red/8000", "a=fmtp:121 101/101"), us())
	require.NoError(t, err)
	require.Zero(t, got.RedPT)
}
