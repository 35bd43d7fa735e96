//go:build !race

package app

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
	"star97/internal/mailbox"
)

// powerDir is the environment variable by which the test program runs itself as the
// process whose power fails.
const powerDir = "STAR97_TEST_POWER_DIR"

const (
	powerBoxes  = 2
	powerRounds = 3 // each opens the stores, changes every code so many times, and closes them
	powerTimes  = 6
	powerFails  = 40 // looks at what is left; ten times as many in `make long`
)

func powerSite() config.Config {
	c := config.Default()
	c.Store = rehearsed()
	return c
}

// powerCode is the nth code of a mailbox.
func powerCode(box, n int) string { return fmt.Sprintf("%d%07d", 70+box, 4829153+n) }

// TestChangeUnderPower is the process whose power fails: it changes codes through every
// layer that a call goes through, the pepper's key between, and says each Done.
func TestChangeUnderPower(t *testing.T) {
	dir := os.Getenv(powerDir)
	if dir == "" {
		t.Skip("run by TestNothingConfirmedIsLostWithThePower")
	}
	n := 0
	for round := range powerRounds {
		s, err := OpenStores(t.Context(), powerSite(), dir)
		require.NoError(t, err)
		if round == 1 {
			all, err := s.Peppers(t.Context())
			require.NoError(t, err)
			_, err = s.RotatePepper(t.Context(), all[0], "test", "")
			require.NoError(t, err)
		}
		for range powerTimes {
			for box := range powerBoxes {
				a, err := s.Find(t.Context(), strconv.Itoa(4001+box), "")
				require.NoError(t, err)
				at := mailbox.Attempt{Door: mailbox.OwnDoor, Call: uint64(n*powerBoxes + box + 1), CallID: fmt.Sprint("call ", n+1)}
				r := s.Trail.Change(t.Context(), a, code(t, powerCode(box, n)), code(t, powerCode(box, n+1)), at)
				require.Equal(t, mailbox.Done, r.Outcome, "%v", r.Err)
				_, err = fmt.Printf("done %d %d\n", box, n+1)
				require.NoError(t, err)
			}
			n++
		}
		require.NoError(t, s.Close())
	}
}

// TestNothingConfirmedIsLostWithThePower has strace(1) note every write, sync and change
// of a name that the program makes, and then lets the power fail at many moments: of
// what was not synced by then nothing is left, or any part. Every change that had been
// confirmed by then is in force, in the audit trail too, which is whole; every stored code
// still has its pepper key; and what was under way is done or not. The same with a medium
// that takes no sync for an order loses changes, so that the test would notice. (One
// change comes after the other, so the race detector has nothing to find here.)
func TestNothingConfirmedIsLostWithThePower(t *testing.T) {
	t.Parallel()
	dir := furnished(t)
	s, err := OpenStores(t.Context(), powerSite(), dir)
	require.NoError(t, err)
	for box := range powerBoxes {
		_, err := s.Add(t.Context(), mailbox.Account{Extension: strconv.Itoa(4001 + box)}, code(t, powerCode(box, 0)), "test")
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	before := t.TempDir()
	diskOf(t, dir, dir).fail(t, before, 1)
	acts := tracedChanges(t, dir)

	fails := powerFails
	if os.Getenv("STAR97_LONG") != "" {
		fails *= 10
	}
	moments := confirmations(acts)
	require.Len(t, moments, powerBoxes*powerRounds*powerTimes)
	last := acts[len(acts)-1].exit
	lost := 0
	for i := range fails {
		at, chance := moments[rand.IntN(len(moments))], 0.0
		if i%2 == 1 {
			at, chance = rand.IntN(last), []float64{0, 0.5, 0.9, 1}[rand.IntN(4)]
		}
		if err := whatIsLeft(t, dir, before, acts, at, chance, false); err != nil {
			t.Fatalf("power fails at line %d of the trace, unsynced writes stay with chance %v: %v", at, chance, err)
		}
		if i < 5 && whatIsLeft(t, dir, before, acts, moments[len(moments)/2+i], 0, true) != nil {
			lost++
		}
	}
	require.Equal(t, min(fails, 5), lost, "a medium that takes no sync for an order has to be noticed")
}

// tracedChanges runs the process and returns what it did.
func tracedChanges(t *testing.T, dir string) []act {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed: apt-get install strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "1048576", "-e", "signal=none", "-e", "trace="+traced, "-o", trace,
		os.Args[0], "-test.run=^TestChangeUnderPower$")
	cmd.Env = append(os.Environ(), powerDir+"="+dir)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "ptrace") {
		t.Skipf("strace may not trace here: %s", out)
	}
	require.NoError(t, err, "%s", out)
	return readTrace(t, trace, dir)
}

// confirmations are the lines of the trace at which changes were confirmed.
func confirmations(acts []act) (lines []int) {
	for _, a := range acts {
		if a.call == "say" && strings.HasPrefix(string(a.data), "done ") {
			lines = append(lines, a.entry)
		}
	}
	return lines
}

// confirmed is the number of the last code of each mailbox that was confirmed by a line.
func confirmed(t *testing.T, acts []act, line int) (last [powerBoxes]int) {
	for _, a := range acts {
		if a.call == "say" && strings.HasPrefix(string(a.data), "done ") && a.entry <= line {
			var box, n int
			_, err := fmt.Sscanf(string(a.data), "done %d %d", &box, &n)
			require.NoError(t, err)
			last[box] = n
		}
	}
	return last
}

// whatIsLeft lets the power fail and starts again on what is left. The error is what a
// caller or an auditor would miss.
func whatIsLeft(t *testing.T, dir, before string, acts []act, line int, chance float64, blind bool) error {
	t.Helper()
	d := diskOf(t, dir, before)
	d.blind = blind
	d.play(t, acts, line)
	left, err := os.MkdirTemp(t.TempDir(), "left")
	require.NoError(t, err)
	defer os.RemoveAll(left)
	d.fail(t, left, chance)

	s, err := OpenStores(t.Context(), powerSite(), left)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Ledger.Verify(t.Context()); err != nil {
		return err
	}
	for box, n := range confirmed(t, acts, line) {
		a, err := s.Find(t.Context(), strconv.Itoa(4001+box), "")
		if err != nil {
			return err
		}
		is := n
		if s.Backend.Verify(t.Context(), a, code(t, powerCode(box, n)), mailbox.Attempt{}) != nil {
			is++
			if err := s.Backend.Verify(t.Context(), a, code(t, powerCode(box, is)), mailbox.Attempt{}); err != nil {
				return fmt.Errorf("mailbox %s: neither change %d, which was confirmed, nor the one after it is in force: %w", a.Extension, n, err)
			}
		}
		if done := doneIn(t, s, a); done != is {
			return fmt.Errorf("mailbox %s: change %d is in force, and the audit trail has %d", a.Extension, is, done)
		}
	}
	return nil
}

// doneIn is the number of the last change of a mailbox that the trail calls done.
func doneIn(t *testing.T, s *Stores, a mailbox.Account) (done int) {
	for _, r := range records(t, s) {
		if n := 0; r.Mailbox == a.ID && r.Outcome == mailbox.Done {
			if _, err := fmt.Sscanf(r.CallID, "call %d", &n); err == nil {
				done = max(done, n)
			}
		}
	}
	return done
}
