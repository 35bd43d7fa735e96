// Package sqlkittest gives tests a real PostgreSQL server, from Debian's package
// postgresql. Only tests import it. The server listens on 127.0.0.1, where it asks for
// a password, and on a socket, where it asks for none; its files are in a folder of
// their own and go with it.
//
// A server that is not installed is a failure. The environment variable
// STAR97_PHONES=optional makes it a skipped test.
package sqlkittest

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // driver pgx
	"github.com/stretchr/testify/require"

	"star97/internal/secret"
	"star97/internal/sqlkit"
)

// Superuser owns the server and logs in by the socket alone. Role is the one that
// Database makes databases for; its password is in the file Login.
const (
	Superuser = "postgres"
	Role      = "star97"
)

// quick is for servers of whose files nothing shall be left.
var quick = []string{"fsync=off", "full_page_writes=off"}

// Server is a running PostgreSQL server.
type Server struct {
	Port     int
	Socket   string // folder
	Login    string // file with Role's password
	process  *process
	settings []string
}

// shared is the one server of a test program.
var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Main runs the tests and stops the shared server, as in
// goleak.VerifyTestMain(sqlkittest.Main{M: m}) or os.Exit(sqlkittest.Main{M: m}.Run()).
type Main struct{ M *testing.M }

// Run returns the exit code.
func (m Main) Run() int {
	code := m.M.Run()
	if shared.server != nil {
		shared.server.stop()
	}
	return code
}

// Postgres is the server that all tests of a program share; the program's TestMain runs
// Main. Its files do not survive a power failure.
func Postgres(t testing.TB) *Server {
	t.Helper()
	bin := programs(t)
	shared.once.Do(func() { shared.server, shared.err = start(bin, quick) })
	require.NoError(t, shared.err)
	return shared.server
}

// Start is a server of the test's own, safe as PostgreSQL is by default but for
// settings, each as in postgresql.conf.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := start(programs(t), settings)
	require.NoError(t, err)
	t.Cleanup(s.stop)
	return s
}

// programs is the folder with PostgreSQL's newest programs.
func programs(t testing.TB) string {
	t.Helper()
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	require.NoError(t, err)
	if len(all) == 0 && os.Getenv("STAR97_PHONES") == "optional" {
		t.Skip("PostgreSQL is not installed")
	}
	require.NotEmpty(t, all, "this test needs PostgreSQL; install Debian's postgresql (make test does, as root) or leave it out with STAR97_PHONES=optional")
	slices.Sort(all)
	return filepath.Dir(all[len(all)-1])
}

// Kill ends every process of the server, as kill -9 does.
func (s *Server) Kill() {
	children := s.process.children()
	s.process.end(killed)
	for _, pid := range children {
		_ = syscall.Kill(pid, killed)
	}
}

// Restart starts a server that was killed, on the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	// It refuses to start while a process of the one before still ends.
	require.Eventually(t, func() bool { return s.run() == nil }, patience, lookAgain)
}

// Database makes an empty database that belongs to Role and returns how to reach it.
func (s *Server) Database(t testing.TB) sqlkit.PostgresOptions {
	t.Helper()
	o := sqlkit.DefaultPostgresOptions()
	o.Host, o.Port, o.User, o.Database = "127.0.0.1", s.Port, Role, "t"+strings.ToLower(rand.Text()[:12])
	o.Password, o.TLS.Mode = secret.Source{File: s.Login}, "plain"
	o.Connections = 6
	s.Exec(t, "postgres", "CREATE DATABASE "+o.Database+" OWNER "+Role)
	return o
}

// Exec runs one statement as Superuser.
func (s *Server) Exec(t testing.TB, database, statement string, args ...any) {
	t.Helper()
	require.NoError(t, s.exec(database, statement, args...))
}

func (s *Server) exec(database, statement string, args ...any) error {
	db, err := sql.Open("pgx", fmt.Sprintf("host=%s port=%d user=%s database=%s sslmode=disable", s.Socket, s.Port, Superuser, database))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement, args...)
	return err
}

// freePort is one that nothing listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
