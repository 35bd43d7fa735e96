package sdp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each bad offer gets its error, which says what is wrong and where.
func TestBadOffers(t *testing.T) {
	head := []string{"v=0", "o=- 1 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0"}
	with := func(lines ...string) []byte { return text(append(head[:len(head):len(head)], lines...)...) }
	instead := func(i int, line string) []byte {
		lines := append([]string(nil), head...)
		lines[i] = line
		return text(append(lines, "m=audio 4000 RTP/AVP 0")...)
	}
	without := func(i int) []byte {
		lines := append(append([]string(nil), head[:i]...), head[i+1:]...)
		return text(append(lines, "m=audio 4000 RTP/AVP 0")...)
	}
	for _, c := range []struct {
		name  string
		offer []byte
		err   error
		says  string
	}{
		{"empty", nil, ErrSyntax, "no v= line"},
		{"no SDP at all", []byte("hello world\r\n"), ErrSyntax, "line 1 is not of the form type=value"},
		{"another version", instead(0, "v=1"), ErrSyntax, "line 1 (v=)"},
		{"version behind origin", text(head[1], head[0], head[2], head[3], head[4], "m=audio 4000 RTP/AVP 0"), ErrSyntax, "line 1 (o=)"},
		{"no version", without(0), ErrSyntax, "line 1 (o=) stands where v=0 has to"},
		{"no connection", without(3), ErrAddress, "no c= line"},
		{"connection of another network", instead(3, "c=ATM E164 1"), ErrAddress, "IN IP4 ADDRESS"},
		{"connection of another family", instead(3, "c=IN IP5 198.51.100.1"), ErrAddress, "other family"},
		{"connection without address", instead(3, "c=IN IP4"), ErrAddress, "IN IP4 ADDRESS"},
		{"name for an address", instead(3, "c=IN IP4 phone.example"), ErrAddress, "not looked up"},
		{"IPv6 address under IP4", instead(3, "c=IN IP4 2001:db8::1"), ErrAddress, "other family"},
		{"IPv4 address under IP6", instead(3, "c=IN IP6 198.51.100.1"), ErrAddress, "other family"},
		{"address with a zone", instead(3, "c=IN IP6 fe80::1%eth0"), ErrAddress, "zone"},
		{"IPv6 to our IPv4", instead(3, "c=IN IP6 2001:db8::1"), ErrAddress, "another family than our address 192.0.2.97"},
		{"multicast", instead(3, "c=IN IP4 224.2.1.1/127"), ErrAddress, "group address"},
		{"broadcast", instead(3, "c=IN IP4 255.255.255.255"), ErrAddress, "group address"},
		{"no media", with(), ErrNoAudio, "no m= line"},
		{"short media line", with("m=audio 4000 RTP/AVP"), ErrSyntax, "line 6 (m=)"},
		{"port too high", with("m=audio 70000 RTP/AVP 0"), ErrSyntax, "line 6 (m=) has a port"},
		{"negative port", with("m=audio -1 RTP/AVP 0"), ErrSyntax, "line 6 (m=) has a port"},
		{"port in words", with("m=audio any RTP/AVP 0"), ErrSyntax, "line 6 (m=) has a port"},
		{"port 0", with("m=audio 0 RTP/AVP 0"), ErrNoAudio, `"audio" over "RTP/AVP" port 0`},
		{"video only", with("m=video 4000 RTP/AVP 31"), ErrNoAudio, `"video" over "RTP/AVP" port 4000`},
		{"fax only", with("m=image 4000 udptl t38"), ErrNoAudio, `"image" over "udptl"`},
		{"secure only", with("m=audio 4000 RTP/SAVP 0", "a=crypto:1 x y"), ErrSecurity, "over RTP/SAVP, and SRTP is off"},
		{"browser", with("a=group:BUNDLE 0", "a=ice-options:trickle", "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126", "c=IN IP4 0.0.0.0",
			"a=rtcp:9 IN IP4 0.0.0.0", "a=ice-ufrag:abcd", "a=fingerprint:sha-256 00:11", "a=setup:actpass", "a=mid:0",
			"a=rtcp-mux", "a=rtpmap:111 opus/48000/2", "a=rtpmap:126 telephone-event/8000"), ErrNoAudio, `over "UDP/TLS/RTP/SAVPF"`},
		{"no common codec", with("m=audio 4000 RTP/AVP 18 101", "a=rtpmap:101 telephone-event/8000"), ErrNoCommonCodec, `formats "18 101"`},
		{"events alone", with("m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"), ErrNoCommonCodec, `"101"`},
		{"static type mapped to another codec", with("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 opus/48000/2"), ErrNoCommonCodec, `"0"`},
		{"stereo", with("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMU/8000/2"), ErrNoCommonCodec, `"96"`},
		{"dynamic type without rtpmap", with("m=audio 4000 RTP/AVP 96"), ErrNoCommonCodec, `"96"`},
		{"payload types that are none", with("m=audio 4000 RTP/AVP 128 256 -1 00 x"), ErrNoCommonCodec, `"128 256 -1 00 x"`},
		{"too many media lines", with(strings.Split(strings.Repeat("m=audio 0 RTP/AVP 0\n", 17)+"a=x", "\n")...), ErrTooBig, "more than 16 m= lines"},
		{"too many formats", with("m=audio 4000 RTP/AVP " + strings.Repeat("0 ", 65)), ErrTooBig, "line 6 (m=) has more than 64 formats"},
		{"too many lines", with(strings.Split(strings.Repeat("a=x\n", 520), "\n")...), ErrTooBig, "more than 512 lines"},
		{"line too long", with("a=" + strings.Repeat("x", 1100)), ErrTooBig, "line 6 has more than 1024 bytes"},
		{"too big", with(strings.Repeat("a", MaxSize)), ErrTooBig, "at most 16384"},
		{"line hidden behind a bare CR", with("a=x\rm=audio 4000 RTP/AVP 0"), ErrSyntax, "line 6 (a=) has a control character"},
		{"zero byte", with("a=x\x00y"), ErrSyntax, "control character"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, _, err := Answer(c.offer, us())
			require.ErrorIs(t, err, c.err)
			require.ErrorContains(t, err, c.says)
			require.Nil(t, answer)
			require.Less(t, len(err.Error()), 1000, "an error stays a sentence")
		})
	}
}

// What is no concern of ours does not cost the call.
func TestHarmlessOddities(t *testing.T) {
	replaced := func(old, with string) []byte { return []byte(strings.Replace(string(offerWith()), old, with, 1)) }
	for name, offer := range map[string][]byte{
		"line feeds alone":               []byte(strings.ReplaceAll(string(offerWith()), "\r\n", "\n")),
		"no line end at the end":         []byte(strings.TrimSpace(string(offerWith()))),
		"empty lines at the end":         append(offerWith(), "\r\n\r\n"...),
		"unknown bandwidth":              offerWith("b=WHATEVER:12"),
		"unknown attributes":             offerWith("a=", "a=:", "a=rtpmap", "a=rtpmap:", "a=rtpmap:x y", "a=fmtp:101"),
		"unknown line type":              offerWith("y=1"),
		"title, key and phone":           offerWith("i=call", "k=prompt", "p=+1 555 0100"),
		"second rtpmap of a type":        offerWith("a=rtpmap:101 speex/8000"),
		"port with a count":              []byte(strings.Replace(string(offerWith()), "audio 4000", "audio 4000/1", 1)),
		"two blanks in the media line":   []byte(strings.Replace(string(offerWith()), "4000 RTP/AVP 0", "4000  RTP/AVP  0 ", 1)),
		"count of ports in words":        replaced("audio 4000", "audio 4000/x"),
		"no origin":                      replaced("o=- 1 1 IN IP4 198.51.100.1\r\n", ""),
		"short origin":                   replaced("o=- 1 1 IN IP4 198.51.100.1", "o=-"),
		"origin with letters":            replaced("o=- 1 1", "o=- one two"),
		"origin with negative numbers":   replaced("o=- 1 1", "o=- -12 1"),
		"origin with huge numbers":       replaced("o=- 1 1", "o=- 99999999999999999999 1"),
		"origin with blanks in the name": replaced("o=- 1 1", "o=John Doe 1 1"),
		"origin without name":            replaced("o=- 1 1", "o= 1 1"),
		"no session name":                replaced("s=-\r\n", ""),
		"empty session name":             replaced("s=-", "s="),
		"session name behind media":      offerWith("s=again"),
		"no time":                        replaced("t=0 0\r\n", ""),
		"time with letters":              replaced("t=0 0", "t=now then"),
		"connection behind time":         replaced("c=IN IP4 198.51.100.1\r\nt=0 0\r\n", "t=0 0\r\nc=IN IP4 198.51.100.1\r\n"),
		"attribute before time":          replaced("t=0 0", "a=tool:x\r\nt=0 0"),
		"connection behind attributes":   append(replaced("c=IN IP4 198.51.100.1\r\n", ""), "c=IN IP4 198.51.100.1\r\n"...),
		"zero bytes at the end":          append(offerWith(), 0, 0),
		"a line of one blank":            append(offerWith(), " \r\n"...),
		"blanks at the ends of lines":    []byte(strings.ReplaceAll(string(offerWith()), "\r\n", " \r\n")),
		"refused line without address":   replaced("m=audio 4000", "m=audio 0 RTP/AVP 0\r\nc=IN\r\nm=audio 4000"),
		"strange lines in a fax section": offerWith("m=image 4002 udptl t38", "c=IN IP4", "v=7", "a=x"),
	} {
		t.Run(name, func(t *testing.T) {
			answer, got, err := Answer(offer, us())
			require.NoError(t, err)
			require.Len(t, linesOf(answer, "t=0 0"), 1)
			require.EqualValues(t, 101, got.EventPT)
			require.Equal(t, "198.51.100.1:4000", got.Remote.String())
		})
	}
}
