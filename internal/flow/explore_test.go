package flow

import (
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/prompt"
)

// explorer visits every call that moves can lead to, each once, and holds each step
// to the rules. It keeps which roads of the table were taken and what was said.
type explorer struct {
	t      *testing.T
	moves  func(*State) []move
	normal func(State) State // calls that differ in what does not matter become one
	depth  int               // moves from a start at most; 0: no limit

	seed  maphash.Seed
	seen  map[uint64]bool
	ends  map[uint64]time.Duration // calls that end when nobody does anything: after how long
	taken map[edge]bool
	said  map[prompt.ID]bool
	steps int
}

// move is what happens next: one event, or keys that are pressed one after another.
type move []Event

// edge is one road of the table.
type edge struct {
	from StateID
	sig  signal
	to   StateID
}

func newExplorer(t *testing.T, moves func(*State) []move) *explorer {
	return &explorer{
		t: t, moves: moves, normal: renumbered, seed: maphash.MakeSeed(), seen: map[uint64]bool{},
		ends: map[uint64]time.Duration{}, taken: map[edge]bool{}, said: map[prompt.ID]bool{},
	}
}

// renumbered makes calls one that differ in their length only, and in counts that
// nothing looks at again.
func renumbered(s State) State {
	one := func(n uint32) uint32 { return min(n, 1) }
	s.step, s.saying, s.timing, s.asking = 1, one(s.saying), one(s.timing), one(s.asking)
	if s.asking == 0 {
		s.awaited = 0
	}
	if m := (machine{State: s}); !m.awaits() {
		s.waits = 0
	}
	if s.at < NewCode || s.at > Changing { // the rounds begin anew, see renew
		s.rounds, s.refused, s.slips, s.offered = 0, 0, 0, false
	}
	if s.at >= MainMenu && s.at != Transferring { // nobody asks for the current code again
		s.wrong, s.missed, s.sent = 0, 0, false
	}
	return s
}

func (x *explorer) hash(n node) uint64 { return maphash.Comparable(x.seed, n) }

// explore visits all that can be reached from the starts.
func (x *explorer) explore(starts ...State) {
	var layer, next []node
	visit := func(n node) {
		n.state = x.normal(n.state)
		if h := x.hash(n); !x.seen[h] {
			x.seen[h] = true
			x.alone(n.state)
			next = append(next, n)
		}
	}
	for _, s := range starts {
		visit(node{state: s})
	}
	for depth := 1; len(next) > 0 && (x.depth == 0 || depth <= x.depth); depth++ {
		layer, next = next, layer[:0]
		for _, n := range layer {
			for _, m := range x.moves(&n.state) {
				visit(x.make(n, m))
			}
		}
	}
}

func (x *explorer) make(n node, m move) node {
	for _, e := range m {
		n = x.step(n, e)
	}
	return n
}

func (x *explorer) step(n node, e Event) node {
	x.steps++
	if sig, to := decide(n.state, e); sig != 0 {
		x.taken[edge{n.state.at, sig, to}] = true
	}
	s, out := Step(n.state, e)
	after := node{state: s, truth: n.truth.after(&n.state, &s, e, out)}
	if broken := breaks(n, e, after, out); broken != "" {
		x.t.Fatalf("%s: state %v, event %+v", broken, n.state.at, e)
	}
	if out.N > 0 && out.List[0].Kind == Say {
		for _, id := range out.List[0].Phrase {
			if id == "" {
				break
			}
			x.said[id] = true
		}
	}
	return after
}

// decide is the first decision of a step, before anything typed ahead is used.
func decide(s State, e Event) (signal, StateID) {
	m := machine{State: s}
	m.step++
	sig := m.read(&e)
	if sig == 0 {
		return 0, s.at
	}
	return sig, m.perform(table[s.at][sig].do, &e)
}

// quiet is what happens when nobody does anything: the sentence ends, or the timer;
// a line check lasts until the time is up that it asked for.
func quiet(s *State) Event {
	switch {
	case s.saying != 0:
		return Event{Kind: Spoken, Step: s.saying}
	case s.at == LineCheck && !s.overrun:
		return Event{Kind: LimitHit}
	}
	return Event{Kind: TimedOut, Step: s.timing}
}

// alone lets nothing else happen until the call ends, which it must, and keeps how
// long the timers took.
func (x *explorer) alone(s State) {
	if s.at == Ringing {
		return
	}
	type stop struct {
		hash uint64
		took time.Duration // from here to the next
	}
	var road []stop
	total := time.Duration(0)
	for s = x.normal(s); s.at != Ended; s = x.normal(s) {
		h := x.hash(node{state: s})
		if known, ok := x.ends[h]; ok {
			total = known
			break
		}
		if len(road) == 1000 {
			x.t.Fatalf("state %v never ends", s.at)
		}
		var out Effects
		s, out = Step(s, quiet(&s))
		took := time.Duration(0)
		for _, fx := range out.List[:out.N] {
			if fx.Kind == Timer && s.saying == 0 {
				took = fx.After
			}
		}
		road = append(road, stop{h, took})
	}
	for _, at := range slices.Backward(road) {
		total += at.took
		x.ends[at.hash] = total
	}
}

// longest is how long the timers of a call last whose caller is silent.
func (x *explorer) longest() (most time.Duration) {
	for _, d := range x.ends {
		most = max(most, d)
	}
	return most
}

// report says how far it came.
func (x *explorer) report(name string) {
	x.t.Logf("%s: %d states, %d transitions; a silent caller waits %v at most", name, len(x.seen), x.steps, x.longest())
	require.Less(x.t, x.longest(), 3*time.Minute)
	for id := range x.said {
		_, plain, qualified := strings.Cut(string(id), "/")
		require.True(x.t, sayable[id] || qualified && sayable[prompt.ID(plain)], "no language has to have %s", id)
	}
}

// sayable are the sentences that every language has.
var sayable = func() map[prompt.ID]bool {
	m := map[prompt.ID]bool{}
	for _, id := range prompt.Required() {
		m[id] = true
	}
	return m
}()

// requireTableIsTrue: the table allows what happened, and all that it allows happened.
func requireTableIsTrue(t *testing.T, taken map[edge]bool) {
	for e := range taken {
		r := table[e.from][e.sig]
		require.True(t, slices.Contains(r.to, e.to) || r.do == pass && e.from == e.to,
			"%v on %v leads to %v, which the table does not say", e.from, e.sig, e.to)
	}
	cells, edges := 0, 0
	for s := Ringing; s < numStates; s++ {
		for sig := signal(1); sig < numSignals; sig++ {
			for _, to := range table[s][sig].to {
				require.True(t, taken[edge{s, sig, to}], "%v on %v never leads to %v", s, sig, to)
				edges++
			}
			if len(table[s][sig].to) > 0 {
				cells++
			}
		}
	}
	t.Logf("the table: all of its %d cells that do something and all of their %d edges were taken", cells, edges)
}
