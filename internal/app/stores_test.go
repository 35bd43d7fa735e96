package app

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend/sqldb"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func openStores(t *testing.T, dir string) *Stores {
	t.Helper()
	c := config.Default()
	c.Store = rehearsed()
	c.Lockout.WaitFirst = time.Hour // what is closed stays so for the length of a test
	s, err := OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func digits(t *testing.T, s string) pin.PIN {
	t.Helper()
	p, err := pin.Parse(s)
	require.NoError(t, err)
	return p
}

var atOwnDoor = mailbox.Attempt{Door: mailbox.OwnDoor, Peer: "test", CallID: "one"}

func records(t testing.TB, s *Stores) (all []audit.Record) {
	t.Helper()
	for r, err := range s.Ledger.Records(t.Context(), 0) {
		require.NoError(t, err)
		all = append(all, r)
	}
	_, err := s.Ledger.Verify(t.Context())
	require.NoError(t, err)
	return all
}

func TestChangeAndItsEndAreOneRecordEach(t *testing.T) {
	s := openStores(t, t.TempDir())
	a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001"}, digits(t, "482915"), "test")
	require.NoError(t, err)
	r := s.Trail.Change(t.Context(), a, digits(t, "482915"), digits(t, "739164"), atOwnDoor)
	require.Equal(t, mailbox.Proved(), r)
	all := records(t, s)
	require.Len(t, all, 4, "intent and end of the addition and of the change")
	require.Equal(t, audit.Change, all[2].Action)
	require.Equal(t, audit.Intended, all[2].Stage)
	require.Equal(t, audit.Ended, all[3].Stage)
	require.Equal(t, mailbox.Done, all[3].Outcome)
	require.Equal(t, all[2].Intent, all[3].Intent)
	require.Equal(t, "one", all[3].CallID)
}

type brokenJournal struct{}

func (brokenJournal) EndIn(context.Context, *sql.Tx, string) error { return errors.New("no room") }

func TestChangeThatCannotBeRecordedIsNotMade(t *testing.T) {
	s := openStores(t, t.TempDir())
	a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001"}, digits(t, "482915"), "test")
	require.NoError(t, err)
	s.Backend.Default().(*sqldb.Store).Keep(brokenJournal{})
	r := s.Trail.Change(t.Context(), a, digits(t, "482915"), digits(t, "739164"), atOwnDoor)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.NoError(t, s.Trail.Verify(t.Context(), a, digits(t, "482915"), atOwnDoor), "the old code is in force")
}

// dies is a journal that shows the database as a crash inside the change leaves
// it: the intent is there, the transaction never commits.
type dies struct{ at chan struct{} }

func (d dies) EndIn(ctx context.Context, _ *sql.Tx, _ string) error {
	close(d.at)
	<-ctx.Done()
	return ctx.Err()
}

func TestChangeLeftOpenByACrashWasNeverMade(t *testing.T) {
	dir := t.TempDir()
	s := openStores(t, dir)
	a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001"}, digits(t, "482915"), "test")
	require.NoError(t, err)
	d := dies{make(chan struct{})}
	s.Backend.Default().(*sqldb.Store).Keep(d)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Trail.Change(ctx, a, digits(t, "482915"), digits(t, "739164"), atOwnDoor)
	}()
	<-d.at
	after := t.TempDir()
	for _, name := range []string{"star97.db", "star97.db-wal", "pepper"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(after, name), data, 0o600))
	}
	cancel()
	<-ended

	s = openStores(t, after)
	closed, err := s.Trail.CloseOpen(t.Context())
	require.NoError(t, err)
	require.Len(t, closed, 1)
	require.Equal(t, mailbox.Refused, closed[0].Outcome)
	require.NoError(t, s.Trail.Verify(t.Context(), a, digits(t, "482915"), atOwnDoor), "the old code is in force")
	require.Error(t, s.Trail.Verify(t.Context(), a, digits(t, "739164"), atOwnDoor))
}

func TestSecondServiceOnTheSameFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockFolder(dir)
	require.NoError(t, err)
	_, err = lockFolder(dir)
	require.ErrorContains(t, err, "another star97 serves from "+dir)
	unlock()
	unlock, err = lockFolder(dir)
	require.NoError(t, err)
	unlock()
}

func TestExamplesAreMadeOnce(t *testing.T) {
	s := openStores(t, t.TempDir())
	c := config.Default()
	made, err := s.MakeExamples(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, made, 3)
	for _, m := range made {
		require.Equal(t, pin.Pass, c.Policy.Check(m.Code, pin.Context{Extension: m.Account.Extension}))
		require.NoError(t, s.Trail.Verify(t.Context(), m.Account, m.Code, atOwnDoor))
	}
	made, err = s.MakeExamples(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, made)
}
