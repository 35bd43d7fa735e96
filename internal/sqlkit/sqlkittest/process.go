package sqlkittest

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// patience is for starting and stopping, on a machine that is busy.
	patience  = 60 * time.Second
	lookAgain = 20 * time.Millisecond
)

// Signals to the server's first process.
const (
	immediate = syscall.SIGQUIT // postgres(1): all end at once, nothing is tidied
	killed    = syscall.SIGKILL
)

// access makes a socket trust and everything else ask.
const access = `local all all trust
host all all 127.0.0.1/32 scram-sha-256
`

// start makes the files of a server and runs it.
func start(bin string, settings []string) (*Server, error) {
	dir, err := os.MkdirTemp("", "star97-pg-") // short, for the socket's name
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s := &Server{Socket: dir, Login: filepath.Join(dir, "login"), settings: settings}
	s.process = &process{bin: bin, dir: dir, who: who}
	if err = s.initialise(); err == nil {
		err = s.run()
		for try := 0; err != nil && try < 4; try++ { // another program may have been quicker to take the port
			s.Port = 0
			err = s.run()
		}
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	secret := rand.Text()
	err = errors.Join(
		os.WriteFile(s.Login, []byte(secret+"\n"), 0o600),
		s.exec("postgres", "CREATE ROLE "+Role+" LOGIN PASSWORD '"+secret+"'"))
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// unprivileged is whom the server runs as: PostgreSQL refuses to be root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (s *Server) initialise() error {
	p := s.process
	if p.who != nil {
		if err := os.Chown(p.dir, int(p.who.Uid), int(p.who.Gid)); err != nil {
			return err
		}
	}
	cmd := p.command("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username="+Superuser, "--pgdata="+p.data())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.WriteFile(filepath.Join(p.data(), "pg_hba.conf"), []byte(access), 0o600)
}

// run starts the server and waits until it can be asked.
func (s *Server) run() (err error) {
	if s.Port == 0 {
		if s.Port, err = freePort(); err != nil {
			return err
		}
	}
	args := []string{"-D", s.process.data()}
	for _, set := range append([]string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.Port), "unix_socket_directories=" + s.Socket,
		"shared_buffers=16MB", "max_connections=200", "autovacuum=off", "wal_level=minimal", "max_wal_senders=0",
	}, s.settings...) {
		args = append(args, "-c", set)
	}
	if err := s.process.begin(args); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(lookAgain) {
		err := s.exec("postgres", "SELECT 1")
		switch {
		case err == nil:
			return nil
		case s.process.over(), time.Now().After(deadline):
			s.process.end(killed)
			log, _ := os.ReadFile(s.process.log())
			return fmt.Errorf("PostgreSQL does not start: %w\n%s", err, log)
		}
	}
}

// UseTLS has the server show a certificate from a moment after this on; who wants none
// still gets none.
func (s *Server) UseTLS(t testing.TB, certificate tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]},
		"server.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		file := filepath.Join(s.process.data(), name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
		if who := s.process.who; who != nil {
			require.NoError(t, os.Chown(file, int(who.Uid), int(who.Gid)))
		}
	}
	s.Exec(t, Superuser, "ALTER SYSTEM SET ssl = on")
	s.Exec(t, Superuser, "SELECT pg_reload_conf()")
}

func (s *Server) stop() {
	s.process.end(immediate)
	os.RemoveAll(s.process.dir)
}

// process is the server's first one. What it needs to be is in dir.
type process struct {
	bin, dir string
	who      *syscall.Credential // nil: as the tests
	pid      int
	done     chan struct{} // closed when it has ended
}

func (p *process) data() string { return filepath.Join(p.dir, "data") }
func (p *process) log() string  { return filepath.Join(p.dir, "log") }

func (p *process) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.who}
	return cmd
}

// begin starts the server so that it ends with the tests, however they end.
func (p *process) begin(args []string) error {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := p.command("postgres", args...)
	cmd.Stderr = log
	endWithParent(cmd.SysProcAttr)
	begun := make(chan error)
	p.done = make(chan struct{})
	// The server's parent: started here; stops when the server has ended; owns the thread
	// that started it, since the server ends when that thread does (prctl(2)).
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		defer log.Close()
		err := cmd.Start()
		begun <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-begun; err != nil {
		return err
	}
	p.pid = cmd.Process.Pid
	return nil
}

func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// children are the processes that the first one has started, as far as the system tells.
func (p *process) children() (pids []int) {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.pid))
	for _, word := range strings.Fields(string(list)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// end returns when the first process is gone; the others then end by themselves.
func (p *process) end(how syscall.Signal) {
	if p.done == nil || p.over() {
		return
	}
	_ = syscall.Kill(p.pid, how)
	<-p.done
}
