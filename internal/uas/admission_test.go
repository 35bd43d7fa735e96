package uas

import (
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

func admissionOf(most time.Duration) *admission {
	return newAdmission(most, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// start is a moment; what passes after it is the test's.
var start = time.Unix(1_800_000_000, 0)

func TestCallsAreRefusedOnlyWhereTheQueueStays(t *testing.T) {
	const most = 20 * time.Millisecond
	type row struct {
		calls  int           // that come
		every  time.Duration // one after the other
		waited time.Duration // by each
	}
	for name, c := range map[string]struct {
		most    time.Duration
		rows    []row
		refused int
	}{
		"all in time":                         {most, []row{{1000, time.Millisecond, most}}, 0},
		"one was late":                        {most, []row{{100, time.Millisecond, 0}, {1, 0, time.Second}, {100, time.Millisecond, 0}}, 0},
		"the machine stood still for a while": {most, []row{{100, 100 * time.Microsecond, 300 * time.Millisecond}, {100, time.Millisecond, 0}}, 0},
		"few calls, all late":                 {most, []row{{lateRow - 1, 100 * time.Millisecond, time.Second}}, 0},
		"few calls, all late, for long":       {most, []row{{10 * lateRow, caughtUp, 3 * most}}, 0},
		"late again after the queue went":     {most, []row{{200, time.Millisecond, 2 * most}, {1, time.Hour, 2 * most}}, 100},
		"one in time between late ones":       {most, []row{{9, 20 * time.Millisecond, time.Second}, {1, 0, 0}, {5, 20 * time.Millisecond, time.Second}}, 0},
		"a queue that stays":                  {most, []row{{1000, time.Millisecond, 2 * most}}, 900},
		"a queue that stays, unlimited":       {0, []row{{1000, time.Millisecond, 2 * most}}, 0},
		"it went, and came again at once":     {most, []row{{200, time.Millisecond, 2 * most}, {1500, time.Millisecond, 0}, {50, time.Millisecond, 2 * most}}, 100 + 25},
		"it went for less than a second":      {most, []row{{200, time.Millisecond, 2 * most}, {500, time.Millisecond, 0}, {50, time.Millisecond, 2 * most}}, 150},
	} {
		t.Run(name, func(t *testing.T) {
			a, now, refused := admissionOf(c.most), start, 0
			for _, r := range c.rows {
				for range r.calls {
					now = now.Add(r.every)
					if a.begin(r.waited, now) {
						refused++
					}
				}
			}
			require.Equal(t, c.refused, refused)
		})
	}
}

// fallBehind makes a service that is behind.
func fallBehind(a *admission, now time.Time) {
	for i := range lateRow + 1 {
		a.begin(2*a.most, now.Add(time.Duration(i)*lateFor/lateRow-lateFor))
	}
}

func TestTheGateRefusesWhileAQueueIsThere(t *testing.T) {
	a := admissionOf(20 * time.Millisecond)
	a.queued(time.Second, start)
	require.False(t, a.full(start), "a queue in the socket alone is no overload")
	fallBehind(a, start)
	a.queued(0, start)
	require.True(t, a.full(start), "the one begun last was late")
	require.True(t, a.full(start.Add(a.most)))
	require.False(t, a.full(start.Add(a.most+1)), "nothing is left that could be begun: there is no queue")
	half := start.Add(caughtUp / 2)
	a.queued(21*time.Millisecond, half)
	require.True(t, a.full(half), "it waited too long in the socket")
	require.False(t, a.full(half.Add(a.most+1)), "what was read long ago says nothing of what a connection brings")
	require.False(t, a.begin(0, half.Add(caughtUp-1)))
	require.True(t, a.behind)
	a.queued(time.Second, half.Add(caughtUp))
	require.False(t, a.full(half.Add(caughtUp)), "it has caught up")
	require.False(t, a.behind)
}

// offer brings so many INVITEs at once and returns how many are let in.
func offer(a *admission, n int, now time.Time) (in int) {
	for range n {
		if !a.full(now) {
			a.let(now)
			in++
		}
	}
	return in
}

func TestWhileBehindLittleIsLetInAtOnce(t *testing.T) {
	a := admissionOf(20 * time.Millisecond)
	fallBehind(a, start)
	a.begin(a.most/shorter, start)
	a.queued(a.most/shorter, start)
	many := 10 * a.places
	require.Equal(t, a.places, offer(a, many, start), "the others would wait for those")
	a.out()
	a.out()
	require.Equal(t, 2, offer(a, many, start), "two were served")
	a.begin(a.most/shorter+1, start)
	a.out()
	require.Zero(t, offer(a, many, start), "one that is late by the shorter time")
	require.Equal(t, a.places, offer(a, many, start.Add(a.most+1)), "what does not come out in time never does")
	a.begin(0, start.Add(a.most+1))
	require.False(t, a.full(start.Add(2*a.most+2)))
	for range 10 * many { // what is malformed, or came before, is asked about and not let in
		require.False(t, a.full(start.Add(2*a.most+2)))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { a.full(start); a.let(start); a.out(); a.begin(0, start) }))
}

// What the shorter time and the few places refuse may be no sign of too many calls: then
// being behind ends nevertheless.
func TestNobodyStaysBehindWhoIsNotTooLate(t *testing.T) {
	const most = 50 * time.Millisecond
	for name, second := range map[string]func(a *admission, now time.Time) (refused int){
		"a machine that wakes slowly for each of few calls": func(a *admission, now time.Time) (refused int) {
			for i := range 30 {
				at := now.Add(time.Duration(i) * time.Second / 30)
				if a.queued(0, at); a.full(at) || a.begin(12*time.Millisecond, at) {
					refused++
				}
			}
			return refused
		},
		"calls that come all at once, each second": func(a *admission, now time.Time) (refused int) {
			n := 3 * a.places
			in := offer(a, n, now)
			for range in {
				a.begin(0, now.Add(time.Millisecond))
				a.out()
			}
			return n - in
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := admissionOf(most)
			fallBehind(a, start)
			require.Positive(t, second(a, start))
			refused := 0
			for i := range 10 {
				refused = second(a, start.Add(firstTrial+time.Duration(i)*time.Second))
			}
			require.Zero(t, refused)
			require.False(t, a.behind)
		})
	}
}

func TestEachTrialThatFailsMakesTheNextOneComeLater(t *testing.T) {
	a := admissionOf(50 * time.Millisecond)
	now := start
	for _, trial := range []time.Duration{8, 16, 32, 64, 64} {
		fallBehind(a, now)
		require.True(t, a.behind)
		require.Equal(t, trial*time.Second, a.trial)
		end := a.late.Add(a.trial)
		for now = now.Add(time.Second / 4); now.Before(end); now = now.Add(time.Second / 4) {
			a.queued(a.most/2, now)
			require.True(t, a.full(now))
		}
		a.queued(0, end)
		require.False(t, a.full(end))
		require.False(t, a.behind)
		for i := range lateRow / onTrial {
			require.False(t, a.behind)
			a.begin(2*a.most, end.Add(time.Duration(i+1)*lateFor/onTrial/(lateRow/onTrial-1)))
		}
		require.True(t, a.behind, "on trial fewer late ones are enough")
		a.behind, a.ended = false, end
		if a.trial = trial * time.Second; trial == lastTrial/time.Second {
			now = end.Add(a.trial - time.Second)
			continue
		}
		now = end.Add(time.Second)
	}
	now = now.Add(2 * lastTrial)
	fallBehind(a, now)
	require.Equal(t, firstTrial, a.trial, "the last time was long ago")
}

// overfullAs has a server that is behind refuse INVITEs at the gate, or where they are begun.
func overfullAs(s *Server, gate bool, behind *atomic.Bool) {
	a := s.admission
	s.gate.overfull = func(r *rawRequest, now time.Time) bool {
		a.mu.Lock()
		a.behind, a.most, a.last, a.late, a.trial = behind.Load(), time.Nanosecond, now, now, time.Hour
		if gate {
			a.most, a.waited, a.begun = time.Hour, 2*time.Hour, now
		}
		a.mu.Unlock()
		return (gate || !a.behind) && s.overfull(r, now)
	}
}

func TestNewCallsAreRefusedAndOthersServedWhileBehind(t *testing.T) {
	for name, gate := range map[string]bool{"at the gate": true, "where it is begun": false} {
		for n, network := range []string{"udp", "tcp"} {
			t.Run(name+", "+network, func(t *testing.T) {
				var behind atomic.Bool
				h := newHouse(t, setting{server: func(s *Server) { overfullAs(s, gate, &behind) }})
				p := newPhone(t, network, h.at(n))
				p.dial()
				h.calls.next(t)
				again := p.buildAs("INVITE", p.cseq, "z9hG4bK-"+p.callID+"-1", offerText, "application/sdp")

				behind.Store(true)
				q := newPhone(t, network, h.at(n))
				q.send("INVITE", offerText, "application/sdp")
				m := q.expect(503)
				require.Equal(t, "2", m.get("Retry-After"))
				require.Contains(t, m.get("To"), ";tag=")
				h.reads(t, `star97_refusals_total{reason="behind"}`, "1")

				p.write(again) // what is repeated of a call that was taken is no new one
				p.send("INVITE", offerText, "application/sdp")
				for m = p.fresh(); strings.HasPrefix(m.get("CSeq"), "1 "); m = p.fresh() {
					require.Equal(t, 500, m.status(), "the other one has overtaken it")
				}
				require.Equal(t, 200, m.status())
				p.send("ACK", "", "")
				p.send("INFO", "5", "application/dtmf")
				expectOf(p, "INFO", 200) // what was overtaken may be answered now
				p.send("BYE", "", "")
				expectOf(p, "BYE", 200)

				behind.Store(false)
				newPhone(t, network, h.at(n)).dial()
				h.calls.next(t)
				h.reads(t, `star97_refusals_total{reason="behind"}`, "1")
			})
		}
	}
}

func TestAnINVITECarriesWhenItCame(t *testing.T) {
	msg, err := sip.ParseMessage([]byte("INVITE sip:*97@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n" +
		"To: <sip:*97@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n" + cameName + ": 1\r\nContent-Length: 0\r\n\r\n"))
	require.NoError(t, err)
	req := msg.(*sip.Request)
	require.Zero(t, waited(req, start), "nobody else can say it")
	req.AppendHeader(came{cameHeader, start, false})
	require.Equal(t, time.Second, waited(req, start.Add(time.Second)))
	res := response(req, 200, "OK")
	require.NotContains(t, strings.ToLower(res.String()), strings.ToLower(cameName))
}
