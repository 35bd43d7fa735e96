// Package fake is a web service for tests that keeps to the contract of the webhook
// backend, over TLS on loopback: it wants every request signed, carries each id out
// once, and has a lock-out of its own. Only tests import it.
package fake

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// What a client needs to know besides the URL and the CA file.
const (
	KeyID       = "k1"
	Key         = "harbor-signing-key-0123456789"
	OtherDomain = "tenant.example"
)

// backendName is what the adapter calls its mailboxes.
const backendName = "webhook"

// Ops of Orders and of their counters. OpAgain is a change that comes with an id that
// has come before.
const (
	OpFind   = "find"
	OpVerify = "verify"
	OpSet    = "set"
	OpAgain  = "again"
	OpReset  = "reset"
	OpPolicy = "policy"
)

// Server is the fake. Its exported fields are set before it is used.
type Server struct {
	*trouble.Server
	KeyFile string // holds Key
	Limit   int    // wrong codes in a row that lock a mailbox; 0: any number
	// Forgetful lets it forget ids, as a service that breaks the contract.
	Forgetful bool
	Blind     bool          // it cannot verify codes, and ignores the current one of a change
	Skew      time.Duration // how wrong its clock is
	Rules     map[string]any
	Seen      func(path string, request, answer []byte, status int) // told of each exchange

	orders trouble.Orders

	mu     sync.Mutex
	keys   map[string]string
	boxes  []*box
	ids    map[string][]byte // answers to changes
	known  map[string]bool   // ids of changes that came, in order to name them
	writes int
}

// box is a mailbox.
type box struct {
	mailbox.Account
	code  trouble.Kept[pin.PIN]
	wrong int
}

// New starts a service with a good certificate; the test's end stops it.
func New(t testing.TB) *Server { return NewWith(t, trouble.NewCert(t, trouble.Good)) }

// NewWith starts one with a certificate of the caller's.
func NewWith(t testing.TB, c *trouble.Cert) *Server {
	s := &Server{keys: map[string]string{KeyID: Key}, ids: map[string][]byte{}, known: map[string]bool{}}
	s.Server = trouble.Serve(t, trouble.Handler(&s.orders, s.op, http.HandlerFunc(s.serve)), c)
	s.KeyFile = filepath.Join(t.TempDir(), "webhook.key")
	require.NoError(t, os.WriteFile(s.KeyFile, []byte(Key+"\n"), 0o600))
	return s
}

// Orders are the troubles that it shall make.
func (s *Server) Orders() *trouble.Orders { return &s.orders }

// SetKeys replaces the keys that it knows, by their ids.
func (s *Server) SetKeys(keys map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

// Put makes a mailbox and returns it as Lookup shall find it.
func (s *Server) Put(a mailbox.Account, code pin.PIN) mailbox.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.ID, a.Backend, a.Flags.NoCode = "box-"+newID(), backendName, code.Empty()
	s.boxes = append(s.boxes, &box{Account: a, code: trouble.Kept[pin.PIN]{Last: code}})
	return a
}

// Has tells whether code is the one that it has for an Account.ID.
func (s *Server) Has(id string, code pin.PIN) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(id)
	return b != nil && b.code.Shown().Equal(&code)
}

// Forgive forgets wrong codes.
func (s *Server) Forgive(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.box(id); b != nil {
		b.wrong = 0
	}
}

// Writes is the number of codes that were set.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func (s *Server) box(id string) *box {
	i := slices.IndexFunc(s.boxes, func(b *box) bool { return b.ID == id })
	if i < 0 {
		return nil
	}
	return s.boxes[i]
}

// op names a request for Orders.
func (s *Server) op(r *http.Request) string {
	op := strings.TrimPrefix(r.URL.Path, "/")
	if op != OpSet && op != OpReset {
		return op
	}
	body, _ := io.ReadAll(r.Body) // it is in memory
	r.Body = io.NopCloser(bytes.NewReader(body))
	var q struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(body, &q) // serve refuses what is no JSON
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[q.ID] {
		return OpAgain
	}
	s.known[q.ID] = true
	return OpSet
}
