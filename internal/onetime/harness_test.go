package onetime

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqlkittest.Main{M: m}) }

// onEach runs a test for each dialect. again opens the one new database, each time as
// another process would.
func onEach(t *testing.T, test func(t *testing.T, again func() *sqlkit.DB)) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		o := sqlkit.DefaultOptions()
		o.Path, o.BusyTimeout = filepath.Join(t.TempDir(), "star97.db"), 30*time.Second
		test(t, func() *sqlkit.DB { return opened(t)(sqlkit.Open(context.Background(), o)) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		o := sqlkittest.Postgres(t).Database(t)
		o.LockTimeout, o.PoolWait, o.ConnectTimeout = 30*time.Second, 30*time.Second, 30*time.Second
		test(t, func() *sqlkit.DB { return opened(t)(sqlkit.OpenPostgres(context.Background(), o)) })
	})
}

func opened(t testing.TB) func(*sqlkit.DB, error) *sqlkit.DB {
	return func(db *sqlkit.DB, err error) *sqlkit.DB {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return db
	}
}

// vault is a store of one mailbox that remembers what it was asked.
type vault struct {
	mu      sync.Mutex
	code    pin.PIN
	granted int
	answer  mailbox.Result // to Grant, if it is a refusal
	asked   []mailbox.Claim
}

func (v *vault) note(at mailbox.Attempt) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, at.Claim)
}

func (v *vault) Lookup(context.Context, mailbox.Query) ([]mailbox.Account, error) {
	return []mailbox.Account{ada}, nil
}

func (v *vault) Verify(_ context.Context, _ mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	v.note(at)
	if !code.Equal(&v.code) {
		return mailbox.Fail("verify", mailbox.WrongPIN, nil)
	}
	return nil
}

func (v *vault) Change(_ context.Context, _ mailbox.Account, _, _ pin.PIN, at mailbox.Attempt) mailbox.Result {
	v.note(at)
	return mailbox.Proved()
}

func (v *vault) Grant(_ context.Context, _ mailbox.Account, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	v.note(at)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.answer.Outcome == mailbox.Refused {
		return v.answer
	}
	v.granted, v.code = v.granted+1, next
	return mailbox.Proved()
}

// postman is a Carrier that hands over what it was given.
type postman struct {
	mu   sync.Mutex
	last pin.PIN
	n    int
	till time.Time
	fail error
}

func (p *postman) Carry(_ context.Context, _ mailbox.Account, code pin.PIN, until time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.last, p.till = code, until
	p.n++
	return nil
}

// clock is a wall clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var (
	ada     = mailbox.Account{ID: "17", Backend: "sqlite", Extension: "4001", Mail: "ada@example.test"}
	bob     = mailbox.Account{ID: "18", Backend: "sqlite", Extension: "4002", Mail: "bob@example.test"}
	nobody  = mailbox.Account{Domain: "tenant.example"}
	oneTime = call(1)
)

func call(n uint64) mailbox.Attempt {
	return mailbox.Attempt{Door: mailbox.OwnDoor, Claim: mailbox.ByOneTime, Call: n}
}

func stranger(n uint64) mailbox.Attempt {
	return mailbox.Attempt{Door: mailbox.AnyDoor, Claim: mailbox.ByOneTime, Call: n}
}

// desk is one with its surroundings.
type desk struct {
	*Desk
	vault *vault
	post  *postman
	clock *clock
}

func deskOn(t testing.TB, db *sqlkit.DB) desk {
	t.Helper()
	return deskWith(t, db, &vault{}, &postman{}, &clock{now: time.Unix(1_800_000_000, 0)})
}

func deskWith(t testing.TB, db *sqlkit.DB, v *vault, p *postman, c *clock) desk {
	t.Helper()
	o := DefaultOptions()
	o.Rehearsal = true
	d, err := New(context.Background(), db, v, p, o, c.Now)
	require.NoError(t, err)
	return desk{d, v, p, c}
}

// sent is the code of a Send from the own door that works.
func (d desk) sent(t testing.TB, a mailbox.Account) pin.PIN {
	t.Helper()
	return d.sentFrom(t, mailbox.OwnDoor, a)
}

func (d desk) sentFrom(t testing.TB, door mailbox.Door, a mailbox.Account) pin.PIN {
	t.Helper()
	require.NoError(t, d.wish(a, mailbox.Attempt{Door: door}))
	return d.post.last
}

// wish is Send at a time when no code before stands in its way.
func (d desk) wish(a mailbox.Account, at mailbox.Attempt) error {
	if d.clock != nil {
		d.clock.pass(d.opts.Life - enough)
	}
	return d.Send(context.Background(), a, at)
}

func codeOf(t testing.TB, digits string) pin.PIN {
	t.Helper()
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}

// other is a code of as many digits that is not the one.
func other(t testing.TB, code pin.PIN) pin.PIN {
	t.Helper()
	var changed pin.PIN
	code.Reveal(func(digits []byte) {
		digits[0] = '0' + (digits[0]-'0'+1)%10
		changed, _ = pin.Parse(digits)
	})
	return changed
}

func (d desk) verify(a mailbox.Account, code pin.PIN, at mailbox.Attempt) mailbox.Code {
	return mailbox.CodeOf(d.Verify(context.Background(), a, code, at))
}
