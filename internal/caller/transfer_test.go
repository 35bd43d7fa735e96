package caller

import (
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// The outcome of a transfer is told as RFC 3515 section 2.4.5 says: first that it is
// tried, then how it ended, with the end of the subscription.
func TestWhatBecomesOfATransferIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		referral Referral
		frags    []string
		states   []string
	}{
		"connected": {Referral{Status: 200, After: 10 * time.Millisecond}, []string{"SIP/2.0 100 Trying\r\n", "SIP/2.0 200 Told\r\n"}, []string{"active;expires=60", "terminated;reason=noresource"}},
		"refused":   {Referral{Status: 486}, []string{"SIP/2.0 100 Trying\r\n", "SIP/2.0 486 Told\r\n"}, []string{"active;expires=60", "terminated;reason=noresource"}},
		"never":     {Referral{}, []string{"SIP/2.0 100 Trying\r\n"}, []string{"active;expires=60"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, UDP, "127.0.0.1").answering()
			p.when(sip.NOTIFY, func(req *sip.Request) { p.reply(req, 200, "", "") })
			targets := make(chan string, 1)
			call := dial(t, p, Options{Refer: func(target string) Referral { targets <- target; return c.referral }})
			invite := p.got(sip.INVITE, 1)
			require.Contains(t, invite.GetHeader("Allow").Value(), "REFER")
			p.ask(invite, "REFER", 1, "", Header{"Refer-To", "<sip:5000@pbx.example.org>"})
			require.Equal(t, 202, p.answered(1).StatusCode)
			require.Equal(t, "sip:5000@pbx.example.org", <-targets)
			for i := range c.frags {
				notify := p.got(sip.NOTIFY, i+1)
				require.Equal(t, c.frags[i], string(notify.Body()))
				require.Equal(t, c.states[i], notify.GetHeader("Subscription-State").Value())
				require.Equal(t, "refer;id=1", notify.GetHeader("Event").Value())
			}
			require.NoError(t, call.Hangup(within(t, patience)))
			require.Equal(t, len(c.frags), p.count(sip.NOTIFY))
		})
	}
}

func TestATransferToNobodyIsRefused(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	dial(t, p, Options{Refer: func(string) Referral { return Referral{} }})
	p.ask(p.got(sip.INVITE, 1), "REFER", 1, "")
	require.Equal(t, 400, p.answered(1).StatusCode)
}
