package sqldb

import (
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit/sqlkittest"
)

// occupied keeps the one worker of a store from every hash until free is called.
func occupied(t *testing.T, s *Store) (free func()) {
	busy, done := make(chan struct{}), make(chan struct{})
	// A hash that takes its time: started here; stops when free is called.
	go func() {
		_ = s.pool.Do(t.Context(), "test", func() {
			close(busy)
			<-done
		})
	}()
	<-busy
	return func() { close(done) }
}

// keyChosen waits until somebody waits for the worker, who has chosen the key by then.
func keyChosen(t *testing.T, s *Store) {
	require.Eventually(t, func() bool { return s.Waiting() == 1 }, 30*time.Second, 5*time.Millisecond)
}

// An administrator has every new code use another key, sees that no code needs the old one,
// and removes it, all while a code is being made with it. It is stored with a key that is
// there.
func TestNoCodeIsStoredWithAKeyThatIsGone(t *testing.T) {
	next := codeOf(t, "605172")
	change := func(current string, claim mailbox.Claim) func(*Store, mailbox.Account) mailbox.Result {
		return func(s *Store, a mailbox.Account) mailbox.Result {
			try := at
			try.Claim = claim
			return s.Change(t.Context(), a, codeOf(t, current), next, try)
		}
	}
	for name, c := range map[string]struct {
		has  string // the code before
		make func(*Store, mailbox.Account) mailbox.Result
	}{
		"a change":     {"482915", change("482915", mailbox.ByCode)},
		"a first code": {"", change("", mailbox.ByFirstUse)},
		"a grant":      {"482915", func(s *Store, a mailbox.Account) mailbox.Result { return s.Grant(t.Context(), a, next, at) }},
		"a reset": {"", func(s *Store, a mailbox.Account) mailbox.Result {
			return s.Reset(t.Context(), a, next, false, "test", "")
		}},
		"a new mailbox": {"", func(s *Store, _ mailbox.Account) mailbox.Result {
			_, err := s.Add(t.Context(), mailbox.Account{Extension: "4002"}, next, "test")
			return result("add", err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := cheapOptions(t.TempDir())
			o.Workers = 1
			service, command := openStore(t, o), openStore(t, o)
			service.Remember(1)
			old := service.ring.now.Load().last
			kid, err := command.RotatePepper(t.Context())
			require.NoError(t, err)
			var had pin.PIN
			if c.has != "" {
				had = codeOf(t, c.has)
			}
			a := add(t, service, mailbox.Account{Extension: "4001"}, had)
			require.NoError(t, command.UsePepper(t.Context(), old))

			free := occupied(t, service)
			done := make(chan mailbox.Result, 1)
			// The code that is made: started here; stops when it is stored.
			go func() { done <- c.make(service, a) }()
			keyChosen(t, service)

			require.NoError(t, command.UsePepper(t.Context(), kid))
			status, err := command.Pepper(t.Context())
			require.NoError(t, err)
			require.Equal(t, PepperKey{ID: old}, status.Keys[0], "nothing needs it")
			key := command.ring.now.Load().keys[kid]
			require.NoError(t, os.WriteFile(o.pepperFile(), fmt.Appendf(nil, "%s %x\n", kid, key), 0o600))
			free()
			require.Equal(t, mailbox.Proved(), <-done)
			after := openStore(t, o)
			status, err = after.Pepper(t.Context())
			require.NoError(t, err)
			require.Len(t, status.Keys, 1)
			box := a
			if name == "a new mailbox" {
				box = shown(t, after, mailbox.Account{Extension: "4002"})
			}
			require.NoError(t, after.Verify(t.Context(), box, next, at))
		})
	}
}

// A code that is right gets no new hash from a key that is not for new codes any more.
func TestAHashIsNotMadeAnewWithAnOldKey(t *testing.T) {
	o := cheapOptions(t.TempDir())
	o.Workers = 1
	service, command := openStore(t, o), openStore(t, o)
	old := service.ring.now.Load().last
	kid, err := command.RotatePepper(t.Context())
	require.NoError(t, err)
	a := add(t, service, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
	require.NoError(t, command.UsePepper(t.Context(), old))
	free := occupied(t, service)
	done := make(chan error, 1)
	// The verification: started here; stops when it is answered.
	go func() { done <- service.Verify(t.Context(), a, codeOf(t, "482915"), at) }()
	keyChosen(t, service)
	require.NoError(t, command.UsePepper(t.Context(), kid))
	free()
	require.NoError(t, <-done)
	status, err := command.Pepper(t.Context())
	require.NoError(t, err)
	require.Equal(t, []PepperKey{{ID: old}, {ID: kid, Current: true, Codes: 1}}, status.Keys)
}

// What was taken from the table of the nodes' keys serves for no new code, and that is said.
func TestAKeyThatTheNodesDoNotHaveMakesNoCode(t *testing.T) {
	s := openNode(t, nodeOptions(t, sqlkittest.Postgres(t)))
	a := add(t, s, mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
	require.NoError(t, s.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM pepper")
		return err
	}))
	for _, r := range []mailbox.Result{
		s.Change(t.Context(), a, codeOf(t, "482915"), codeOf(t, "605172"), at),
		s.Reset(t.Context(), a, codeOf(t, "605172"), false, "test", ""),
	} {
		refused(t, mailbox.Unavailable, r)
		require.ErrorContains(t, r.Err, "the pepper key was replaced")
	}
	require.NoError(t, s.Verify(t.Context(), a, codeOf(t, "482915"), at))
}
