package sqldb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

var at = mailbox.Attempt{Door: mailbox.OwnDoor}

// allocated is how many bytes f allocates: argon2id's memory cost shows in it.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Who guesses numbers must not learn from the time which of them exist.
func TestVerifyDoesTheSameWorkForEverybody(t *testing.T) {
	o := cheapOptions(t.TempDir())
	o.Cost = DefaultOptions().Cost
	s := openStore(t, o)
	code, wrong := conformance.Code(t, "482915"), conformance.Code(t, "739164")
	known := add(t, s, mailbox.Account{Extension: "4001"}, code)
	for name, a := range map[string]mailbox.Account{
		"right mailbox, wrong code": known,
		"zero account":              {},
		"unknown id":                {ID: "no-such-mailbox"},
		"disabled":                  add(t, s, mailbox.Account{Extension: "4002", Flags: mailbox.Flags{Disabled: true}}, code),
		"without a code":            add(t, s, mailbox.Account{Extension: "4003"}, pin.PIN{}),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			n := allocated(func() { err = s.Verify(t.Context(), a, wrong, at) })
			require.Error(t, err)
			require.InDelta(t, 19456*1024, n, 1<<20, "one argon2id of the configured memory")
		})
	}
}

func TestTheDatabaseHoldsNoCodeAndNoPepper(t *testing.T) {
	o := cheapOptions(t.TempDir())
	s := openStore(t, o)
	codes := []string{"4829153706", "7391640528", "6061723894"}
	a := add(t, s, mailbox.Account{Extension: "4001"}, conformance.Code(t, codes[0]))
	for i := range len(codes) - 1 {
		require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, conformance.Code(t, codes[i]), conformance.Code(t, codes[i+1]), at))
	}
	key := s.ring.now.Load().keys[s.ring.now.Load().last]
	for range 2 { // with the write-ahead log, then after it was written back
		files, err := filepath.Glob(o.Database.Path + "*")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			content, err := os.ReadFile(f)
			require.NoError(t, err)
			for _, c := range codes {
				require.False(t, bytes.Contains(content, []byte(c)), f)
			}
			require.False(t, bytes.Contains(content, key), f)
		}
		require.NoError(t, s.Close())
	}
}

// spoil changes the stored record of a mailbox behind the store's back.
func spoil(t *testing.T, s *Store, statement string, args ...any) {
	t.Helper()
	require.NoError(t, s.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(statement, args...)
		return err
	}))
}

func TestADamagedRecordIsSaidNotComputed(t *testing.T) {
	s := openStore(t, cheapOptions(t.TempDir()))
	code := conformance.Code(t, "482915")
	for i, change := range []string{"memory = 99999999", "threads = 0", "passes = -1", "salt = x''", "hash = x'00'", "kid = 'gone'"} {
		a := add(t, s, mailbox.Account{Extension: "400" + string(rune('0'+i))}, code)
		spoil(t, s, "UPDATE code SET "+change+" WHERE mailbox_id = ?", a.ID)
		err := s.Verify(t.Context(), a, code, at)
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), change)
		stranger := at
		stranger.Door = mailbox.AnyDoor
		err = s.Verify(t.Context(), a, code, stranger)
		require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(err), "a stranger does not learn that there is such a mailbox")
		require.Error(t, errors.Unwrap(err), "the log does")
		r := s.Change(t.Context(), a, code, conformance.Code(t, "739164"), at)
		require.Equal(t, mailbox.Refused, r.Outcome, change)
		require.Equal(t, mailbox.Unavailable, r.Reason, change)
		require.Equal(t, mailbox.Proved(), s.Reset(t.Context(), a, code, false, "test", "damaged"))
		require.NoError(t, s.Verify(t.Context(), a, code, at), "a new code mends it")
	}
}

// Between verifying and writing, an administrator may act.
func TestReplaceAsksAgainInsideItsTransaction(t *testing.T) {
	for name, c := range map[string]struct {
		statement string
		reason    mailbox.Code
	}{
		"disabled meanwhile":        {"UPDATE mailbox SET disabled = 1 WHERE id = ?", mailbox.Disabled},
		"locked meanwhile":          {"UPDATE mailbox SET locked = 1 WHERE id = ?", mailbox.Locked},
		"made unchangeable":         {"UPDATE mailbox SET cannot_change = 1 WHERE id = ?", mailbox.CannotChange},
		"removed meanwhile":         {"DELETE FROM mailbox WHERE id = ?", mailbox.NotFound},
		"code taken away meanwhile": {"DELETE FROM code WHERE mailbox_id = ?", mailbox.WrongPIN},
		"code reset meanwhile":      {"UPDATE code SET salt = randomblob(16) WHERE mailbox_id = ?", mailbox.WrongPIN},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, cheapOptions(t.TempDir()))
			code, next := conformance.Code(t, "482915"), conformance.Code(t, "739164")
			a := add(t, s, mailbox.Account{Extension: "4001"}, code)
			old, err := s.load(t.Context(), "change", a.ID)
			require.NoError(t, errors.Join(old.denied, err))
			fresh := s.ring.now.Load().seal(a.ID, &next, cheap)
			spoil(t, s, c.statement, a.ID)
			r := result("change", s.db.Write(t.Context(), func(tx *sql.Tx) error {
				return s.replace(t.Context(), tx, renewal{op: "change", id: a.ID}, &old, &fresh)
			}))
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, c.reason, r.Reason, "a right code is not told as a wrong one")
			require.Error(t, s.Verify(t.Context(), a, next, at))
		})
	}
}

// A number that leads to two mailboxes leads to none.
func TestANumberThatWouldLeadToTwoMailboxesIsRefused(t *testing.T) {
	s := openStore(t, cheapOptions(t.TempDir()))
	add(t, s, mailbox.Account{Extension: "4001", Numbers: []string{"4001", "5001", "12125550100"}}, pin.PIN{})
	add(t, s, mailbox.Account{Extension: "4001", Domain: "other", Numbers: []string{"4002"}}, pin.PIN{})
	for name, c := range map[string]struct {
		a     mailbox.Account
		tells string
	}{
		"own number is an extension":      {mailbox.Account{Extension: "4002", Numbers: []string{"12125550101", "4001"}}, "the own number 4001 of mailbox 4002"},
		"extension is an own number":      {mailbox.Account{Extension: "5001"}, "5001 is an own number of mailbox 4001"},
		"extension is one in the domain":  {mailbox.Account{Extension: "4002", Domain: "OTHER"}, "4002 is an own number of mailbox 4001 in domain other"},
		"own number is one in the domain": {mailbox.Account{Extension: "4003", Domain: "other", Numbers: []string{"4001"}}, "in domain other"},
		"the same mailbox a second time":  {mailbox.Account{Extension: "4001", Numbers: []string{"4001"}}, "mailbox 4001 is there already"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Add(t.Context(), c.a, pin.PIN{}, "test")
			require.Equal(t, mailbox.Exists, mailbox.CodeOf(err))
			require.ErrorContains(t, err, c.tells)
		})
	}
	add(t, s, mailbox.Account{Extension: "4002", Numbers: []string{"12125550100"}}, pin.PIN{})
	found, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	found, err = s.Lookup(t.Context(), mailbox.Query{Number: "12125550100"})
	require.NoError(t, err)
	require.Len(t, found, 2, "a line that two people share")
}

func TestWhatCanGoWrongInAWriteIsTold(t *testing.T) {
	doubt := result("change", errors.Join(sqlkit.ErrCommit, errors.New("disk error")))
	require.Equal(t, mailbox.Unknown, doubt.Outcome)
	require.Equal(t, mailbox.OutcomeUnknown, doubt.Reason)
	require.Equal(t, mailbox.OutcomeUnknown, mailbox.CodeOf(doubt.Err))
	require.Equal(t, mailbox.Unavailable, result("change", context.DeadlineExceeded).Reason)
	require.Equal(t, mailbox.Refused, result("change", context.DeadlineExceeded).Outcome)
}

func TestALockedDatabaseRefusesInTime(t *testing.T) {
	o := cheapOptions(t.TempDir())
	o.Database.BusyTimeout = 100 * time.Millisecond
	s := openStore(t, o)
	code, next := conformance.Code(t, "482915"), conformance.Code(t, "739164")
	a := add(t, s, mailbox.Account{Extension: "4001"}, code)
	other, err := sqlkit.Open(t.Context(), o.Database)
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, other.Write(t.Context(), func(*sql.Tx) error {
		r := s.Change(t.Context(), a, code, next, at)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.Unavailable, r.Reason)
		require.ErrorIs(t, r.Err, sqlkit.ErrLocked)
		require.NoError(t, s.Verify(t.Context(), a, code, at), "reading goes on")
		return nil
	}))
	require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, code, next, at))
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	s := openStore(t, cheapOptions(t.TempDir()))
	code := conformance.Code(t, "482915")
	a := add(t, s, mailbox.Account{Extension: "4001"}, code)
	require.NoError(t, s.Close())
	_, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(s.Verify(t.Context(), a, code, at)))
	require.Equal(t, mailbox.Refused, s.Change(t.Context(), a, code, conformance.Code(t, "739164"), at).Outcome)
}

func TestAddRefuses(t *testing.T) {
	s := openStore(t, cheapOptions(t.TempDir()))
	for name, c := range map[string]struct {
		a    mailbox.Account
		code mailbox.Code
		want string
	}{
		"no extension":         {mailbox.Account{}, mailbox.NotDigits, "the extension must have"},
		"letters":              {mailbox.Account{Extension: "40a1"}, mailbox.NotDigits, "the extension must have"},
		"an endless extension": {mailbox.Account{Extension: strings.Repeat("4", 33)}, mailbox.NotDigits, "1 to 32 digits"},
		"a + number":           {mailbox.Account{Extension: "4001", Numbers: []string{"+4915"}}, mailbox.NotDigits, "no + or spaces"},
		"too many numbers":     {mailbox.Account{Extension: "4001", Numbers: strings.Fields(strings.Repeat("1 ", 21))}, mailbox.TooLong, "own numbers"},
		"an endless name":      {mailbox.Account{Extension: "4001", Name: strings.Repeat("x", 201)}, mailbox.TooLong, "the name of mailbox 4001"},
		"an endless domain":    {mailbox.Account{Extension: "4001", Domain: strings.Repeat("x", 256)}, mailbox.TooLong, "the domain"},
		"a code as language":   {mailbox.Account{Extension: "4001", Language: "4829153706"}, mailbox.PolicyOther, "is no BCP 47 tag"},
		"an endless language":  {mailbox.Account{Extension: "4001", Language: strings.Repeat("x", 36)}, mailbox.TooLong, "the language"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Add(t.Context(), c.a, pin.PIN{}, "test")
			require.Equal(t, c.code, mailbox.CodeOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
	all, err := s.List(t.Context(), mailbox.Page{AllDomains: true})
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	for want, alter := range map[string]func(*Options){
		"database.path is empty":            func(o *Options) { o.Database.Path = "" },
		"cost.memory is 1024: use 19456 to": func(o *Options) { o.Cost.Memory = 1024 },
		"cost.passes is 1":                  func(o *Options) { o.Cost.Passes = 1 },
		"cost.threads is 65":                func(o *Options) { o.Cost.Threads = 65 },
		"workers is -1":                     func(o *Options) { o.Workers = -1 },
		"queue is 10001":                    func(o *Options) { o.Queue = 10001 },
		"queue_wait is 1ms: use 10ms to 1m": func(o *Options) { o.QueueWait = time.Millisecond },
	} {
		o := DefaultOptions()
		alter(&o)
		_, err := Open(t.Context(), o)
		require.ErrorContains(t, err, want)
	}
}

func TestRelativePathsAreInTheDataFolder(t *testing.T) {
	o := DefaultOptions().In("/srv/data")
	require.Equal(t, "/srv/data/star97.db", o.Database.Path)
	require.Equal(t, "/srv/data/pepper", o.pepperFile())
	o = Options{PepperFile: "keys/pepper", Database: sqlkit.Options{Path: "/var/db/m.db"}}.In("/srv/data")
	require.Equal(t, "/var/db/m.db", o.Database.Path)
	require.Equal(t, "/srv/data/keys/pepper", o.pepperFile())
	o = Options{PepperFile: "/etc/star97/pepper"}.In("/srv/data")
	require.Equal(t, "/etc/star97/pepper", o.pepperFile())
}
