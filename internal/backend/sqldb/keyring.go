package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// PepperSource says where the keys come from instead of a file, for a site that keeps
// secrets elsewhere. What is there is what would be in the file: lines of an id and a
// key of 64 hexadecimal digits.
type PepperSource struct {
	Env     string `yaml:"env"`     // name of an environment variable that holds them
	Command string `yaml:"command"` // program, with arguments behind spaces, that prints them; run at each start, without a shell
}

// Validate tells what is wrong.
func (o PepperSource) Validate() error {
	switch {
	case o.Env != "" && o.Command != "":
		return errors.New("env and command are both set: keep one")
	case o.Env != "" && strings.TrimSpace(o.Env) == "":
		return errors.New("env is blank: name an environment variable, or leave it out")
	case o.Command != "" && strings.TrimSpace(o.Command) == "":
		return errors.New("command is blank: name a program, or leave it out")
	}
	return nil
}

// Readable tells why the keys of the environment cannot be used, or that there is no such
// program; it runs none.
func (o PepperSource) Readable() (err error) {
	switch words := strings.Fields(o.Command); {
	case o.Env != "":
		_, err = o.read(context.Background())
	case len(words) > 0:
		if _, err = exec.LookPath(words[0]); err != nil {
			err = fmt.Errorf("the command that is to print the pepper cannot be run: %w: check its name and mode", err)
		}
	}
	return err
}

// commandWithin bounds the run of a PepperSource's command.
const commandWithin = 10 * time.Second

// elsewhere tells whether the keys are in no file of ours.
func (o PepperSource) elsewhere() bool { return o != PepperSource{} }

// read reads the keys of the environment or the command.
func (o PepperSource) read(ctx context.Context) (*pepper, error) {
	if o.Env != "" {
		text := os.Getenv(o.Env)
		if text == "" {
			return nil, fmt.Errorf("the environment variable %s, which is to hold the pepper, is empty or not set: set it before star97 starts", o.Env)
		}
		return parsePepper("the environment variable "+o.Env, o.Env, []byte(text))
	}
	words := strings.Fields(o.Command)
	text, err := output(ctx, words, commandWithin)
	if err != nil {
		return nil, fmt.Errorf("the command %s, which is to print the pepper, failed: %w: run it by hand as star97's user", words[0], err)
	}
	return parsePepper("the output of "+words[0], words[0], text)
}

// leftWithin bounds the wait for what a command that has ended left at its output.
const leftWithin = time.Second

// output is what a command of a program and its arguments prints within a time.
func output(ctx context.Context, words []string, within time.Duration) ([]byte, error) {
	bound, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out := capped{stop: cancel}
	cmd := exec.CommandContext(bound, words[0], words[1:]...)
	cmd.Stdout, cmd.WaitDelay = &out, leftWithin
	err := cmd.Run()
	switch {
	case err == nil:
		return out.text, nil
	case out.full:
		return nil, errFull
	case errors.Is(err, exec.ErrWaitDelay):
		return nil, errors.New("it has ended, but what it started still holds its output, so that may not be all")
	case errors.Is(bound.Err(), context.DeadlineExceeded) && ctx.Err() == nil:
		return nil, fmt.Errorf("it took more than %v", within)
	}
	return nil, err
}

// capped keeps what a command prints, and stops one that prints too much.
type capped struct {
	text []byte
	stop func()
	full bool
}

var errFull = fmt.Errorf("it prints more than %d bytes, so that is no pepper", maxPepper)

// Write takes all of p or nothing.
func (c *capped) Write(p []byte) (int, error) {
	if len(c.text)+len(p) > maxPepper {
		c.full = true
		c.stop()
		return 0, errFull
	}
	c.text = append(c.text, p...)
	return len(p), nil
}

// keyring is the pepper of a running Store. A file that was replaced by one that fits the
// stored codes too is taken over at the next use, so that a rotation needs no restart.
type keyring struct {
	path  string // of the file; empty: it comes from elsewhere
	fits  func(context.Context, *pepper) error
	now   atomic.Pointer[pepper]
	mu    sync.Mutex                  // one reads the file at a time
	tried atomic.Pointer[os.FileInfo] // a new file that cannot be used
}

// current is the pepper as it is now. A new file that cannot be used is left alone: what
// is known goes on, and a start tells what is wrong with it.
func (k *keyring) current(ctx context.Context) *pepper {
	p := k.now.Load()
	if k.path == "" {
		return p
	}
	info, err := os.Stat(k.path)
	if err != nil || same(info, p.info) {
		return p
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p = k.now.Load()
	if same(info, p.info) || k.useless(info) {
		return p
	}
	next, err := readPepper(k.path)
	if err == nil {
		err = errors.Join(next.alters(p), k.fits(ctx, next))
	}
	var database *sqlkit.Error
	switch {
	case err == nil:
		k.now.Store(next)
		return next
	case !errors.As(err, &database) && ctx.Err() == nil:
		k.tried.Store(&info)
	}
	return p
}

// useless tells whether a file is the new one that cannot be used.
func (k *keyring) useless(info os.FileInfo) bool {
	tried := k.tried.Load()
	return tried != nil && same(info, *tried)
}

// isLast tells whether a key is the one for new codes, as far as can be told without
// reading a file: while another one is there that current has not seen, no key is. It
// takes no lock, so that it can be asked within a transaction.
func (k *keyring) isLast(kid string) bool {
	p := k.now.Load()
	if k.path == "" || p.last != kid {
		return p.last == kid
	}
	info, err := os.Stat(k.path)
	return err != nil || same(info, p.info) || k.useless(info)
}

// errOldKey is the answer to storing a code whose key is not for new codes any more: it
// may be gone before anybody sees that this code needs it.
var errOldKey = errors.New("the pepper key was replaced while a code was made with it")

// stands makes sure, within the transaction that stores a code, that its key is for new
// codes still, and on a server that the nodes have it still, until tx has ended.
func (s *Store) stands(ctx context.Context, tx *sql.Tx, op string, fresh *record) error {
	old := mailbox.Fail(op, mailbox.Unavailable, errOldKey)
	if !s.ring.isLast(fresh.kid) {
		return old
	}
	if s.db.Dialect() == sqlkit.SQLite {
		return nil
	}
	known, err := first(ctx, tx, "SELECT kid FROM pepper WHERE kid = $1 FOR KEY SHARE", fresh.kid)
	if err == nil && known == "" {
		return old
	}
	return err
}

// sealTries bounds how often a code is made anew whose key was replaced meanwhile: more
// often than anybody replaces keys.
const sealTries = 16

// sealed makes the record of a code and has it stored in one transaction, with the key
// that is for new codes at its end.
func (s *Store) sealed(ctx context.Context, op, id string, code *pin.PIN, store func(*sql.Tx, *record) error) error {
	for try := 1; ; try++ {
		keys := s.ring.current(ctx)
		var fresh record
		if err := s.pool.Do(ctx, op, func() { fresh = keys.seal(id, code, s.cost) }); err != nil {
			return err
		}
		err := s.db.Write(ctx, func(tx *sql.Tx) error {
			if err := s.stands(ctx, tx, op, &fresh); err != nil {
				return err
			}
			return store(tx, &fresh)
		})
		if !errors.Is(err, errOldKey) || try == sealTries {
			return err
		}
	}
}

// same tells whether two looks at a file met the same content. It is replaced, never
// written to.
func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}

// PepperFile is the file with the keys; empty if they come from elsewhere.
func (s *Store) PepperFile() string { return s.ring.path }

// openPepper reads the pepper and makes sure that it fits the stored codes. It makes a
// new file only for a database without codes: a lost pepper is a lost code for
// everybody, and must be said instead of papered over.
func (s *Store) openPepper(ctx context.Context, file string, from PepperSource) error {
	kids, err := s.kids(ctx)
	if err != nil {
		return err
	}
	p, err := s.readKeys(ctx, file, from, len(kids) == 0)
	if err != nil {
		return err
	}
	if err := s.fits(ctx, p); err != nil {
		return err
	}
	s.ring.fits = s.fits
	if !from.elsewhere() {
		s.ring.path = file
	}
	s.ring.now.Store(p)
	return nil
}

// fits makes sure that p has the key of every stored code, and is the other nodes' too.
func (s *Store) fits(ctx context.Context, p *pepper) error {
	kids, err := s.kids(ctx)
	if err != nil {
		return err
	}
	for _, kid := range kids {
		if p.keys[kid] == nil {
			return s.lacks(p, kid)
		}
	}
	return s.agree(ctx, p)
}

func (s *Store) readKeys(ctx context.Context, file string, from PepperSource, first bool) (*pepper, error) {
	if from.elsewhere() {
		return from.read(ctx)
	}
	p, err := readPepper(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	if !first {
		return nil, fmt.Errorf("the database %s holds codes, but their pepper file %s is missing: %s", s.db.Path(), file, s.regain())
	}
	return makePepper(file)
}
