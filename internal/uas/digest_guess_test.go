package uas

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"

	"star97/internal/digest"
	"star97/internal/secret"
)

// phoneFrom is a telephone at another address of this machine.
func phoneFrom(t testing.TB, h *house, address string) *phone {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(address)}}
	conn, err := dialer.Dial("udp", h.at(0))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	p := newPhone(t, "udp", h.at(0))
	p.conn, p.contact = conn, "<sip:x@"+conn.LocalAddr().String()+">"
	return p
}

// As svmap, svwar and svcrack ask: whoever is named, wherever, with or without a
// password, the answer is the same to the byte but for nonce and tag.
func TestAScannerLearnsNothing(t *testing.T) {
	h := digestHouse(t, setting{options: func(o *Options) {
		_, err := digest.Add(o.Digest, "100", secret.Of(rightWord), false)
		require.NoError(t, err)
	}})
	p := h.udp(t)
	for _, method := range []string{"OPTIONS", "INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE"} {
		shapes := map[string][]string{}
		for _, user := range []string{"100", "4001", "4002", "101", "4999", "admin", "*97", "nobody"} {
			ask := func(extra string) message {
				p.callID, p.extra = "scan-"+randomToken(), extra
				body, kind := "", ""
				if method == "INVITE" {
					body, kind = offerText, "application/sdp"
				}
				text := p.build(method, body, kind)
				text = strings.ReplaceAll(strings.ReplaceAll(text, "sip:*97@", "sip:"+user+"@"), "sip:4001@example.org", "sip:"+user+"@example.org")
				p.write(text)
				return p.fresh()
			}
			m := ask("")
			shapes[shapeOf(m)] = append(shapes[shapeOf(m)], user)
			if len(m.header["Www-Authenticate"]) == 0 {
				continue
			}
			uri := strings.Replace(p.ruri, "*97", user, 1)
			for _, password := range []string{"", user, "wrong"} {
				m = ask(answerTo(t, m, 0, method, uri, user, password, 1))
				shapes[shapeOf(m)] = append(shapes[shapeOf(m)], user+":"+password)
			}
		}
		require.Len(t, shapes, 1, "%s: %v", method, shapes)
		for shape := range shapes {
			require.NotContains(t, strings.ToLower(shape), "star97")
			want := "SIP/2.0 401 Unauthorized"
			if method != "OPTIONS" && method != "INVITE" {
				want = "SIP/2.0 405 Method Not Allowed"
			}
			require.True(t, strings.HasPrefix(shape, want), shape)
		}
	}
	require.Zero(t, h.Calls())
	require.Empty(t, h.dialogs.openings)
}

// The stranger's tries end, silently, for the stranger: whoever is elsewhere does not
// notice.
func TestAStrangerSlowsDownNobodyElse(t *testing.T) {
	h := digestHouse(t, setting{server: func(s *Server) { s.proofs.guesses.rate = 0 }}) // whatever time this takes
	stranger, owner := phoneFrom(t, h, "127.0.0.9"), h.udp(t)
	var m message
	for range guessBurst + 5 {
		stranger.callID = "call-" + randomToken()
		m = stranger.asked()
		stranger.proves(m, 0, "4001", "wrong")
		require.Equal(t, shapeOf(m), shapeOf(stranger.expect(401)))
	}
	stranger.proves(stranger.asked(), 0, "4001", rightWord)
	require.Equal(t, shapeOf(m), shapeOf(stranger.expect(401)), "what is not checked looks the same")
	owner.proves(owner.asked(), 0, "4001", rightWord)
	owner.expect(200)
	stranger.callID = "call-" + randomToken()
	stranger.proves(stranger.asked(), 0, "4002", rightWord)
	stranger.expect(200) // another user of that host
}

var (
	far      = netip.MustParseAddr("203.0.113.5")
	atNoon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	usualOut = DefaultOptions().Limits
)

// Behind one address who was right there before goes on, whatever the others try.
func TestARegularUserOutlastsItsNeighbours(t *testing.T) {
	p := newProofs(usualOut, atNoon)
	require.True(t, p.admit(far, "4001", true, atNoon))
	p.giveBack(far, "4001", true)
	p.remember(p.at(far, "4001"))
	tried := 0
	for i := range 1000 {
		if p.admit(far, fmt.Sprint("guess-", i), true, atNoon) {
			tried++
		}
	}
	require.Equal(t, wrongBurst, tried)
	require.False(t, p.admit(far, "4002", true, atNoon))
	for range 1000 {
		require.True(t, p.admit(far, "4001", true, atNoon))
		p.giveBack(far, "4001", true)
	}
	require.True(t, p.admit(far, "4002", true, atNoon.Add(2*time.Second)), "they are slowed down, not shut out")
}

// Whoever forges an address cannot read what is sent there, so has no nonce of that host.
func TestForgedTriesAreNotCountedAgainstTheHostThatTheyName(t *testing.T) {
	p := newProofs(usualOut, atNoon)
	tried := 0
	for range 1000 {
		if p.admit(far, "4001", false, atNoon) {
			tried++
		}
	}
	require.Equal(t, distantBurst, tried)
	require.True(t, p.admit(far, "4001", true, atNoon))

	h := digestHouse(t, setting{})
	q := h.udp(t)
	q.extra = answerTo(t, phoneFrom(t, h, "127.0.0.9").asked(), 0, "INVITE", q.ruri, "4001", "wrong", 1) // another host's nonce
	q.send("INVITE", offerText, "application/sdp")
	q.expect(401)
	require.NotContains(t, h.log.String(), wrongCredentials, "no log watcher shuts out whom a stranger names")
	q.callID = "call-" + randomToken()
	q.extra = answerTo(t, phoneFrom(t, h, "127.0.0.9").asked(), 0, "INVITE", q.ruri, "4001", rightWord, 1)
	q.send("INVITE", offerText, "application/sdp")
	q.expect(200) // a telephone whose address has changed
}

// parsed is a request as the server has it.
func parsed(t testing.TB, text string, from netip.AddrPort, network string) *sip.Request {
	t.Helper()
	msg, err := sip.NewParser().ParseSIP([]byte(text))
	require.NoError(t, err)
	msg.SetSource(from.String())
	msg.SetTransport(network)
	return msg.(*sip.Request)
}

// A victim whose address is forged is sent few challenges; a connection and a host that
// has proved itself are asked as often as they like.
func TestChallengesToWhoMayNotBeThereAreFew(t *testing.T) {
	var o Options
	users(t, &o)
	o.Digest.NonceLife, o.Digest.Algorithms = time.Minute, digest.DefaultOptions().Algorithms
	s := &Server{proofs: newProofs(usualOut, atNoon), log: slog.New(slog.DiscardHandler)}
	a, err := digest.NewAuthority(o.Digest, s.proofs.nonces, atNoon)
	require.NoError(t, err)
	ask := func(network, text string, times int) (answered int) {
		req := parsed(t, text, netip.AddrPortFrom(far, 5060), network)
		for range times {
			if !s.challenge(req, a, far, atNoon).silent {
				answered++
			}
		}
		return answered
	}
	require.Equal(t, askedBurst, ask("UDP", plain("OPTIONS"), 10*askedBurst))
	require.Zero(t, ask("UDP", invite(""), 10))
	text := strings.Replace(plain("OPTIONS"), "CSeq", "Authorization: Digest realm=\""+a.Realm()+"\"\r\nCSeq", 1)
	answered := 0
	for range 10 * askedBurst {
		if _, refused := s.prove(parsed(t, text, netip.AddrPortFrom(far, 5060), "UDP"), &peer{}, a); !refused.silent {
			answered++
		}
	}
	require.Less(t, answered, 5*askedBurst, "credentials that prove nothing do not help a forger")
	require.Equal(t, 500, ask("UDP", invite(offerText+strings.Repeat("a=x\r\n", 20)), 500), "what is as long as its answer serves no forger")
	require.Equal(t, 500, ask("TCP", plain("OPTIONS"), 500))
	s.proofs.remember(s.proofs.at(far, ""))
	require.Equal(t, 500, ask("UDP", plain("OPTIONS"), 500))
}

// Hashes are bounded for a host that is there; what is beyond gets no answer. What comes
// in the name of another is bounded apart, and answered without one.
func TestAFloodOfCredentialsIsNotHashed(t *testing.T) {
	h := digestHouse(t, setting{options: func(o *Options) { o.Limits.Rate, o.Limits.Burst = 10, 40 }, server: func(s *Server) {
		s.proofs.checks.rate = 0 // whatever time this takes
	}})
	terms := h.terms.Load()
	a, peer := terms.authority, terms.peers.all[0]
	flood := func(givenTo netip.Addr) (answered, silent int) {
		m := message{header: map[string][]string{"Www-Authenticate": a.Challenges(givenTo, false, time.Now())}}
		req := parsed(t, strings.Replace(invite(offerText), "Contact", answerTo(t, m, 0, "INVITE", "sip:*97@x", "4001", "wrong", 1)+"Contact", 1),
			netip.AddrPortFrom(far, 5060), "UDP")
		for range 1000 {
			_, refused := h.prove(req, peer, a)
			if refused.silent {
				silent++
			} else {
				answered++
			}
		}
		return answered, silent
	}
	asked, silent := flood(someone.Addr())
	require.Equal(t, 1000, asked)
	require.Zero(t, silent)
	asked, silent = flood(far)
	require.Equal(t, 10, asked)
	require.Equal(t, 990, silent)
}

func TestTheLogLineForWatchersHasItsAddressBeforeForeignWords(t *testing.T) {
	h := digestHouse(t, setting{})
	p := h.udp(t)
	p.callID = `x" source=192.0.2.9 msg="wrong`
	p.proves(p.asked(), 0, "4001", "wrong")
	p.expect(401)
	p.callID = "y"
	p.proves(p.asked(), 0, "my password in the wrong place", "wrong")
	p.expect(401)
	require.Equal(t, []string{"127.0.0.1", "127.0.0.1"}, watched(t, h.log.String()))
	require.NotContains(t, h.log.String(), "wrong place")
	require.Contains(t, h.log.String(), "user=4001")

	var text strings.Builder // the other form of the log, under a journal, and a host of IPv6
	s, terms := &Server{proofs: newProofs(usualOut, atNoon), log: slog.New(slog.NewJSONHandler(&text, nil))}, h.terms.Load()
	there := netip.MustParseAddrPort("[2001:db8::5]:5060")
	s.tellWrong(parsed(t, plain("OPTIONS"), there, "UDP"), terms.peers.all[0], terms.authority, "4001", true, time.Now())
	require.Equal(t, []string{"2001:db8::5"}, watched(t, "Nov 22 18:40:42 host star97[12]: "+text.String()))
	lookalike := `level=WARN msg="wrong credentials" source=192.0.2.9 transport=udp`
	require.Empty(t, watched(t, `level=INFO msg="call refused" call_id=`+fmt.Sprintf("%q", lookalike)))
}

// watched are the addresses that the filter of deploy/fail2ban finds in a log.
func watched(t testing.TB, log string) (found []string) {
	t.Helper()
	filter, err := os.ReadFile("../../deploy/fail2ban/filter.d/star97.conf")
	require.NoError(t, err)
	patterns := regexp.MustCompile(`(?m)^(?:failregex =| {12})\s*(\^.*)$`).FindAllStringSubmatch(string(filter), -1)
	require.Len(t, patterns, 2)
	for one := range strings.Lines(log) {
		for _, p := range patterns {
			line := regexp.MustCompile(strings.ReplaceAll(p[1], "<ADDR>", `([0-9a-f.:]+)`))
			if m := line.FindStringSubmatch(one); m != nil {
				found = append(found, m[1])
			}
		}
	}
	return found
}

// A thousand hosts that try all they may leave room for nearly all who come next, and for
// everybody who came before.
func TestManyStrangersShutNobodyOut(t *testing.T) {
	p := newProofs(usualOut, atNoon)
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}) }
	p.remember(p.at(far, "4001"))
	for host := range 1000 {
		for user := range 2 * wrongBurst {
			p.admit(at(host), fmt.Sprint(user), true, atNoon)
		}
	}
	require.True(t, p.admit(far, "4001", true, atNoon))
	welcome := 0
	for host := range 1000 {
		if p.admit(at(2000+host), "4001", true, atNoon) {
			welcome++
		}
	}
	require.Greater(t, welcome, 900)
}

// The whole of what is done about a call with a wrong password takes as long for a known
// user as for an unknown one: the shortest of many, taken in turns, are alike, since no
// machine makes one shorter than it is.
func TestAnUnknownUserIsAnsweredAsLateAsAKnownOne(t *testing.T) {
	h := digestHouse(t, setting{server: func(s *Server) {
		for _, b := range []*buckets{s.proofs.checks, s.proofs.wrong, s.proofs.guesses} {
			b.rate, b.burst = 1e9, 1e9
		}
	}})
	terms := h.terms.Load()
	a, peer := terms.authority, terms.peers.all[0]
	of := func(user string) *sip.Request {
		m := message{header: map[string][]string{"Www-Authenticate": a.Challenges(far, false, time.Now())}}
		return parsed(t, strings.Replace(invite(offerText), "Contact", answerTo(t, m, 0, "INVITE", "sip:*97@example.org", user, "wrong", 1)+"Contact", 1),
			netip.AddrPortFrom(far, 5060), "UDP")
	}
	reqs, least := []*sip.Request{of("4001"), of("4999")}, []time.Duration{time.Hour, time.Hour}
	for range 600 {
		for i, req := range reqs {
			began := time.Now()
			for range 10 {
				_, refused := h.prove(req, peer, a)
				require.NotNil(t, refused)
				require.False(t, refused.silent)
			}
			least[i] = min(least[i], time.Since(began))
		}
	}
	require.InEpsilon(t, least[0], least[1], 0.15)
}
