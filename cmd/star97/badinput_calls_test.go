package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/prompt"
)

// requireAnswers shows that a service takes calls.
func requireAnswers(t *testing.T, v *service) {
	t.Helper()
	p := newTextPhone(t, v.UDP, "*97")
	require.Equal(t, 200, p.call(textOffer).status)
	p.hangUp()
}

const answersOn = "the next call is answered"

// asked sends what write makes, to a service that goes on.
func asked(v *service, write func(p *textPhone) string) func(*testing.T) got {
	return func(t *testing.T) got {
		p := newTextPhone(t, v.UDP, "*97")
		a := p.ask(write(p))
		requireAnswers(t, v)
		return got{text: a.words(), still: answersOn}
	}
}

// offered sends an INVITE with a session description, or with what is none.
func offered(v *service, description string) func(*testing.T) got {
	return asked(v, func(p *textPhone) string { return p.request("INVITE", "application/sdp", description) })
}

// altered sends an INVITE with one thing in it put in place of another.
func altered(v *service, from, to string) func(*testing.T) got {
	return asked(v, func(p *textPhone) string {
		s := p.request("INVITE", "application/sdp", textOffer)
		require.Contains(p.t, s, from)
		return strings.Replace(s, from, to, 1)
	})
}

func badCalls(v *service) []bad {
	sdp := func(from, to string) string { return strings.Replace(textOffer, from, to, 1) }
	return []bad{
		{"a description that is none", offered(v, "hello\r\n"), 0, []string{"400 Bad Session Description"}},
		{"a description without media", offered(v, textOffer[:strings.Index(textOffer, "m=")]), 0, []string{"488", "Warning: "}},
		{"video only", offered(v, sdp("m=audio", "m=video")), 0, []string{"488", "Warning: "}},
		{"audio that is turned off", offered(v, sdp("m=audio 9", "m=audio 0")), 0, []string{"488", "Warning: "}},
		{"no codec in common", offered(v, sdp("RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000", "RTP/AVP 18 101\r\na=rtpmap:18 G729/8000")), 0, []string{"488", "Warning: "}},
		{"encryption only", offered(v, sdp("RTP/AVP", "RTP/SAVP")), 0, []string{"488", "Warning: "}},
		{"an address that is none", offered(v, sdp("c=IN IP4 127.0.0.1", "c=IN IP4 300.1.2.3")), 0, []string{"488", "Warning: "}},
		{"no telephone-event: keys by INFO", withoutEvents(v), 0, []string{"200 OK", "menu"}},
		{"a body that is no description", altered(v, "application/sdp", "text/plain"), 0, []string{"415 Unsupported Media Type", "Accept: application/sdp"}},
		{"a packed body", altered(v, "Content-Type", "Content-Encoding: gzip\r\nContent-Type"), 0, []string{"415", "Accept-Encoding: identity"}},
		{"an extension that is not served", altered(v, "Max-Forwards: 70", "Max-Forwards: 70\r\nRequire: precondition"), 0,
			[]string{"420 Bad Extension", "Unsupported: precondition"}},
		{"a number that leads nowhere", altered(v, "INVITE sip:*97", "INVITE sip:*11"), 0, []string{"404 Not Found"}},
		{"a call that went in circles", altered(v, "Max-Forwards: 70", "Max-Forwards: 0"), 0, []string{"483 Too Many Hops"}},
		{"a header line that is broken", altered(v, "Max-Forwards: 70", "Max Forwards 70"), 0, []string{"400 Malformed Header Line"}},
		{"a message without Call-ID", altered(v, "Call-ID", "X-Call-ID"), 0, []string{"400 Missing Call-ID"}},
		{"a sequence number of another method", altered(v, " INVITE\r\n", " BYE\r\n"), 0, []string{"400 CSeq Method Differs"}},
		{"SIP of another version", altered(v, " SIP/2.0\r\nVia", " SIP/3.0\r\nVia"), 0, []string{"505 Version Not Supported"}},
		{"a message too large", altered(v, "Max-Forwards: 70", "Max-Forwards: 70\r\nX: "+strings.Repeat("x", 20000)), 0, []string{"513 Message Too Large"}},
		{"a method that is not served", asked(v, func(p *textPhone) string { return p.request("MESSAGE", "text/plain", "hello") }), 0,
			[]string{"405 Method Not Allowed", "Allow: INVITE"}},
		{"a BYE to no call", asked(v, func(p *textPhone) string { return p.request("BYE", "", "") }), 0, []string{"481 Call/Transaction Does Not Exist"}},
		{"an INFO that names no key", brokenInfo(v), 0, []string{"400 Bad INFO Body"}},
		{"every RTP port in use by calls", portsFull, 0, []string{"503 Service Unavailable", "Retry-After: 10"}},
		{"every RTP port taken by another program", portsTaken, 0, []string{"503 Service Unavailable", "Retry-After: 10"}},
		{"a stranger", stranger, 0, []string{"403 Forbidden"}},
		{"a mailbox that is not there, at the any door", unknownMailbox(v), 0, []string{"enter-code", "wrong-code"}},
		{"two mailboxes for one caller", twoMailboxes(v), 0, []string{"welcome", "enter-extension"}},
	}
}

func withoutEvents(v *service) func(*testing.T) got {
	return func(t *testing.T) got {
		p := callertest.Dial(t, caller.Options{URI: "sip:*97@" + v.UDP.String(), From: "4001", Listen: "127.0.0.1", NoEvents: true, Keys: caller.Info})
		p.Press(oldCode + "#")
		p.Hear(prompt.MainMenu)
		p.Hangup()
		return got{text: "200 OK; the code by SIP INFO leads to the menu", still: "the call is like any other"}
	}
}

func brokenInfo(v *service) func(*testing.T) got {
	return func(t *testing.T) got {
		p := newTextPhone(t, v.UDP, "*97")
		require.Equal(t, 200, p.call(textOffer).status)
		a := p.ask(p.request("INFO", "application/dtmf-relay", "Signal=hello\r\n"))
		p.hangUp()
		return got{text: a.words(), still: "the call goes on"}
	}
}

// onePair is a service with ports for one call.
func onePair(t *testing.T, first int) *service {
	return startService(t, setup{Sections: map[string]string{"media": fmt.Sprintf("{port_min: %d, port_max: %d}", first, first)}})
}

func portsFull(t *testing.T) got {
	port, _ := freeRTPPorts(t)
	v := onePair(t, port)
	first, second := newTextPhone(t, v.UDP, "*97"), newTextPhone(t, v.UDP, "*97")
	require.Equal(t, 200, first.call(textOffer).status)
	a := second.call(textOffer)
	require.Eventually(t, func() bool {
		return strings.Contains(v.Stderr.String(), "widen port_min to port_max")
	}, soundPatience, 10*time.Millisecond, "the log names the remedy")
	first.hangUp()
	require.Eventually(t, func() bool { // its ports are closed after the BYE
		third := newTextPhone(t, v.UDP, "*97")
		return third.call(textOffer).status == 200
	}, soundPatience, 50*time.Millisecond)
	return got{text: a.words(), still: "the call that was up goes on; after it the next one is answered"}
}

func portsTaken(t *testing.T) got {
	port, _ := freeRTPPorts(t)
	taken, err := net.ListenPacket("udp4", fmt.Sprint("127.0.0.1:", port))
	require.NoError(t, err)
	v := onePair(t, port)
	a := newTextPhone(t, v.UDP, "*97").call(textOffer)
	require.NoError(t, taken.Close())
	requireAnswers(t, v)
	return got{text: a.words(), still: "answered as soon as the ports are free"}
}

func stranger(t *testing.T) got {
	v := startService(t, setup{Sections: map[string]string{
		"sip": `{listen: [{network: udp, address: "127.0.0.1:0"}], peers: [{name: pbx, addresses: [192.0.2.1]}]}`,
	}})
	a := newTextPhone(t, v.UDP, "*97").call(textOffer)
	v.stop()
	return got{text: a.words(), still: "nothing more is kept of it"}
}

// heard lists the whole sentences of a call.
func heard(p *callertest.Phone) string {
	var all []string
	for _, s := range p.Media().Heard() {
		if s.Complete {
			all = append(all, string(s.ID))
		}
	}
	return "200 OK; heard: " + strings.Join(all, ", ")
}

func unknownMailbox(v *service) func(*testing.T) got {
	return func(t *testing.T) got {
		p := callertest.Dial(t, caller.Options{URI: "sip:*98@" + v.UDP.String(), Listen: "127.0.0.1"})
		p.Press("4999#")
		p.Hear(prompt.EnterCode)
		p.Press(newCode + "#")
		p.Hear(prompt.WrongCode)
		said := heard(p)
		p.Hangup()
		return got{text: said, still: "nobody learns that it is not there"}
	}
}

func twoMailboxes(v *service) func(*testing.T) got {
	return func(t *testing.T) got {
		for _, extension := range []string{"4011", "4012"} {
			_, errs, code := v.mailbox(oldCode+"\n", "add", extension, "--number", "12125550199")
			require.Zero(t, code, errs)
		}
		p := callertest.Dial(t, caller.Options{URI: "sip:*97@" + v.UDP.String(), From: "12125550199", Listen: "127.0.0.1"})
		p.Hear(prompt.EnterExtension)
		said := heard(p)
		p.Press("4012#" + oldCode + "#")
		p.Hear(prompt.MainMenu)
		p.Hangup()
		return got{text: said, still: "the extension leads to the right one"}
	}
}
