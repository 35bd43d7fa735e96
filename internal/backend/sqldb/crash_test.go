package sqldb

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
)

// The environment by which the test program runs itself as the process to be killed.
const (
	crashDir  = "STAR97_TEST_CRASH_DIR"
	crashFrom = "STAR97_TEST_CRASH_FROM"
)

const kills = 50

// numbered is the nth code of the test: one after the other, none twice.
func numbered(n int) string { return fmt.Sprintf("%06d", 100000+n) }

// TestChangeUntilKilled is the process to be killed: it changes the code again
// and again and says each Done in one write(2), as a call would speak it.
func TestChangeUntilKilled(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("run by TestNoConfirmedChangeIsLostByKill")
	}
	from, err := strconv.Atoi(os.Getenv(crashFrom))
	require.NoError(t, err)
	s := openStore(t, cheapOptions(dir))
	found, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	for n := from; ; n++ {
		r := s.Change(t.Context(), found[0], conformance.Code(t, numbered(n)), conformance.Code(t, numbered(n+1)), at)
		require.Equal(t, mailbox.Done, r.Outcome, "%v", r.Err)
		fmt.Printf("done %d\n", n+1)
	}
}

// A change that was reported Done is in force whenever the process is killed; one
// that was not is in force as a whole or not at all. (SIGKILL leaves the system
// running, so this says nothing of a power failure: that is synchronous=FULL's part.)
func TestNoConfirmedChangeIsLostByKill(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, cheapOptions(dir))
	a := add(t, s, mailbox.Account{Extension: "4001"}, conformance.Code(t, numbered(0)))
	require.NoError(t, s.Close())

	now, unspoken := 0, 0
	for round := range kills {
		said := changeAndKill(t, dir, now, round)
		s := openStore(t, cheapOptions(dir))
		switch {
		case verifies(t, s, a, said):
			now = said
		case verifies(t, s, a, said+1):
			now = said + 1
			unspoken++
		default:
			t.Fatalf("round %d: neither the last confirmed change nor the one under way is in force", round)
		}
		require.False(t, verifies(t, s, a, now-1), "the code before is not")
		require.NoError(t, s.Close())
	}
	t.Logf("%d kills, %d changes, %d of them committed but not yet said", kills, now, unspoken)
	require.Greater(t, now, kills, "the kills must fall into the changes, not before them")
}

func verifies(t *testing.T, s *Store, a mailbox.Account, n int) bool {
	t.Helper()
	err := s.Verify(t.Context(), a, conformance.Code(t, numbered(n)), at)
	if err != nil {
		require.ErrorIs(t, err, mailbox.WrongPIN)
	}
	return err == nil
}

// changeAndKill runs the process from change number from on, kills it at a random
// moment and returns the last change that it reported as Done. The moment is counted
// in changes, however long one takes here: within the one after the first few.
func changeAndKill(t *testing.T, dir string, from, round int) (said int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChangeUntilKilled$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashFrom+"="+strconv.Itoa(from))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill := func() { cmd.Process.Kill() }
	if round%5 == 0 { // some kills fall into the opening of the database
		defer time.AfterFunc(rand.N(60*time.Millisecond), kill).Stop()
	}
	said = from
	few, last := from+1+rand.IntN(4), time.Now()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "done %d", &n); err != nil {
			t.Errorf("round %d: the process failed: %s", round, lines.Text())
			kill()
			continue
		}
		if said = n; said == few {
			time.AfterFunc(rand.N(2*time.Since(last)), kill)
		}
		last = time.Now()
	}
	_ = cmd.Wait() // always "killed"
	return said
}
