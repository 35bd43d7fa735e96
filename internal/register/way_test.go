package register

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// allContacts are the Contacts of a request, in one line.
func allContacts(h heard) string {
	var all []string
	for _, c := range h.GetHeaders("Contact") {
		all = append(all, c.Value())
	}
	return strings.Join(all, ", ")
}

func TestTheAddressThatANATShowsIsRegistered(t *testing.T) {
	const inner, outer = "<sip:4970@10.0.0.5:5060>;expires=", "<sip:4970@203.0.113.9:40000>;expires="
	play(t, ok, func(t *testing.T, y *yard) {
		y.set(func() { y.nat = shown })
		y.Exchange([]Options{account(t)})
		sent := y.took()
		require.Len(t, sent, 2)
		require.Equal(t, inner+"600", allContacts(sent[0]))
		require.Equal(t, outer+"600, "+inner+"0", allContacts(sent[1]), "and the other is taken back")
		y.set(func() { require.Equal(t, shown, y.shown) })
		time.Sleep(540 * time.Second)
		sent = y.took()
		require.Len(t, sent, 1)
		require.Equal(t, outer+"600", allContacts(sent[0]))

		y.set(func() { y.nat = netip.MustParseAddrPort("203.0.113.9:40001") })
		time.Sleep(540 * time.Second)
		sent = y.took()
		require.Equal(t, "<sip:4970@203.0.113.9:40001>;expires=600, "+outer+"0", allContacts(sent[1]), "the NAT has another one now")
		y.Close()
		sent = y.took()
		require.Equal(t, "<sip:4970@203.0.113.9:40001>;expires=0", allContacts(sent[0]))
	})
	t.Run("known from the challenge", func(t *testing.T) {
		play(t, guard(401, "example.org", []string{"MD5"}, ok), func(t *testing.T, y *yard) {
			y.set(func() { y.nat = shown })
			y.Exchange([]Options{account(t)})
			sent := y.took()
			require.Len(t, sent, 2)
			require.Equal(t, outer+"600", allContacts(sent[1]))
		})
	})
	t.Run("another for each message", func(t *testing.T) {
		play(t, ok, func(t *testing.T, y *yard) {
			port := uint16(1000)
			y.set(func() {
				y.nat = shown
				y.answer = func(h heard) *sip.Response {
					y.set(func() { port++; y.nat = netip.AddrPortFrom(shown.Addr(), port) })
					return ok(h)
				}
			})
			y.Exchange([]Options{account(t)})
			require.Len(t, y.took(), 2, "no end of it")
			require.True(t, y.States()[0].Registered)
		})
	})
	t.Run("the configuration advertises one", func(t *testing.T) {
		play(t, ok, func(t *testing.T, y *yard) {
			y.set(func() { y.nat, y.chosen, y.local = shown, true, netip.MustParseAddrPort("198.51.100.7:5060") })
			y.Exchange([]Options{account(t)})
			sent := y.took()
			require.Len(t, sent, 1)
			require.Contains(t, allContacts(sent[0]), "@198.51.100.7:5060>")
		})
	})
	t.Run("a connection has another port", func(t *testing.T) {
		play(t, ok, func(t *testing.T, y *yard) {
			y.set(func() { y.nat = netip.MustParseAddrPort("10.0.0.5:41234") })
			y.Exchange([]Options{account(t, func(o *Options) { o.Network = "tcp" })})
			require.Len(t, y.took(), 1)
		})
	})
}

func TestAnotherLocalAddressIsRegisteredAtTheNextSignOfLife(t *testing.T) {
	play(t, ok, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		require.Len(t, y.took(), 1)
		y.set(func() { y.local = netip.MustParseAddrPort("10.0.0.6:5060") })
		time.Sleep(25 * time.Second)
		sent := y.took()
		require.Len(t, sent, 1)
		require.Equal(t, "<sip:4970@10.0.0.6:5060>;expires=600, <sip:4970@10.0.0.5:5060>;expires=0", allContacts(sent[0]))
	})
}

func TestTheWayIsKeptOpen(t *testing.T) {
	play(t, ok, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		time.Sleep(4*time.Minute + time.Second)
		require.Equal(t, 9, y.pinged(), "every 25 s")
		require.Len(t, y.took(), 1)
		y.set(func() { y.gone = net.ErrClosed }) // the connection
		time.Sleep(25 * time.Second)
		require.Len(t, y.took(), 1, "a registration at once")
	})
	play(t, ok, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t, func(o *Options) { o.KeepAlive = 0 })})
		time.Sleep(7 * time.Minute)
		require.Zero(t, y.pinged())
	})
}

func TestAQuestionShowsThatTheRegistrarHasForgotten(t *testing.T) {
	knows := true
	play(t, nil, func(t *testing.T, y *yard) {
		y.answer = func(h heard) *sip.Response {
			switch {
			case h.Method == sip.REGISTER:
				knows = true
				return ok(h)
			case knows:
				return reply(h, 200)
			}
			return reply(h, 404)
		}
		y.Exchange([]Options{account(t, func(o *Options) { o.KeepAliveBy = byOptions })})
		require.Len(t, y.took(), 1)
		time.Sleep(25 * time.Second)
		sent := y.took()
		require.Len(t, sent, 1)
		require.Equal(t, sip.OPTIONS, sent[0].Method)
		require.Equal(t, "sip:4970@example.org", sent[0].Recipient.String())
		for range 3 {
			y.set(func() { knows = false })
			time.Sleep(25 * time.Second)
			require.Len(t, y.took(), 2, "the question, and a registration")
			time.Sleep(25 * time.Second)
			require.Len(t, y.took(), 1)
		}
		// One that says so whatever it knows is not asked to register all the time.
		y.set(func() {
			y.answer = func(h heard) *sip.Response {
				if h.Method == sip.REGISTER {
					return ok(h)
				}
				return reply(h, 480)
			}
		})
		time.Sleep(26 * time.Second)
		require.Len(t, y.took(), 2)
		time.Sleep(150 * time.Second)
		for _, h := range y.took() {
			require.Equal(t, sip.OPTIONS, h.Method)
		}
	})
}

// twoServers has the registrar's name stand for two addresses.
func twoServers(y *yard, priorities ...uint16) {
	y.set(func() {
		y.srv["_sip._udp.example.org"] = []*net.SRV{{Target: "one", Port: 5060, Priority: priorities[0]}, {Target: "two", Port: 5060, Priority: priorities[1]}}
		y.hosts["one"], y.hosts["two"] = []netip.Addr{first.Addr()}, []netip.Addr{second.Addr()}
	})
}

func TestTheNextServerIsTriedWhenOneFails(t *testing.T) {
	for name, row := range map[string]struct {
		fails func(heard) *sip.Response
		after time.Duration
		next  bool
	}{
		"silence": {func(heard) *sip.Response { return nil }, tryWithin, true},
		"503":     {func(h heard) *sip.Response { return reply(h, 503, "Retry-After: 60") }, 0, true},
		"500":     {func(h heard) *sip.Response { return reply(h, 500) }, 0, false}, // RFC 3263 section 4.3
		"403":     {func(h heard) *sip.Response { return reply(h, 403) }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(t *testing.T, y *yard) {
				twoServers(y, 1, 2)
				well := false
				y.answer = func(h heard) *sip.Response {
					y.mu.Lock()
					fails := !well && h.to == first
					y.mu.Unlock()
					if fails {
						return row.fails(h)
					}
					return ok(h)
				}
				y.Exchange([]Options{account(t, func(o *Options) { o.Expires = time.Minute })})
				time.Sleep(row.after)
				sent := y.took()
				require.Equal(t, first, sent[0].to)
				if !row.next {
					require.Len(t, sent, 1)
					return
				}
				require.Len(t, sent, 2)
				require.Equal(t, second, sent[1].to)
				require.True(t, y.States()[0].Registered)
				require.ElementsMatch(t, []netip.Addr{first.Addr(), second.Addr()}, y.places())

				time.Sleep(2 * time.Minute)
				for _, h := range y.took() {
					require.Equal(t, second, h.to, "who failed is not tried again so soon")
				}
				y.set(func() { well = true })
				time.Sleep(avoidFor)
				sent = y.took()
				require.Equal(t, first, sent[len(sent)-1].to, "the one of the higher priority is back")
			})
		})
	}
}

// Among servers of one priority the one that answered is kept: the others may not know of
// its registrations.
func TestAmongEqualsTheOneThatAnsweredIsKept(t *testing.T) {
	play(t, ok, func(t *testing.T, y *yard) {
		twoServers(y, 1, 1)
		y.Exchange([]Options{account(t)})
		require.Equal(t, first, y.took()[0].to)
		y.set(func() {
			all := y.srv["_sip._udp.example.org"]
			y.srv["_sip._udp.example.org"] = []*net.SRV{all[1], all[0]} // as weights fall another time
		})
		time.Sleep(540 * time.Second)
		require.Equal(t, first, y.took()[0].to)
	})
}

func TestTheAddressesFollowTheDNS(t *testing.T) {
	play(t, ok, func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t, func(o *Options) { o.Expires = time.Hour })})
		require.Len(t, y.took(), 1)
		y.set(func() { y.hosts["example.org"] = []netip.Addr{second.Addr()} })
		time.Sleep(lookAgain + 25*time.Second)
		sent := y.took()
		require.Len(t, sent, 1, "at the new address at once")
		require.Equal(t, second, sent[0].to)
		require.ElementsMatch(t, []netip.Addr{first.Addr(), second.Addr()}, y.places(), "the old one may call while it has a registration")
		time.Sleep(time.Hour)
		require.Equal(t, []netip.Addr{second.Addr()}, y.places())

		y.set(func() { y.dnsErr = errors.New("the DNS is out") })
		time.Sleep(3 * time.Hour)
		require.NotEmpty(t, y.took())
		require.True(t, y.States()[0].Registered, "what was known holds")
	})
	play(t, ok, func(t *testing.T, y *yard) {
		y.set(func() { y.dnsErr = errors.New("the DNS is out") })
		y.Exchange([]Options{account(t)})
		require.Empty(t, y.took())
		require.Contains(t, y.said(), "the registrar's name leads nowhere")
		y.set(func() { y.dnsErr = nil })
		time.Sleep(5 * time.Second)
		require.Len(t, y.took(), 1)
	})
}

func TestTheEndTakesRegistrationsBack(t *testing.T) {
	play(t, guard(401, "example.org", []string{"MD5"}, ok), func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t)})
		require.Len(t, y.took(), 2)
		y.Close()
		sent := y.took()
		require.Len(t, sent, 2)
		require.Equal(t, "<sip:4970@10.0.0.5:5060>;expires=0", allContacts(sent[1]))
		require.Equal(t, "0", sent[1].GetHeader("Expires").Value())
		require.Empty(t, y.places())
		require.False(t, y.States()[0].Registered)
		y.Exchange([]Options{account(t)})
		require.Empty(t, y.took(), "after the end nothing begins")
	})
	t.Run("nobody answers", func(t *testing.T) {
		play(t, ok, func(t *testing.T, y *yard) {
			y.Exchange([]Options{account(t)})
			y.took()
			y.set(func() { y.answer = func(heard) *sip.Response { return nil } })
			began := time.Now()
			y.Close()
			require.Equal(t, leaveWithin, time.Since(began))
			require.Contains(t, y.said(), "could not be taken back")
		})
	})
	t.Run("nothing is registered", func(t *testing.T) {
		play(t, func(heard) *sip.Response { return nil }, func(t *testing.T, y *yard) {
			y.Exchange([]Options{account(t)})
			require.Len(t, y.took(), 1)
			began := time.Now()
			y.Close()
			require.Zero(t, time.Since(began))
			require.Empty(t, y.took())
		})
	})
}

func TestAReloadTouchesOnlyWhatIsDifferent(t *testing.T) {
	play(t, ok, func(t *testing.T, y *yard) {
		a := account(t)
		b, c := a, a
		b.Name, b.User = "b", "b"
		c.Name, c.User = "c", "c"
		y.Exchange([]Options{a, b})
		time.Sleep(time.Second)
		require.Len(t, y.took(), 2)
		altered := b
		altered.ContactUser = "*97"
		y.Exchange([]Options{a, altered, c})
		time.Sleep(time.Second)
		sent := y.took()
		require.Len(t, sent, 3)
		by := map[string][]string{}
		for _, h := range sent {
			by[h.To().Address.User] = append(by[h.To().Address.User], allContacts(h))
		}
		require.Equal(t, map[string][]string{
			"b": {"<sip:b@10.0.0.5:5060>;expires=0", "<sip:*97@10.0.0.5:5060>;expires=600"},
			"c": {"<sip:c@10.0.0.5:5060>;expires=600"},
		}, by)
		y.Exchange([]Options{c})
		sent = y.took()
		require.Len(t, sent, 2)
		require.Len(t, y.States(), 1)
		require.Empty(t, y.places())
	})
}

func TestOneThatComesBackWaitsUntilItWasTakenBack(t *testing.T) {
	slow := func(h heard) *sip.Response {
		if h.GetHeader("Expires").Value() == "0" {
			time.Sleep(leaveWithin / 2)
		}
		return ok(h)
	}
	play(t, slow, func(t *testing.T, y *yard) {
		a := account(t)
		b := a
		b.ContactUser = "*97"
		y.Exchange([]Options{a})
		y.took()
		y.Exchange(nil)
		y.Exchange([]Options{b})
		y.Exchange(nil)
		y.Exchange([]Options{a})
		time.Sleep(2 * leaveWithin)
		var all []string
		for _, h := range y.took() {
			all = append(all, allContacts(h))
		}
		require.Equal(t, []string{"<sip:4970@10.0.0.5:5060>;expires=0", "<sip:4970@10.0.0.5:5060>;expires=600"}, all)
		require.Equal(t, []netip.Addr{first.Addr()}, y.places(), "its calls are let in")
		y.Exchange([]Options{a})
		require.Empty(t, y.leaving, "nothing of them is kept")
	})
}

func TestManyDoNotComeAtOnce(t *testing.T) {
	play(t, ok, func(t *testing.T, y *yard) {
		var all []Options
		for i := range 100 {
			o := account(t)
			o.Name = "account-" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			all = append(all, o)
		}
		y.Exchange(all)
		require.Less(t, len(y.took()), 20)
		time.Sleep(100 * apart)
		synctest.Wait()
		times := map[time.Time]int{}
		for _, h := range y.took() {
			times[h.at]++
		}
		require.Greater(t, len(times), 60)
	})
}

func TestTargetsAreFoundAsRFC3263Says(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	y := &yard{hosts: map[string][]netip.Addr{"example.org": {a}, "one.example.org": {b, a}, "two.example.org": {b}}, srv: map[string][]*net.SRV{
		"_sip._tcp.example.org":  {{Target: "two.example.org", Port: 5070, Priority: 1}, {Target: "one.example.org", Port: 5080, Priority: 2}},
		"_sips._tcp.example.org": {{Target: "one.example.org", Port: 5061}},
		"_sip._udp.none.org":     {{Target: "."}},
		"_sip._udp.broken.org":   {{Target: "nowhere.org", Port: 1}},
		"_sip._udp.halved.org":   {{Target: "nowhere.org", Port: 1}, {Target: "two.example.org", Port: 2}},
	}}
	for _, row := range []struct {
		registrar, network string
		want               string
	}{
		{"192.0.2.9", "", "udp 192.0.2.9:5060"},
		{"sip:192.0.2.9:5070;transport=TCP", "", "tcp 192.0.2.9:5070"},
		{"[2001:db8::9]:5062", "", "udp [2001:db8::9]:5062"},
		{"sips:192.0.2.9", "", "tls 192.0.2.9:5061"},
		{"example.org:5099", "", "udp 192.0.2.1:5099"},
		{"example.org:5099", "tls", "tls 192.0.2.1:5099"},
		{"example.org", "", "tcp [2001:db8::1]:5070, tcp [2001:db8::1]:5080, tcp 192.0.2.1:5080"},
		{"example.org", "tls", "tls [2001:db8::1]:5061, tls 192.0.2.1:5061"},
		{"sips:example.org", "", "tls [2001:db8::1]:5061, tls 192.0.2.1:5061"},
		{"example.org", "udp", "udp 192.0.2.1:5060"},
		{"two.example.org", "", "udp [2001:db8::1]:5060"},
		{"two.example.org", "tls", "tls [2001:db8::1]:5061"},
		{"halved.org", "", "udp [2001:db8::1]:2"},
		{"none.org", "", "lead to no address"},
		{"broken.org", "", "the address of nowhere.org cannot be looked up"},
		{"nowhere.org", "", "the address of nowhere.org cannot be looked up"},
	} {
		o := DefaultOptions()
		o.Registrar, o.Network = row.registrar, row.network
		got, err := o.Targets(context.Background(), y)
		var is []string
		for _, g := range got {
			is = append(is, g.Network+" "+g.Addr.String())
		}
		if err != nil {
			require.ErrorContains(t, err, row.want, row.registrar)
			require.NotContains(t, err.Error(), "of . cannot", "the root is nobody's address")
			continue
		}
		require.Equal(t, row.want, strings.Join(is, ", "), row.registrar)
	}
}
