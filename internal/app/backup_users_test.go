package app

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/config"
	"star97/internal/digest"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// telephones is a site whose users call by digest, with their file in a folder.
func telephones(dir string) (config.Config, digest.Options) {
	c := config.Default()
	c.Store = rehearsed()
	c.SIP.Digest.Realm, c.SIP.Digest.UsersFile = "sip.example.org", filepath.Join(dir, "sip-users")
	return c, c.SIP.Digest
}

var password = secret.Of("correct horse battery")

// Users come and go by so many at a time, and so many are each one's.
const comers, each = 2, 12

func comer(who, n int) string { return fmt.Sprint(4100 + 100*who + n) }

// TestARestoreBringsTelephonesInAgain backs up while users come and go: those who are
// there afterwards are those of whom the audit trail of the backup says so.
func TestARestoreBringsTelephonesInAgain(t *testing.T) {
	t.Parallel()
	dir, file := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "star97.tar")
	c, o := telephones(t.TempDir())
	s, err := OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	stop := make(chan struct{})
	came := make(chan struct{})
	var all sync.WaitGroup
	for w := range comers {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case came <- struct{}{}:
				}
				var err error
				u := SIPUser{o, comer(w, n%each)}
				if n/each%2 == 0 {
					_, err = s.AddSIPUser(t.Context(), u, password, false, "test", "")
				} else {
					err = s.RemoveSIPUser(t.Context(), u, "test", "")
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range comers * each * 3 / 2 {
		<-came
	}
	// Lets them go on: started here, stops when stop is closed, owns nothing.
	all.Go(func() {
		for {
			select {
			case <-came:
			case <-stop:
				return
			}
		}
	})
	_, err = s.AddSIPUser(t.Context(), SIPUser{o, "4001"}, password, false, "test", "")
	require.NoError(t, err)
	backedUp := copying(file)
	backedUp.Users = o.UsersFile
	m, err := s.Backup(t.Context(), backedUp)
	require.NoError(t, err)
	require.Len(t, m.Files, 3)
	close(stop)
	all.Wait()
	require.NoError(t, s.Close())
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.Remove(o.UsersFile))

	_, err = Restore(t.Context(), c, Restoring{File: file, Data: dir, By: "test"})
	require.NoError(t, err)
	info, err := os.Stat(o.UsersFile)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	s, err = OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	defer s.Close()
	told, open := map[string]bool{}, map[string]bool{}
	for _, r := range records(t, s) {
		if r.Action != audit.SIPUserAdd && r.Action != audit.SIPUserRemove {
			continue
		}
		open[r.Target] = r.Stage == audit.Intended
		if r.Stage == audit.Ended && r.Outcome == mailbox.Done {
			told[r.Target] = r.Action == audit.SIPUserAdd
		}
	}
	undecided := 0
	for i := range comers * each {
		u := SIPUser{o, comer(i/each, i%each)}
		is, err := digest.Has(o, u.Name)
		require.NoError(t, err)
		if open[u.target()] {
			undecided++
			continue
		}
		require.Equal(t, told[u.target()], is, u.Name)
	}
	require.LessOrEqual(t, undecided, comers, "each of them does one thing at a time")
	is, err := digest.Has(o, "4001")
	require.NoError(t, err)
	require.True(t, is)
}

func TestSIPUsersThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	dir, file, home := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "star97.tar"), t.TempDir()
	c, o := telephones(home)
	s, err := OpenStores(t.Context(), c, dir)
	require.NoError(t, err)
	backedUp := copying(file)
	backedUp.Users = o.UsersFile
	m, err := s.Backup(t.Context(), backedUp)
	require.NoError(t, err)
	require.Len(t, m.Files, 2, "nobody was added yet")
	require.NoError(t, os.Remove(file))
	_, err = s.AddSIPUser(t.Context(), SIPUser{o, "4001"}, password, false, "test", "")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(o.UsersFile, 0o644))
	_, err = s.Backup(t.Context(), backedUp)
	require.ErrorContains(t, err, "Run chmod 600 on it", "as the pepper")
	require.NoFileExists(t, file)
	require.NoError(t, os.Chmod(o.UsersFile, 0o600))
	_, err = s.Backup(t.Context(), backedUp)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	before, err := os.ReadFile(o.UsersFile)
	require.NoError(t, err)

	fresh := filepath.Join(t.TempDir(), "fresh")
	restore := func(c config.Config, force bool) (Restored, error) {
		return Restore(t.Context(), c, Restoring{File: file, Data: fresh, By: "test", Force: force})
	}
	without := c
	without.SIP.Digest.UsersFile = ""
	_, err = restore(without, false)
	require.ErrorContains(t, err, "the backup has SIP users, for which the configuration has no place: name the configuration of that time with --config")
	_, err = restore(c, false)
	require.ErrorContains(t, err, "there is something already: "+o.UsersFile+"; say --force")
	require.NoDirExists(t, fresh)
	require.NoError(t, os.WriteFile(o.UsersFile, []byte("of now"), 0o600))
	r, err := restore(c, true)
	require.NoError(t, err)
	require.Len(t, r.Aside, 1)
	aside, err := os.ReadFile(r.Aside[0])
	require.NoError(t, err)
	require.Equal(t, "of now", string(aside))
	after, err := os.ReadFile(o.UsersFile)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}

// The users are mostly in another place than the data, and that may be another file system.
func TestAFileComesBackToAnotherFileSystem(t *testing.T) {
	t.Parallel()
	const other = "/dev/shm"
	dir := t.TempDir()
	device := func(name string) uint64 {
		var at syscall.Stat_t
		if syscall.Stat(name, &at) != nil {
			return 0
		}
		return uint64(at.Dev)
	}
	if there := device(other); there == 0 || there == device(dir) {
		t.Skip("there is no other file system here")
	}
	home, err := os.MkdirTemp(other, "star97-test-")
	if err != nil {
		t.Skip("the other file system cannot be written to")
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "star97.tar")
	c, o := telephones(home)
	s, err := OpenStores(t.Context(), c, data)
	require.NoError(t, err)
	_, err = s.AddSIPUser(t.Context(), SIPUser{o, "4001"}, password, false, "test", "")
	require.NoError(t, err)
	backedUp := copying(file)
	backedUp.Users = o.UsersFile
	_, err = s.Backup(t.Context(), backedUp)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	before, err := os.ReadFile(o.UsersFile)
	require.NoError(t, err)
	require.NoError(t, os.Remove(o.UsersFile))
	require.NoError(t, os.RemoveAll(data))
	_, err = Restore(t.Context(), c, Restoring{File: file, Data: data, By: "test"})
	require.NoError(t, err)
	after, err := os.ReadFile(o.UsersFile)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	left, err := os.ReadDir(home)
	require.NoError(t, err)
	require.Len(t, left, 1)
}
