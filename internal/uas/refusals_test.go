package uas

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/metrics"
)

// A host that stands for no tenant is refused as a number that nobody has: whoever calls
// learns neither which tenants there are nor that it was the host.
func TestAnUnknownDomainIsRefusedLikeAnUnknownNumber(t *testing.T) {
	p, problems := dialplan.Parse("plan.yaml", []byte("routes:\n  - {number: \"*97\", door: own, domain_from: request}\n"+
		"domains:\n  - {name: north, hosts: [north.example.org]}\n"))
	require.Empty(t, problems)
	h := newHouse(t, setting{plan: p})
	q := h.udp(t)
	var seen []string
	for _, ruri := range []string{"sip:*97@south.example.org", "sip:*11@north.example.org", "sip:*11@south.example.org"} {
		q.ruri, q.callID = ruri, "call-"+randomToken()[:12]
		q.send("INVITE", offerText, "application/sdp")
		m := q.expect(404)
		seen = append(seen, m.start+" "+strings.Join(slices.Sorted(maps.Keys(m.header)), " ")+m.body)
		q.write(q.buildAs("ACK", q.cseq, fmt.Sprintf("z9hG4bK-%s-%d", q.callID, q.branches), "", ""))
	}
	require.Equal(t, []string{seen[0], seen[0], seen[0]}, seen)
	require.Contains(t, h.log.String(), dialplan.NoDomain.String(), "the log tells the administrator")
	q.ruri, q.callID = "sip:*97@North.example.org:5099", "call-"+randomToken()[:12]
	q.dial()
	require.Equal(t, "north", h.calls.next(t).arrival.Domain)
}

// reads waits until a series of the house has a value.
func (h *house) reads(t testing.TB, series, value string) {
	t.Helper()
	require.Eventually(t, func() bool {
		w := httptest.NewRecorder()
		h.counts.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return strings.Contains(w.Body.String(), "\n"+series+" "+value+"\n")
	}, patience, 10*time.Millisecond, "%s %s", series, value)
}

func TestRefusalsAreCountedByReason(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].MaxCalls = 1 }})
	for word, ask := range map[string]func(p *phone){
		"no-route":  func(p *phone) { p.ruri = "sip:*12@" + h.at(0); p.send("INVITE", offerText, "application/sdp") },
		"method":    func(p *phone) { p.send("PUBLISH", "", "") },
		"extension": func(p *phone) { p.extra = "Require: gruu\r\n"; p.send("INVITE", offerText, "application/sdp") },
		"no-dialog": func(p *phone) { p.send("BYE", "", "") },
		"media": func(p *phone) {
			p.send("INVITE", strings.ReplaceAll(offerText, "RTP/AVP 0 101", "RTP/AVP 18 101"), "application/sdp")
		},
		"body":      func(p *phone) { p.send("INVITE", "x", "text/plain") },
		"malformed": func(p *phone) { p.write(strings.Replace(p.build("OPTIONS", "", ""), "CSeq: 1 OPTIONS", "CSeq: x", 1)) },
	} {
		ask(h.udp(t))
		h.reads(t, `star97_refusals_total{reason="`+word+`"}`, "1")
	}
	begun(t, h, h.udp(t))
	h.reads(t, "star97_answer_seconds_count", "1")
	h.reads(t, "star97_first_packet_seconds_count", "1")
	h.udp(t).send("INVITE", offerText, "application/sdp")
	h.reads(t, `star97_refusals_total{reason="peer-full"}`, "1")
	require.NoError(t, h.Exchange(elsewhere(), plan{defaultRoutes}, h.calls))
	h.udp(t).send("OPTIONS", "", "")
	h.reads(t, `star97_refusals_total{reason="stranger"}`, "1")
}

func TestAFloodIsCountedAsOne(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.Limits.Rate, o.Limits.Burst = 10, 10 }})
	p := h.udp(t)
	for range 1000 {
		p.send("OPTIONS", "", "")
	}
	require.Eventually(t, func() bool {
		found, err := h.counts.Gather().Gather()
		require.NoError(t, err)
		for _, f := range found {
			if f.GetName() != "star97_refusals_total" {
				continue
			}
			for _, m := range f.Metric {
				if m.Label[0].GetValue() == refusedFlood {
					return m.Counter.GetValue() > 100 // the socket's buffer may have lost some
				}
			}
		}
		return false
	}, patience, 10*time.Millisecond)
}

func TestEachWordOfARefusalStandsInTheList(t *testing.T) {
	words := Refusals()
	slices.Sort(words)
	require.Equal(t, words, slices.Compact(slices.Clone(words)), "no word twice")
	for status := range refusedBy {
		require.Contains(t, words, refuse(status, "x").counted())
	}
	require.Equal(t, refusedOther, refuse(599, "x").counted())
	require.Equal(t, refusedDraining, shuttingDown().counted())
	require.Contains(t, words, refusedFlood)
}

func TestAListenerThatIsGoneIsTold(t *testing.T) {
	h := newHouse(t, setting{})
	require.Empty(t, h.Gone())
	h.mu.Lock()
	first := h.bound[0]
	h.mu.Unlock()
	require.NoError(t, first.close())
	require.Eventually(t, func() bool { return slices.Equal(h.Gone(), h.Addrs()[:1]) }, patience, 5*time.Millisecond)
}

// What a flood costs must not grow by counting it.
func TestCountingAFloodAllocatesNothing(t *testing.T) {
	m := metrics.New(metrics.Words{Refusals: Refusals()})
	require.Zero(t, testing.AllocsPerRun(100, func() { m.Refused(refusedFlood); m.Refused(refusalWord(403)) }))
}
