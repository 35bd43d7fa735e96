package sqlkit_test

import (
	"context"
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/secret"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

func TestServersThatCannotBeUsed(t *testing.T) {
	s := sqlkittest.Postgres(t)
	for name, c := range map[string]struct {
		alter func(t *testing.T, o *sqlkit.PostgresOptions)
		kind  error
		says  string
	}{
		"a wrong password": {func(t *testing.T, o *sqlkit.PostgresOptions) {
			o.Password.File = filepath.Join(t.TempDir(), "password")
			require.NoError(t, os.WriteFile(o.Password.File, []byte("wrong-sesame"), 0o600))
		}, sqlkit.ErrRefused, "refuses star97: check user, password"},
		"no password":           {func(_ *testing.T, o *sqlkit.PostgresOptions) { o.Password = secret.Source{} }, sqlkit.ErrRefused, "refuses star97"},
		"an unknown database":   {func(_ *testing.T, o *sqlkit.PostgresOptions) { o.Database = "nothing" }, sqlkit.ErrRefused, "the database nothing on 127.0.0.1:"},
		"a server that is away": {func(t *testing.T, o *sqlkit.PostgresOptions) { o.Port = closedPort(t) }, sqlkit.ErrUnreachable, "does not answer: see that PostgreSQL runs there"},
		"a standby": {func(t *testing.T, o *sqlkit.PostgresOptions) {
			s.Exec(t, "postgres", "ALTER DATABASE "+o.Database+" SET default_transaction_read_only = on")
		}, sqlkit.ErrReadOnly, "is a standby or set to read only: let host name the primary"},
	} {
		t.Run(name, func(t *testing.T) {
			o := patient(s.Database(t))
			c.alter(t, &o)
			_, err := sqlkit.OpenPostgres(t.Context(), o)
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "sesame")
		})
	}
}

func closedPort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().(*net.TCPAddr).Port
}

func TestASecretsFileThatIsMissingIsNamed(t *testing.T) {
	o := sqlkittest.Postgres(t).Database(t)
	o.Password.File = filepath.Join(t.TempDir(), "none")
	_, err := sqlkit.OpenPostgres(t.Context(), o)
	require.ErrorContains(t, err, o.Password.File+" is missing")
}

// Of several hosts the one that can be written to is used.
func TestTheFirstOfTheHostsThatWorks(t *testing.T) {
	s := sqlkittest.Postgres(t)
	o := patient(s.Database(t))
	o.Host = "127.0.0.2, " + o.Host
	require.NoError(t, write(t.Context(), openNotes(t, o), "x"))
	o.Host, o.Password, o.User = "/nowhere,"+s.Socket, secret.Source{}, sqlkittest.Superuser
	require.Equal(t, 1, count(t, openNotes(t, o)))
}

// A standby takes part without a change of its own: it became one while star97 ran.
func TestADatabaseThatBecomesReadOnly(t *testing.T) {
	d := newNotes(t)
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec("SET TRANSACTION READ ONLY"); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO note (text) VALUES ('x')")
		return err
	})
	require.ErrorIs(t, err, sqlkit.ErrReadOnly)
	require.NotErrorIs(t, err, sqlkit.ErrCommit)
}

func TestAUserWithoutRights(t *testing.T) {
	s := sqlkittest.Postgres(t)
	o := patient(s.Database(t))
	s.Exec(t, o.Database, "ALTER DATABASE "+o.Database+" OWNER TO "+sqlkittest.Superuser)
	err := openPostgres(t, o).Migrate(t.Context(), "test", notes)
	require.ErrorIs(t, err, sqlkit.ErrRefused)
	require.ErrorContains(t, err, "the rights of the user, which must own the database")
}

func TestCertificatesOfTheServer(t *testing.T) {
	s := sqlkittest.Start(t) // its own: it goes on to TLS and stays there
	o := patient(s.Database(t))
	o.TLS.Mode = "verify-full"
	_, err := sqlkit.OpenPostgres(t.Context(), o)
	require.ErrorIs(t, err, sqlkit.ErrUnreachable, "a server without TLS is not spoken to")
	require.ErrorContains(t, err, "refused TLS")
	for _, kind := range append(trouble.Trusts(), trouble.Good) {
		t.Run(kind.String(), func(t *testing.T) {
			cert := trouble.NewCert(t, kind)
			s.UseTLS(t, cert.TLS.Certificates[0])
			o := o
			o.TLS.CAFile = cert.CAFile
			require.Eventually(t, func() bool { // the server reads its files when it likes
				var d *sqlkit.DB
				d, err = sqlkit.OpenPostgres(t.Context(), o)
				if d != nil {
					d.Close()
				}
				if kind == trouble.Good {
					return err == nil
				}
				return err != nil && expected(kind, err)
			}, time.Minute, 20*time.Millisecond)
			if kind != trouble.Good {
				require.ErrorIs(t, err, sqlkit.ErrUntrusted)
				require.ErrorContains(t, err, "the certificate of the server of database "+o.Database+" on 127.0.0.1:")
			}
			o.TLS.ServerName = "other.example"
			_, err := sqlkit.OpenPostgres(t.Context(), o)
			require.ErrorIs(t, err, sqlkit.ErrUntrusted)
		})
	}
}

// expected tells that err is of this certificate and not of the one before.
func expected(kind trouble.Trust, err error) bool {
	word := map[trouble.Trust]string{trouble.Untrusted: "unknown authority", trouble.OutOfDate: "expired", trouble.WrongName: "127.0.0.1 because"}[kind]
	return strings.Contains(err.Error(), word)
}

func TestAFullPool(t *testing.T) {
	o := patient(sqlkittest.Postgres(t).Database(t))
	o.Connections, o.PoolWait = 2, 20*time.Millisecond
	d := openNotes(t, o)
	held, end := make(chan error), make(chan struct{})
	for range o.Connections {
		go func() {
			held <- d.Read(context.Background(), func(*sql.DB) error { held <- nil; <-end; return nil })
		}()
		<-held
	}
	err := write(t.Context(), d, "x")
	require.ErrorIs(t, err, sqlkit.ErrBusy)
	require.ErrorContains(t, err, "has no connection free for star97: raise connections")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, write(ctx, d, "x"), context.Canceled)
	close(end)
	for range o.Connections {
		require.NoError(t, <-held)
	}
	require.NoError(t, write(t.Context(), d, "x"))
}

func TestARowThatAnotherHolds(t *testing.T) {
	o := patient(sqlkittest.Postgres(t).Database(t))
	d := openNotes(t, o)
	require.NoError(t, write(t.Context(), d, "x"))
	o.LockTimeout = 20 * time.Millisecond
	hasty := openPostgres(t, o)
	require.NoError(t, d.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec("UPDATE note SET n = 1"); err != nil {
			return err
		}
		err := hasty.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec("UPDATE note SET n = 2")
			return err
		})
		require.ErrorIs(t, err, sqlkit.ErrLocked)
		require.ErrorContains(t, err, "raise lock_timeout")
		require.Equal(t, 0, number(t, hasty, "SELECT n FROM note"), "reading goes on")
		return nil
	}))
}

// A connection that ends instead of the answer to a commit leaves it open whether the
// commit was made.
func TestAConnectionLostInACommitIsADoubt(t *testing.T) {
	s := sqlkittest.Postgres(t)
	o := patient(s.Database(t))
	straight := openNotes(t, o)
	through := o
	relay := s.Relay(t)
	through.Port = relay.Port
	d := openPostgres(t, through)
	require.NoError(t, write(t.Context(), d, "whole"))
	for when, text := range map[sqlkittest.Cut]string{sqlkittest.BeforeCommit: "not made", sqlkittest.AfterCommit: "made"} {
		relay.Set(when)
		err := write(t.Context(), d, text)
		require.ErrorIs(t, err, sqlkit.ErrCommit, text)
		require.ErrorIs(t, err, sqlkit.ErrUnreachable, text)
		relay.Set(sqlkittest.Never)
	}
	require.Eventually(t, func() bool { return count(t, straight) == 2 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, 1, number(t, straight, "SELECT count(*) FROM note WHERE text = 'made'"))
	require.NoError(t, write(t.Context(), d, "again"), "a new connection is made")
}

// A connection that ends before the commit leaves nothing open.
func TestAConnectionLostInATransactionChangesNothing(t *testing.T) {
	d := newNotes(t)
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec("INSERT INTO note (text) VALUES ('x')"); err != nil {
			return err
		}
		_, err := tx.Exec("SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	})
	require.ErrorIs(t, err, sqlkit.ErrUnreachable)
	require.NotErrorIs(t, err, sqlkit.ErrCommit)
	require.Zero(t, count(t, d))
}

func TestPostgresOptionsNameWhatIsWrong(t *testing.T) {
	good := sqlkit.DefaultPostgresOptions()
	good.Host = "db.example"
	require.NoError(t, good.Validate())
	for says, alter := range map[string]func(*sqlkit.PostgresOptions){
		"host is empty: name the server":              func(o *sqlkit.PostgresOptions) { o.Host = "" },
		"host is no name":                             func(o *sqlkit.PostgresOptions) { o.Host = "postgres://db.example/star97" },
		"host is empty":                               func(o *sqlkit.PostgresOptions) { o.Host = "db.example," },
		"port is 0: use 1 to 65535":                   func(o *sqlkit.PostgresOptions) { o.Port = 0 },
		"database is empty":                           func(o *sqlkit.PostgresOptions) { o.Database = "" },
		"user is empty":                               func(o *sqlkit.PostgresOptions) { o.User = "" },
		"password.file and env are both set":          func(o *sqlkit.PostgresOptions) { o.Password = secret.Source{File: "a", Env: "B"} },
		`tls.mode is "off": use verify-full or plain`: func(o *sqlkit.PostgresOptions) { o.TLS.Mode = "off" },
		"tls.mode is plain for db.example":            func(o *sqlkit.PostgresOptions) { o.TLS.Mode = "plain" },
		"tls.mode is plain for 192.0.2.1":             func(o *sqlkit.PostgresOptions) { o.TLS.Mode, o.Host = "plain", "/run/pg, ::1, 192.0.2.1" },
		"connections is 1: use 2 to 500":              func(o *sqlkit.PostgresOptions) { o.Connections = 1 },
		"pool_wait is 1ms: use 10ms to 1m":            func(o *sqlkit.PostgresOptions) { o.PoolWait = time.Millisecond },
		"connect_timeout is 1ms: use 100ms to 1m":     func(o *sqlkit.PostgresOptions) { o.ConnectTimeout = time.Millisecond },
		"lock_timeout is 2m0s: use 10ms to 1m":        func(o *sqlkit.PostgresOptions) { o.LockTimeout = 2 * time.Minute },
	} {
		o := good
		alter(&o)
		_, err := sqlkit.OpenPostgres(t.Context(), o)
		require.ErrorContains(t, err, says)
	}
	o := sqlkit.PostgresOptions{Password: secret.Source{File: "p"}, TLS: sqlkit.PostgresTLS{CAFile: "ca.pem"}}.In("/etc/star97")
	require.Equal(t, "/etc/star97/p", o.Password.File)
	require.Equal(t, "/etc/star97/ca.pem", o.TLS.CAFile)
}
