package sdp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
)

// offerWith is a plain offer; the lines go to the media section.
func offerWith(lines ...string) []byte {
	return text(append([]string{"v=0", "o=- 1 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0",
		"m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"}, lines...)...)
}

// RFC 3264 section 6.1 and 8.4, RFC 2543 hold.
func TestDirectionOfTheAnswer(t *testing.T) {
	for _, c := range []struct {
		name, session, media, conn string
		ours                       Direction
		want                       string
		send, recv, remote         bool
	}{
		{name: "nothing said", want: "sendrecv", send: true, recv: true, remote: true},
		{name: "sendrecv", media: "a=sendrecv", want: "sendrecv", send: true, recv: true, remote: true},
		{name: "hold", media: "a=sendonly", want: "recvonly", recv: true, remote: true},
		{name: "hold of both", media: "a=inactive", want: "inactive", remote: true},
		{name: "listener", media: "a=recvonly", want: "sendonly", send: true, remote: true},
		{name: "hold at session level", session: "a=sendonly", want: "recvonly", recv: true, remote: true},
		{name: "media level beats session level", session: "a=inactive", media: "a=sendrecv", want: "sendrecv", send: true, recv: true, remote: true},
		{name: "old hold", conn: "c=IN IP4 0.0.0.0", want: "recvonly", recv: true},
		{name: "old hold with new attribute", conn: "c=IN IP4 0.0.0.0", media: "a=sendonly", want: "recvonly", recv: true},
		{name: "old hold, inactive", conn: "c=IN IP4 0.0.0.0", media: "a=inactive", want: "inactive"},
		{name: "old hold, recvonly", conn: "c=IN IP4 0.0.0.0", media: "a=recvonly", want: "inactive"},
		{name: "old hold in IPv6", conn: "c=IN IP6 ::", want: "recvonly", recv: true},
		{name: "we hold", ours: SendOnly, want: "sendonly", send: true, remote: true},
		{name: "both hold", ours: SendOnly, media: "a=sendonly", want: "inactive", remote: true},
		{name: "we grant no more than offered", ours: SendRecv, media: "a=inactive", want: "inactive", remote: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			offer := strings.NewReplacer("t=0 0\r\n", strings.TrimLeft("t=0 0\r\n"+c.session+"\r\n", "\r\n")).
				Replace(string(offerWith(slices.DeleteFunc([]string{c.conn, c.media}, func(s string) bool { return s == "" })...)))
			local := us()
			local.Direction = c.ours
			answer, got, err := Answer([]byte(offer), local)
			require.NoError(t, err)
			require.Equal(t, []string{"a=" + c.want}, linesOf(answer, "a="+c.want))
			require.Equal(t, c.send, got.Send)
			require.Equal(t, c.recv, got.Recv)
			require.Equal(t, c.remote, got.Remote.IsValid())
			require.Equal(t, c.remote, got.RemoteRTCP.IsValid())
		})
	}
}

func TestPacketTime(t *testing.T) {
	for _, c := range []struct {
		attributes []string
		want       int
	}{
		{nil, 20},
		{[]string{"a=ptime:10"}, 10},
		{[]string{"a=ptime:30"}, 30},
		{[]string{"a=ptime:60"}, 60},
		{[]string{"a=ptime: 40 "}, 40},
		{[]string{"a=ptime:25"}, 20},
		{[]string{"a=ptime:5"}, 10},
		{[]string{"a=ptime:240"}, 60},
		{[]string{"a=ptime:0"}, 20},
		{[]string{"a=ptime:-20"}, 20},
		{[]string{"a=ptime:many"}, 20},
		{[]string{"a=ptime:99999999999999999999"}, 20},
		{[]string{"a=maxptime:10"}, 10},
		{[]string{"a=ptime:40", "a=maxptime:30"}, 30},
		{[]string{"a=ptime:20", "a=maxptime:150"}, 20},
		{[]string{"a=maxptime:5"}, 10},
	} {
		t.Run(strings.Join(c.attributes, " "), func(t *testing.T) {
			answer, got, err := Answer(offerWith(c.attributes...), us())
			require.NoError(t, err)
			require.Equal(t, time.Duration(c.want)*time.Millisecond, got.PTime)
			require.Equal(t, []string{fmt.Sprintf("a=ptime:%d", c.want)}, linesOf(answer, "a=ptime"))
		})
	}
}

// RFC 3605.
func TestControlAddress(t *testing.T) {
	for _, c := range []struct{ attribute, want string }{
		{"a=x", "198.51.100.1:4001"},
		{"a=rtcp:5000", "198.51.100.1:5000"},
		{"a=rtcp:5000 IN IP4 203.0.113.9", "203.0.113.9:5000"},
		{"a=rtcp:5000 IN IP4 phone.example", "198.51.100.1:5000"},
		{"a=rtcp:0", "198.51.100.1:4001"},
		{"a=rtcp:70000", "198.51.100.1:4001"},
		{"a=rtcp:", "198.51.100.1:4001"},
		{"a=rtcp-mux", "198.51.100.1:4001"},
	} {
		t.Run(c.attribute, func(t *testing.T) {
			answer, got, err := Answer(offerWith(c.attribute), us())
			require.NoError(t, err)
			require.Equal(t, netip.MustParseAddrPort(c.want), got.RemoteRTCP)
			require.NotContains(t, string(answer), "rtcp-mux")
		})
	}
	top := strings.Replace(string(offerWith()), "audio 4000", "audio 65535", 1)
	_, got, err := Answer([]byte(top), us())
	require.NoError(t, err)
	require.False(t, got.RemoteRTCP.IsValid(), "there is no port 65536")
}

func TestTelephoneEvent(t *testing.T) {
	for _, c := range []struct {
		name   string
		offer  []string // formats, then attributes
		pt     uint8
		rate   int
		events string
	}{
		{"none", []string{"0"}, 0, 0, ""},
		{"no fmtp", []string{"0 96", "a=rtpmap:96 telephone-event/8000"}, 96, 8000, "0-15"},
		{"with flash", []string{"0 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-16"}, 96, 8000, "0-16"},
		{"flash alone", []string{"0 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-11,16,66-70"}, 96, 8000, "0-16"},
		{"events beyond", []string{"0 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-15,32-49"}, 96, 8000, "0-15"},
		{"fmtp of another format", []string{"0 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:9 0-16"}, 96, 8000, "0-15"},
		{"broken fmtp", []string{"0 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 a-z,-,1-,16-x"}, 96, 8000, "0-15"},
		{"rate of the codec wins", []string{"0 96 97", "a=rtpmap:96 telephone-event/48000", "a=rtpmap:97 telephone-event/8000"}, 97, 8000, "0-15"},
		{"first of the codec's rate", []string{"0 97 98", "a=rtpmap:98 telephone-event/8000", "a=rtpmap:97 telephone-event/8000"}, 97, 8000, "0-15"},
		{"only another rate", []string{"0 96", "a=rtpmap:96 telephone-event/48000"}, 96, 48000, "0-15"},
		{"mapped but not listed", []string{"0", "a=rtpmap:101 telephone-event/8000"}, 0, 0, ""},
		{"payload type 0", []string{"8 0", "a=rtpmap:0 telephone-event/8000"}, 0, 0, ""},
		{"payload type of RTCP", []string{"0 72", "a=rtpmap:72 telephone-event/8000"}, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := append([]string{"v=0", "o=- 1 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0",
				"m=audio 4000 RTP/AVP " + c.offer[0]}, c.offer[1:]...)
			answer, got, err := Answer(text(lines...), us())
			require.NoError(t, err)
			require.Equal(t, c.pt, got.EventPT)
			require.Equal(t, c.rate, got.EventRate)
			if c.pt == 0 {
				require.NotContains(t, string(answer), "telephone-event")
				return
			}
			require.Equal(t, []string{fmt.Sprintf("a=fmtp:%d %s", c.pt, c.events)}, linesOf(answer, "a=fmtp"))
		})
	}
	local := us()
	local.NoEvents = true
	answer, got, err := Answer(offerWith(), local)
	require.NoError(t, err)
	require.Zero(t, got.EventPT)
	require.NotContains(t, string(answer), "telephone-event")
	require.NotContains(t, string(Offer(local)), "telephone-event")
}

// Who calls from elsewhere may not have our packets sent to this machine's loopback.
func TestLoopbackIsForCallsFromThisMachine(t *testing.T) {
	for _, c := range []struct {
		name, addr, rtcp, source string
		refused                  bool
		control                  string
	}{
		{"from this machine", "127.0.0.1", "127.0.0.1", "127.0.0.1", false, "127.0.0.1:5000"},
		{"source not known", "127.0.0.1", "127.0.0.1", "", false, "127.0.0.1:5000"},
		{"from elsewhere", "127.0.0.1", "127.0.0.1", "198.51.100.1", true, ""},
		{"from elsewhere, another loopback", "127.9.9.9", "127.0.0.1", "198.51.100.1", true, ""},
		{"from elsewhere in IPv6 form", "127.0.0.1", "127.0.0.1", "::ffff:198.51.100.1", true, ""},
		{"RTCP alone", "198.51.100.1", "127.0.0.1", "198.51.100.1", false, "invalid AddrPort"},
		{"none", "198.51.100.1", "198.51.100.2", "198.51.100.1", false, "198.51.100.2:5000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			local := us()
			local.Source, _ = netip.ParseAddr(c.source)
			far := offerWith("c=IN IP4 "+c.addr, "a=rtcp:5000 IN IP4 "+c.rtcp)
			_, answered, err := Answer(far, local)
			accepted, acceptErr := Accept(Offer(local), far, local)
			if c.refused {
				require.ErrorIs(t, err, ErrAddress)
				require.ErrorContains(t, err, "loopback")
				require.ErrorIs(t, acceptErr, ErrAddress)
				return
			}
			require.NoError(t, err)
			require.NoError(t, acceptErr)
			require.Equal(t, c.control, answered.RemoteRTCP.String())
			require.Equal(t, c.control, accepted.RemoteRTCP.String())
		})
	}
}

// RFC 4585 section 4: the answer repeats the profile and, without a=rtcp-fb, agrees
// to no feedback.
func TestFeedbackProfileIsAnsweredWithoutFeedback(t *testing.T) {
	offer := strings.Replace(string(offerWith("a=rtcp-fb:* trr-int 1000", "a=sendrecv")), "RTP/AVP", "RTP/AVPF", 1)
	answer, got, err := Answer([]byte(offer), us())
	require.NoError(t, err)
	require.Equal(t, []string{"m=audio 20000 RTP/AVPF 0 101"}, linesOf(answer, "m="))
	require.NotContains(t, string(answer), "rtcp-fb")
	require.Equal(t, agreed("198.51.100.1:4000", codec.PCMU, 0, 101), got)
}

// CUCM's default: its INVITE has no offer, ours goes in the 200, its answer comes
// in the ACK.
func TestDelayedOffer(t *testing.T) {
	offer := Offer(us())
	require.Equal(t, text("v=0", "o=star97 97 1 IN IP4 192.0.2.97", "s=star97", "c=IN IP4 192.0.2.97", "t=0 0",
		"m=audio 20000 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000",
		"a=fmtp:101 0-15", "a=ptime:20", "a=sendrecv"), offer)

	cucm := func(lines ...string) []byte {
		return text(append([]string{"v=0", "o=CiscoSystemsCCM-SIP 2000 1 IN IP4 198.51.100.11", "s=SIP Call",
			"c=IN IP4 198.51.100.12", "b=TIAS:64000", "b=AS:64", "t=0 0"}, lines...)...)
	}
	for _, c := range []struct {
		name   string
		answer []byte
		want   Agreed
	}{
		{"one codec and events", cucm("m=audio 24576 RTP/AVP 0 101", "a=rtpmap:0 PCMU/8000", "a=ptime:20",
			"a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15"), agreed("198.51.100.12:24576", codec.PCMU, 0, 101)},
		{"its order counts", cucm("m=audio 24576 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000"),
			agreed("198.51.100.12:24576", codec.PCMA, 8, 101)},
		{"no events", cucm("m=audio 24576 RTP/AVP 0"), agreed("198.51.100.12:24576", codec.PCMU, 0, 0)},
		{"events under a number of its own come under ours", cucm("m=audio 24576 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000"),
			agreed("198.51.100.12:24576", codec.PCMU, 0, 101)},
		{"events at a rate that we did not offer", cucm("m=audio 24576 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/16000"),
			agreed("198.51.100.12:24576", codec.PCMU, 0, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Accept(offer, c.answer, us())
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for _, c := range []struct {
		name   string
		answer []byte
		err    error
	}{
		{"refused", cucm("m=audio 0 RTP/AVP 0"), ErrNoAudio},
		{"another line more", cucm("m=audio 24576 RTP/AVP 0", "m=video 0 RTP/AVP 31"), ErrAnswer},
		{"no line", cucm(), ErrAnswer},
		{"another kind", cucm("m=video 24576 RTP/AVP 31"), ErrAnswer},
		{"another transport", cucm("m=audio 24576 RTP/SAVP 0"), ErrAnswer},
		{"a codec that was not offered", cucm("m=audio 24576 RTP/AVP 18"), ErrNoCommonCodec},
		{"a name for an address", text("v=0", "o=- 1 1 IN IP4 h", "s=-", "c=IN IP4 phone.example", "t=0 0", "m=audio 4000 RTP/AVP 0"), ErrAddress},
		{"unreadable", []byte("hello"), ErrSyntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Accept(offer, c.answer, us())
			require.ErrorIs(t, err, c.err)
		})
	}
}

// RFC 3264 section 8: lines stay, and a payload type keeps its meaning.
func TestAnOfferGoesOnFromWhatWasSettled(t *testing.T) {
	head := []string{"v=0", "o=- 1 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0"}
	opus := []string{"m=audio 4000 RTP/AVP 101 8 96", "a=rtpmap:101 opus/48000/2", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-16", "a=ptime:30"}
	video := []string{"m=video 4002 RTP/AVP 97 98", "a=rtpmap:97 H264/90000"}
	fax := []string{"m=image 4004 udptl t38"}
	full := "m=audio 4000 RTP/AVP 0"
	for n := range 27 {
		full += fmt.Sprint(" ", 101+n)
	}
	for _, c := range []struct {
		name    string
		settled []string
		lines   []string // m= lines of our offer
		also    []string
	}{
		{"nothing settled", nil, []string{"m=audio 20000 RTP/AVP 0 8 101"}, nil},
		{"events by a number of theirs", slices.Concat(opus, video), []string{"m=audio 20000 RTP/AVP 8 0 96", "m=video 0 RTP/AVP 97 98"},
			[]string{"a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-16", "a=ptime:30"}},
		{"other lines first", slices.Concat(video, fax, opus),
			[]string{"m=video 0 RTP/AVP 97 98", "m=image 0 udptl t38", "m=audio 20000 RTP/AVP 8 0 96"}, nil},
		{"a second audio line", []string{"m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 8"},
			[]string{"m=audio 20000 RTP/AVP 0 8 101", "m=audio 0 RTP/AVP 8"}, nil},
		{"no events, 101 taken", []string{"m=audio 4000 RTP/AVP 0 101 102", "a=rtpmap:101 opus/48000/2"},
			[]string{"m=audio 20000 RTP/AVP 0 8 103"}, []string{"a=rtpmap:103 telephone-event/8000"}},
		{"no number left", []string{full}, []string{"m=audio 20000 RTP/AVP 0 8"}, nil},
		{"events at another rate", []string{"m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/48000"},
			[]string{"m=audio 20000 RTP/AVP 0 8 96"}, []string{"a=rtpmap:96 telephone-event/48000"}},
		{"PCMU by a number of theirs", []string{"m=audio 4000 RTP/AVP 99", "a=rtpmap:99 PCMU/8000"},
			[]string{"m=audio 20000 RTP/AVP 99 8 101"}, []string{"a=rtpmap:99 PCMU/8000"}},
		{"8 is something else", []string{"m=audio 4000 RTP/AVP 0 8", "a=rtpmap:8 opus/48000/2"},
			[]string{"m=audio 20000 RTP/AVP 0 101"}, nil},
		{"the feedback profile", []string{"m=audio 4000 RTP/AVPF 0"}, []string{"m=audio 20000 RTP/AVPF 0 8 101"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			local := us()
			if c.settled != nil {
				local.Settled = text(slices.Concat(head, c.settled)...)
			}
			offer := Offer(local)
			require.Equal(t, c.lines, linesOf(offer, "m="))
			for _, line := range c.also {
				require.Len(t, linesOf(offer, line), 1, line)
			}
			theirs := us()
			theirs.Addr = netip.MustParseAddrPort("198.51.100.1:4000")
			answer, _, err := Answer(offer, theirs)
			require.NoError(t, err)
			_, err = Accept(offer, answer, local)
			require.NoError(t, err)
		})
	}
}

func TestIPv6(t *testing.T) {
	local := us()
	local.Addr = netip.MustParseAddrPort("[2001:db8::97]:20000")
	offer := text("v=0", "o=- 1 1 IN IP6 2001:db8::1", "s=-", "c=IN IP6 2001:db8::1", "t=0 0", "m=audio 4000 RTP/AVP 0")
	answer, got, err := Answer(offer, local)
	require.NoError(t, err)
	require.Equal(t, netip.MustParseAddrPort("[2001:db8::1]:4000"), got.Remote)
	require.Equal(t, []string{"c=IN IP6 2001:db8::97"}, linesOf(answer, "c="))
	require.Equal(t, []string{"o=star97 97 1 IN IP6 2001:db8::97"}, linesOf(answer, "o="))

	_, _, err = Answer(offer, us())
	require.ErrorIs(t, err, ErrAddress, "we have IPv4 there")
}

func TestVersionStandsInTheOriginLine(t *testing.T) {
	local := us()
	local.Version = 2
	answer, _, err := Answer(offerWith(), local)
	require.NoError(t, err)
	require.Equal(t, []string{"o=star97 97 2 IN IP4 192.0.2.97"}, linesOf(answer, "o="))
}

func TestLocalMustBeComplete(t *testing.T) {
	for name, change := range map[string]func(*Local){
		"no address":  func(l *Local) { l.Addr = netip.AddrPort{} },
		"any address": func(l *Local) { l.Addr = netip.MustParseAddrPort("0.0.0.0:4000") },
		"no port":     func(l *Local) { l.Addr = netip.MustParseAddrPort("192.0.2.97:0") },
		"no codec":    func(l *Local) { l.Codecs = nil },
		"bad codec":   func(l *Local) { l.Codecs = []codec.ID{codec.Count} },
	} {
		t.Run(name, func(t *testing.T) {
			local := us()
			change(&local)
			_, _, err := Answer(offerWith(), local)
			require.ErrorIs(t, err, ErrLocal)
			_, err = Accept(Offer(us()), offerWith(), local)
			require.ErrorIs(t, err, ErrLocal)
		})
	}
}
