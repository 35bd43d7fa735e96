package app

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
)

// twoStores is a site whose domain north.example is in a store of its own.
func twoStores() config.Config {
	c := config.Default()
	c.Store = rehearsed()
	north := rehearsed()
	north.SQLite.Database.Path = "north.db"
	c.Stores = map[string]backend.Options{"north": north}
	c.Plan = dialplan.Default()
	c.Plan.Domains = []dialplan.Domain{{Name: "north.example", Store: "north"}}
	return c
}

func copying(name string) Copying {
	return Copying{File: name, Node: "n", Version: "test", By: "test", Reason: "drill"}
}

// nth is the nth code of a drill.
func nth(n int) string { return fmt.Sprintf("%010d", 4829153706+n) }

// owner changes the code of one mailbox again and again.
type owner struct {
	a         mailbox.Account
	calls     *atomic.Uint64 // numbers of calls, of all owners
	confirmed atomic.Int64   // number of the code that was confirmed last
}

func (o *owner) work(t testing.TB, s *Stores, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		at := mailbox.Attempt{Door: mailbox.OwnDoor, Call: o.calls.Add(1), CallID: strconv.Itoa(n + 1), Source: o.a.Extension}
		r := s.Trail.Change(context.Background(), o.a, code(t, nth(n)), code(t, nth(n+1)), at)
		if r.Outcome != mailbox.Done {
			t.Errorf("%v %v", r.Reason, r.Err)
			return
		}
		o.confirmed.Store(int64(n + 1))
	}
}

// inForce is the number of the code that a store holds for the mailbox.
func (o *owner) inForce(t testing.TB, s *Stores, around int) int {
	for n := max(around-3, 0); n < around+500; n++ {
		if s.Backend.Verify(t.Context(), o.a, code(t, nth(n)), mailbox.Attempt{}) == nil {
			return n
		}
	}
	t.Fatalf("no code of %s is in force from %d on", o.a.Extension, around)
	return 0
}

// TestARestoreDrill loses everything and restores a backup that was made while codes were
// changed: every code that was confirmed before it is in force, or one that came later,
// with its record; and the audit trail is whole.
func TestARestoreDrill(t *testing.T) {
	t.Parallel()
	c, dir, file := twoStores(), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "star97.tar")
	s, err := OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	var owners []*owner
	var calls atomic.Uint64
	for i, domain := range []string{"", "", "north.example", "north.example"} {
		a, err := s.Add(t.Context(), mailbox.Account{Extension: strconv.Itoa(4001 + i), Domain: domain}, code(t, nth(0)), "test")
		require.NoError(t, err)
		owners = append(owners, &owner{a: a, calls: &calls})
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, o := range owners {
		all.Go(func() { o.work(t, s, stop) })
	}
	for _, o := range owners {
		require.Eventually(t, func() bool { return o.confirmed.Load() >= 2 }, patience, 10*time.Millisecond)
	}
	var before []int
	for _, o := range owners {
		before = append(before, int(o.confirmed.Load()))
	}
	made, err := s.Backup(t.Context(), copying(file))
	require.NoError(t, err)
	require.Len(t, made.Files, 3, "two databases and the pepper that they share")
	require.Empty(t, made.Missing)
	_, err = s.Backup(t.Context(), copying(file))
	require.ErrorContains(t, err, "is there already; a backup overwrites nothing")
	close(stop)
	all.Wait()
	require.NoError(t, s.Close())
	holdsNoCode(t, file, owners)

	require.NoError(t, os.RemoveAll(dir))
	r, err := Restore(t.Context(), c, Restoring{File: file, Data: dir, By: "test", Reason: "drill"})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"": 2, "north": 2}, r.Mailboxes)
	require.Empty(t, r.Aside)

	s, err = OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Ledger.Verify(t.Context())
	require.NoError(t, err)
	for i, o := range owners {
		is := o.inForce(t, s, before[i])
		require.GreaterOrEqual(t, is, before[i], "a code that was confirmed before the backup")
		require.LessOrEqual(t, is, int(o.confirmed.Load())+1)
		intended, done := changesOf(t, s, o.a)
		require.GreaterOrEqual(t, is, done, "a change that the trail calls done is in force")
		require.LessOrEqual(t, is, intended, "no change is without its intent")
		if o.a.Domain == "" {
			require.Equal(t, done, is, "in one database they are one")
		}
	}
	last := records(t, s)[len(records(t, s))-1]
	require.Equal(t, []any{audit.Restore, mailbox.Done, "test", "star97.tar"}, []any{last.Action, last.Outcome, last.Actor, last.Target})
	require.Regexp(t, `^backup of 20\S+Z: drill$`, last.Reason)
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing of the check stays")
}

// changesOf tells the last change of a mailbox that the trail knows of, and the last that
// it calls done.
func changesOf(t testing.TB, s *Stores, a mailbox.Account) (intended, done int) {
	for _, r := range records(t, s) {
		n, err := strconv.Atoi(r.CallID)
		switch {
		case err != nil || r.Mailbox != a.ID || r.Action != audit.Change:
		case r.Stage == audit.Intended:
			intended = max(intended, n)
		case r.Outcome == mailbox.Done:
			done = max(done, n)
		}
	}
	return intended, done
}

// holdsNoCode searches a file for the codes of a drill.
func holdsNoCode(t testing.TB, file string, owners []*owner) {
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, o := range owners {
		for n := range int(o.confirmed.Load()) + 1 {
			require.False(t, bytes.Contains(content, []byte(nth(n))), "the backup holds a code in clear")
		}
	}
}

func TestARestoreTouchesNothingThatItShouldNot(t *testing.T) {
	t.Parallel()
	c, dir, file := twoStores(), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "star97.tar")
	s, err := OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001"}, code(t, "482915"), "test")
	require.NoError(t, err)
	_, err = s.Backup(t.Context(), copying(file))
	require.NoError(t, err)
	require.NoError(t, s.SetCode(t.Context(), a, code(t, "739164"), false, "test", ""))
	require.NoError(t, s.Close())
	restore := func(c config.Config, o Restoring) (Restored, error) {
		o.File, o.Data, o.By = file, dir, "test"
		return Restore(t.Context(), c, o)
	}
	content := func() string {
		text, err := os.ReadFile(filepath.Join(dir, "star97.db"))
		require.NoError(t, err)
		return string(text)
	}
	before := content()

	unlock, err := lockFolder(dir)
	require.NoError(t, err)
	_, err = restore(c, Restoring{Force: true})
	require.ErrorContains(t, err, "another star97 serves from "+dir)
	unlock()
	s, err = OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	beside, err := OpenStores(t.Context(), c, dir)
	require.NoError(t, err, "commands work side by side")
	require.NoError(t, s.Close())
	_, err = restore(c, Restoring{Force: true})
	require.ErrorContains(t, err, "a command of star97 works on "+dir)
	require.NoError(t, beside.Close())
	done, err := clearFolder(dir)
	require.NoError(t, err)
	_, err = OpenStores(t.Context(), c, dir)
	require.ErrorContains(t, err, "a backup is being put back into "+dir)
	done()
	cut := filepath.Join(dir, staging+"123")
	require.NoError(t, os.Mkdir(cut, 0o700))
	_, err = restore(c, Restoring{})
	require.ErrorContains(t, err, "there is something already: "+filepath.Join(dir, "star97.db"))
	require.ErrorContains(t, err, "say --force to move it aside")
	require.NoDirExists(t, cut, "what an earlier one left, that was killed")
	one := c
	one.Stores = nil
	one.Plan = dialplan.Default()
	_, err = restore(one, Restoring{Force: true})
	require.ErrorContains(t, err, "the backup has a database of store north, for which the configuration has no place")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	bad := bytes.Clone(whole)
	bad[len(bad)/2] ^= 1
	require.NoError(t, os.WriteFile(file, bad, 0o600))
	_, err = restore(c, Restoring{Force: true})
	require.ErrorContains(t, err, "is no whole backup")
	require.Equal(t, before, content(), "what was refused has altered nothing")
	require.NoError(t, os.WriteFile(file, whole, 0o600))

	r, err := restore(c, Restoring{Force: true})
	require.NoError(t, err)
	require.NotEmpty(t, r.Aside)
	s, err = OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Backend.Verify(t.Context(), a, code(t, "482915"), mailbox.Attempt{}))
	kept, err := os.ReadFile(r.Aside[indexOf(t, r.Aside, "star97.db.before-restore-")])
	require.NoError(t, err)
	require.Equal(t, before, string(kept))
}

func indexOf(t testing.TB, names []string, part string) int {
	for i, name := range names {
		if strings.Contains(name, part) {
			return i
		}
	}
	t.Fatalf("none of %v is %s", names, part)
	return 0
}

// What was whole when it was written may still be of no use: a record of the trail that
// was altered, a pepper that is another one's.
func TestABackupThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	for says, spoil := range map[string]func(t *testing.T, dir string){
		"is not whole: record 2": func(t *testing.T, dir string) {
			store, err := sqldb.Open(t.Context(), rehearsed().In(dir).SQLite)
			require.NoError(t, err)
			require.NoError(t, store.DB().Write(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.Exec("DROP TRIGGER audit_no_update; UPDATE audit SET actor = 'nobody' WHERE seq = 2")
				return err
			}))
			require.NoError(t, store.Close())
		},
		"holds codes made with pepper key": func(t *testing.T, dir string) {
			key := "other " + strings.Repeat("ab", 32) + "\n"
			require.NoError(t, os.WriteFile(filepath.Join(dir, "pepper"), []byte(key), 0o600))
		},
	} {
		c, dir, file := twoStores(), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "star97.tar")
		s, err := OpenStores(t.Context(), c, dir)
		require.NoError(t, err)
		_, err = s.Add(t.Context(), mailbox.Account{Extension: "4001"}, code(t, "482915"), "test")
		require.NoError(t, err)
		spoil(t, dir)
		o, broken := copying(file), strings.Contains(says, "record 2")
		if broken {
			_, err = s.Backup(t.Context(), o)
			require.ErrorContains(t, err, "the audit trail is not whole: record 2")
			require.NoFileExists(t, file)
			o.BrokenTrail = true
		}
		_, err = s.Backup(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		fresh := filepath.Join(t.TempDir(), "fresh")
		_, err = Restore(t.Context(), c, Restoring{File: file, Data: fresh, By: "test"})
		require.ErrorContains(t, err, says)
		require.NoFileExists(t, filepath.Join(fresh, "star97.db"))
		r, err := Restore(t.Context(), c, Restoring{File: file, Data: fresh, By: "test", BrokenTrail: true})
		require.Equal(t, broken, err == nil, "%v", err)
		if broken {
			require.ErrorContains(t, r.Broken, "record 2")
			require.EqualValues(t, 2, r.Trail.Seq, "the head, not the last good record")
		}
	}
}

// What is refused leaves behind what was there before, and nothing of its own.
func TestARefusedRestoreLeavesNothing(t *testing.T) {
	t.Parallel()
	junk := filepath.Join(t.TempDir(), "junk.tar")
	require.NoError(t, os.WriteFile(junk, []byte("no archive"), 0o600))
	refused := func(dir string) {
		_, err := Restore(t.Context(), twoStores(), Restoring{File: junk, Data: dir, By: "test"})
		require.ErrorContains(t, err, "is no whole backup")
	}
	outer := t.TempDir()
	inner := filepath.Join(outer, "a", "b") + "/"
	refused(inner)
	require.NoDirExists(t, filepath.Join(outer, "a"))
	require.NoError(t, os.MkdirAll(inner, 0o700))
	refused(inner)
	left, err := os.ReadDir(inner)
	require.NoError(t, err)
	require.Empty(t, left)
	unlock, err := lockFolder(inner)
	require.NoError(t, err)
	_, err = Restore(t.Context(), twoStores(), Restoring{File: junk, Data: inner, By: "test"})
	require.ErrorContains(t, err, "another star97 serves from")
	require.FileExists(t, lockName(inner))
	unlock()
	refused(inner)
	require.FileExists(t, lockName(inner), "it was there before")
}

// However many lock the folder and take the file away again, one at a time has it.
func TestALockWhoseFileIsRemovedIsOneProcesssStill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var inside, had atomic.Int32
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 500 {
				unlock, err := borrowFolder(dir)
				if err != nil {
					continue
				}
				assert.EqualValues(t, 1, inside.Add(1))
				had.Add(1)
				runtime.Gosched()
				inside.Add(-1)
				unlock()
			}
		})
	}
	all.Wait()
	require.Positive(t, had.Load())
}

// A database on a server is its own tools' to copy, and that is said; the rest of the
// site comes back as ever.
func TestABackupBesideAServer(t *testing.T) {
	t.Parallel()
	site := newCluster(t)
	c := config.Default()
	c.Plan = dialplan.Default()
	site.node(&c, "one")
	dir, file := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "star97.tar")
	s, err := OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	var boxes []mailbox.Account
	for _, domain := range []string{"", north} {
		a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001", Domain: domain}, code(t, "482915"), "test")
		require.NoError(t, err)
		boxes = append(boxes, a)
	}
	o := copying(file)
	_, err = s.Backup(t.Context(), o)
	require.ErrorContains(t, err, "is on a server and not in this backup: back it up with pg_dump first, then say --rest for everything else")
	require.NoFileExists(t, file)
	o.Rest = true
	m, err := s.Backup(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, m.Missing, 1)
	require.Len(t, m.Files, 2, "the other store and the pepper of both")
	require.NoError(t, s.Close())
	for _, name := range []string{site.pepper, site.north} {
		require.NoError(t, os.Remove(name))
	}
	r, err := Restore(t.Context(), c, Restoring{File: file, Data: dir, By: "test"})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"north": 1}, r.Mailboxes)
	require.Zero(t, r.Trail, "the audit trail is on the server")
	s, err = OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	defer s.Close()
	for _, a := range boxes {
		require.NoError(t, s.Backend.Verify(t.Context(), a, code(t, "482915"), mailbox.Attempt{}))
	}
}
