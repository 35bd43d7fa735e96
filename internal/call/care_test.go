package call

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// post sends one-time codes to nobody.
type post struct {
	mu    sync.Mutex
	takes time.Duration
	fails error
	sent  []mailbox.Account
	at    []mailbox.Attempt
}

func (p *post) Send(ctx context.Context, a mailbox.Account, at mailbox.Attempt) error {
	p.mu.Lock()
	p.sent, p.at = append(p.sent, a), append(p.at, at)
	p.mu.Unlock()
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.fails
}

func (p *post) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sent)
}

// helping runs test with a call that comes to where help is.
func helping(t *testing.T, door mailbox.Door, p *post, alter func(*Site, *Arrival), test func(r *rig)) {
	with(t, door, "default", func(d *Deps, s *Site, a *Arrival) {
		if p != nil {
			d.Sender = p
		}
		a.Forgotten, a.FirstUse = true, true
		alter(s, a)
	}, test)
}

func asIs(*Site, *Arrival) {}

func oneTime(s *Site, _ *Arrival) {
	s.OneTime = func(domain string) bool { return domain == "north" }
}

// The claim goes with each question, and the answers lead to a new code.
func TestAForgottenCode(t *testing.T) {
	p := &post{}
	helping(t, mailbox.OwnDoor, p, asIs, func(r *rig) {
		claims := r.store.claims()
		r.answer()
		for range 2 {
			r.press("000000#")
			time.Sleep(2 * time.Second)
			r.finish()
		}
		r.store.verify = func(context.Context) error { return nil }
		r.press("1#")
		r.says(prompt.OneTimeSent, prompt.EnterOneTime)
		require.Equal(t, "one", p.sent[0].ID)
		require.Equal(t, []any{mailbox.OwnDoor, mailbox.ByOneTime, "one"}, []any{p.at[0].Door, p.at[0].Claim, p.at[0].CallID})
		r.finish()
		r.press("50718264#")
		time.Sleep(2 * time.Second)
		r.finish()
		r.press("739164#739164#")
		r.says(prompt.Changed)
		require.Equal(t, []mailbox.Claim{mailbox.ByCode, mailbox.ByCode, mailbox.ByOneTime, mailbox.ByOneTime}, claims())
		require.Equal(t, 1, p.count())
	})
}

// Without anybody who sends there is no help.
func TestWithoutASenderThereIsNoHelp(t *testing.T) {
	helping(t, mailbox.OwnDoor, nil, asIs, func(r *rig) {
		r.answer()
		for range 2 {
			r.press("000000#")
			time.Sleep(2 * time.Second)
			r.says(prompt.WrongCode, prompt.EnterCode)
			r.finish()
		}
	})
}

// What the caller hears, and when, is the same whatever becomes of the sending: it may
// fail, take for ever, panic, or be for nobody.
func TestSendingChangesNothingThatACallerNotices(t *testing.T) {
	type line struct {
		at   time.Duration
		said string
	}
	road := func(door mailbox.Door, number string, p *post) (lines []line) {
		helping(t, door, p, oneTime, func(r *rig) {
			began := time.Now()
			last := ""
			watch := func(d time.Duration) {
				for range int(d / (10 * time.Millisecond)) {
					time.Sleep(10 * time.Millisecond)
					synctest.Wait()
					if said := fmt.Sprint(r.session.said()); said != last {
						last = said
						lines = append(lines, line{time.Since(began), said})
					}
				}
			}
			r.answer()
			r.press(number)
			watch(time.Second)
			r.finish()
			r.press("000000#")
			watch(12 * time.Second)
		})
		return lines
	}
	want := road(mailbox.AnyDoor, "4001#", &post{})
	require.Contains(t, fmt.Sprint(want), "one-time-sent")
	require.Contains(t, fmt.Sprint(want), "wrong-one-time")
	for name, p := range map[string]*post{
		"slow": {takes: 5 * time.Second}, "dead": {takes: time.Hour}, "failing": {fails: mailbox.Fail("send", mailbox.Unavailable, nil)},
		"no address": {fails: mailbox.Fail("send", mailbox.NotFound, nil)},
	} {
		require.Equal(t, want, road(mailbox.AnyDoor, "4001#", p), name)
	}
	nobody := &post{}
	require.Equal(t, want, road(mailbox.AnyDoor, "4009#", nobody), "no such mailbox")
	require.Equal(t, mailbox.Account{Domain: "north"}, nobody.sent[0], "sent for all the same")
}

type panics struct{}

func (panics) Send(context.Context, mailbox.Account, mailbox.Attempt) error { panic("broken") }

func TestASenderThatPanicsEndsNothing(t *testing.T) {
	with(t, mailbox.OwnDoor, "default", func(d *Deps, s *Site, a *Arrival) { d.Sender = panics{}; oneTime(s, a) }, func(r *rig) {
		r.answer()
		r.says(prompt.Welcome, prompt.OneTimeSent, prompt.EnterOneTime)
		require.Contains(t, r.log.String(), "panic of type string at")
	})
}

// Who names one mailbox after the other has few codes sent.
func TestACallHasFewCodesSent(t *testing.T) {
	p := &post{}
	helping(t, mailbox.AnyDoor, p, oneTime, func(r *rig) {
		r.answer()
		for range 10 {
			r.press("4001#*")
		}
	})
	require.Equal(t, sendsMax, p.count())
}

// A code is sent on though its caller hangs up, and the process waits for it.
func TestACodeIsSentOnAfterHangUp(t *testing.T) {
	p := &post{takes: 3 * time.Second}
	helping(t, mailbox.OwnDoor, p, oneTime, func(r *rig) {
		r.answer()
		r.leg.gone()
		<-r.done
		began := time.Now()
		require.NoError(t, r.service.Settle(r.t.Context()))
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestAFirstCode(t *testing.T) {
	helping(t, mailbox.OwnDoor, nil, asIs, func(r *rig) {
		claims := r.store.claims()
		r.store.flags.NoCode = true
		r.answer()
		r.says(prompt.FirstUse, prompt.EnterNewCode+"-6-10")
		r.finish()
		r.press("739164#739164#")
		r.says(prompt.Changed)
		require.Equal(t, []mailbox.Claim{mailbox.ByFirstUse}, claims())
	})
}

// Whoever has proved to be the owner begins without a word in the dialplan, but only
// where the store can set a first code.
func TestAFirstCodeOfACallerWhoHasProvedWhoHeIs(t *testing.T) {
	for name, row := range map[string]struct {
		begins func(string) bool
		hears  []prompt.ID
	}{
		"a store that can":    {nil, []prompt.ID{prompt.FirstUse, prompt.EnterNewCode + "-6-10"}},
		"a store that cannot": {func(string) bool { return false }, []prompt.ID{prompt.NoCodeYet, prompt.HelpDesk, prompt.Goodbye}},
	} {
		t.Run(name, func(t *testing.T) {
			helping(t, mailbox.OwnDoor, nil, func(s *Site, a *Arrival) { a.FirstUse, a.Proved, s.Begins = false, true, row.begins }, func(r *rig) {
				r.store.flags.NoCode = true
				r.answer()
				r.says(row.hears...)
				r.leg.gone()
				<-r.done
			})
		})
	}
}

// spellings are the clips of the utterance that is being said, with what they sound like.
func spellings(r *rig) (ids []prompt.ID) {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	for _, c := range r.session.last.Clips {
		switch c := c.(type) {
		case *spelling:
			for _, id := range strings.Fields(string(c.Payload(codec.PCMU))) {
				ids = append(ids, prompt.ID(id))
			}
		case named:
			ids = append(ids, c.id)
		}
	}
	return ids
}

// The code that is spelled keeps the rules, is the one that is changed to when it is
// typed back, and stands in nothing that can be printed.
func TestAChosenCode(t *testing.T) {
	with(t, mailbox.OwnDoor, "default", func(_ *Deps, s *Site, _ *Arrival) { s.Voice = audible{} }, func(r *rig) {
		var next string
		r.store.next = func(p pin.PIN) { p.Reveal(func(d []byte) { next = string(d) }) }
		r.answer()
		r.press("482915#2")
		for range 3 {
			r.press("111111#")
			r.finish()
		}
		r.press("1")
		ids := spellings(r)
		require.Equal(t, prompt.ChosenCode, ids[0])
		require.Equal(t, prompt.ChosenTypeBack, ids[len(ids)-1])
		code := ""
		for _, id := range ids[1 : len(ids)-1] {
			digit, ok := strings.CutPrefix(string(id), "digit-")
			require.True(t, ok, id)
			code += digit
		}
		plain, err := pin.Parse(code)
		require.NoError(t, err)
		current, _ := pin.Parse("482915")
		require.Equal(t, pin.Pass, pin.DefaultPolicy().Check(plain, pin.Context{Extension: "4001", Current: current}))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			r.session.mu.Lock()
			for _, c := range r.session.last.Clips {
				require.NotContains(t, fmt.Sprintf(verb, c), code)
			}
			r.session.mu.Unlock()
		}
		r.finish()
		r.press(code + "#")
		require.Equal(t, code, next)
		require.Equal(t, []prompt.ID{prompt.Changed}, spellings(r))
		require.NotContains(t, r.log.String(), code)
	})
}

// A voice that lacks a digit spells no code at all.
func TestNoPartOfACodeIsSpelled(t *testing.T) {
	with(t, mailbox.OwnDoor, "default", func(_ *Deps, s *Site, _ *Arrival) { s.Voice = audible{lacks: "digit-7"} }, func(r *rig) {
		r.answer()
		r.press("482915#2")
		for range 3 {
			r.press("111111#")
			r.finish()
		}
		r.press("1")
		require.Equal(t, []prompt.ID{prompt.ChosenCode, prompt.ChosenTypeBack}, spellings(r))
		require.Contains(t, r.log.String(), "the digits have no recordings")
	})
}

// audible is a voice whose sentences sound like their names.
type audible struct{ lacks prompt.ID }

func (a audible) Clip(_ string, _ prompt.Words, id prompt.ID) (media.Clip, bool) {
	return named{clip{id}}, id != a.lacks
}

type named struct{ clip }

func (n named) Payload(codec.ID) []byte { return []byte(" " + string(n.id)) }
