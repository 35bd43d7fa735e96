package sim

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // rounds are short and make much garbage
	os.Exit(m.Run())
}

// TestRounds plays the first rounds. With the race detector, which makes each of them
// ten times as long, it plays a few; make test plays them without it as well.
func TestRounds(t *testing.T) {
	rounds := uint64(2000)
	if raced {
		rounds = 60
	}
	for seed := range rounds {
		if newRound(seed).report(t) != nil {
			return
		}
	}
}

// TestSimulation plays the rounds that `make sim` asks for.
func TestSimulation(t *testing.T) {
	seed, rounds := uint64FromEnv(t, "STAR97_SIM_SEED"), uint64FromEnv(t, "STAR97_SIM_ROUNDS")
	if rounds == 0 {
		t.Skip("make sim SEED=n ROUNDS=m asks for rounds")
	}
	began, failed := time.Now(), 0
	for i := range rounds {
		if newRound(seed+i).report(t) != nil {
			failed++
		}
		if done := i + 1; done%1000 == 0 || done == rounds {
			took := time.Since(began)
			fmt.Printf("%d of %d rounds, %d failed, %.1f rounds a second, next seed %d\n", done, rounds, failed,
				float64(done)/took.Seconds(), seed+done)
		}
	}
}

func uint64FromEnv(t *testing.T, name string) uint64 {
	word := os.Getenv(name)
	if word == "" {
		return 0
	}
	n, err := strconv.ParseUint(word, 10, 64)
	require.NoError(t, err, name)
	return n
}

// report plays a round and tells how it failed, if it did.
func (r *round) report(t *testing.T) []fault {
	faults := r.play(t)
	if len(faults) == 0 {
		return nil
	}
	t.Error(r)
	return faults
}

// The same seed must be the same round, as far as Go lets it be.
func TestASeedIsARound(t *testing.T) {
	same, rounds := 0, 40
	if raced {
		rounds = 10
	}
	for seed := range uint64(rounds) {
		a, b := newRound(seed), newRound(seed)
		a.play(t)
		b.play(t)
		if a.log.hash() == b.log.hash() {
			same++
		}
	}
	t.Logf("%d of %d rounds were the same twice", same, rounds)
	require.Greater(t, same, rounds/2)
}
