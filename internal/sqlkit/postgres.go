package sqlkit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"star97/internal/pemfile"
)

// claims is the number of connections that are held for as long as a DB is open.
const claims = 1

const (
	// connLife bounds the age of a connection, so that a server that was away, or has
	// changed its part, gets its share again.
	connLife = 30 * time.Minute
	connIdle = 5 * time.Minute
)

// session is what a connection is set to. What was confirmed shall survive: a commit
// is not confirmed before it is in the server's log. A node that has vanished shall
// not hold its locks for long.
const session = `
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SET idle_in_transaction_session_timeout = '10s';
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SET lock_timeout = %d`

// server is what a DB knows of a PostgreSQL server.
type server struct {
	place string
	seats chan struct{} // one for each connection in use
	wait  time.Duration // for a seat

	claim *sql.Conn // holds the name that this process has taken; nil: none
}

// OpenPostgres connects to a database on a PostgreSQL server. Errors are sentences
// with the place and a remedy; errors.Is tells the kinds of errors.go apart.
func OpenPostgres(ctx context.Context, o PostgresOptions) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	conf, err := o.config()
	if err != nil {
		return nil, err
	}
	pool := stdlib.OpenDB(*conf, stdlib.OptionBeforeConnect(o.logIn), stdlib.OptionAfterConnect(o.prepare))
	pool.SetMaxOpenConns(o.Connections + claims)
	pool.SetMaxIdleConns(o.Connections)
	pool.SetConnMaxLifetime(connLife)
	pool.SetConnMaxIdleTime(connIdle)
	d := &DB{
		read: pool, write: pool,
		server: &server{place: o.place(), seats: make(chan struct{}, o.Connections), wait: o.PoolWait},
	}
	if err := pool.PingContext(ctx); err != nil {
		pool.Close()
		return nil, d.explain(err)
	}
	return d, nil
}

// config takes nothing from the environment that libpq's variables could say, since
// every setting they have is set here.
func (o PostgresOptions) config() (*pgx.ConnConfig, error) {
	conf, err := pgx.ParseConfig("host=localhost port=5432 sslmode=disable sslrootcert='' sslcert='' sslkey='' passfile='' target_session_attrs=any")
	if err != nil {
		return nil, fmt.Errorf("the environment variables of PostgreSQL (PGSERVICE and the like) make no sense: unset them: %w", err)
	}
	conf.Database, conf.User, conf.Password, conf.ConnectTimeout = o.Database, o.User, "", o.ConnectTimeout
	conf.RuntimeParams = map[string]string{"application_name": "star97", "client_encoding": "UTF8"}
	conf.ValidateConnect = writable
	conf.Fallbacks = nil
	for i, host := range o.hosts() {
		secure, err := o.tls(host)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			conf.Host, conf.Port, conf.TLSConfig = host, uint16(o.Port), secure
			continue
		}
		conf.Fallbacks = append(conf.Fallbacks, &pgconn.FallbackConfig{Host: host, Port: uint16(o.Port), TLSConfig: secure})
	}
	return conf, nil
}

// tls is nil for a connection without it.
func (o PostgresOptions) tls(host string) (*tls.Config, error) {
	if o.TLS.Mode == plain || isSocket(host) {
		return nil, nil
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if o.TLS.ServerName != "" {
		c.ServerName = o.TLS.ServerName
	}
	var err error
	c.RootCAs, err = o.TLS.authorities()
	return c, err
}

func (o PostgresTLS) authorities() (*x509.CertPool, error) {
	return pemfile.Authorities("tls.ca_file", o.CAFile)
}

// Readable tells why the authorities that o names cannot be used.
func (o PostgresTLS) Readable() error {
	_, err := o.authorities()
	return err
}

// logIn reads the password anew for each connection: it may be changed while star97 runs.
func (o PostgresOptions) logIn(_ context.Context, c *pgx.ConnConfig) error {
	if o.Password.Empty() {
		return nil
	}
	password, err := o.Password.Read()
	c.Password = password.Reveal()
	return err
}

func (o PostgresOptions) prepare(ctx context.Context, c *pgx.Conn) error {
	return c.PgConn().Exec(ctx, fmt.Sprintf(session, o.LockTimeout.Milliseconds())).Close()
}

var errStandby = errors.New("read only: a standby, or set so")

// writable refuses a server that cannot be written to; the next of the hosts is tried.
func writable(ctx context.Context, c *pgconn.PgConn) error {
	result := c.ExecParams(ctx, "SHOW transaction_read_only", nil, nil, nil, nil).Read()
	switch {
	case result.Err != nil:
		return result.Err
	case len(result.Rows) == 1 && string(result.Rows[0][0]) == "on":
		return errStandby
	}
	return nil
}

// enter waits for a connection to be free; leave gives it back.
func (s *server) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-s.seats }
	select {
	case s.seats <- struct{}{}:
		return leave, nil
	default:
	}
	patience := time.NewTimer(s.wait)
	defer patience.Stop()
	select {
	case s.seats <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-patience.C:
		return nil, s.trouble(ErrBusy, fmt.Errorf("all %d connections are in use", cap(s.seats)))
	}
}

const (
	// writeTries bounds how often a transaction is begun that the server has undone for
	// the sake of another one.
	writeTries = 5
	writePause = 20 * time.Millisecond // at most, before the second try
)

// again runs a transaction until it is not undone for the sake of another one.
func again(ctx context.Context, transact func() error) error {
	for try := 1; ; try++ {
		err := transact()
		if !isConflict(err) || try == writeTries {
			return err
		}
		select {
		case <-time.After(rand.N(time.Duration(try) * writePause)):
		case <-ctx.Done():
			return err
		}
	}
}

// ErrClaimed says that another process has the name.
var ErrClaimed = errors.New("another star97 has this name")

// Claim takes a name for this process until Close, once; another process of any node
// that asks for it meanwhile gets ErrClaimed. The claim is lost with its connection: it
// keeps two from starting, not from going on. In a file nothing is claimed.
func (d *DB) Claim(ctx context.Context, name string) error {
	if d.server == nil {
		return nil
	}
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return d.explain(err)
	}
	var mine bool
	err = conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", "star97 claim "+name).Scan(&mine)
	if err == nil && !mine {
		err = ErrClaimed
	}
	if err != nil {
		conn.Close()
		return d.explain(err)
	}
	d.server.claim = conn
	return nil
}

// drop gives up what is claimed: its connection goes back to the pool, which ends it.
func (s *server) drop() error {
	if s == nil || s.claim == nil {
		return nil
	}
	if err := s.claim.Close(); !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

// migrateAlone is the number of the lock under which one node after the other makes
// tables: "star97" in ASCII.
const migrateAlone = 0x737461723937

// alone runs do while no other node does the same.
func (s *server) alone(ctx context.Context, pool *sql.DB, do func() error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrateAlone); err != nil {
		return err
	}
	err = do()
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrateAlone)
	return errors.Join(err, unlock)
}
