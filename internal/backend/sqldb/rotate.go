package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"star97/internal/sqlkit"
)

// PepperStatus is how a pepper stands.
type PepperStatus struct {
	Title string // the pepper file and its path, or what stands for it, as a part of a sentence
	Keys  []PepperKey
	Nodes bool // several nodes have a copy each
}

// PepperKey is one key without its secret.
type PepperKey struct {
	ID      string
	Current bool // new codes use it
	Codes   int  // in force that were made with it
	Former  int  // kept so that they are not used again
}

// Pepper tells which keys there are and how many codes need each.
func (s *Store) Pepper(ctx context.Context) (PepperStatus, error) {
	p := s.ring.current(ctx)
	status := PepperStatus{Title: p.title, Nodes: s.db.Dialect() == sqlkit.PostgreSQL}
	codes, err := s.perKey(ctx, "code")
	if err != nil {
		return status, err
	}
	former, err := s.perKey(ctx, "history")
	for _, kid := range p.ids {
		status.Keys = append(status.Keys, PepperKey{kid, kid == p.last, codes[kid], former[kid]})
	}
	return status, err
}

// perKey counts the rows of a table by pepper key.
func (s *Store) perKey(ctx context.Context, table string) (map[string]int, error) {
	count := map[string]int{}
	return count, s.db.Read(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, "SELECT kid, count(*) FROM "+table+" GROUP BY kid")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kid string
			var n int
			if err := rows.Scan(&kid, &n); err != nil {
				return err
			}
			count[kid] = n
		}
		return rows.Err()
	})
}

// RotatePepper adds a key to the pepper file and returns its id. Where there is one copy
// of the file, new codes use it from then on, also in a service that runs; where nodes
// have a copy each, not before UsePepper, so that every node can know it first. Codes
// under other keys stay right and are made anew when they are used next.
func (s *Store) RotatePepper(ctx context.Context) (kid string, err error) {
	err = s.alterPepper(ctx, func(p *pepper) (*pepper, error) {
		var next *pepper
		next, kid = p.with(s.db.Dialect() == sqlkit.SQLite)
		return next, nil
	})
	return kid, err
}

// UsePepper makes new codes use a key of the pepper file.
func (s *Store) UsePepper(ctx context.Context, kid string) error {
	return s.alterPepper(ctx, func(p *pepper) (*pepper, error) {
		if p.keys[kid] == nil {
			return nil, fmt.Errorf("%s has no key %s; `star97 pepper status` shows its keys", p.title, kid)
		}
		return p.using(kid), nil
	})
}

// alterPepper puts another file in the place of the pepper file, which is complete at
// every moment, and takes it over.
func (s *Store) alterPepper(ctx context.Context, alter func(*pepper) (*pepper, error)) error {
	if s.ring.path == "" {
		return fmt.Errorf("the keys come from %s: add one there, as a new last line of an id and 64 hexadecimal digits, and restart star97", s.ring.now.Load().title)
	}
	path, err := filepath.EvalSymlinks(s.ring.path)
	if err != nil {
		return fmt.Errorf("pepper file: %w", err)
	}
	unlock, err := lockFile(path)
	if err != nil {
		return fmt.Errorf("the pepper file %s cannot be locked: %w; it must be on a local file system", path, err)
	}
	defer unlock()
	p, err := readPepper(path)
	if err != nil {
		return err
	}
	next, err := alter(p)
	if err != nil {
		return err
	}
	if len(next.text()) > maxPepper {
		return fmt.Errorf("%s is full: remove the lines of keys that no code needs; `star97 pepper status` shows them", p.title)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), halfMade(path))); err == nil {
		for _, name := range left { // of one that was interrupted
			_ = os.Remove(name)
		}
	}
	next.info = p.info
	if err := writePepper(path, next, s.whenNobodyWrites(ctx)); err != nil {
		return fmt.Errorf("the pepper file %s cannot be replaced, and is as it was: run this as the user that star97 runs as: %w", path, err)
	}
	return s.takeOver(ctx, path)
}

// takeOver makes this process use the pepper file that is there: its own, or one that
// another process has put in its place since.
func (s *Store) takeOver(ctx context.Context, path string) error {
	for range sealTries {
		p := s.ring.current(ctx)
		if info, err := os.Stat(path); err == nil && same(info, p.info) {
			return nil
		}
	}
	return errors.New("the pepper file is replaced, but its new key is not used yet: the database could not be told; restart star97")
}

// whenNobodyWrites is os.Rename, in a file's database between two transactions: what was
// committed before may need any of the keys that were there, and no code that is stored
// after it has an old one (see stands). Whoever then counts the codes of a key that no
// new one uses has counted all that there will be. On a server no key is ever removed.
func (s *Store) whenNobodyWrites(ctx context.Context) func(from, to string) error {
	if s.db.Dialect() != sqlkit.SQLite {
		return os.Rename
	}
	return func(from, to string) error {
		err := s.db.Write(ctx, func(*sql.Tx) error {
			return cmp.Or(os.Rename(from, to), errEnded) // nothing has to be committed
		})
		if errors.Is(err, errEnded) {
			return nil
		}
		return err
	}
}

// lockFile lets one process at a time replace a file. Whoever has waited for the lock may
// hold that of a file that was replaced meanwhile, and begins again.
func lockFile(path string) (unlock func(), err error) {
	for {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, err
		}
		mine, err := f.Stat()
		is, missing := os.Stat(path)
		if err = errors.Join(err, missing); err == nil && os.SameFile(mine, is) {
			return func() { f.Close() }, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// own gives f the owner of the file that it is to replace, whoever runs this program.
func own(f *os.File, like fs.FileInfo) error {
	if like == nil {
		return nil
	}
	was, ok := like.Sys().(*syscall.Stat_t)
	if !ok || int(was.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}
