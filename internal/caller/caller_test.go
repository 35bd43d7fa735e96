package caller

import (
	"context"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, stop := context.WithTimeout(context.Background(), d)
	t.Cleanup(stop)
	return ctx
}

// dial calls the peer and closes the call when the test ends.
func dial(t *testing.T, p *peer, o Options) *Call {
	t.Helper()
	o.URI = p.uri()
	c, err := Dial(within(t, 10*time.Second), o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCallFromInviteToBye(t *testing.T) {
	for _, road := range []struct {
		name      string
		transport Transport
		ip        string
	}{{"UDP over IPv4", UDP, "127.0.0.1"}, {"TCP over IPv4", TCP, "127.0.0.1"}, {"UDP over IPv6", UDP, "::1"}, {"TCP over IPv6", TCP, "::1"}} {
		t.Run(road.name, func(t *testing.T) {
			p := newPeer(t, road.transport, road.ip).answering()
			c := dial(t, p, Options{From: "4001", PAI: "sip:4001@pbx.example", Headers: []Header{{"Diversion", "<sip:4002@pbx.example>"}}})
			invite := p.got(sip.INVITE, 1)
			require.Equal(t, "4001", invite.From().Address.User)
			require.Equal(t, "<sip:4001@pbx.example>", invite.GetHeader("P-Asserted-Identity").Value())
			require.Equal(t, "<sip:4002@pbx.example>", invite.GetHeader("Diversion").Value())
			require.Equal(t, "*97", invite.Recipient.User)

			ack := p.got(sip.ACK, 1)
			require.Equal(t, invite.CSeq().SeqNo, ack.CSeq().SeqNo)
			require.Equal(t, peerTag, ack.To().Params.GetOr("tag", ""))
			require.Equal(t, "star97", ack.Recipient.User, "the ACK goes to the Contact")
			require.NotEqual(t, branchOf(invite), branchOf(ack))

			require.NoError(t, c.Press(within(t, 5*time.Second), "12#"))
			require.Equal(t, "12#", p.presses())
			require.NoError(t, c.Hangup(within(t, 5*time.Second)))
			require.Greater(t, p.got(sip.BYE, 1).CSeq().SeqNo, invite.CSeq().SeqNo)
			require.Equal(t, WeHungUp, c.End())
		})
	}
}
