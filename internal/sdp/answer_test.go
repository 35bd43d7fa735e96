package sdp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
)

// text joins lines as SDP has them.
func text(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

func us() Local {
	return Local{
		Addr:      netip.MustParseAddrPort("192.0.2.97:20000"),
		Codecs:    []codec.ID{codec.PCMU, codec.PCMA},
		SessionID: 97,
		Version:   1,
	}
}

// offers are written in the manner of well-known telephones and switches.
var offers = []struct {
	name  string
	offer []byte
	media []string // the m= lines of the answer
	also  []string // further lines of the answer
	want  Agreed
}{
	{
		name: "linphone",
		offer: text("v=0", "o=alice 3345 2187 IN IP4 198.51.100.7", "s=Talk", "c=IN IP4 198.51.100.7",
			"t=0 0", "a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics", "a=record:off",
			"m=audio 7078 RTP/AVP 96 97 98 0 8 18 101 99 100", "a=rtpmap:96 opus/48000/2", "a=fmtp:96 useinbandfec=1",
			"a=rtpmap:97 speex/16000", "a=fmtp:97 vbr=on", "a=rtpmap:98 speex/8000", "a=fmtp:98 vbr=on",
			"a=fmtp:18 annexb=yes", "a=rtpmap:101 telephone-event/48000", "a=rtpmap:99 telephone-event/16000",
			"a=rtpmap:100 telephone-event/8000", "a=rtcp-fb:* trr-int 1000", "a=rtcp-fb:* ccm tmmbr"),
		media: []string{"m=audio 20000 RTP/AVP 0 100"},
		also:  []string{"a=rtpmap:0 PCMU/8000", "a=rtpmap:100 telephone-event/8000", "a=fmtp:100 0-15", "a=sendrecv"},
		want:  agreed("198.51.100.7:7078", codec.PCMU, 0, 100),
	},
	{
		name: "baresip",
		offer: text("v=0", "o=- 3814182 1023 IN IP4 198.51.100.8", "s=-", "c=IN IP4 198.51.100.8", "t=0 0",
			"a=tool:baresip 1.0.0", "m=audio 16890 RTP/AVP 8 0 101", "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000",
			"a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=rtcp:16891", "a=rtcp-mux", "a=sendrecv",
			"a=label:1", "a=rtcp-rsize", "a=ssrc:1234 cname:sip:a@b", "a=ptime:20"),
		media: []string{"m=audio 20000 RTP/AVP 8 101"},
		also:  []string{"a=rtpmap:8 PCMA/8000", "a=ptime:20"},
		want:  agreed("198.51.100.8:16890", codec.PCMA, 8, 101),
	},
	{
		name: "Asterisk",
		offer: text("v=0", "o=root 1821731 1821731 IN IP4 198.51.100.9", "s=Asterisk PBX 18.9", "c=IN IP4 198.51.100.9",
			"b=CT:384", "t=0 0", "m=audio 11424 RTP/AVP 8 3 101", "a=rtpmap:8 PCMA/8000", "a=rtpmap:3 GSM/8000",
			"a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20", "a=maxptime:150", "a=sendrecv"),
		media: []string{"m=audio 20000 RTP/AVP 8 101"},
		also:  []string{"a=fmtp:101 0-16"},
		want:  agreed("198.51.100.9:11424", codec.PCMA, 8, 101),
	},
	{
		name: "FreeSWITCH without rtpmap of static types",
		offer: text("v=0", "o=FreeSWITCH 1700000001 1700000002 IN IP4 198.51.100.10", "s=FreeSWITCH",
			"c=IN IP4 198.51.100.10", "t=0 0", "m=audio 29134 RTP/AVP 102 9 0 8 104 101", "a=rtpmap:102 opus/48000/2",
			"a=fmtp:102 useinbandfec=1; maxaveragebitrate=30000", "a=rtpmap:104 telephone-event/48000", "a=fmtp:104 0-15",
			"a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=ptime:20"),
		media: []string{"m=audio 20000 RTP/AVP 0 101"},
		want:  agreed("198.51.100.10:29134", codec.PCMU, 0, 101),
	},
	{
		name: "CUCM with early offer",
		offer: text("v=0", "o=CiscoSystemsCCM-SIP 12345 1 IN IP4 198.51.100.11", "s=SIP Call", "c=IN IP4 198.51.100.12",
			"b=TIAS:64000", "b=AS:64", "t=0 0", "m=audio 24576 RTP/AVP 0 8 18 101", "a=rtpmap:0 PCMU/8000", "a=ptime:20",
			"a=rtpmap:8 PCMA/8000", "a=ptime:20", "a=rtpmap:18 G729/8000", "a=ptime:20", "a=rtpmap:101 telephone-event/8000",
			"a=fmtp:101 0-15"),
		media: []string{"m=audio 20000 RTP/AVP 0 101"},
		want:  agreed("198.51.100.12:24576", codec.PCMU, 0, 101),
	},
	{
		name: "fax gateway with T.38 as second line",
		offer: text("v=0", "o=- 1 1 IN IP4 198.51.100.13", "s=-", "c=IN IP4 198.51.100.13", "t=0 0",
			"m=audio 6000 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "m=image 6002 udptl t38", "a=T38FaxVersion:0",
			"a=T38MaxBitRate:14400", "a=T38FaxRateManagement:transferredTCF"),
		media: []string{"m=audio 20000 RTP/AVP 0", "m=image 0 udptl t38"},
		want:  agreed("198.51.100.13:6000", codec.PCMU, 0, 0),
	},
	{
		name: "secure line first, plain line second",
		offer: text("v=0", "o=- 1 1 IN IP4 198.51.100.14", "s=-", "c=IN IP4 198.51.100.14", "t=0 0",
			"m=audio 6000 RTP/SAVP 0 101", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
			"m=audio 6002 RTP/AVP 8 96", "a=rtpmap:96 TELEPHONE-EVENT/8000"),
		media: []string{"m=audio 0 RTP/SAVP 0 101", "m=audio 20000 RTP/AVP 8 96"},
		want:  agreed("198.51.100.14:6002", codec.PCMA, 8, 96),
	},
	{
		name: "video beside audio, addresses at the media",
		offer: text("v=0", "o=- 1 1 IN IP4 198.51.100.15", "s=-", "t=3034423619 3042462419",
			"m=video 7000 RTP/AVP 31", "c=IN IP4 203.0.113.1", "a=rtpmap:31 H261/90000",
			"m=audio 7002 RTP/AVP 97 99", "c=IN IP4 203.0.113.2", "a=rtpmap:97 pcma/8000/1", "a=rtpmap:99 telephone-event/8000"),
		media: []string{"m=video 0 RTP/AVP 31", "m=audio 20000 RTP/AVP 97 99"},
		also:  []string{"t=3034423619 3042462419", "a=rtpmap:97 PCMA/8000"},
		want:  agreed("203.0.113.2:7002", codec.PCMA, 97, 99),
	},
}

func agreed(remote string, id codec.ID, pt, event uint8) Agreed {
	addr := netip.MustParseAddrPort(remote)
	a := Agreed{
		Remote:     addr,
		RemoteRTCP: netip.AddrPortFrom(addr.Addr(), addr.Port()+1),
		Codec:      id,
		PT:         pt,
		EventPT:    event,
		PTime:      20 * time.Millisecond,
		Send:       true,
		Recv:       true,
	}
	if event != 0 {
		a.EventRate = 8000
	}
	return a
}

func linesOf(sdp []byte, prefix string) []string {
	var found []string
	for line := range strings.SplitSeq(string(sdp), "\r\n") {
		if strings.HasPrefix(line, prefix) {
			found = append(found, line)
		}
	}
	return found
}

func TestAnswerToOffersInTheField(t *testing.T) {
	for _, c := range offers {
		t.Run(c.name, func(t *testing.T) {
			answer, got, err := Answer(c.offer, us())
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.media, linesOf(answer, "m="))
			for _, line := range c.also {
				require.Contains(t, linesOf(answer, line), line)
			}
			require.Equal(t, []string{"o=star97 97 1 IN IP4 192.0.2.97"}, linesOf(answer, "o="))
			require.Equal(t, []string{"c=IN IP4 192.0.2.97"}, linesOf(answer, "c="))
		})
	}
}
