package flow

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/pin"
	"star97/internal/prompt"
)

func TestTableIsComplete(t *testing.T) {
	for sig := range signal(numSignals) {
		require.Zero(t, table[0][sig].do, "state 0 is no state")
	}
	for s := Ringing; s < numStates; s++ {
		require.NotEmpty(t, stateWords[s], "state %d has no word", s)
		for sig := signal(1); sig < numSignals; sig++ {
			r := table[s][sig]
			require.NotZero(t, r.do, "%v on %v: the cell was forgotten; write ignore", s, sig)
			require.Equal(t, r.do == pass, len(r.to) == 0, "%v on %v: states that follow belong to an action", s, sig)
		}
	}
	for sig := signal(1); sig < numSignals; sig++ {
		require.NotEmpty(t, signalWords[sig], "signal %d has no word", sig)
	}
	for e := EndGoodbye; e < numEnds; e++ {
		require.NotEmpty(t, endWords[e], "end %d has no word", e)
	}
}

func TestEveryActionIsUsed(t *testing.T) {
	used := map[action]bool{}
	for _, row := range table {
		for _, r := range row {
			used[r.do] = true
		}
	}
	for a := pass; a < numActions; a++ {
		require.True(t, used[a], "action %d stands in no cell", a)
	}
}

// The end of a call is always near: from each state a road of declared steps.
func TestEveryStateCanEnd(t *testing.T) {
	ends := map[StateID]bool{Ended: true}
	for range numStates {
		for s := Ringing; s < numStates; s++ {
			for sig, r := range table[s] {
				switch signal(sig) {
				case evHungUp, evLimit, evGrace:
					continue // the call is not ended by what the flow itself does
				}
				for _, to := range r.to {
					ends[s] = ends[s] || ends[to] && to != s
				}
			}
		}
	}
	for s := Ringing; s < numStates; s++ {
		require.True(t, ends[s], "state %v cannot end", s)
	}
}

func TestEveryRefusalHasItsSentence(t *testing.T) {
	l := layout(t)
	for _, r := range pin.Rules() {
		require.Contains(t, prompt.Required(), l.refusal[r], "rule %s", r)
	}
}
