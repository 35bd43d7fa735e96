package call

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// rig is one call in a bubble of virtual time: the real flow between a leg, a
// session and a store of the test.
type rig struct {
	t       *testing.T
	leg     *leg
	session *session
	store   *store
	site    *Site // may be altered before the answer
	service *Service
	done    chan struct{}
	cancel  context.CancelFunc
	log     *bytes.Buffer // read it when the bubble is quiet
	end     Record        // valid when done is closed
}

// targets are where the layout "transfers" can send callers.
var targets = map[string]string{"messages": "sip:vm-{mailbox}@example.com", "operator": "sip:0@example.com"}

// The sentences of the main menu.
var (
	mainMenu     = []prompt.ID{"option-change-2", "option-repeat-9", "option-goodbye-star"}
	transferMenu = []prompt.ID{"option-messages-1", "option-change-2", "option-repeat-9", "option-operator-0", "option-goodbye-star"}
)

// in runs test with a call by a door, not answered yet.
func in(t *testing.T, door mailbox.Door, test func(r *rig)) { walk(t, door, "default", test) }

func walk(t *testing.T, door mailbox.Door, layout string, test func(r *rig)) {
	with(t, door, layout, func(*Deps, *Site, *Arrival) {}, test)
}

// with is walk with something altered before the call comes in.
func with(t *testing.T, door mailbox.Door, layout string, alter func(*Deps, *Site, *Arrival), test func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		site := newSite(t)
		r := &rig{t: t, leg: newLeg(), session: newSession(), store: &store{}, site: site, done: make(chan struct{}), log: new(bytes.Buffer)}
		ctx, cancel := context.WithCancel(t.Context())
		r.cancel = cancel
		defer cancel()
		deps := Deps{
			Store: r.store, Notes: r.store, Log: slog.New(slog.NewTextHandler(r.log, nil)),
			Ended: func(end Record) { r.end = end },
		}
		arrival := Arrival{Door: door, Layout: layout, Language: "fr-FR", Domain: "north", Peer: "test", CallID: "one"}
		if door == mailbox.OwnDoor {
			arrival.Number = "4001"
		}
		alter(&deps, site, &arrival)
		r.service = New(deps, DefaultOptions())
		go func() {
			defer close(r.done)
			r.service.With(site).Run(ctx, r.leg, r.session, &arrival)
		}()
		test(r)
		r.leg.gone()
		<-r.done
		require.NoError(t, r.service.Settle(t.Context()))
		time.Sleep(time.Minute) // whatever may outlive the call ends within its own deadline
	})
}

// newSite has the default layout, with targets and without.
func newSite(t testing.TB) *Site {
	site := &Site{Voice: voice{}, Layouts: map[string]*flow.Layout{}, Targets: targets, Limit: 10 * time.Minute, TransfersPerHour: 2}
	for name, to := range map[string]map[string]string{"default": nil, "transfers": targets} {
		plan := dialplan.Default()
		plan.Targets = to
		l, err := flow.NewLayout(plan, "default", pin.DefaultPolicy())
		require.NoError(t, err)
		site.Layouts[name] = l
	}
	return site
}

func (r *rig) answer() {
	r.leg.signals <- &Signal{Kind: Confirmed}
	synctest.Wait()
}

func (r *rig) press(keys string) {
	for i := range len(keys) {
		d, ok := dtmf.DigitOf(keys[i])
		require.True(r.t, ok)
		r.session.tell(media.Event{Kind: media.Pressed, Report: dtmf.Report{
			Kind: dtmf.Down, Source: dtmf.FromEvent, Digit: d, At: time.Since(r.session.Epoch()),
		}})
		r.session.tell(media.Event{Kind: media.Pressed, Report: dtmf.Report{
			Kind: dtmf.Up, Source: dtmf.FromEvent, Digit: d, At: time.Since(r.session.Epoch()),
		}})
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
	}
}

// finish lets the phrase that is being said come to its end.
func (r *rig) finish() {
	r.session.tell(media.Event{Kind: media.Finished, Tag: r.session.tag()})
	synctest.Wait()
}

func (r *rig) says(ids ...prompt.ID) {
	r.t.Helper()
	synctest.Wait()
	require.Equal(r.t, ids, r.session.said())
}

// leg is the signalling side.
type leg struct {
	signals chan *Signal
	hangups chan time.Time
	targets chan string
	number  uint32 // of the last Refer
	once    sync.Once
}

func newLeg() *leg {
	return &leg{signals: make(chan *Signal, 8), hangups: make(chan time.Time, 8), targets: make(chan string, 8)}
}

func (l *leg) Signals() <-chan *Signal { return l.signals }
func (l *leg) Refer(target string, number uint32) {
	l.number = number
	l.targets <- target
}
func (l *leg) Hangup() { l.hangups <- time.Now(); l.gone() }
func (l *leg) gone()   { l.once.Do(func() { l.signals <- &Signal{Kind: Gone}; close(l.signals) }) }

// clip is a sentence by name.
type clip struct{ id prompt.ID }

func (clip) Payload(codec.ID) []byte { return nil }

type voice struct{}

func (voice) Clip(_ string, _ prompt.Words, id prompt.ID) (media.Clip, bool) { return clip{id}, true }

// session is the media side.
type session struct {
	events chan media.Event
	epoch  time.Time
	stats  media.Stats

	mu   sync.Mutex
	last media.Utterance
	deaf bool // to tones
}

func newSession() *session {
	return &session{events: make(chan media.Event, 64), epoch: time.Now()}
}

func (s *session) tell(e media.Event) { s.events <- e }
func (s *session) tag() uint32        { s.mu.Lock(); defer s.mu.Unlock(); return s.last.Tag }

func (s *session) said() (ids []prompt.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.last.Clips {
		if c != nil {
			ids = append(ids, c.(clip).id)
		}
	}
	return ids
}

// Say sends the first packet at once, as the engine does while it may send.
func (s *session) Say(u media.Utterance) {
	s.keep(u)
	s.tell(media.Event{Kind: media.Started, Tag: u.Tag})
}

func (s *session) Stop() { s.keep(media.Utterance{}) }

func (s *session) keep(u media.Utterance) { s.mu.Lock(); defer s.mu.Unlock(); s.last = u }

func (s *session) Events() <-chan media.Event { return s.events }
func (s *session) Epoch() time.Time           { return s.epoch }
func (s *session) Stats() media.Stats         { return s.stats }
func (s *session) LocalAddr() netip.AddrPort  { return netip.AddrPort{} }
func (s *session) Set(media.Stream)           {}
func (s *session) Start(lead time.Duration)   {}
func (s *session) TonesOff()                  { s.mu.Lock(); defer s.mu.Unlock(); s.deaf = true }
func (s *session) Close()                     {}

// Refused implements Notes.
func (s *store) Refused(_ context.Context, _ mailbox.Account, _ mailbox.Attempt, rule pin.Rule) error {
	s.refused.Store(&rule)
	return nil
}

// Transferred implements Notes.
func (s *store) Transferred(_ context.Context, a mailbox.Account, _ mailbox.Attempt, target string, result mailbox.Code) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transfers = append(s.transfers, fmt.Sprintf("%s to %s: %s", a.ID, target, result))
	return nil
}

// recorded are the transfers that were recorded.
func (s *store) recorded() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transfers
}

// store knows mailbox 4001 with code 482915; each operation can be replaced.
type store struct {
	lookup func()
	verify func(context.Context) error
	change func(context.Context) mailbox.Result

	next func(pin.PIN) // told of each new code

	flags    mailbox.Flags
	language string // of the mailbox

	mu        sync.Mutex
	asked     []mailbox.Claim
	transfers []string
	refused   atomic.Pointer[pin.Rule]
}

func (s *store) Lookup(_ context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	if s.lookup != nil {
		s.lookup()
	}
	if q.Number != "4001" {
		return nil, nil
	}
	return []mailbox.Account{{ID: "one", Extension: "4001", Language: s.language, Flags: s.flags}}, nil
}

// claims has a look at what the claims of questions were.
func (s *store) claims() func() []mailbox.Claim {
	return func() []mailbox.Claim {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.asked
	}
}

func (s *store) note(at mailbox.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, at.Claim)
}

func (s *store) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	s.note(at)
	if s.verify != nil {
		return s.verify(ctx)
	}
	if right, _ := pin.Parse("482915"); a.ID == "" || !code.Equal(&right) {
		return mailbox.Fail("verify", mailbox.WrongPIN, nil)
	}
	return nil
}

func (s *store) Change(ctx context.Context, _ mailbox.Account, _, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	s.note(at)
	if s.next != nil {
		s.next(next)
	}
	if s.change != nil {
		return s.change(ctx)
	}
	return mailbox.Proved()
}
