package sim

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/pin"
	"star97/internal/prompt"
	"star97/internal/sqlkit"
	"star97/internal/uas"
)

// plant is a fault put into the program to see it found. Its zero value is none.
type plant struct {
	plan    func(*plan)
	program func(*config.Config)                      // as nobody else knows it
	backend func(*round, mailbox.Store) mailbox.Store // around the backend
	asked   func(mailbox.Store) mailbox.Store         // around what the lock-out asks
	voice   call.Voice
	log     func(*events) slog.Handler
	key     func(k *keyboard, key byte)     // besides each press
	mute    func(p *phone, msg string) bool // which messages the program does not send
	sent    func(p *phone, msg string)      // besides each message that it sends
	called  func(r *round)                  // before anybody calls
	stopped func(r *round)                  // when the service has stopped
	left    func(r *round)                  // when everything was looked at
}

// plants are faults of every kind, and the promise that each breaks.
func plants() []planted {
	return []planted{
		{"a service that cannot listen", starts, plant{program: func(c *config.Config) {
			c.SIP.Listen = []uas.Listen{{Network: "udp", Address: "nowhere"}}
		}}},
		{"an INVITE without an answer", finalAnswer, plant{mute: func(_ *phone, msg string) bool {
			return toInvite(msg) && msg[8] != '1'
		}}},
		{"a 2xx that is sent once", repeatsAnswer, plant{mute: func(p *phone, msg string) bool {
			return toInvite(msg) && msg[8] == '2' && p.invite.accepted > 0
		}}},
		{"a call that is held open", endsInTime, plant{plan: func(p *plan) {
			c := quick()
			c.changes, c.patience = 99, longestCall
			*p = quiet(c)
			p.site.limit = 10 * time.Second
		}, program: func(c *config.Config) {
			plan := *c.Plan
			plan.Timers.Call = time.Hour
			c.Plan = &plan
		}}},
		{"a store that says done and does nothing", oneCode, plant{backend: changing(func(*store, *deedOf) mailbox.Result {
			return mailbox.Proved()
		})}},
		{"a store that does what it says it refused", sameWord, plant{backend: changing(func(s *store, d *deedOf) mailbox.Result {
			s.do(d)
			return mailbox.Refuse(mailbox.Fail("change", mailbox.TooSoon, nil))
		})}},
		{"a store that takes any code for the current one", verifiedFirst, plant{backend: func(r *round, s mailbox.Store) mailbox.Store {
			return open{s, r}
		}}},
		{"a store that knows no tenants", ownTenant, plant{plan: func(p *plan) {
			*p = quiet(quick())
			p.share(dice(0, ofSite))
			p.callers[0].tenant = "north"
		}, backend: func(_ *round, s mailbox.Store) mailbox.Store {
			return borderless{s}
		}}},
		{"two changes for one confirmation", keysOnce, plant{asked: func(s mailbox.Store) mailbox.Store { return double{s} }}},
		{"a key press that counts twice", keysOnce, plant{key: func(k *keyboard, key byte) {
			k.phone.after(300*time.Millisecond, func() { k.events(key, 60*time.Millisecond, nil) })
		}}},
		{"a wrong sentence", toldTheTruth, plant{voice: liar{}}},
		{"a code in an error", noCodeInLogs, plant{backend: changing(func(_ *store, d *deedOf) mailbox.Result {
			return mailbox.Refuse(mailbox.Fail("change", mailbox.Busy, errors.New("no room for "+plainOf(d.next))))
		})}},
		{"a code in an error, backwards", noCodeInLogs, plant{backend: changing(func(_ *store, d *deedOf) mailbox.Result {
			return mailbox.Refuse(mailbox.Fail("change", mailbox.Busy, errors.New("no room for "+reversed(plainOf(d.next)))))
		})}},
		{"a goroutine that stays", nothingLeft, func() plant {
			var release chan struct{}
			return plant{called: func(*round) {
				release = make(chan struct{})
				go func() { <-release }()
			}, left: func(*round) { close(release) }}
		}()},
		{"a port that stays", nothingLeft, plant{called: func(r *round) { _, _ = r.net.open(netip.MustParseAddrPort("192.0.2.10:40020")) }}},
		{"prompts to a caller who did not acknowledge", noRTPBeforeACK, plant{sent: func(p *phone, msg string) {
			if toInvite(msg) && msg[8] == '2' {
				ack := withBody(p.head("ACK", "spoofed", header(msg, "To"), 1), "", "")
				p.round.net.deliver(p.sip, program, []byte(ack), time.Now().Add(time.Millisecond))
			}
		}}},
		{"help where the route offers none", whereAllowed, plant{plan: func(p *plan) {
			*p = quiet(forgetting(quick()))
		}, program: func(c *config.Config) { helpful(c, func(r *dialplan.Route) { r.Forgotten = dialplan.ForgottenOffer }) }}},
		{"a first code where the route allows none", whereAllowed, plant{plan: func(p *plan) {
			*p = quiet(quick())
			p.boxes[0].code = ""
		}, program: func(c *config.Config) { helpful(c, func(r *dialplan.Route) { r.FirstUse = dialplan.FirstUseAllow }) }}},
		{"any one-time code will do", oneTimeOnce, plant{plan: func(p *plan) {
			*p = quiet(forgetting(quick()))
			p.site.forgotten = true
			p.callers[0].folly = 0.3
		}, backend: func(r *round, s mailbox.Store) mailbox.Store { return credulous{s, r} }}},
		{"a code is chosen by other rules", chosenKeepsRules, plant{plan: func(p *plan) {
			c := quick()
			c.simple, c.changes, c.patience = 1, 9, longestCall
			*p = quiet(c)
		}, program: func(c *config.Config) {
			c.Policy.Policy = pin.Policy{MinLen: 6, MaxLen: 6, Listed: c.Policy.Policy.Listed, MaxSameRun: 1}
		}}},
		{"an end record that is missing", oneRecord, plant{log: func(e *events) slog.Handler { return forgetful{e} }}},
		{"a program error", noError, plant{called: func(r *round) { slog.New(r.log).Error("a panic was survived") }}},
		{"a store that never answers", stopsCleanly, plant{backend: changing(func(s *store, d *deedOf) mailbox.Result {
			time.Sleep(time.Hour)
			return mailbox.Doubt(nil)
		}), left: func(*round) { time.Sleep(time.Hour) }}},
		{"an end record too many", oneRecord, plant{called: func(r *round) { slog.New(r.log).Info(endRecord, "call", "call-a@sim") }}},
		{"an audit record that was altered", chainWhole, plant{stopped: func(r *round) {
			db := r.stores.Backend.Default().(interface{ DB() *sqlkit.DB }).DB()
			if err := db.Write(context.Background(), func(tx *sql.Tx) error {
				_, err := tx.Exec("DROP TRIGGER audit_no_update; UPDATE audit SET call_id = 'nobody' WHERE seq = 1")
				return err
			}); err != nil {
				r.broken(starts, "%v", err)
			}
		}}},
	}
}

type planted struct {
	name  string
	found promise
	plant plant
}

// A simulation that finds nothing where there is something proves nothing.
func TestPlantedFaultsAreFound(t *testing.T) {
	for _, c := range plants() {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(60) {
				r := newRound(seed)
				r.plant = c.plant
				if c.plant.plan != nil {
					c.plant.plan(&r.plan)
				}
				for _, f := range r.play(t) {
					if f.promise == c.found {
						t.Logf("found in round %d", seed)
						return
					}
				}
			}
			require.Fail(t, "60 rounds did not find it", "promise: %s", c.found)
		})
	}
}

func TestEachPromiseIsBrokenByAPlant(t *testing.T) {
	broken := map[promise]bool{}
	for _, c := range plants() {
		broken[c.found] = true
	}
	for p := range promises {
		require.True(t, broken[promise(p)], promise(p))
	}
}

// deedOf is a Change with its arguments, for stores that do it otherwise.
type deedOf struct {
	ctx           context.Context
	account       mailbox.Account
	current, next pin.PIN
	at            mailbox.Attempt
}

type store struct {
	mailbox.Store
	change func(*store, *deedOf) mailbox.Result
}

func changing(change func(*store, *deedOf) mailbox.Result) func(*round, mailbox.Store) mailbox.Store {
	return func(_ *round, s mailbox.Store) mailbox.Store { return &store{s, change} }
}

func (s *store) do(d *deedOf) mailbox.Result {
	return s.Store.Change(d.ctx, d.account, d.current, d.next, d.at)
}

func (s *store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	return s.change(s, &deedOf{ctx, a, current, next, at})
}

// open takes any code for the current one.
type open struct {
	mailbox.Store
	round *round
}

func (o open) Verify(context.Context, mailbox.Account, pin.PIN, mailbox.Attempt) error { return nil }

func (o open) Change(ctx context.Context, a mailbox.Account, _, next pin.PIN, _ mailbox.Attempt) mailbox.Result {
	return o.round.stores.Backend.Reset(ctx, a, next, false, "sim", "any code will do")
}

// credulous takes anything for a one-time code.
type credulous struct {
	mailbox.Store
	round *round
}

func (c credulous) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	if at.Claim == mailbox.ByOneTime {
		return nil
	}
	return c.Store.Verify(ctx, a, code, at)
}

// helpful alters the own doors of a dialplan that the round does not know.
func helpful(c *config.Config, help func(*dialplan.Route)) {
	plan := *c.Plan
	plan.Routes = slices.Clone(plan.Routes)
	for i := range plan.Routes {
		if plan.Routes[i].Door == mailbox.OwnDoor {
			help(&plan.Routes[i])
		}
	}
	c.Plan = &plan
}

// forgetting makes a caller one who knows no code.
func forgetting(c caller) caller {
	c.forgets = 1
	return c
}

// borderless looks for everybody in one tenant.
type borderless struct{ mailbox.Store }

func (b borderless) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	if q.Domain != "" {
		q.Domain = "south"
	}
	return b.Store.Lookup(ctx, q)
}

// double asks for each change twice.
type double struct{ mailbox.Store }

func (d double) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	d.Store.Change(ctx, a, current, next, at)
	return d.Store.Change(ctx, a, current, next, at)
}

// liar says "changed" where nothing was.
type liar struct{}

func (liar) Clip(language string, words prompt.Words, id prompt.ID) (media.Clip, bool) {
	if id == prompt.Mismatch {
		id = prompt.Changed
	}
	return spoken.Clip(language, words, id)
}

// forgetful keeps no end record of the first call.
type forgetful struct{ *events }

func (f forgetful) Handle(ctx context.Context, r slog.Record) error {
	mine := false
	r.Attrs(func(a slog.Attr) bool {
		mine = mine || fmt.Sprint(a.Value) == "call-a@sim"
		return true
	})
	if mine && r.Message == endRecord {
		return nil
	}
	return f.events.Handle(ctx, r)
}
