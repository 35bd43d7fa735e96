package register

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
	"github.com/stretchr/testify/require"
)

func TestARegistrationIsRefreshedBeforeItEnds(t *testing.T) {
	play(t, ok, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t, func(o *Options) { o.ContactUser = "*97" })})
		sent := y.took()
		require.Len(t, sent, 1)
		r := sent[0]
		require.Equal(t, "sip:example.org", r.Recipient.String())
		require.Equal(t, "<sip:4970@example.org>", r.To().Value())
		require.Equal(t, "<sip:*97@10.0.0.5:5060>;expires=600", contactOf(r))
		require.Equal(t, first, r.to)
		require.Equal(t, []netip.Addr{first.Addr()}, y.places())
		states := y.States()
		require.True(t, states[0].Registered)
		require.Equal(t, 600*time.Second, time.Until(states[0].Expires))
		for range 5 {
			time.Sleep(540 * time.Second)
			again := y.took()
			require.Len(t, again, 1, "one refresh")
			within(t, 450*time.Second, 540*time.Second, again[0].at.Sub(r.at))
			require.Equal(t, r.CallID().Value(), again[0].CallID().Value())
			require.Equal(t, r.CSeq().SeqNo+1, again[0].CSeq().SeqNo)
			r = again[0]
			time.Sleep(time.Until(r.at))
		}
		require.Equal(t, 1, strings.Count(y.said(), "\n"), "a state is told once: %s", y.said())
	})
}

func TestTheOwnContactSaysHowLong(t *testing.T) {
	const us = "Contact: <sip:4970@10.0.0.5>;q=0.5"
	for name, row := range map[string]struct {
		lines   []string
		granted time.Duration // 0: not registered
	}{
		"its own parameter":             {[]string{us + ";expires=100", "Expires: 900"}, 100 * time.Second},
		"the header of all":             {[]string{us, "Expires: 120"}, 120 * time.Second},
		"neither":                       {[]string{us}, 600 * time.Second},
		"among those of others":         {[]string{"Contact: <sip:4970@192.0.2.77>;expires=7, <sip:4970@10.0.0.5:5060>;expires=300", "Contact: <sip:other@192.0.2.78>;expires=3"}, 300 * time.Second},
		"no Contact at all":             {[]string{"Expires: 70"}, 70 * time.Second},
		"a border controller's address": {[]string{"Contact: <sip:4970@192.0.2.99:5080;x=1>;expires=200"}, 200 * time.Second},
		"only those of others":          {[]string{"Contact: <sip:other@192.0.2.77>;expires=300"}, 0},
		"ours, which is over":           {[]string{us + ";expires=0"}, 0},
		"more than a day":               {[]string{us + ";expires=99999999999"}, 24 * time.Hour},
		"no number":                     {[]string{us + ";expires=soon", "Expires: 80"}, 80 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(h heard) *sip.Response { return reply(h, 200, row.lines...) }, func(t *testing.T, y *yard) {
				y.Exchange([]Options{account(t)})
				require.Len(t, y.took(), 1)
				s := y.States()[0]
				require.Equal(t, row.granted > 0, s.Registered)
				if row.granted > 0 {
					require.Equal(t, row.granted, time.Until(s.Expires))
					return
				}
				require.Contains(t, y.said(), "without our Contact")
			})
		})
	}
}

func TestContactsAreComparedAsARegistrarKeepsThem(t *testing.T) {
	for a, b := range map[string]string{
		"sip:%2A97@[2001:DB8::1]": "sip:*97@[2001:db8:0:0::1]:5060;transport=UDP;x=y",
		"sips:a@Host.example.org": "SIPS:a@host.example.org:5061",
	} {
		require.True(t, same(uriOf(t, a), uriOf(t, b)), a)
	}
	for _, other := range []string{"sip:b@h", "sip:a@g", "sip:a@h:5070", "sips:a@h:5060", "sip:a@h;transport=tcp", "sip:A@h"} {
		require.False(t, same(uriOf(t, "sip:a@h"), uriOf(t, other)), other)
	}
}

func uriOf(t *testing.T, text string) (uri sip.Uri) {
	require.NoError(t, sip.ParseUri(text, &uri))
	return uri
}

func TestAnIntervalThatIsTooBriefIsMadeLongerForGood(t *testing.T) {
	play(t, func(h heard) *sip.Response {
		if h.GetHeader("Expires").Value() != "1800" {
			return reply(h, 423, "Min-Expires: 1800")
		}
		return ok(h)
	}, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		require.Len(t, y.took(), 2)
		time.Sleep(1800 * time.Second * 9 / 10)
		require.Len(t, y.took(), 1, "what was learned is kept")
	})
	for name, lines := range map[string][]string{"again and again": {"Min-Expires: 700"}, "none": nil, "days": {"Min-Expires: 999999"}} {
		t.Run(name, func(t *testing.T) {
			play(t, func(h heard) *sip.Response { return reply(h, 423, lines...) }, func(t *testing.T, y *yard) {
				y.Exchange([]Options{account(t)})
				require.LessOrEqual(t, len(y.took()), 2)
				require.Contains(t, y.said(), "too brief")
			})
		})
	}
}

func TestThePasswordIsShownByTheStrongestDigest(t *testing.T) {
	for want, offered := range map[string][]string{
		"MD5":         {"MD5"},
		"SHA-256":     {"MD5", "SHA-256"},
		"SHA-512-256": {"SHA-256", "md5", "SHA-512-256", "AES-1"},
	} {
		play(t, guard(401, "example.org", offered, ok), func(t *testing.T, y *yard) {
			y.Exchange([]Options{account(t)})
			sent := y.took()
			require.Len(t, sent, 2)
			cred, err := digest.ParseCredentials(sent[1].GetHeader("Authorization").Value())
			require.NoError(t, err)
			require.Equal(t, want, cred.Algorithm)
			require.Equal(t, "auth", cred.QOP)
			require.True(t, y.States()[0].Registered)
			require.NotContains(t, y.said(), "right-word")
		})
	}
	play(t, guard(401, "example.org", []string{"AES-1", "SHA-256-sess"}, ok), func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		require.Len(t, y.took(), 1)
		require.Contains(t, y.said(), "in a way that is not served")
	})
}

func TestAProxyAndTheRegistrarBothAskForThePassword(t *testing.T) {
	play(t, guard(407, "proxy", []string{"MD5"}, guard(401, "example.org", []string{"SHA-256"}, ok)), func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t, func(o *Options) { o.OutboundProxy = "sip:192.0.2.2;transport=tcp" })})
		sent := y.took()
		require.Len(t, sent, 3)
		require.NotNil(t, sent[2].GetHeader("Authorization"))
		require.Contains(t, sent[2].GetHeader("Proxy-Authorization").Value(), "nc=00000002", "its nonce is used again")
		require.Equal(t, "<sip:192.0.2.2;lr>", sent[2].GetHeader("Route").Value())
		require.Equal(t, "sip:example.org", sent[2].Recipient.String())
		require.Equal(t, second, sent[2].to)
		require.Equal(t, "tcp", sent[2].network)
		require.Contains(t, contactOf(sent[2]), ";transport=tcp>")
		require.True(t, y.States()[0].Registered)
	})
}

// A password that is not taken is shown once, and again after minutes, so that no registrar
// locks the account, or the address.
func TestAWrongPasswordIsNotHammered(t *testing.T) {
	play(t, guard(401, "example.org", []string{"SHA-256", "MD5"}, ok), func(t *testing.T, y *yard) {
		o := account(t, func(o *Options) { o.RetryFirst = time.Second })
		require.NoError(t, os.WriteFile(o.Password.File, []byte("wrong-word"), 0o600))
		y.Exchange([]Options{o})
		require.Len(t, y.took(), 2, "one without and one with the password")
		time.Sleep(wrongFirst / 2)
		require.Empty(t, y.took())
		time.Sleep(4 * time.Hour)
		shown := 0
		for _, r := range y.took() {
			if r.GetHeader("Authorization") != nil {
				shown++
			}
		}
		within(t, 4, 12, time.Duration(shown))
		require.Equal(t, 1, strings.Count(y.said(), "does not take the user"), "told once")
		require.NotContains(t, y.said(), "wrong-word")

		require.NoError(t, os.WriteFile(o.Password.File, []byte("right-word"), 0o600))
		y.Exchange([]Options{o}) // a reload tries at once
		require.Len(t, y.took(), 2)
		require.True(t, y.States()[0].Registered)
	})
}

// Whatever a try failed of, the next one comes within retry_most where that is set.
func TestNoTryComesLaterThanRetryMost(t *testing.T) {
	const most = 30 * time.Second
	wrong := func(h heard) *sip.Response { return reply(h, 401, `WWW-Authenticate: Digest realm="r", nonce="n"`) }
	for name, answer := range map[string]func(heard) *sip.Response{
		"a wrong password": wrong,
		"forbidden":        func(h heard) *sip.Response { return reply(h, 403) },
		"no such user":     func(h heard) *sip.Response { return reply(h, 404) },
		"a server's error": func(h heard) *sip.Response { return reply(h, 500) },
		"an interval":      func(h heard) *sip.Response { return reply(h, 423) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, answer, func(t *testing.T, y *yard) {
				y.Exchange([]Options{account(t, func(o *Options) { o.RetryMost = most })})
				time.Sleep(20 * time.Minute)
				sent := y.took()
				for i := 1; i < len(sent); i++ {
					require.LessOrEqual(t, sent[i].at.Sub(sent[i-1].at), most)
				}
				require.LessOrEqual(t, time.Since(sent[len(sent)-1].at), most)
				require.Greater(t, len(sent), 40)
			})
		})
	}
}

// A registrar may refuse a nonce that it has seen (RFC 7616 section 3.3).
func TestANonceIsUsedOnce(t *testing.T) {
	play(t, guard(401, "example.org", []string{"MD5"}, func(h heard) *sip.Response {
		if h.GetHeader("Expires").Value() == "600" {
			return reply(h, 423, "Min-Expires: 700")
		}
		return ok(h)
	}), func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		seen := map[string]bool{}
		for _, h := range y.took() {
			if a := h.GetHeader("Authorization"); a != nil {
				cred, err := digest.ParseCredentials(a.Value())
				require.NoError(t, err)
				require.False(t, seen[cred.Nonce])
				seen[cred.Nonce] = true
			}
		}
		require.Len(t, seen, 2)
		require.True(t, y.States()[0].Registered)
	})
}

func TestAStaleNonceIsTriedOnceMore(t *testing.T) {
	stale := func(times int) func(heard) *sip.Response {
		return func(h heard) *sip.Response {
			if h.GetHeader("Authorization") == nil {
				return reply(h, 401, `WWW-Authenticate: Digest realm="r", nonce="n0"`)
			}
			if times--; times >= 0 {
				return reply(h, 401, fmt.Sprintf(`WWW-Authenticate: Digest realm="r", nonce="n%d", stale=TRUE`, times))
			}
			return ok(h)
		}
	}
	play(t, stale(1), func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		require.Len(t, y.took(), 3)
		require.True(t, y.States()[0].Registered)
	})
	play(t, stale(1000), func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		require.Len(t, y.took(), 3)
		require.Contains(t, y.said(), "finds each nonce of its own stale")
	})
}

func TestWhatMayPassIsTriedAgainEverLater(t *testing.T) {
	for name, row := range map[string]struct {
		answer func(heard) *sip.Response
		takes  time.Duration // of a try
		reason string
	}{
		"500":     {func(h heard) *sip.Response { return reply(h, 500) }, 0, "server"},
		"408":     {func(h heard) *sip.Response { return reply(h, 408) }, 0, "server"},
		"silence": {func(heard) *sip.Response { return nil }, answerWithin, "silence"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, row.answer, func(t *testing.T, y *yard) {
				y.Exchange([]Options{account(t, func(o *Options) { o.RetryFirst, o.RetryMost = 4*time.Second, time.Minute })})
				time.Sleep(20 * time.Minute)
				sent := y.took()
				most := 4 * time.Second
				for i := 1; i < len(sent); i++ {
					within(t, most/2+row.takes, most+row.takes, sent[i].at.Sub(sent[i-1].at))
					most = min(2*most, time.Minute)
				}
				require.Greater(t, len(sent), 10)
				within(t, time.Duration(len(sent)-1), time.Duration(len(sent)), time.Duration(y.States()[0].Failed)) // one may wait for its answer
				require.Equal(t, 1, strings.Count(y.said(), "registration failed"), "told once: %s", y.said())
				y.set(func() { y.answer = ok })
				time.Sleep(time.Minute + answerWithin)
				require.True(t, y.States()[0].Registered)
				require.Contains(t, y.said(), "msg=registered")
				families, err := y.counts.Gather().Gather()
				require.NoError(t, err)
				found := false
				for _, f := range families {
					for _, m := range f.Metric {
						found = found || f.GetName() == "star97_registration_failures_total" && m.Label[0].GetValue() == row.reason && m.Counter.GetValue() == float64(len(sent))
					}
				}
				require.True(t, found, "the metrics count each try")
			})
		})
	}
}

func TestThatCallsCanComeNoMoreIsTold(t *testing.T) {
	play(t, ok, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		y.took()
		y.set(func() { y.answer = func(h heard) *sip.Response { return reply(h, 500) } })
		time.Sleep(595 * time.Second)
		require.True(t, y.States()[0].Registered, "what was granted stands")
		require.Equal(t, len(y.took()), y.States()[0].Failed, "and that it is not refreshed is told")
		require.Equal(t, 1, strings.Count(y.said(), "registration failed"))
		require.Contains(t, y.said(), "stands_for=")
		require.Positive(t, y.pinged(), "calls may still come")
		time.Sleep(5 * time.Second)
		y.pinged()
		time.Sleep(time.Hour)
		require.False(t, y.States()[0].Registered)
		require.Equal(t, 2, strings.Count(y.said(), "registration failed"), "%s", y.said())
		require.Zero(t, y.pinged())
		require.Greater(t, y.States()[0].Failed, 10)
		y.set(func() { y.answer = ok })
		time.Sleep(5 * time.Minute)
		require.Zero(t, y.States()[0].Failed)
	})
}

// A name that stands for another address at each look leaves nothing of those before.
func TestAddressesThatFailedAreForgotten(t *testing.T) {
	play(t, func(h heard) *sip.Response { return reply(h, 503) }, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t, func(o *Options) { o.RetryMost = time.Minute })})
		for i := range 200 {
			y.set(func() { y.hosts["example.org"] = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})} })
			time.Sleep(time.Minute)
		}
		sent := y.took()
		require.Greater(t, len(sent), 190)
		require.LessOrEqual(t, len(y.clients[0].avoided), int(2*avoidFor/time.Minute)+1)
		require.Contains(t, y.clients[0].avoided, sent[len(sent)-1].to)
	})
}

// The registrar's word is taken on when to come back, up to an hour.
func TestRetryAfterIsWaitedFor(t *testing.T) {
	play(t, func(h heard) *sip.Response { return reply(h, 500, "Retry-After: 600 (works);duration=60") }, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		require.Len(t, y.took(), 1)
		time.Sleep(599 * time.Second)
		require.Empty(t, y.took())
		time.Sleep(2 * time.Second)
		require.Len(t, y.took(), 1)
	})
}

func TestWhatSomebodyHasToMendIsToldOnceAndTriedSlowly(t *testing.T) {
	for status, reason := range map[int]string{403: "answers 403", 404: "answers 404", 302: "not followed", 405: "405 Because", 600: "600 Because"} {
		play(t, func(h heard) *sip.Response { return reply(h, status, "Contact: <sip:elsewhere.example.org>") }, func(t *testing.T, y *yard) {
			o := account(t)
			y.Exchange([]Options{o})
			require.Len(t, y.took(), 1)
			time.Sleep(29 * time.Minute)
			require.Empty(t, y.took())
			time.Sleep(4 * time.Hour)
			within(t, 4, 9, time.Duration(len(y.took())))
			require.Equal(t, 1, strings.Count(y.said(), "level=ERROR"), "%s", y.said())
			require.Contains(t, y.said(), reason)
			y.set(func() { y.answer = ok })
			y.Exchange([]Options{o})
			require.Len(t, y.took(), 1, "a reload tries at once")
			require.True(t, y.States()[0].Registered)
		})
	}
}

// However briefly a registrar keeps a registration, it is not asked all the time.
func TestABriefRegistrationIsNotRefreshedAllTheTime(t *testing.T) {
	play(t, func(h heard) *sip.Response { return reply(h, 200, "Contact: <sip:4970@10.0.0.5>;expires=1") }, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		time.Sleep(100 * time.Second)
		within(t, 18, 21, time.Duration(len(y.took())))
	})
}
