package uas

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/dialplan"
)

func TestAPanicEndsOneCallOnly(t *testing.T) {
	healthy := func(t *testing.T, h *house) {
		p := h.udp(t)
		p.send("OPTIONS", "", "")
		p.expect(200)
	}
	t.Run("while the INVITE is answered", func(t *testing.T) {
		h := newHouse(t, setting{plan: plan{func(n string) (r dialplan.Route, ok bool) { panic("secret 1234") }}})
		p := h.udp(t)
		p.send("INVITE", offerText, "application/sdp")
		p.expect(500)
		healthy(t, h)
		require.Contains(t, h.log.String(), "uas.(*Server).answer")
		require.NotContains(t, h.log.String(), "secret")
	})
	t.Run("while its media are set, which costs the peer no place", func(t *testing.T) {
		for _, where := range []string{"open", "set"} {
			var once sync.Once
			boom := func() { once.Do(func() { panic("secret 1234") }) }
			set := setting{options: func(o *Options) { o.Peers[0].MaxCalls = 1 }, onSet: boom}
			if where == "open" {
				set.open = func() error { boom(); return nil }
			}
			h := newHouse(t, set)
			p := h.udp(t)
			p.send("INVITE", offerText, "application/sdp")
			p.expect(500)
			begun(t, h, h.udp(t))
			require.Equal(t, 1, h.Calls())
			require.NotContains(t, h.log.String(), "secret")
		}
	})
	t.Run("within the dialog", func(t *testing.T) {
		h := newHouse(t, setting{})
		p := h.udp(t)
		c := begun(t, h, p)
		s := c.session.(*spy)
		s.mu.Lock()
		s.onSet = func() { panic(errors.New("secret 1234")) }
		s.mu.Unlock()
		p.send("UPDATE", offerAs(39002, ""), "application/sdp")
		p.expect(500)
		p.reply(p.expectRequest("BYE"), "200 OK")
		require.Equal(t, call.Gone, c.hear(t).Kind)
		h.over(t)
		healthy(t, h)
		require.NotContains(t, h.log.String(), "secret")
	})
	t.Run("while it is hung up", func(t *testing.T) {
		h := newHouse(t, setting{})
		p := h.udp(t)
		c := begun(t, h, p)
		h.dialogs.each(func(d *dialog) { close(d.signals) }) // which bye closes; and the call ends
		h.over(t)
		soon(t, c.session.(*spy).isClosed)
		require.Contains(t, h.log.String(), "uas.(*dialog).bye")
		healthy(t, h)
	})
	t.Run("in the call", func(t *testing.T) {
		h := newHouse(t, setting{act: func(_ context.Context, c *taken) {
			<-c.leg.Signals()
			panic("secret 1234")
		}})
		p := h.udp(t)
		p.dial()
		c := h.calls.next(t)
		p.reply(p.expectRequest("BYE"), "200 OK")
		soon(t, c.session.(*spy).isClosed)
		h.over(t)
		healthy(t, h)
		require.NotContains(t, h.log.String(), "secret")
	})
}

func TestACallThatReturnsIsHungUp(t *testing.T) {
	h := newHouse(t, setting{act: func(_ context.Context, c *taken) { <-c.leg.Signals() }})
	p := h.udp(t)
	p.dial()
	p.reply(p.expectRequest("BYE"), "200 OK")
	h.over(t)
}

func TestDrainRefusesNewCallsAndWaitsForTheOld(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	short, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.Drain(short), context.DeadlineExceeded)
	q := h.udp(t)
	q.send("INVITE", offerText, "application/sdp")
	require.NotEmpty(t, q.expect(503).get("Retry-After"))
	q.send("OPTIONS", "", "")
	q.expect(503)
	p.send("UPDATE", offerAs(39002, ""), "application/sdp")
	p.expect(200)
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(context.Background()) }()
	p.send("BYE", "", "")
	p.expect(200)
	require.NoError(t, <-drained)
	require.Equal(t, call.Gone, c.hear(t).Kind)
}

func TestTheEndOfADrainIsTheEndOfTheCallersTime(t *testing.T) {
	told := make(chan struct{})
	h := newHouse(t, setting{act: func(ctx context.Context, c *taken) {
		<-ctx.Done() // a real call says so, then hangs up
		close(told)
	}})
	p := h.udp(t)
	p.dial()
	h.calls.next(t)
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.Error(t, h.Drain(short))
	<-told
	p.reply(p.expectRequest("BYE"), "200 OK")
	require.NoError(t, h.Drain(context.Background()))
}

func TestCloseHangsUpWhatIsLeft(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{})
	p, unacked := h.udp(t), h.tcp(t)
	begun(t, h, p)
	unacked.send("INVITE", offerText, "application/sdp")
	unacked.expect(200)
	h.calls.next(t)
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }()
	p.reply(p.expectRequest("BYE"), "200 OK")
	require.NoError(t, <-closed)
	require.Zero(t, h.Calls())
}
