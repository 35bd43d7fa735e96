// Package fake is a Unity Express module for tests: its command line over a real SSH
// server on loopback, by itself or behind a router. It keeps to what is described of the
// real one; what it had to invent says so. Only tests import it.
package fake

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

// The account at the SSH server, and that at the module behind a router.
const (
	User           = "star97"
	Password       = "Blue-Harbor7"
	ModuleUser     = "voiceadmin"
	ModulePassword = "Grey-Harbor8"
)

// backendName is what the adapter calls its mailboxes.
const backendName = "cue"

// Ops of Orders and of their counters.
const (
	OpLogin   = "login"  // what stands there when a shell was asked for
	OpUsers   = "users"  // show users
	OpDetail  = "detail" // show user detail username
	OpPIN     = "pin"    // username ... pin ...
	OpVersion = "version"
	OpOther   = "other" // everything else, an empty line too
)

// Settings are the ways in which systems of this kind differ.
type Settings struct {
	Host   string // name in the prompt, default se-10-0-0-0
	Banner string // before the prompt
	Page   int    // lines of a page, unless terminal length 0 was said; 0: no pages
	NoZero bool   // terminal length is no command there
	Erase  string // what takes --More-- away; default: a line of spaces (invented)
	Silent bool   // commands are not echoed
	Stars  bool   // a code is echoed as stars (invented)
	Enable string // what enable asks for; "-": it asks for nothing; empty: nobody needs it
	Keys   []string
	Old    bool          // only algorithms of long ago
	Ask    bool          // the password is asked for by keyboard-interactive only
	Router string        // name of a router in front; empty: none. Its command is Via
	Wakes  time.Duration // how long the line from the router takes to open (invented)
	Left   bool          // somebody has left that line in configuration mode (invented)

	MinLength int  // default 3
	Trivial   bool // trivialcheck is on: of its rules only "more than two of a kind in a row"
}

// Via is the router's command.
const Via = "service-module ISM 0/0 session"

// Server is the fake.
type Server struct {
	*trouble.Server
	HostKey    string // fingerprint of the first host key, as ssh-keygen prints it
	KnownHosts string // file with the first host key
	ClientKey  string // file with a private key that User may sign in with
	key        ssh.PublicKey
	orders     trouble.Orders

	mu       sync.Mutex
	settings Settings
	users    map[string]*record
	line     line // of the module to its router
	logins   int
	guesses  int
	shells   map[io.Writer]bool
	commands []string // as they came, codes cut out
}

// record is one user.
type record struct {
	id, name, phone, number, language string
	kept                              []string // the last one is in force
}

// line is the one connection of a router with its module.
type line struct {
	taken    bool
	signedIn bool // by who was there last and did not say exit (invented)
}

// New starts a server; the test's end stops it.
func New(t testing.TB, s Settings) *Server {
	t.Helper()
	if s.Host == "" {
		s.Host = "se-10-0-0-0"
	}
	if s.MinLength == 0 {
		s.MinLength = 3
	}
	if s.Erase == "" {
		s.Erase = "\r        \r"
	}
	if len(s.Keys) == 0 {
		s.Keys = []string{ssh.KeyAlgoED25519}
	}
	f := &Server{settings: s, users: map[string]*record{}, shells: map[io.Writer]bool{}}
	config := f.config(t)
	f.Server = trouble.Listen(t, nil, func(ctx context.Context, c net.Conn) { f.serve(ctx, c, config) })
	f.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
	require.NoError(t, os.WriteFile(f.KnownHosts, []byte(knownhosts.Line([]string{f.Addr}, f.key)+"\n"), 0o600))
	return f
}

// Lines is the address of the same command line without SSH, for who brings his own.
func (f *Server) Lines(t testing.TB) string {
	return trouble.Listen(t, nil, func(ctx context.Context, c net.Conn) { f.talk(ctx, c) }).Addr
}

// Orders are the troubles that it shall make.
func (f *Server) Orders() *trouble.Orders { return &f.orders }

// Set alters the settings of a running server, as an administrator who gives the host
// another name.
func (f *Server) Set(change func(*Settings)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.settings)
}

func (f *Server) set() Settings {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settings
}

// Put makes a user of a's User, or one named after the Extension, with its Extension,
// Name, Language and first of Numbers, and returns the mailbox as a lookup shall find it.
func (f *Server) Put(a mailbox.Account, code string) mailbox.Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.User == "" {
		a.User = "user" + a.Extension
	}
	r := &record{id: a.User, name: a.Name, phone: a.Extension, language: strings.ReplaceAll(a.Language, "-", "_"), kept: []string{code}}
	if len(a.Numbers) > 0 {
		r.number, a.Numbers = "+"+a.Numbers[0], a.Numbers[:1]
	}
	f.users[r.id] = r
	a.ID, a.Backend = r.id, backendName
	return a
}

// Remove takes a user away.
func (f *Server) Remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.users, id)
}

// Has tells whether code is the one in force of a user.
func (f *Server) Has(id, code string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.users[id]
	return r != nil && r.kept[len(r.kept)-1] == code
}

// Logins is how many have signed in.
func (f *Server) Logins() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins
}

// Guesses is how often a password was said to the SSH server.
func (f *Server) Guesses() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.guesses
}

// Open is how many shells are there.
func (f *Server) Open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.shells)
}

// Say prints text in every shell, as a message to all who are there.
func (f *Server) Say(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.shells {
		_, _ = io.WriteString(w, text)
	}
}

// Commands are the lines that came, without codes.
func (f *Server) Commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.commands)
}

// config is that of the SSH server, with fresh host keys.
func (f *Server) config(t testing.TB) *ssh.ServerConfig {
	client, private := hostKey(t, ssh.KeyAlgoED25519)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	f.ClientKey = filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(f.ClientKey, pem.EncodeToMemory(block), 0o600))

	c := &ssh.ServerConfig{MaxAuthTries: 3}
	c.PublicKeyCallback = func(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if m.User() == User && string(key.Marshal()) == string(client.PublicKey().Marshal()) {
			return nil, nil
		}
		return nil, errDenied
	}
	password := func(m ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
		f.mu.Lock()
		f.guesses++
		f.mu.Unlock()
		if m.User() == User && string(p) == Password {
			return nil, nil
		}
		return nil, errDenied
	}
	c.KeyboardInteractiveCallback = func(m ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", []string{"Password: "}, []bool{false})
		if err != nil || len(answers) != 1 {
			return nil, errDenied
		}
		return password(m, []byte(answers[0]))
	}
	if !f.settings.Ask {
		c.PasswordCallback = password
	}
	for i, kind := range f.settings.Keys {
		signer, _ := hostKey(t, kind)
		if f.settings.Old {
			old, err := ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
			require.NoError(t, err)
			signer = old
		}
		c.AddHostKey(signer)
		if i == 0 {
			f.key, f.HostKey = signer.PublicKey(), ssh.FingerprintSHA256(signer.PublicKey())
		}
	}
	if f.settings.Old {
		c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH1SHA1}
		c.Ciphers = []string{ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC}
		c.MACs = []string{ssh.HMACSHA1}
	}
	return c
}

func hostKey(t testing.TB, kind string) (ssh.Signer, any) {
	var private any
	var err error
	switch kind {
	case ssh.KeyAlgoRSA:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case ssh.KeyAlgoECDSA256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer, private
}
