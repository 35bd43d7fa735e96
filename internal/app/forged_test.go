package app

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/prompt"
	"star97/internal/uas"
)

// Where everybody stands: the whole loopback network is this machine's.
const (
	callersHost  = "127.0.0.2"  // of the peer whose call it is
	otherPeer    = "127.0.0.3"  // of another peer
	strangerHost = "127.0.0.66" // and the next ones: each answer to a stranger is counted
)

// forgery is one kind of message that is not the caller's.
type forgery struct {
	what, from, knows string
	times             int
	send              func(f *forger) // sends one and notes what comes back
	get               string          // the only status that may; empty: nothing
	limited           bool            // answers are few: nothing may come back as well
}

var withinDialog = []string{"BYE", "INVITE", "UPDATE", "INFO", "REFER", "NOTIFY", "OPTIONS", "ACK", "CANCEL"}

// signalled are forgeries of each kind of SIP message.
func signalled() (all []forgery) {
	for i, method := range withinDialog {
		get := map[string]string{"REFER": "405", "ACK": "", "CANCEL": "481"}
		is := func(usual string) string {
			if own, special := get[method]; special {
				return own
			}
			return usual
		}
		stranger := forgery{what: method, from: fmt.Sprintf("127.0.0.%d", 66+i), knows: "all of the dialog", times: 5, get: "403", limited: true}
		if method == "ACK" {
			stranger.get = ""
		}
		stranger.send = func(f *forger) { f.request(method, f.id, 10) }
		other := forgery{what: method, from: otherPeer, knows: "all of the dialog", times: 5, get: "481"}
		if method == "ACK" {
			other.get = ""
		}
		other.send = func(f *forger) { f.request(method, f.id, 10) }
		ours := forgery{what: method, from: callersHost, knows: "the Call-ID, guesses our tag", times: 20, get: is("481")}
		ours.send = func(f *forger) { f.request(method, f.id.guessed("local"), 10) }
		theirs := forgery{what: method, from: callersHost, knows: "Call-ID and our tag, guesses theirs", times: 20, get: is("481")}
		theirs.send = func(f *forger) { f.request(method, f.id.guessed("remote"), 10) }
		all = append(all, stranger, other, ours, theirs)
		if method != "ACK" && method != "CANCEL" && method != "REFER" {
			old := forgery{what: method, from: callersHost, knows: "all of the dialog, an old CSeq", times: 5, get: "500"}
			old.send = func(f *forger) { f.request(method, f.id, 0) }
			all = append(all, old)
		}
	}
	replaces := forgery{what: "INVITE with Replaces", from: otherPeer, knows: "all of the dialog", times: 5, get: "481"}
	replaces.send = func(f *forger) { f.replace() }
	return append(all, replaces)
}

// spoken are forgeries of media, from a host that has nothing to do with the call and from
// another port of the caller's own. The caller is heard all the time.
func spoken() (all []forgery) {
	for _, from := range []struct{ host, knows string }{{strangerHost, "our port"}, {callersHost, "our port, sits on the caller's host"}} {
		for _, kind := range []struct {
			what  string
			steal bool
			send  func(f *forger, ssrc uint32)
		}{
			{"RTP audio, 50 packets", false, (*forger).audio},
			{"RTP audio, 50 packets, the caller's SSRC", true, (*forger).audio},
			{"telephone-event, a key", false, (*forger).key},
			{"telephone-event, a key, the caller's SSRC", true, (*forger).key},
			{"RTCP BYE", false, (*forger).goodbye},
			{"RTCP BYE, the caller's SSRC", true, (*forger).goodbye},
			{"RTCP receiver report of total loss", false, (*forger).complaint},
		} {
			all = append(all, forgery{what: kind.what, from: from.host, knows: from.knows, times: 3, send: func(f *forger) {
				ssrc := f.ssrc + 1
				if kind.steal {
					ssrc = f.ssrc
				}
				kind.send(f, ssrc)
			}})
		}
	}
	return all
}

// A caller types the half of a code; then messages of all kinds come that are not the
// caller's. The call goes on after each, its audio too, and the other half completes the
// code: no foreign key was counted, none was lost, nothing was asked for anew.
func TestForgedMessagesDoNothingToACall(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := besieged(t)
		o := h.phone("*97", "4001")
		o.Listen = callersHost
		c := dial(t, o)
		c.Hear(prompt.EnterCode)
		half := len(codes["old"]) / 2
		c.Press(codes["old"][:half])

		var table strings.Builder
		w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "forged\tfrom\tthe forger knows\tcount\tgot\tthe call")
		for _, kind := range append(signalled(), spoken()...) {
			f := newForger(t, h, c, kind.from)
			for range kind.times {
				kind.send(f)
			}
			got := f.answers(kind)
			requireGoesOn(t, c, kind)
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\tgoes on\n", kind.what, kind.from, kind.knows, kind.times, got)
			f.close()
		}

		c.Press(codes["old"][half:] + "#")
		c.Hear(prompt.MainMenu)
		c.HearNot(prompt.WrongCode)
		s := c.Media().Stats()
		require.Zero(t, s.Lost, "a packet of ours is missing")
		require.Equal(t, [2]int{1, 1}, [2]int{s.Sources, s.SSRCs}, "we never sent from elsewhere, nor as another")
		require.Zero(t, s.Byes, "nobody was told that we had left")

		// What cannot be prevented: on plain UDP whoever reads along and sits on the host
		// that calls, or writes its address, is the caller.
		f := newForger(t, h, c, callersHost)
		defer f.close()
		f.request("BYE", f.id, 10000)
		end, ok := h.log.end(c.CallID(), patience)
		require.True(t, ok)
		require.Equal(t, "0", end["source_changes"])
		require.NotEqual(t, "0", end["dropped_in"])
		fmt.Fprintf(w, "BYE\t%s\tall of the dialog\t1\t200\tends: without TLS nobody can tell him from the caller\n", callersHost)
		w.Flush()
		t.Log("\n" + table.String())
	})
}

// besieged is a house with two peers and a mailbox, where callers take their time.
func besieged(t testing.TB) *house {
	h := openHouse(t, func(c *config.Config) {
		c.SIP.Peers = []uas.Peer{
			{Name: "pbx", Addresses: []string{callersHost}, Identity: "from"},
			{Name: "other", Addresses: []string{otherPeer}, Identity: "from"},
		}
		c.Plan.Timers = dialplan.Default().Timers
		c.Plan.Timers.FirstDigit, c.Plan.Timers.BetweenDigits = time.Minute, time.Minute
	})
	h.add("4001", codes["old"], mailbox.Flags{})
	return h
}

// Before the first packet of a caller who sends nothing, only the two hosts that may be his
// are believed: his SIP messages', and the one that SDP names. Who sits on one of them and
// knows the port is the caller: so a telephone behind a NAT sends. SRTP ends that.
func TestForgedKeysBeforeTheCallersFirstPacket(t *testing.T) {
	t.Parallel()
	for from, heard := range map[string]prompt.ID{strangerHost: prompt.MainMenu, otherPeer: prompt.MainMenu, callersHost: prompt.WrongCode} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				h := besieged(t)
				o := h.phone("*97", "4001")
				o.Listen, o.Talk = callersHost, caller.Nothing
				c := dial(t, o)
				c.Hear(prompt.EnterCode)
				f := newForger(t, h, c, from)
				defer f.close()
				f.audio(f.ssrc)
				f.key(f.ssrc)
				if from != callersHost { // his is the audio until the caller is heard
					requireGoesOn(t, c, forgery{what: "a key before the caller's first packet", from: from})
				}
				c.Press(codes["old"] + "#")
				c.Hear(heard)
				t.Logf("a key from %s before the first packet of the caller at %s: %s", from, callersHost, heard)
			})
		})
	}
}

// requireGoesOn: the call is up, and its audio comes as before.
func requireGoesOn(t testing.TB, c *callertest.Phone, kind forgery) {
	before := c.Media().Stats().Received
	require.Eventually(t, func() bool { return c.Media().Stats().Received >= before+3 || c.End() != caller.NotEnded },
		patience, time.Millisecond, "no audio comes after %s from %s", kind.what, kind.from)
	require.Equal(t, caller.NotEnded, c.End(), "%s from %s, who knows %s", kind.what, kind.from, kind.knows)
}
