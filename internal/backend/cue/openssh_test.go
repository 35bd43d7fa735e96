package cue

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// relayTo is the variable with the address to which this program passes what it reads,
// where OpenSSH has started it.
const relayTo = "STAR97_CUE_RELAY"

// relay stands between the terminal of an OpenSSH session and the fake.
func relay(addr string) int {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 1
	}
	defer c.Close()
	// Passes keys on: started here; stops with the process.
	go func() { _, _ = io.Copy(c, os.Stdin) }()
	_, _ = io.Copy(os.Stdout, c)
	return 0
}

// requireSSHD finds the server of Debian's openssh-server.
func requireSSHD(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("sshd")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/sshd")
	}
	if err != nil && os.Getenv("STAR97_PHONES") == "optional" {
		t.Skip("sshd is not installed")
	}
	require.NoError(t, err, "this test needs sshd; install Debian's openssh-server (make test does, as root) or leave it out with STAR97_PHONES=optional")
	if os.Getuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755), "sshd started by root wants this folder")
	}
	return path
}

// The SSH of a foreign hand, with its terminal, in front of the command line.
func TestBehindOpenSSH(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{Banner: "Authorized use only\n", Page: 3, NoZero: true})
	a := put(f, mailbox.Account{Extension: "4001", Name: "Ada Example", Language: "en-US"}, first)
	put(f, mailbox.Account{Extension: "4002"}, first)
	o := openSSH(t, requireSSHD(t), f.Lines(t))
	s := openStore(t, o)

	require.Equal(t, []mailbox.Account{a}, find(t, s, "4001"))
	require.Equal(t, mailbox.Proved(), change(t, s, a, second))
	require.True(t, f.Has(a.ID, second))
	r := change(t, s, a, second)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.InHistory, r.Reason, "%v", r.Err)
	require.Equal(t, 1, f.Logins())

	o.HostKey = f.HostKey
	_, err := openStore(t, o).Probe(patient(t))
	require.ErrorContains(t, err, "shows the host key SHA256:")
	o.HostKey, o.Key = s.o.HostKey, secret.Source{File: f.ClientKey}
	_, err = openStore(t, o).Probe(patient(t))
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err), "%v", err)
}

// openSSH starts a server on a free port for this test and the user who runs it, whose
// one command is the relay, and returns options to connect to it. It has host keys of
// two types, and the pinned one is not the first that it would show.
func openSSH(t *testing.T, sshd, lines string) Options {
	t.Helper()
	dir := t.TempDir()
	pinned := keyFile(t, filepath.Join(dir, "host_pinned"), "ecdsa")
	keyFile(t, filepath.Join(dir, "host_other"), "ed25519")
	client := keyFile(t, filepath.Join(dir, "client"), "ed25519")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "authorized"), ssh.MarshalAuthorizedKey(client), 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	me, err := user.Current()
	require.NoError(t, err)

	var said noise
	for range 5 { // another program may be quicker to take a free port
		addr := freePort(t)
		_, port, _ := net.SplitHostPort(addr)
		args := []string{"-D", "-e", "-f", "/dev/null"}
		for _, option := range []string{
			"Port=" + port, "ListenAddress=127.0.0.1", "PidFile=none", "UsePAM=no", "StrictModes=no", "PasswordAuthentication=no",
			"KbdInteractiveAuthentication=no", "PermitRootLogin=yes", "LogLevel=VERBOSE", "SetEnv=" + relayTo + "=" + lines,
			"HostKey=" + filepath.Join(dir, "host_other"), "HostKey=" + filepath.Join(dir, "host_pinned"),
			"AuthorizedKeysFile=" + filepath.Join(dir, "authorized"), "ForceCommand=stty raw -echo && exec " + self,
		} {
			args = append(args, "-o", option)
		}
		server := exec.Command(sshd, args...)
		server.Stderr = &said
		require.NoError(t, server.Start())
		over := make(chan error, 1)
		// Waits for the end of the server: started here; stops with it.
		go func() { over <- server.Wait() }()
		if !listens(addr, over) {
			continue
		}
		t.Cleanup(func() {
			require.NoError(t, server.Process.Kill())
			<-over
			if t.Failed() {
				t.Log(said.String())
			}
		})
		o := DefaultOptions()
		o.Address, o.HostKey, o.User = addr, ssh.FingerprintSHA256(pinned), me.Username
		o.Key = secret.Source{File: filepath.Join(dir, "client")}
		o.Timeout, o.Connect, o.MissPause = 30*time.Second, time.Minute, 0
		return o
	}
	require.Fail(t, "sshd does not start", said.String())
	return Options{}
}

// listens waits until somebody does at addr; false if the server is over before.
func listens(addr string, over <-chan error) bool {
	for {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			return true
		}
		select {
		case <-over:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// keyFile makes a private key in OpenSSH's form.
func keyFile(t *testing.T, name, kind string) ssh.PublicKey {
	t.Helper()
	var private any
	var err error
	if kind == "ecdsa" {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer.PublicKey()
}

// noise is what a program says.
type noise struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *noise) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *noise) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return fmt.Sprintf("sshd said:\n%s", n.text.String())
}
