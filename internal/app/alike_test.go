package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/sqldb"
	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/mailbox"
)

// The states of a mailbox that a stranger with a wrong code must not tell apart.
const (
	isUnknown = iota
	isDisabled
	isCodeless
	isLocked // by wrong codes
	isLockedByAdministrator
	isWrong // nothing else is the matter
	isOlder // its code has another cost than those of today
	numStates
)

// stateWords are for the table.
var stateWords = [numStates]string{"unknown", "disabled", "no code", "locked", "locked by administrator", "wrong code", "older hash"}

// furnisher makes a mailbox of a state.
type furnisher func(h *house, extension string, state int)

// systemsOfStrangers are what stands behind the any door: our own store, and a system that
// takes its time with what it looks at, and none where it need not look.
var systemsOfStrangers = map[string]func(t testing.TB) (alter func(*config.Config), with seams, put furnisher){
	"embedded": func(testing.TB) (func(*config.Config), seams, furnisher) {
		today, older := costs()
		return func(c *config.Config) { c.Store.SQLite.Cost = today }, seams{},
			func(h *house, extension string, state int) { putEmbedded(h, extension, state, older) }
	},
	"slow system": func(testing.TB) (func(*config.Config), seams, furnisher) {
		s := &slowSystem{boxes: map[string]mailbox.Account{}}
		return func(*config.Config) {}, seams{over: func(mailbox.Store) mailbox.Store { return s }}, s.put
	},
}

// inLongRun tells whether there is time for what CI has none for.
func inLongRun() bool { return os.Getenv("STAR97_LONG") != "" }

// costs are that of a hash today, in the long run the default one, and the third that it
// was before. A short run shares its machine with all other tests.
func costs() (today, older sqldb.Cost) {
	today = config.Default().Store.SQLite.Cost
	if !inLongRun() {
		today.Memory /= 8
	}
	older = today
	older.Memory /= 3
	return today, older
}

func putEmbedded(h *house, extension string, state int, older sqldb.Cost) {
	ctx, yes := h.t.Context(), true
	digits := rightCode
	switch state {
	case isUnknown:
		return
	case isCodeless:
		digits = ""
	case isOlder:
		// Its hash is made by another process, under the options of before.
		c := h.config
		c.Store.SQLite.Cost = older
		before, err := OpenStores(ctx, c, h.data)
		require.NoError(h.t, err)
		_, err = before.Add(ctx, mailbox.Account{Extension: extension}, code(h.t, digits), "test")
		require.NoError(h.t, err)
		require.NoError(h.t, before.Close())
		return
	}
	a := h.add(extension, digits, mailbox.Flags{})
	edit := mailbox.Edit{}
	switch state {
	case isDisabled:
		edit.Disabled = &yes
	case isLockedByAdministrator:
		edit.Locked = &yes
	default:
		return
	}
	a, err := h.stores.Edit(ctx, a, edit, "test", "")
	require.NoError(h.t, err)
	require.True(h.t, a.Flags.Disabled || a.Flags.Locked)
}

// callsAState is how many calls find a mailbox in one state: 500 in the long run, here so
// many that the calls to one system are sixty.
func callsAState() int {
	if inLongRun() {
		return 500
	}
	return 60/numStates + 1
}

// strangersAtOnce is how many of these calls to one system are up at a time: nobody waits
// for a hash so long that the service says so.
const strangersAtOnce = 24

// A stranger who types a wrong code at the any door learns nothing of the mailbox: not from
// the SIP messages, not from the RTP, not from any time, not from the length of the call.
// What learns from one half of many calls in all states guesses the states of the other
// half no better than chance.
//
// In the long run that is chance and three points. With few calls luck counts: the bound
// is then the number of hits that one who has chance and three points reaches once in ten
// thousand times. No answer of the any door comes before its second is over.
func TestAStrangerCannotTellTheStatesOfAMailboxApart(t *testing.T) {
	t.Parallel()
	if oneOf > 1 {
		t.Skip("time is what this is about, and the race detector takes too much of it")
	}
	for name, open := range systemsOfStrangers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				all := observe(t, open)
				const chance = 1.0/numStates + 0.03
				t.Log(tellingFeatures(all))
				hits, of := right(all, rand.New(rand.NewPCG(97, 1)))
				for who, n := range hits {
					t.Logf("%s, %s: %d of %d right, %.1f %% (chance %.1f %%)", name, who, n, of, 100*float64(n)/float64(of), 100.0/numStates)
					if inLongRun() {
						require.LessOrEqual(t, float64(n)/float64(of), chance)
					}
					require.GreaterOrEqual(t, chanceAtLeast(n, of, chance), 1e-4, "%s tells them apart: %d of %d", who, n, of)
				}
			})
		})
	}
}

// observe makes the calls in an order of chance and measures each.
func observe(t testing.TB, open func(testing.TB) (func(*config.Config), seams, furnisher)) (all []sample) {
	alter, with, put := open(t)
	tap := &tap{}
	with.listen = tap.listen
	h := openHouseWith(t, func(c *config.Config) {
		c.Media.PortMin, c.Media.PortMax = reserve(strangersAtOnce + portPairs)
		// A try less than lock a mailbox are what one call gets; one that is locked stays so.
		c.Lockout.WaitFirst, c.Lockout.WaitMax = time.Hour, time.Hour
		c.Lockout.PeerPerHour, c.Lockout.TotalPerHour = 1_000_000, 1_000_000
		alter(c)
	}, with)
	states := make([]int, 0, numStates*callsAState())
	for i := range cap(states) {
		states = append(states, i%numStates)
	}
	for next, rounds := 0, 0; len(states) > 0; rounds++ {
		require.Less(t, rounds, spoiledRounds, "the machine lost time in %d calls again", len(states))
		rand.Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
		for i, state := range states {
			put(h, extensionOf(next+i), state)
			if state == isLocked {
				lock(h, extensionOf(next+i))
			}
		}
		good, spoiled := callAll(t, h, tap, states, next)
		next += len(states)
		all, states = append(all, good...), spoiled
		if len(spoiled) > 0 {
			t.Logf("%d calls that failed while the machine lost time are made again", len(spoiled))
		}
	}
	return all
}

// spoiledRounds is how often calls may be made anew because the machine lost time.
const spoiledRounds = 4

// callAll makes a call to each mailbox from a number on, which are in these states. spoiled
// are the states of those whose call failed while the machine lost time: they have had a
// try or more.
func callAll(t testing.TB, h *house, tap *tap, states []int, from int) (good []sample, spoiled []int) {
	all, failed, lost := make([]sample, len(states)), make([]error, len(states)), make([]string, len(states))
	var calls sync.WaitGroup
	up := make(chan struct{}, strangersAtOnce)
	for i, state := range states {
		up <- struct{}{}
		free := occupy()
		// One call: started here; stops when it is over.
		calls.Go(func() {
			defer func() { free(); <-up }()
			watched := callertest.Watch()
			all[i] = sample{label: state}
			all[i].features, failed[i] = stranger(t.Context(), h.phone("*98", fmt.Sprint(200_000+from+i)), extensionOf(from+i), tap)
			lost[i] = watched()
		})
	}
	calls.Wait()
	for i, err := range failed {
		switch {
		case err == nil:
			good = append(good, all[i])
		case lost[i] != "":
			spoiled = append(spoiled, all[i].label)
		default:
			require.NoError(t, err)
		}
	}
	return good, spoiled
}

func extensionOf(i int) string { return fmt.Sprint(1001 + i) }

// lock has somebody else type wrong codes.
func lock(h *house, extension string) {
	ctx := h.t.Context()
	found, err := h.stores.Trail.Lookup(ctx, mailbox.Query{Number: extension})
	require.NoError(h.t, err)
	require.Len(h.t, found, 1)
	at := mailbox.Attempt{Door: mailbox.AnyDoor, Peer: "else", Caller: extension}
	for range h.config.Lockout.WaitFrom {
		require.ErrorIs(h.t, h.stores.Trail.Verify(ctx, found[0], code(h.t, wrongCode), at), mailbox.WrongPIN)
	}
	require.ErrorIs(h.t, h.stores.Trail.Verify(ctx, found[0], code(h.t, rightCode), at), mailbox.Locked)
}

// stranger types an extension and three wrong codes, each when he is spoken to, and waits
// for the end.
func stranger(ctx context.Context, o caller.Options, extension string, tap *tap) ([]float64, error) {
	o.Ear = nil // what is measured needs none
	c, err := caller.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer func() { _ = c.Hangup(context.WithoutCancel(ctx)) }() // of a call that failed
	var answers []answer
	for i, keys := range [1 + triesOfACall]string{extension, wrongCode, wrongCode, wrongCode} {
		if i == 0 {
			if _, err := spokenTo(ctx, c, time.Time{}); err != nil {
				return nil, err
			}
		}
		time.Sleep(breath)
		if err := c.Press(ctx, keys+"#"); err != nil {
			return nil, err
		}
		downs := c.Media().KeyDowns()
		a := answer{pound: downs[len(downs)-1]}
		if a.spoken, err = spokenTo(ctx, c, a.pound); err != nil {
			return nil, err
		}
		answers = append(answers, a)
	}
	if err := outlast(ctx, c); err != nil {
		return nil, err
	}
	return featuresOf(c, answers[1:], tap.of(c.CallID()))
}

// outlast waits until the far end hangs up. On a machine so busy that the service had to
// say "one moment", what was typed then was no try, and is typed again.
func outlast(ctx context.Context, c *caller.Call) error {
	const farewell = 15 * time.Second
	for range triesOfACall {
		select {
		case <-c.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(farewell):
		}
		if err := c.Press(ctx, wrongCode+"#"); err != nil && c.End() == caller.NotEnded {
			return err
		}
	}
	if c.End() == caller.NotEnded {
		return errors.New("the call did not end")
	}
	return nil
}

const triesOfACall = 3

// breath is long enough after a refusal that what is typed then counts.
const breath = 1300 * time.Millisecond

// answer is a # and when something was said after it.
type answer struct{ pound, spoken time.Time }

// spokenTo waits for a sound after a moment.
func spokenTo(ctx context.Context, c *caller.Call, after time.Time) (time.Time, error) {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if at := c.Media().LastSound(); at.After(after) {
			return at, nil
		}
		select {
		case <-c.Done():
			return time.Time{}, errors.New("the call ended early")
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return time.Time{}, errors.New("nothing was said")
}

// featuresOf is what an outsider can measure of a call.
func featuresOf(c *caller.Call, answers []answer, sent []sipMessage) (f []float64, err error) {
	packets, times := c.Media().Packets(), c.Times()
	if len(packets) == 0 || len(sent) == 0 {
		return nil, fmt.Errorf("%d packets, %d messages", len(packets), len(sent))
	}
	stats := c.Media().Stats()
	bytes := 0
	for _, p := range packets {
		bytes += p.Size
	}
	f = append(f, ms(times.Answered.Sub(times.Invite)), ms(times.Ended.Sub(times.Answered)), ms(packets[0].At.Sub(times.Answered)),
		ms(times.Ended.Sub(packets[len(packets)-1].At)), float64(len(packets)), float64(bytes), float64(stats.Other), float64(stats.SSRCs),
		float64(stats.SenderReports), float64(stats.Byes), float64(len(sent)))
	for i, a := range answers {
		if took := a.spoken.Sub(a.pound); took < time.Second {
			return nil, fmt.Errorf("try %d was answered after %v, before its time", i+1, took)
		}
		f = append(f, a.features(packets)...)
	}
	const messages = 4 // all, unless one had to be sent again
	for _, m := range append(sent, make([]sipMessage, messages)...)[:messages] {
		at := 0.0
		if !m.at.IsZero() {
			at = ms(m.at.Sub(times.Invite))
		}
		f = append(f, float64(m.size), float64(m.headers), at)
	}
	return f, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// features measure what comes between a # and the talkspurt that answers it, and that one:
// when it begins, on both clocks, how many packets were before and how evenly they came,
// how long it is.
func (a answer) features(packets []caller.Packet) []float64 {
	first := slices.IndexFunc(packets, func(p caller.Packet) bool { return p.At.After(a.pound) })
	begins, uneven, worst := first, 0.0, 0.0
	for i := first + 1; i < len(packets) && !packets[i].At.After(a.spoken); i++ {
		if packets[i].Marker {
			begins = i
			break
		}
		late := ms(packets[i].At.Sub(packets[i-1].At)) - 20
		uneven, worst = uneven+late*late, max(worst, late)
	}
	p, length := packets[begins], 0
	for _, next := range packets[begins+1:] {
		if next.Marker {
			break
		}
		length++
	}
	return []float64{ms(a.spoken.Sub(a.pound)), ms(p.At.Sub(a.pound)), float64(p.Timestamp - packets[first].Timestamp), float64(begins - first),
		uneven, worst, float64(length)}
}

// tellingFeatures describes the features that differ most between the states.
func tellingFeatures(all []sample) string {
	text, found := fmt.Sprintf("states: %q; what differs most between them:", stateWords), ratios(all)
	for _, f := range telling(all, 3) {
		text += fmt.Sprintf("\n  feature %d: variance between over within %.2f, means", f, found[f])
		for label := range numStates {
			sum, n := 0.0, 0.0
			for _, s := range all {
				if s.label == label {
					sum, n = sum+s.features[f], n+1
				}
			}
			text += fmt.Sprintf(" %.1f", sum/n)
		}
	}
	return text
}
