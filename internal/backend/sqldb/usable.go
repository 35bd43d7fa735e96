package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"star97/internal/sqlkit"
)

// Usable tells why Open would refuse the files that are there, or could not make those
// that are not. It alters nothing and runs no program.
func (o Options) Usable(ctx context.Context) error {
	db, err := sqlkit.Existing(ctx, o.Database)
	if err != nil {
		return err
	}
	if db == nil {
		path := o.Keys()
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) == filepath.Dir(o.Database.Path) {
			return nil // it can be made where the database can
		}
		return canHave(path)
	}
	s := newStore(db, o)
	return errors.Join(s.examine(ctx, o), s.Close())
}

// examine is Usable for a database that is there.
func (s *Store) examine(ctx context.Context, o Options) error {
	files, err := fs.Sub(migrations, "migrations/"+string(s.db.Dialect()))
	if err != nil {
		return err
	}
	err = s.db.Migrated(ctx, "mailbox", files)
	switch {
	case errors.Is(err, sqlkit.ErrOlder): // Open brings it up to date
		return canHave(o.Keys())
	case err != nil:
		return err
	case o.Pepper.Command != "":
		return nil
	}
	kids, err := s.kids(ctx)
	if err != nil {
		return err
	}
	if len(kids) == 0 && !o.Pepper.elsewhere() {
		return canHave(o.Keys())
	}
	p, err := s.readKeys(ctx, o.pepperFile(), o.Pepper, false)
	if err != nil {
		return err
	}
	return s.fits(ctx, p)
}

// Usable tells why Open would refuse the pepper file that is there. It asks no server.
func (o PostgresOptions) Usable(context.Context) error { return canHave(o.Keys()) }

// canHave tells why a pepper file cannot be read or, if there is none, could not be made.
// An empty path is none.
func canHave(path string) error {
	if path == "" {
		return nil
	}
	_, err := readPepper(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
		return cannotMake(path, err)
	}
	return nil
}

// cannotMake is the error of a pepper file that could not be made.
func cannotMake(path string, err error) error {
	if at := new(fs.PathError); errors.As(err, &at) {
		err = at.Err // of a file that becomes path
	}
	return fmt.Errorf("the pepper file %s cannot be made: let star97's user write to its folder: %w", path, err)
}
