package notify

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/audit"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/httpapi"
	"star97/internal/ledger"
	"star97/internal/mailbox"
	"star97/internal/secret"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqlkittest.Main{M: m}) }

const (
	patience  = 60 * time.Second
	lookAgain = 10 * time.Millisecond
)

// onEach runs a test for each dialect. again opens the one new database, each time as
// another process would.
func onEach(t *testing.T, test func(t *testing.T, again func() *sqlkit.DB)) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		path := newFile(t)
		test(t, func() *sqlkit.DB { return database(t, path) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		o := sqlkittest.Postgres(t).Database(t)
		o.LockTimeout, o.PoolWait, o.ConnectTimeout = patience, patience, patience
		test(t, func() *sqlkit.DB {
			db, err := sqlkit.OpenPostgres(context.Background(), o)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			return db
		})
	})
}

func database(t testing.TB, path string) *sqlkit.DB {
	t.Helper()
	o := sqlkit.DefaultOptions()
	o.Path, o.BusyTimeout = path, patience
	db, err := sqlkit.Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func newDatabase(t testing.TB) *sqlkit.DB {
	t.Helper()
	return database(t, newFile(t))
}

// prepared is a database with all tables and nothing in them, which takes its time to make.
var prepared struct {
	once sync.Once
	data []byte
}

func newFile(t testing.TB) string {
	t.Helper()
	prepared.once.Do(func() {
		o := sqlkit.DefaultOptions()
		o.Path = filepath.Join(t.TempDir(), "star97.db")
		db, err := sqlkit.Open(context.Background(), o)
		require.NoError(t, err)
		chain, err := ledger.New(context.Background(), db, ledger.DefaultOptions(), nil)
		require.NoError(t, err)
		_, err = New(context.Background(), db, chain, nil, DefaultOptions(), nil, nil)
		require.NoError(t, err)
		require.NoError(t, errors.Join(chain.Close(), db.Close()))
		prepared.data, err = os.ReadFile(o.Path)
		require.NoError(t, err)
	})
	file := filepath.Join(t.TempDir(), "star97.db")
	require.NoError(t, os.WriteFile(file, prepared.data, 0o600))
	return file
}

// clock is a wall clock that tests move.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// people is a Finder.
type people struct {
	mu   sync.Mutex
	all  []mailbox.Account
	fail error
}

func (p *people) Lookup(_ context.Context, q mailbox.Query) (found []mailbox.Account, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.all {
		if a.Extension == q.Number && a.Domain == q.Domain {
			found = append(found, a)
		}
	}
	return found, p.fail
}

func (p *people) set(fail error, all ...mailbox.Account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail, p.all = fail, all
}

var (
	ada = mailbox.Account{ID: "17", Backend: "sqlite", Extension: "4001", Language: "en-US", Mail: "ada@example.test"}
	bob = mailbox.Account{ID: "18", Backend: "sqlite", Extension: "4002", Language: "de-AT", Mail: "bob@example.test"}
)

// rig is a Notifier with its surroundings.
type rig struct {
	*Notifier
	t      testing.TB
	clock  *clock
	people *people
	chain  *ledger.Ledger
	said   *lines
}

// lines is what was logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func rigOn(t testing.TB, db *sqlkit.DB, o Options) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{}, people: &people{all: []mailbox.Account{ada, bob}}, said: &lines{}}
	var err error
	r.chain, err = ledger.New(context.Background(), db, ledger.DefaultOptions(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.chain.Close()) })
	r.Notifier, err = New(context.Background(), db, r.chain, r.people, o, slog.New(slog.NewTextHandler(r.said, &slog.HandlerOptions{Level: slog.LevelDebug})), r.clock.Now)
	require.NoError(t, err)
	r.pace = pace{gap: time.Millisecond, look: 10 * time.Millisecond, rest: 20 * time.Millisecond, wait: 20 * time.Millisecond, end: 5 * time.Second}
	return r
}

// running runs the Notifier until the test ends or stop is called.
func (r *rig) running() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	r.t.Cleanup(stop)
	return stop
}

// happened writes records to the chain, and returns them as they stand there.
func (r *rig) happened(records ...audit.Record) (sealed []audit.Record) {
	r.t.Helper()
	for _, one := range records {
		if one.Time.IsZero() {
			one.Time = time.Now().UTC().Truncate(time.Microsecond)
		}
		got, err := r.chain.Append(context.Background(), one)
		require.NoError(r.t, err)
		sealed = append(sealed, got)
	}
	r.Wake()
	return sealed
}

// changeOf is the record of a change that was made.
func changeOf(a mailbox.Account) audit.Record {
	return audit.Record{
		Action: audit.Change, Stage: audit.Ended, Outcome: mailbox.Done, Door: mailbox.OwnDoor, Peer: "trunk", Source: "192.0.2.7 4001",
		Backend: a.Backend, Domain: a.Domain, Mailbox: a.ID, Extension: a.Extension,
	}
}

func (r *rig) waiting() (n int) {
	r.t.Helper()
	require.NoError(r.t, r.db.Read(context.Background(), func(db *sql.DB) error {
		return db.QueryRow("SELECT count(*) FROM notice").Scan(&n)
	}))
	return n
}

// idle waits until nothing is left to be told.
func (r *rig) idle() {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.followed() && r.waiting() == 0 }, patience, lookAgain, "%s", r.said)
}

// followed tells whether notices were made of the whole chain.
func (r *rig) followed() bool {
	head, err := r.chain.Head(context.Background())
	at, errCursor := r.cursor(context.Background())
	return err == nil && errCursor == nil && at == head.Seq
}

// receiver is a web service that keeps what it was told, and verifies who told it.
type receiver struct {
	*trouble.Server
	keyFile string
	orders  trouble.Orders

	mu     sync.Mutex
	bodies []string
	heads  []http.Header
}

const hookKey = "harbor-signing-key-0123456789"

func receiverOn(t testing.TB) *receiver {
	r := &receiver{keyFile: filepath.Join(t.TempDir(), "key")}
	require.NoError(t, os.WriteFile(r.keyFile, []byte(hookKey+"\n"), 0o600))
	r.Server = trouble.Serve(t, trouble.Handler(&r.orders, func(*http.Request) string { return "told" }, http.HandlerFunc(r.serve)), trouble.NewCert(t, trouble.Good))
	return r
}

func (r *receiver) serve(w http.ResponseWriter, q *http.Request) {
	var body bytes.Buffer
	_, _ = body.ReadFrom(q.Body)
	if q.Method != http.MethodPost || !signedBy(hookKey, q.Header, body.Bytes()) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.heads = append(r.bodies, body.String()), append(r.heads, q.Header)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

func (r *receiver) options() Webhook {
	o := DefaultOptions().Webhook
	o.API.URL, o.API.TLS.CAFile = r.URL+"/star97/notices", r.CAFile
	o.API.Retries, o.API.BreakAfter, o.API.Timeout = 0, 100, 30*time.Second // busy machines are no trouble
	o.Keys = httpapi.Keys{{ID: "k1", Secret: secret.Source{File: r.keyFile}}}
	return o
}

// fields reads a header block as a mail has it.
func header(mail, name string) string {
	for line := range strings.Lines(mail) {
		if strings.TrimSpace(line) == "" {
			return ""
		}
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
