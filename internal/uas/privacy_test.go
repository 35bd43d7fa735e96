package uas

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/mailbox"
)

// A number that is withheld opens its own door all the same, and goes no further. Both
// numbers are too long to stand in a port or a random token by chance.
func TestAWithheldNumberIsUsedAndToldToNobody(t *testing.T) {
	const number, diverter = "155501774077", "155501774088"
	for rule, row := range map[string]struct {
		header   string
		withheld bool
	}{
		"nothing asked":          {"", false},
		"id":                     {"Privacy: id\r\n", true},
		"id that has to be kept": {"Privacy: id;critical\r\n", true},
		"user":                   {"Privacy: USER\r\n", true},
		"header":                 {"Privacy: session ; header\r\n", true},
		"in a second line":       {"Privacy: session\r\nPrivacy: id\r\n", true},
		"with commas":            {"Privacy: critical, id\r\n", true},
		"none":                   {"Privacy: none\r\n", false},
		"the session alone":      {"Privacy: session\r\n", false},
		"the way of the call":    {"Privacy: history\r\n", false},
	} {
		t.Run(rule, func(t *testing.T) {
			h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].Identity = "pai" }})
			p := h.udp(t)
			p.extra = row.header + "P-Asserted-Identity: <sip:" + number + "@example.org>\r\nDiversion: <sip:" + diverter + "@example.org>\r\n"
			p.dial()
			c := h.calls.next(t)
			require.Equal(t, call.Confirmed, c.hear(t).Kind)
			require.Equal(t, mailbox.OwnDoor, c.arrival.Door)
			require.Equal(t, number, c.arrival.Number)
			require.Equal(t, number, c.arrival.Caller)
			require.Equal(t, row.withheld, c.arrival.Withheld)
			c.leg.Refer("sip:9000@example.org", 1)
			refer := p.expectRequest("REFER")
			p.reply(refer, "202 Accepted")
			c.leg.Hangup()
			bye := p.expectRequest("BYE")
			p.reply(bye, "200 OK")
			for _, m := range []message{refer, bye} {
				for name, values := range m.header {
					for _, value := range values {
						require.NotContains(t, value, number, name)
						require.NotContains(t, value, diverter, name)
					}
				}
			}
			require.Contains(t, refer.get("Referred-By"), "sip:star97@")
		})
	}
}
