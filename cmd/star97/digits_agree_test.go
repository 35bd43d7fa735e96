package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
)

const (
	phoneSIP, serviceSIP = "192.0.2.1:5060", "192.0.2.9:5060"
	phoneRTP, serviceRTP = "192.0.2.1:4000", "192.0.2.9:40000"
)

// spoken is a call whose SIP is in a capture as RFC 3261 has it.
type spoken struct {
	*trace
	t *testing.T
}

func (s spoken) message(at time.Duration, fromPhone bool, line, seq, kind, body string) {
	from, to := phoneSIP, serviceSIP
	if !fromPhone {
		from, to = to, from
	}
	toTag := ";tag=2"
	if seq == "1 INVITE" && fromPhone {
		toTag = ""
	}
	s.udp(s.t, at, from, to, fmt.Appendf(nil, "%s\r\nFrom: <sip:x@pbx>;tag=1\r\nTo: <sip:97@pbx>%s\r\nCall-ID: a\r\nCSeq: %s\r\nContent-Type: %s\r\n\r\n%s",
		line, toTag, seq, kind, body))
}

// invites offers formats, and gets an answer: a code and formats, if there are any.
func (s spoken) invites(at time.Duration, number int, offered, code, answered string) {
	seq := fmt.Sprintf("%d INVITE", number)
	s.message(at, true, "INVITE sip:97@pbx SIP/2.0", seq, "application/sdp", mediaOf("192.0.2.1", 4000, offered))
	if code == "" {
		return
	}
	body := ""
	if answered != "" {
		body = mediaOf("192.0.2.9", 40000, answered)
	}
	s.message(at+millisecond, false, "SIP/2.0 100 Trying", seq, "", "")
	s.message(at+2*millisecond, false, "SIP/2.0 "+code, seq, "application/sdp", body)
}

// mediaOf is an SDP of formats, of which those from 96 on are events.
func mediaOf(host string, port int, formats string) string {
	b := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP %s\r\n", host, host, port, formats)
	for _, f := range strings.Fields(formats) {
		if len(f) > 2 || f == "96" {
			b += "a=rtpmap:" + f + " telephone-event/8000\r\n"
		}
	}
	return b
}

func spokenCall(t *testing.T) spoken { return spoken{newTrace(t), t} }

func eventsBy(pt uint8) *desk { return &desk{rtp: phoneRTP, to: serviceRTP, ssrc: 7, pt: pt} }

// A type of telephone events that was not agreed is not heard by the service.
func TestDigitsOfEventsThatWereNotAgreed(t *testing.T) {
	for name, c := range map[string]struct {
		offered, code, answered string
		pt                      uint8
		refused                 string
	}{
		"another number":           {"0 96", "200 OK", "0 96", 101, `type 101 was not agreed (the SDP says 96)`},
		"agreed":                   {"0 96", "200 OK", "0 96", 96, ""},
		"offered, but not taken":   {"0 101", "200 OK", "0", 101, `type 101 was not agreed (the SDP agreed no telephone-event)`},
		"not offered":              {"0", "200 OK", "0", 101, `type 101 was not agreed (the SDP agreed no telephone-event)`},
		"a number without a word":  {"0 101", "200 OK", "0 101", 110, `type 110 was not agreed (the SDP says 101)`},
		"the number of who offers": {"0 101", "200 OK", "0 96", 101, `type 101 was not agreed (the SDP says 96)`},
		"early media":              {"0 96", "183 Session Progress", "0 96", 101, `type 101 was not agreed (the SDP says 96)`},
		"no answer":                {"0 96", "", "", 101, ""},
		"an answer without SDP":    {"0 96", "200 OK", "", 101, ""},
		"refused":                  {"0 96", "488 Not Acceptable Here", "0 96", 101, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := spokenCall(t)
			s.invites(0, 1, c.offered, c.code, c.answered)
			eventsBy(c.pt).press(t, s.trace, time.Second, 5)
			keys, _, text := s.heard(t)
			if c.refused == "" {
				require.Equal(t, "5", keys)
				require.Contains(t, text, "1 keys counted, 0 not")
				return
			}
			require.Empty(t, keys)
			require.Contains(t, text, "0 keys counted, 1 not")
			require.Contains(t, text, "0.980 s  key    event  not counted: "+c.refused+"  "+phoneRTP)
			require.Regexp(t, fmt.Sprintf(`8 packets of payload type %d not heard: the SDP says 0 \(PCMU\).*; %d.* is not in it`, c.pt, c.pt), text)
		})
	}
}

// An offer in the answer to an INVITE without one is answered in the ACK (RFC 3264 section
// 4): what comes to the service has the numbers of its own offer that the ACK took.
func TestDigitsOfADelayedOffer(t *testing.T) {
	s := spokenCall(t)
	s.message(0, true, "INVITE sip:97@pbx SIP/2.0", "1 INVITE", "", "")
	s.message(1, false, "SIP/2.0 200 OK", "1 INVITE", "application/sdp", mediaOf("192.0.2.9", 40000, "0 8 96"))
	s.message(2, true, "ACK sip:97@pbx SIP/2.0", "1 ACK", "application/sdp", mediaOf("192.0.2.1", 4000, "0 101"))
	eventsBy(96).press(t, s.trace, time.Second, 5)
	other := eventsBy(101)
	other.seq = 100
	other.press(t, s.trace, 2*time.Second, 6)
	keys, _, text := s.heard(t)
	require.Equal(t, "5", keys)
	require.Contains(t, text, "type 101 was not agreed (the SDP says 96)")
	require.Contains(t, text, "says 0 (PCMU), 96 (telephone-event); 101")
}

// What was agreed holds for who sends too, where the service's address is hidden by NAT.
func TestDigitsOfWhatWasAgreedBehindNAT(t *testing.T) {
	s := spokenCall(t)
	s.invites(0, 1, "0 96", "200 OK", "0 96")
	d := desk{rtp: phoneRTP, to: "10.0.0.9:40000", ssrc: 7, pt: 101}
	d.press(t, s.trace, time.Second, 5)
	keys, _, text := s.heard(t)
	require.Empty(t, keys)
	require.Contains(t, text, "type 101 was not agreed (the SDP says 96)")
}

// Tones in a codec that was not agreed are not heard, those of one that was are.
func TestDigitsOfACodecThatWasNotAgreed(t *testing.T) {
	for name, c := range map[string]struct{ offered, answered, keys, refused string }{
		"PCMA agreed":       {"0 8 101", "8 101", "17", ""},
		"PCMU alone agreed": {"0 8 101", "0 101", "", "PCMA was not agreed (the SDP says PCMU)"},
		"PCMA not offered":  {"0 101", "0 101", "", "PCMA was not agreed (the SDP says PCMU)"},
		"G.729 agreed":      {"18 13 101", "18 13 101", "", "PCMA was not agreed (the SDP says G729)"},
		"no audio agreed":   {"0 101", "101", "", "PCMA was not agreed (the SDP says no codec)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := spokenCall(t)
			s.invites(0, 1, c.offered, "200 OK", c.answered)
			s.audio(t, phoneRTP, append(toneCall("17"), make([]int16, 4000)...))
			keys, _, text := s.heard(t)
			require.Equal(t, c.keys, keys)
			if c.refused != "" {
				require.Contains(t, text, "0 keys counted, 2 not")
				require.Equal(t, 2, strings.Count(text, "key    tone   not counted: "+c.refused))
				require.Contains(t, text, "; 8 (PCMA) is not in it")
			}
		})
	}
}

// What a call of the service does not hear locks no way of the keys, nor ends one.
func TestDigitsOfWhatWasNotAgreedAlterNothing(t *testing.T) {
	s := spokenCall(t)
	s.invites(0, 1, "0 8 96", "200 OK", "8 96")
	eventsBy(101).press(t, s.trace, 0, 5)
	s.start = s.start.Add(time.Second)
	s.audio(t, phoneRTP, append(toneCall("17"), make([]int16, 4000)...))
	keys, sources, text := s.heard(t)
	require.Equal(t, "17", keys)
	require.Equal(t, "tt", sources)
	require.Contains(t, text, "2 keys counted, 1 not")
}

// An INFO counts unless it is known to have been refused.
func TestDigitsOfAnINFOThatWasRefused(t *testing.T) {
	for answer, counts := range map[string]bool{"200 OK": true, "": true, "400 Bad INFO Body": false, "415 Unsupported Media Type": false,
		"481 Call/Transaction Does Not Exist": false, "501 Not Implemented": false} {
		s := spokenCall(t)
		s.message(time.Second, true, "INFO sip:97@pbx SIP/2.0", "2 INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")
		if answer != "" {
			s.message(time.Second+millisecond, false, "SIP/2.0 "+answer, "2  INFO", "", "")
		}
		s.message(1100*millisecond, true, "INFO sip:97@pbx SIP/2.0", "3 INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")
		keys, _, text := s.heard(t)
		if counts {
			require.Equal(t, "55", keys, answer)
			continue
		}
		require.Equal(t, "5", keys, answer)
		require.Contains(t, text, "0.000 s  key    info   not counted: answered "+answer[:3]+"  "+phoneSIP)
		require.Contains(t, text, "1 keys counted, 1 not")
	}
}

// A proxy that tries several ways may get both answers.
func TestDigitsOfAnINFOThatOneOfTwoTook(t *testing.T) {
	for _, answers := range [][]string{{"481 No", "200 OK"}, {"200 OK", "481 No"}} {
		s := spokenCall(t)
		s.message(time.Second, true, "INFO sip:97@pbx SIP/2.0", "2 INFO", "application/dtmf", "5")
		for _, a := range answers {
			s.message(time.Second+millisecond, false, "SIP/2.0 "+a, "2 INFO", "", "")
		}
		keys, _, _ := s.heard(t)
		require.Equal(t, "5", keys)
	}
}

// A new offer counts once it is answered. Until then, and where it is refused, the old types
// do; where it is taken they still do for a little while.
func TestDigitsAfterAnotherOffer(t *testing.T) {
	for name, c := range map[string]struct {
		code, answered string
		old, late, new bool // whether keys count by the old type, also after seconds, and by the new
	}{
		"taken":            {"200 OK", "0 96", true, false, true},
		"refused":          {"488 Not Acceptable Here", "", true, true, false},
		"refused with SDP": {"488 Not Acceptable Here", "0 96", true, true, false},
		"no answer":        {"", "", true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := spokenCall(t)
			s.invites(0, 1, "0 101", "200 OK", "0 101")
			s.invites(time.Second, 2, "0 96", c.code, c.answered)
			s.invites(1100*millisecond, 2, "0 96", c.code, c.answered) // sent again
			d := eventsBy(101)
			d.press(t, s.trace, 2*time.Second, 1)
			d.pt = 96
			d.press(t, s.trace, 3*time.Second, 2)
			d.pt = 101
			d.press(t, s.trace, 4*time.Second, 3)
			keys, _, text := s.heard(t)
			want := ""
			for i, counts := range []bool{c.old, c.new, c.late} {
				if counts {
					want += fmt.Sprint(i + 1)
				}
			}
			require.Equal(t, want, keys, text)
		})
	}
}

// Before a new offer is answered its types do not count.
func TestDigitsBetweenAnOfferAndItsAnswer(t *testing.T) {
	s := spokenCall(t)
	s.invites(0, 1, "0 101", "200 OK", "0 101")
	s.message(time.Second, true, "INVITE sip:97@pbx SIP/2.0", "2 INVITE", "application/sdp", mediaOf("192.0.2.1", 4000, "0 96"))
	d := eventsBy(96)
	d.press(t, s.trace, 1100*millisecond, 1)
	d.pt = 101
	d.press(t, s.trace, 1500*millisecond, 2)
	s.message(2*time.Second, false, "SIP/2.0 200 OK", "2 INVITE", "application/sdp", mediaOf("192.0.2.9", 40000, "0 96"))
	d.pt = 96
	d.press(t, s.trace, 3*time.Second, 3)
	keys, _, _ := s.heard(t)
	require.Equal(t, "23", keys)
}

// An offer that was refused says nothing of what comes, also where nothing else does.
func TestDigitsOfAnOfferThatWasRefused(t *testing.T) {
	for code, want := range map[string]string{"488 Not Acceptable Here": "", "": "5"} {
		s := spokenCall(t)
		s.invites(0, 1, "0 96", code, "")
		eventsBy(96).press(t, s.trace, time.Second, 5)
		keys, _, _ := s.heard(t)
		require.Equal(t, want, keys, code)
	}
}

// A key that does not count has an end of its own.
func TestDigitsOfTwoKeysAtOnce(t *testing.T) {
	to := &keysHeard{}
	good, stray := &hearing{to: to}, &hearing{to: to, refusal: "not agreed"}
	for at, rep := range []struct {
		h    *hearing
		kind dtmf.Kind
	}{{good, dtmf.Down}, {stray, dtmf.Down}, {good, dtmf.Up}, {stray, dtmf.Up}} {
		rep.h.accept([]dtmf.Report{{Kind: rep.kind, Source: dtmf.FromEvent, Digit: 5, At: time.Duration(at) * time.Second}}, 0)
	}
	require.Equal(t, 2*time.Second, to.told[0].end)
	require.Equal(t, 3*time.Second, to.told[1].end)
}

// The same port for two lines of an SDP leaves open what of both it gets.
func TestDigitsOfTwoLinesAtOnePort(t *testing.T) {
	s := spokenCall(t)
	both := func(host string, port int) string {
		return mediaOf(host, port, "8 101") + fmt.Sprintf("m=video %d RTP/AVP 31\r\n", port)
	}
	s.message(0, true, "INVITE sip:97@pbx SIP/2.0", "1 INVITE", "application/sdp", both("192.0.2.1", 4000))
	s.message(1, false, "SIP/2.0 200 OK", "1 INVITE", "application/sdp", both("192.0.2.9", 40000))
	eventsBy(101).press(t, s.trace, time.Second, 5)
	keys, _, _ := s.heard(t)
	require.Equal(t, "5", keys)
}

// A name in an SDP is shown without what would steer a terminal, and not at any length.
func TestDigitsShowsNamesOfSDPSafely(t *testing.T) {
	s := spokenCall(t)
	sdp := mediaOf("192.0.2.1", 4000, "0 18") + "a=rtpmap:18 \x1b[31m" + strings.Repeat("G", 999) + "/8000\r\n"
	s.message(0, true, "INVITE sip:97@pbx SIP/2.0", "1 INVITE", "application/sdp", sdp)
	for i := range 5 {
		s.rtp(t, time.Second, phoneRTP, rtp.Packet{Header: rtp.Header{PayloadType: 18, SSRC: 7, SequenceNumber: uint16(i)}, Payload: make([]byte, 20)})
	}
	_, _, text := s.heard(t)
	require.NotContains(t, text, "\x1b")
	require.Contains(t, text, "[31m"+strings.Repeat("G", 28)+" is neither")
}

// A static type is known by RFC 3551 where no rtpmap names it, and SDP that has not a type
// is not told as if there were none.
func TestDigitsNamesTypesThatAreNotHeard(t *testing.T) {
	for name, c := range map[string]struct {
		agreed, code string
		pt           uint8
		want         string
	}{
		"static":             {"", "", 18, "type 18 not heard: G729 is neither telephone-event nor PCMU"},
		"static, agreed":     {"18 101", "200 OK", 18, "type 18 not heard: G729 is neither"},
		"static, not agreed": {"0 101", "200 OK", 3, "type 3 not heard: the SDP says 0 (PCMU), 101 (telephone-event); 3 (GSM) is not in it"},
		"dynamic, no answer": {"0 101", "", 110, "type 110 not heard: the SDP says 0 (PCMU), 101 (telephone-event); 110 is not in it"},
		"nothing is known":   {"", "", 110, "type 110 not understood: no SDP in the capture says what it is"},
	} {
		t.Run(name, func(t *testing.T) {
			s := spokenCall(t)
			if c.agreed != "" {
				s.invites(0, 1, c.agreed, c.code, c.agreed)
			}
			for i := range 5 {
				s.rtp(t, time.Second, phoneRTP, rtp.Packet{Header: rtp.Header{PayloadType: c.pt, SSRC: 7, SequenceNumber: uint16(i)}, Payload: make([]byte, 33)})
			}
			_, _, text := s.heard(t)
			require.Contains(t, text, "5 packets of payload "+c.want)
		})
	}
}

// A sentence names a few types of a long SDP.
func TestTypesAreListedInOrder(t *testing.T) {
	types := map[uint8]payload{}
	for pt := range uint8(30) {
		types[pt] = payload{name: "x", audio: codec.PCMU}
	}
	require.Equal(t, "0 (x), 1 (x), 2 (x), 3 (x), 4 (x), 5 (x), more", all(types))
}
