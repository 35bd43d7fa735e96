package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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
	if o.Env != "" && o.Command != "" {
		return errors.New("env and command are both set: keep one")
	}
	return nil
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
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	words := strings.Fields(o.Command)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.WaitDelay = time.Second
	text, err := output(cmd, cancel)
	if err != nil {
		return nil, fmt.Errorf("the command %s, which is to print the pepper, failed: %w: run it by hand as star97's user", words[0], err)
	}
	return parsePepper("the output of "+words[0], words[0], text)
}

// output is what a command prints; one that prints too much is stopped.
func output(cmd *exec.Cmd, stop func()) ([]byte, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(out, maxPepper+1))
	if len(text) > maxPepper {
		stop()
	}
	return text, errors.Join(err, cmd.Wait())
}

// keyring is the pepper of a running Store. A file that was replaced by one that fits the
// stored codes too is taken over at the next use, so that a rotation needs no restart.
type keyring struct {
	path  string // of the file; empty: it comes from elsewhere
	fits  func(context.Context, *pepper) error
	now   atomic.Pointer[pepper]
	mu    sync.Mutex  // one reads the file at a time
	tried os.FileInfo // a new file that cannot be used
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
	if same(info, p.info) || k.tried != nil && same(info, k.tried) {
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
		k.tried = info
	}
	return p
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
