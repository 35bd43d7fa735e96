package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/config"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// Stores is everything that keeps something, opened in one data folder: the
// backend, and around it the layers through which a call reaches it.
type Stores struct {
	Backend backend.Backend
	Guard   *lockout.Guard
	Trail   *audit.Trail // the outermost layer: what calls use
	Ledger  *ledger.Ledger

	db *sqlkit.DB // the ledger's, where it is not the backend's
}

// settleReserve is held back from the time for a change to ask which code is in
// force when the change itself got no answer.
const settleReserve = 2 * time.Second

// OpenStores makes the data folder, readable by its owner only, if it is missing.
// Errors are sentences with place and remedy.
func OpenStores(ctx context.Context, c config.Config, dir string) (*Stores, error) {
	return OpenSimulated(ctx, c, dir, Seams{Wrap: settled})
}

// Seams are where a simulation or a test steps in.
type Seams struct {
	Wrap func(backend mailbox.Store) mailbox.Store // what the lock-out asks; settling is part of it
	Now  func() time.Time                          // the wall clock of lock-out, audit trail and ledger; nil: time.Now
}

// OpenSimulated is OpenStores with other things at its seams.
func OpenSimulated(ctx context.Context, c config.Config, dir string, with Seams) (*Stores, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be made: %w; choose another one with --data, or mend its parent's mode", dir, err)
	}
	s := new(Stores)
	if err := s.open(ctx, c, dir, with); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func settled(backend mailbox.Store) mailbox.Store { return mailbox.Settled(backend, settleReserve) }

func (s *Stores) open(ctx context.Context, c config.Config, dir string, with Seams) (err error) {
	if s.Backend, err = backend.Open(ctx, c.Store.In(dir)); err != nil {
		return err
	}
	db, err := s.ledgerFile(ctx, dir)
	if err != nil {
		return err
	}
	if s.Ledger, err = ledger.New(ctx, db, c.Ledger, with.Now); err != nil {
		return err
	}
	if own, ok := s.Backend.(journaled); ok {
		own.Keep(s.Ledger)
		c.Audit.Atomic = true
	}
	if s.Guard, err = lockout.New(with.Wrap(s.Backend), s.Ledger, c.Lockout, with.Now); err != nil {
		return err
	}
	c.Audit.Policy = rulesName(c.Policy)
	s.Trail, err = audit.New(s.Guard, s.Ledger, c.Audit, with.Now)
	return err
}

// rulesName is the preset's name for the audit trail, and where the configuration
// alters the preset, a mark of the rules as they are.
func rulesName(p config.Policy) string {
	if preset, ok := pin.Preset(p.Preset); ok && preset == p.Policy {
		return p.Preset
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", p.Policy))
	return fmt.Sprintf("%s+%x", p.Preset, sum[:4])
}

// journaled is a backend of our own: the ledger lives in its file, so that a
// change and its end in the audit trail are one transaction.
type journaled interface {
	DB() *sqlkit.DB
	Keep(sqldb.Journal)
}

// ledgerFile is the backend's own database, or one beside it.
func (s *Stores) ledgerFile(ctx context.Context, dir string) (*sqlkit.DB, error) {
	if own, ok := s.Backend.(journaled); ok {
		return own.DB(), nil
	}
	o := sqlkit.DefaultOptions()
	o.Path = filepath.Join(dir, "ledger.db")
	var err error
	s.db, err = sqlkit.Open(ctx, o)
	return s.db, err
}

// Close closes what is open, the ledger's last writes first.
func (s *Stores) Close() error {
	var all []error
	if s.Ledger != nil {
		all = append(all, s.Ledger.Close())
	}
	if s.db != nil {
		all = append(all, s.db.Close())
	}
	if s.Backend != nil {
		all = append(all, s.Backend.Close())
	}
	return errors.Join(all...)
}
