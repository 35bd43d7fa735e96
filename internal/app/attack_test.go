package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// What attackers get at defaults: at the any door of a mailbox, whoever they are, and from
// one source over all mailboxes.
const (
	mostPerMailbox   = 10
	mostPerSource    = 30
	mailboxesASource = 10
)

// guess is a code that a voicemail system judged and that was wrong.
type guess struct {
	at      time.Time
	mailbox string
	source  string
	door    mailbox.Door
}

// guesses note what reaches a voicemail system: what a caller hears tells nothing of it.
type guesses struct {
	mailbox.Store
	now func() time.Time

	mu  sync.Mutex
	all []guess
}

func (g *guesses) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	err := g.Store.Verify(ctx, a, code, at)
	if a.ID != "" && err != nil {
		g.mu.Lock()
		g.all = append(g.all, guess{g.now(), a.Extension, at.Peer + " " + at.Source + " " + at.Caller, at.Door})
		g.mu.Unlock()
	}
	return err
}

func ofMailbox(g guess) string { return g.mailbox }
func ofSource(g guess) string  { return g.source }

// worst looks at every hour of every key at the any door, and returns the most guesses of
// one, and the most different mailboxes.
func (g *guesses) worst(key func(guess) string) (guesses, mailboxes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	by := map[string][]guess{}
	for _, one := range g.all {
		if one.door == mailbox.AnyDoor {
			by[key(one)] = append(by[key(one)], one)
		}
	}
	for _, all := range by {
		slices.SortFunc(all, func(a, b guess) int { return a.at.Compare(b.at) })
		for first, last := 0, 0; last < len(all); last++ {
			for all[last].at.Sub(all[first].at) >= time.Hour {
				first++
			}
			tried := map[string]bool{}
			for _, one := range all[first : last+1] {
				tried[one.mailbox] = true
			}
			guesses, mailboxes = max(guesses, last-first+1), max(mailboxes, len(tried))
		}
	}
	return guesses, mailboxes
}

// siege is everything below the call, under a clock that a test moves: trail, lock-out,
// ledger and the store of our own.
type siege struct {
	t       *testing.T
	stores  *Stores
	guesses guesses
	tries   int // that were made

	mu    sync.Mutex
	clock time.Time
	calls uint64
}

func besiege(t *testing.T, mailboxes int) *siege {
	return besiegeWith(t, mailboxes, func(*config.Config) {})
}

func besiegeWith(t *testing.T, mailboxes int, alter func(*config.Config)) *siege {
	s := &siege{t: t, clock: time.Unix(1_800_000_000, 0)}
	s.guesses.now = s.now
	c := config.Default()
	c.Store = rehearsed()
	alter(&c)
	var err error
	s.stores, err = OpenWith(t.Context(), c, furnished(t), Seams{Now: s.now, Wrap: func(backend mailbox.Store) mailbox.Store {
		s.guesses.Store = settled(backend)
		return &s.guesses
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stores.Close()) })
	for i := range mailboxes {
		_, err := s.stores.Add(t.Context(), mailbox.Account{Extension: fmt.Sprint(4001 + i)}, code(t, rightCode), "test")
		require.NoError(t, err)
	}
	return s
}

const (
	rightCode = "482915"
	wrongCode = "739164"
)

func (s *siege) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *siege) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

// call is a new call to the any door.
func (s *siege) call(from string) mailbox.Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return mailbox.Attempt{
		Door: mailbox.AnyDoor, Peer: "pbx", Transport: "udp", Source: "192.0.2.1", Caller: from, Call: s.calls, CallID: fmt.Sprint("call-", s.calls),
	}
}

// try is one code typed for a mailbox: found and verified as a call does it.
func (s *siege) try(at mailbox.Attempt, extension int, digits string) mailbox.Code {
	s.mu.Lock()
	s.tries++
	s.mu.Unlock()
	found, err := s.stores.Trail.Lookup(s.t.Context(), mailbox.Query{Number: fmt.Sprint(extension)})
	if err != nil {
		s.t.Error(err)
		return mailbox.CodeOf(err)
	}
	a := mailbox.Account{}
	if len(found) == 1 {
		a = found[0]
	}
	at.Asked = uint64(extension)
	p, err := pin.Parse(digits)
	if err != nil {
		s.t.Error(err)
	}
	return mailbox.CodeOf(s.stores.Trail.Verify(s.t.Context(), a, p, at))
}

// home is the owner of mailbox 4001 at the own telephone.
func (s *siege) home() mailbox.Code {
	at := s.call("4001")
	at.Door = mailbox.OwnDoor
	code := s.try(at, 4001, rightCode)
	s.tries--
	return code
}

// attack is one run of an attacker: what is done in each step of simulated time.
type attack struct {
	mailboxes   int
	every, over time.Duration
	step        func(s *siege, n int)
	least       int  // guesses that must have been let through, so that the run shows something
	crowd       bool // the source is all unknown callers of a peer, who have more together
}

var attacks = map[string]attack{
	"sequential, one source, one mailbox": {
		mailboxes: 1, every: 30 * time.Second, over: 3 * time.Hour, least: 10,
		step: func(s *siege, n int) { s.try(s.call("9001"), 4001, wrongCode) },
	},
	"sequential, one source, all mailboxes": {
		mailboxes: 12, every: 12 * time.Second, over: 75 * time.Minute, least: 30,
		step: func(s *siege, n int) { s.try(s.call("9001"), 4001+n%9, wrongCode) },
	},
	"many sources, one mailbox": {
		mailboxes: 1, every: 2 * time.Minute, over: 3 * time.Hour, least: 10,
		step: func(s *siege, n int) {
			for i := range 4 {
				s.try(s.call(fmt.Sprint(9000+4*n+i)), 4001, wrongCode)
			}
		},
	},
	"one code over many mailboxes": {
		mailboxes: 100, every: 12 * time.Second, over: 75 * time.Minute, least: 10,
		step: func(s *siege, n int) { s.try(s.call("9001"), 4001+n%100, wrongCode) },
	},
	"unknown callers of a trunk": {
		mailboxes: 5, every: time.Minute, over: 100 * time.Minute, least: 50, crowd: true,
		step: func(s *siege, n int) {
			for i := range 5 {
				s.try(s.call(""), 4001+i, wrongCode)
			}
		},
	},
	"ten calls at once": {
		mailboxes: 1, every: time.Minute, over: time.Hour, least: 10,
		step: func(s *siege, n int) {
			var calls sync.WaitGroup
			for i := range 10 {
				at := s.call(fmt.Sprint(9000 + i))
				// One call: started here; stops when its code is judged.
				calls.Go(func() { s.try(at, 4001, wrongCode) })
			}
			calls.Wait()
		},
	},
	"the owner calls in meanwhile": {
		mailboxes: 1, every: time.Minute, over: 2 * time.Hour, least: 10,
		step: func(s *siege, n int) {
			for i := range 3 {
				s.try(s.call(fmt.Sprint(9000+i)), 4001, wrongCode)
			}
			if n%7 == 0 {
				require.Equal(s.t, mailbox.OK, s.home(), "the owner, after %d minutes", n)
			}
		},
	},
}

// A patient attacker tries all the time. What is counted are the codes that the voicemail
// system judged, in whichever hour holds most of them.
func TestAttackersGetNoMoreThanTheirGuesses(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "attack\thours\ttries\tguesses\tan hour: one mailbox\tone source\tmailboxes of one source")
	t.Cleanup(func() { w.Flush(); t.Log("\n" + table.String()) })
	for name, a := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if oneOf > 1 && name != "ten calls at once" {
				t.Skip("one thing after the other: nothing for the race detector to see, and a minute of it")
			}
			s := besiege(t, a.mailboxes)
			for n := range int(a.over / a.every) {
				a.step(s, n)
				s.pass(a.every)
			}
			perMailbox, _ := s.guesses.worst(ofMailbox)
			perSource, mailboxes := s.guesses.worst(ofSource)
			mu.Lock()
			fmt.Fprintf(w, "%s\t%.1f\t%d\t%d\t%d\t%d\t%d\n", name, a.over.Hours(), s.tries, len(s.guesses.all), perMailbox, perSource, mailboxes)
			mu.Unlock()
			require.LessOrEqual(t, perMailbox, mostPerMailbox)
			if !a.crowd {
				require.LessOrEqual(t, perSource, mostPerSource)
				require.LessOrEqual(t, mailboxes, mailboxesASource)
			}
			require.GreaterOrEqual(t, len(s.guesses.all), a.least)
			require.Equal(t, mailbox.OK, s.home(), "the owner gets in at the own telephone")
			s.pass(24 * time.Hour)
			require.Equal(t, mailbox.OK, s.try(s.call("5550100"), 4001, rightCode), "nobody is locked out for ever")
		})
	}
}
