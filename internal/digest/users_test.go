package digest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/secret"
)

func TestEachBadLineOfTheUsersIsToldWithItsRemedy(t *testing.T) {
	good := "4001:sip.example.org:MD5:" + strings.Repeat("a", 32)
	text := strings.Join([]string{
		"# a comment", "", good, "4002", "4002:sip.example.org:MD5", good + ":x", ":sip.example.org:MD5:" + strings.Repeat("a", 32),
		"40 02%31:r:MD5:" + strings.Repeat("a", 32), "4002::MD5:" + strings.Repeat("a", 32), "4003:r:SHA-1:" + strings.Repeat("a", 40),
		"4004:r:SHA-256:" + strings.Repeat("a", 32), "4005:r:MD5:" + strings.Repeat("g", 32), good, strings.ToUpper(good[:9]) + good[9:], "4006:r:md5:" + strings.Repeat("AB", 16),
	}, "\n")
	all, err := parseUsers("users", []byte(text))
	require.Error(t, err)
	var said []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		at, rest, _ := strings.Cut(line, ": ")
		said = append(said, at)
		require.Regexp(t, `^[A-Z][^.]*\. [A-Z].*\.$`, rest)
		require.NotContains(t, rest, "aaaa", "no hash is told")
		require.NotContains(t, rest, "gggg")
	}
	require.Equal(t, []string{"users:4", "users:5", "users:6", "users:7", "users:8", "users:9", "users:10", "users:11", "users:12", "users:13", "users:14"}, said)
	require.Len(t, all, 2)
	require.Equal(t, "4006", all[1].User)
	require.Equal(t, strings.Repeat("ab", 16), all[1].hash.Reveal())
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	o := testOptions(t)
	_, err := NewAuthority(o, NewNonces(start), start)
	require.NoError(t, err, "no file, no users")
	_, err = Add(o, "4001", secret.Of(rightWord), false)
	require.NoError(t, err)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o602} {
		require.NoError(t, os.Chmod(o.UsersFile, mode))
		_, err = NewAuthority(o, NewNonces(start), start)
		require.ErrorContains(t, err, "Run chmod 600 on it")
		_, err = Add(o, "4002", secret.Of(rightWord), false)
		require.ErrorContains(t, err, "Run chmod 600 on it")
	}
	require.NoError(t, os.Chmod(o.UsersFile, 0o400))
	_, err = NewAuthority(o, NewNonces(start), start)
	require.NoError(t, err)
	o.UsersFile = filepath.Dir(o.UsersFile)
	_, err = NewAuthority(o, NewNonces(start), start)
	require.ErrorContains(t, err, "This is no file")
}

func TestTheFileKeepsWhatItSaysOfOthers(t *testing.T) {
	o := testOptions(t)
	mine := "# mine\n\n4009:elsewhere:MD5:" + strings.Repeat("c", 32) + "\n# and more"
	require.NoError(t, os.WriteFile(o.UsersFile, []byte(mine), 0o600))
	made, err := Add(o, "4001", secret.Of(rightWord), false)
	require.NoError(t, err)
	require.False(t, made)
	_, err = Add(o, "4001", secret.Of(rightWord), false)
	require.ErrorIs(t, err, ErrKnown)
	_, err = Add(o, "4001", secret.Of("another horse"), true)
	require.NoError(t, err)
	all, err := Users(o)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, "4001", all[0].User)
	require.Equal(t, SHA256.HA1("4001", o.Realm, secret.Of("another horse")).Reveal(), all[0].hash.Reveal())
	require.NoError(t, Remove(o, "4001"))
	require.ErrorIs(t, Remove(o, "4001"), ErrUnknown)
	require.ErrorIs(t, Remove(o, "4009"), ErrUnknown, "one of another realm")
	left, err := os.ReadFile(o.UsersFile)
	require.NoError(t, err)
	require.Equal(t, mine+"\n", string(left))
	left2, err := filepath.Glob(filepath.Join(filepath.Dir(o.UsersFile), "*"))
	require.NoError(t, err)
	require.Equal(t, []string{o.UsersFile}, left2, "nothing is left behind")
}

func TestNothingIsLeftOfAFileThatGotNoUser(t *testing.T) {
	o := testOptions(t)
	require.ErrorIs(t, Remove(o, "4001"), ErrUnknown)
	_, err := Add(o, "4001", secret.Of("short"), false)
	require.Error(t, err)
	require.NoFileExists(t, o.UsersFile)
	o.UsersFile = filepath.Join(o.UsersFile, "no", "folder")
	_, err = Add(o, "4001", secret.Of(rightWord), false)
	require.ErrorContains(t, err, "cannot be written")
}

// Commands that run at a time lose no user.
func TestManyAddAtATime(t *testing.T) {
	o := testOptions(t)
	var all sync.WaitGroup
	errs := make([]error, 40)
	for i := range errs {
		all.Go(func() { _, errs[i] = Add(o, fmt.Sprint(5000+i), secret.Of(rightWord), false) })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	users, err := Users(o)
	require.NoError(t, err)
	require.Len(t, users, 2*len(errs))
}

func TestAChangedFileIsInUseSoon(t *testing.T) {
	a := newAuthority(t, nil)
	at := start
	refresh := func() (bool, error) { at = at.Add(lookAgain); return a.Refresh(at) }
	changed, err := refresh()
	require.NoError(t, err)
	require.False(t, changed)

	_, err = Add(a.opts, "4003", secret.Of(rightWord), false)
	require.NoError(t, err)
	changed, err = a.Refresh(at)
	require.False(t, changed || err != nil, "it was looked at just now")
	changed, err = refresh()
	require.NoError(t, err)
	require.True(t, changed)
	require.True(t, a.Knows("4003"))

	text, err := os.ReadFile(a.opts.UsersFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(a.opts.UsersFile, append(text, "nonsense\n"...), 0o600))
	changed, err = refresh()
	require.ErrorContains(t, err, "This is no user:realm:algorithm:hash.")
	require.False(t, changed)
	_, err = refresh()
	require.NoError(t, err, "it is told once")
	require.True(t, a.Knows("4003"), "and what was known stays")
	require.NoError(t, os.Remove(a.opts.UsersFile))
	_, err = refresh()
	require.NoError(t, err)
	require.True(t, a.Knows("4003"))
	require.NoError(t, os.WriteFile(a.opts.UsersFile, text[:len(usersHead)], 0o600))
	changed, err = refresh()
	require.NoError(t, err)
	require.True(t, changed)
	require.False(t, a.Knows("4003"))
}

func TestNothingOfAPasswordIsPrinted(t *testing.T) {
	a := newAuthority(t, nil)
	users := a.book.users.Load()
	hash := SHA256.HA1("4001", a.Realm(), secret.Of(rightWord)).Reveal()
	all, err := Users(a.opts)
	require.NoError(t, err)
	for _, v := range []any{a, a.book, users, *users, users.hashes, all} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			require.NotContains(t, fmt.Sprintf(verb, v), hash)
			require.NotContains(t, fmt.Sprintf(verb, v), fmt.Sprintf("%x", hash))
		}
	}
}

// A known user with a wrong password takes as long as an unknown one, whichever the hash:
// the shortest of many looks, taken in turns, which no machine makes shorter than they are.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	a := newAuthority(t, nil)
	asked := []*Credentials{answer(t, a, 0, "4001", "wrong", 1, start), answer(t, a, 0, "4999", "wrong", 1, start)}
	least := []time.Duration{time.Hour, time.Hour}
	for range 600 {
		for i, c := range asked {
			began := time.Now()
			for range 20 {
				a.Check(c, "INVITE", true, start)
			}
			least[i] = min(least[i], time.Since(began))
		}
	}
	require.InEpsilon(t, least[0], least[1], 0.1)
}
