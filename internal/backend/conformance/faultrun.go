package conformance

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Through puts a troubled Proxy in front of a fake's address and returns the address to
// connect to instead. cert is the fake's own; nil if it has none.
type Through func(addr string, cert *trouble.Cert) string

// Changes is how many changes a FaultRun makes: 100, or 1000 where STAR97_LONG is set.
func Changes() int {
	if os.Getenv("STAR97_LONG") != "" {
		return 1000
	}
	return 100
}

// FaultRun makes as many changes through a line that delays, stalls, cuts and corrupts
// at random bytes, and fails where what was said of one differs from the memory of the
// fake, which Has tells. It prints how they ended as a row of a table. The same seed
// makes the same dice, but which bytes they meet depends on time. open gives the
// adapter 1.5 s for a request, and a circuit breaker that does not open.
func FaultRun(t *testing.T, open func(t *testing.T, through Through) Harness, seed uint64, changes int) {
	var sum tally
	for round := range uint64(maxRounds) {
		sum.add(faultRun(t, open, seed+round, changes))
		if sum.proves() {
			break
		}
	}
	t.Logf("faults, seed %d\n%s\n%s", seed, tallyHead, sum.row())
	for _, lie := range sum.lies {
		t.Error(lie)
	}
	require.True(t, sum.proves(), "of these changes none was done, or none was ever in doubt: the line is too bad or too good to prove anything")
}

const (
	// maxRounds bounds the runs after one that proved nothing, as on a machine that is
	// too busy for the adapter's limits.
	maxRounds = 5
	// lanes are the lines at work at a time; each has its own fake.
	lanes = 4
	// callPatience is what a caller has for one change, questions of Settle included.
	callPatience = 8 * time.Second
	// inFlight is how long a fake may need for what has reached it when its client has
	// given up: a Refused counts only when that is over.
	inFlight = 500 * time.Millisecond
)

// tally is how the changes of a FaultRun ended.
type tally struct {
	adapter       string
	done, refused int    // told by the adapter itself
	settled, told int    // in doubt, then found out; or told to the caller as in doubt
	faults        [4]int // cuts, stalls, delays, corruptions
	lies          []string
}

const tallyHead = "| adapter | changes | done | refused | in doubt, settled | in doubt, told | cuts | stalls | delays | corrupted |\n|---|---|---|---|---|---|---|---|---|---|"

func (y *tally) row() string {
	all := y.done + y.refused + y.settled + y.told
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d |",
		y.adapter, all, y.done, y.refused, y.settled, y.told, y.faults[0], y.faults[1], y.faults[2], y.faults[3])
}

// proves tells whether there were changes of the kinds that it is about.
func (y *tally) proves() bool { return len(y.lies) > 0 || y.done > 0 && y.settled+y.told > 0 }

func (y *tally) add(o tally) {
	y.adapter = cmp.Or(y.adapter, o.adapter)
	y.done, y.refused, y.settled, y.told = y.done+o.done, y.refused+o.refused, y.settled+o.settled, y.told+o.told
	for i, n := range o.faults {
		y.faults[i] += n
	}
	y.lies = append(y.lies, o.lies...)
}

func faultRun(t *testing.T, open func(t *testing.T, through Through) Harness, seed uint64, changes int) tally {
	all := make([]*lane, lanes)
	for i := range all {
		all[i] = newLane(t, open, seed<<8|uint64(i), changes/lanes+min(1, max(0, changes%lanes-i)))
	}
	var running sync.WaitGroup
	for _, l := range all {
		// One lane: started here; stops when its changes are made.
		running.Go(l.run)
	}
	running.Wait()
	sum := tally{adapter: all[0].adapter}
	for i, l := range all {
		for k, lie := range l.ends.lies {
			l.ends.lies[k] = fmt.Sprintf("seed %d, lane %d, %s", seed, i, lie)
		}
		for _, p := range l.proxies {
			cuts, stalls, delays, corruptions := p.Made()
			l.ends.add(tally{faults: [4]int{cuts, stalls, delays, corruptions}})
		}
		sum.add(l.ends)
	}
	return sum
}

// lane is one fake, the line to it, and the mailboxes to change.
type lane struct {
	*suite
	ends    tally
	t       *testing.T
	proxies []*trouble.Proxy
	boxes   []mailbox.Account
	adapter string
}

func newLane(t *testing.T, open func(t *testing.T, through Through) Harness, seed uint64, changes int) *lane {
	l := &lane{t: t}
	h := open(t, func(addr string, cert *trouble.Cert) string {
		p := trouble.NewProxy(t, addr, cert)
		l.proxies = append(l.proxies, p)
		return p.Addr
	})
	require.NotNil(t, h.Has, "a fault run needs Has: the Store cannot be its own judge")
	require.NotEmpty(t, l.proxies, "open must put the fake's address through the proxy")
	l.suite = newSuite(h, nil, newRecord())
	for i := range changes {
		l.boxes = append(l.boxes, l.put(t, strconv.Itoa(4001+i), l.First))
	}
	l.spoil(seed)
	return l
}

// spoil makes one change while the line is good, to learn how many bytes it takes, and
// then has the proxies make several faults in as many.
func (l *lane) spoil(seed uint64) {
	for try := range 10 { // a busy machine may be too slow for the adapter's short limits
		a := l.put(l.t, strconv.Itoa(3001+try), l.First)
		l.adapter = a.Backend
		require.Empty(l.t, l.one(a))
		if l.ends.done > 0 {
			break
		}
	}
	require.NotZero(l.t, l.ends.done, "a change over a good line must be Done")
	l.ends = tally{}
	for i, p := range l.proxies {
		p.Set(trouble.Faults{
			Seed: seed<<4 | uint64(i), Every: max(100, p.Bytes()/5), Cut: 12, Stall: 1, Delay: 7, Corrupt: 8,
			MaxDelay: 30 * time.Millisecond, End: 50,
		})
		p.Hang()
	}
}

func (l *lane) run() {
	for i, a := range l.boxes {
		for _, lie := range l.one(a) {
			l.ends.lies = append(l.ends.lies, fmt.Sprintf("change %d: %s", i, lie))
		}
	}
}

// one finds a mailbox, asks for a wrong and the right code and makes the change. It
// returns what was said and is not true.
func (l *lane) one(a mailbox.Account) (lies []string) {
	ctx, cancel := context.WithTimeout(l.t.Context(), callPatience)
	defer cancel()
	lie := func(false bool, format string, args ...any) {
		if false {
			lies = append(lies, fmt.Sprintf(format, args...))
		}
	}
	first, second := Code(l.t, l.First), Code(l.t, l.Second)
	found, err := l.Store.Lookup(ctx, mailbox.Query{Number: a.Extension, Domain: a.Domain})
	lie(err == nil && (len(found) != 1 || found[0].ID != a.ID), "the mailbox was not found and there was no error")
	lie(l.Store.Verify(ctx, a, second, l.at) == nil, "a wrong code was verified")
	l.forgive(l.t, a)
	err = l.Store.Verify(ctx, a, first, l.at)
	lie(mailbox.CodeOf(err) == mailbox.WrongPIN, "the right code was called wrong")
	l.forgive(l.t, a)

	ctx, cancel = context.WithTimeout(l.t.Context(), callPatience)
	defer cancel()
	w := &watched{Store: l.Store}
	r := mailbox.Settled(w, callPatience/2).Change(ctx, a, first, second, l.at)
	isNew, isOld := l.Has(a, second), l.Has(a, first)
	lie(isNew == isOld, "the memory has neither the old code nor the new one")
	lie(r.Outcome == mailbox.Done && !isNew, "done, was said, and it was not (%v, then %v)", w.said.Err, r.Err)
	lie(r.Outcome == mailbox.Refused && !isOld, "refused, was said, and it was done (%v, then %v)", w.said.Err, r.Err)
	l.count(w.said.Outcome, r.Outcome)
	return lies
}

func (l *lane) count(said, settled mailbox.Outcome) {
	switch {
	case settled == mailbox.Unknown:
		l.ends.told++
	case said == mailbox.Unknown:
		l.ends.settled++
	case said == mailbox.Done:
		l.ends.done++
	default:
		l.ends.refused++
	}
}

// watched keeps what a Store itself said of a change.
type watched struct {
	mailbox.Store
	said mailbox.Result
}

func (w *watched) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	w.said = w.Store.Change(ctx, a, current, next, at)
	return w.said
}

// Lag is the Store's, but at least inFlight.
func (w *watched) Lag(a mailbox.Account) time.Duration {
	if l, ok := w.Store.(mailbox.Lagging); ok {
		return max(inFlight, l.Lag(a))
	}
	return inFlight
}
