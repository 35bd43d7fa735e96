package uas

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/mailbox"
)

// forwarding is a house with one route, whose peer is believed about some headers.
func forwarding(from string, believed ...string) setting {
	return setting{
		plan: plan{func(string) (dialplan.Route, bool) {
			return dialplan.Route{Door: mailbox.OwnDoor, MailboxFrom: from}, true
		}},
		options: func(o *Options) { o.Peers[0].Forwarding = believed },
	}
}

// history is a call to *97 whose History-Info has these entries.
func history(entries ...string) *sip.Request {
	req := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", User: "*97", Host: "y"})
	for _, e := range entries {
		req.AppendHeader(sip.NewHeader("History-Info", e))
	}
	return req
}

// RFC 5806, RFC 7044: whose mailbox a call is for that was sent on to us.
func TestACallThatWasSentOnIsForWhoseItWas(t *testing.T) {
	for _, row := range []struct{ rule, from, believed, headers, number string }{
		{"the last diversion is first", dialplan.FromDiversion, dialplan.FromDiversion, "Diversion: <sip:4002@x>;reason=no-answer, <sip:4003@x>\r\nDiversion: <sip:4004@x>\r\n", "4002"},
		{"in quotes and as tel", dialplan.FromDiversion, dialplan.FromDiversion, "Diversion: \"<sip:1@x>,\" <tel:40-05>;reason=unconditional\r\n", "4005"},
		{"escaped once", dialplan.FromDiversion, dialplan.FromDiversion, "Diversion: <sip:%34002@x>\r\n", "4002"},
		{"not escaped twice", dialplan.FromDiversion, dialplan.FromDiversion, "Diversion: <sip:%2534002@x>\r\n", ""},
		{"no address in brackets", dialplan.FromDiversion, dialplan.FromDiversion, "Diversion: 4002\r\n", ""},
		{"two addresses in one", dialplan.FromDiversion, dialplan.FromDiversion, "Diversion: <sip:4002@x><sip:4003@x>\r\n", ""},
		{"nobody", dialplan.FromDiversion, dialplan.FromDiversion, "", ""},
		{"an outside caller's diversion", dialplan.FromDiversion, dialplan.FromHistory, "Diversion: <sip:4002@x>;reason=no-answer\r\n", ""},
		{"whom the last change names", dialplan.FromHistory, dialplan.FromHistory, "History-Info: <sip:4002@x>;index=1, <sip:4003@x>;index=1.1;mp=1,<sip:4003@z>;index=1.1.1;rc=1.1, <sip:*97@y>;index=1.1.1.1;mp=1.1.1\r\n", "4003"},
		{"an outside caller's history", dialplan.FromHistory, dialplan.FromDiversion, "History-Info: <sip:4002@x>;index=1, <sip:*97@y>;index=1.1;mp=1\r\n", ""},
	} {
		t.Run(row.rule, func(t *testing.T) {
			h := newHouse(t, forwarding(row.from, row.believed))
			p := h.udp(t)
			p.extra = row.headers
			p.dial()
			c := h.calls.next(t)
			require.Equal(t, row.number, c.arrival.Number)
			require.Equal(t, row.number == "", c.arrival.Door == mailbox.AnyDoor, "whoever is nobody's is asked")
		})
	}
}

func TestHistoryNamesAnOwnerOnlyByOneStoryToUs(t *testing.T) {
	for rule, row := range map[string]struct {
		entries []string
		owner   string
	}{
		"one change":                   {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1;mp=1"}, "4002"},
		"in one line":                  {[]string{"<sip:4002@x>;index=1, <sip:*97@y>;index=1.1;mp=1"}, "4002"},
		"a branch that failed before":  {[]string{"<sip:4002@x>;index=1", "<sip:4002@p>;index=1.1;rc=1", "<sip:*97@y>;index=1.2;mp=1.1"}, "4002"},
		"RFC 7131 section 3.4":         {[]string{"<sip:1@x>;index=1", "<sip:1@p?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1", "<sip:2@x>;index=1.2;mp=1", "<sip:2@q>;index=1.2.1;rc=1.2", "<sip:vm@x>;index=1.3;mp=1.2", "<sip:*97@y>;index=1.3.1;rc=1.3"}, "2"},
		"without any change":           {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1;rc=1"}, ""},
		"without a word on the change": {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1"}, ""},
		"ours alone":                   {[]string{"<sip:*97@y>;index=1"}, ""},
		"none":                         {nil, ""},
		"a change beside our path":     {[]string{"<sip:4002@x>;index=1", "<sip:4003@x>;index=1.1;mp=1", "<sip:*97@y>;index=1.2;rc=1"}, ""},
		"an index twice":               {[]string{"<sip:4666@evil>;index=1", "<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1;mp=1"}, ""},
		"an index twice further on":    {[]string{"<sip:4002@x>;index=1", "<sip:4003@x>;index=1.1;rc=1", "<sip:4666@x>;index=1.1;rc=1", "<sip:*97@y>;index=1.1.1;mp=1.1"}, ""},
		"two indices":                  {[]string{"<sip:4002@x>;index=1;index=2", "<sip:*97@y>;index=1.1;mp=1"}, ""},
		"no index":                     {[]string{"<sip:4002@x>", "<sip:*97@y>;index=1.1;mp=1"}, ""},
		"an index that begins later":   {[]string{"<sip:4002@x>;index=1.1", "<sip:*97@y>;index=1.1.1;mp=1.1"}, ""},
		"an order that is not theirs":  {[]string{"<sip:4002@x>;index=1", "<sip:4003@x>;index=1.2;rc=1", "<sip:*97@y>;index=1.1;mp=1.2"}, ""},
		"a gap":                        {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1.1;mp=1"}, ""},
		"leading zeros":                {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.01;mp=1"}, ""},
		"a sign":                       {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.+1;mp=1"}, ""},
		"a change of what is later":    {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1;mp=1.1"}, ""},
		"a change of what is nowhere":  {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1;mp=2"}, ""},
		"two changes in one":           {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1;mp=1;mp=1"}, ""},
		"a change and none":            {[]string{"<sip:4002@x>;index=1", "<sip:*97@y>;index=1.1;mp=1;rc=1"}, ""},
		"no brackets":                  {[]string{"sip:4002@x;index=1", "<sip:*97@y>;index=1.1;mp=1"}, ""},
		"parameters in the brackets":   {[]string{"<sip:4002@x;index=1>", "<sip:*97@y>;index=1.1;mp=1"}, ""},
		"not where we were called":     {[]string{"<sip:4002@x>;index=1", "<sip:4003@y>;index=1.1;mp=1"}, ""},
		"of another scheme":            {[]string{"<http://4002@x>;index=1", "<sip:*97@y>;index=1.1;mp=1"}, ""},
		"whose number is withheld":     {[]string{"<sip:anonymous@anonymous.invalid>;index=1", "<sip:*97@y>;index=1.1;mp=1"}, "anonymous"},
	} {
		require.Equal(t, row.owner, retargeted(history(row.entries...)).user, rule)
	}
	wide, deep := []string{"<sip:4002@x>;index=1"}, []string{"<sip:4002@x>;index=1"}
	for i := range entriesMax {
		require.Equal(t, "4002", retargeted(history(append(wide, "<sip:*97@y>;index=1.99;mp=1")...)).user, "%d entries", i+2)
		if wide = append(wide, fmt.Sprintf("<sip:4003@x>;index=1.%d;rc=1", i+1)); len(wide) == entriesMax {
			break
		}
	}
	require.Empty(t, retargeted(history(append(wide, "<sip:*97@y>;index=1.99;mp=1")...)).user, "more than any call has")
	for i := 1; i < depthMax; i++ {
		above := strings.Repeat(".1", i-1)
		last := fmt.Sprintf("<sip:*97@y>;index=1%s.1;mp=1%s", above, above)
		require.NotEmpty(t, retargeted(history(append(deep, last)...)).user, "%d numbers", i+1)
		deep = append(deep, fmt.Sprintf("<sip:4002@x>;index=1%s.1", above))
	}
	above := strings.Repeat(".1", depthMax-1)
	require.Empty(t, retargeted(history(append(deep, "<sip:*97@y>;index=1"+above+".1;mp=1"+above)...)).user, "deeper than any call goes")
}
