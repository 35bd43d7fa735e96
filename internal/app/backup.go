package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backup"
	"star97/internal/digest"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// Copying is what a Backup is told.
type Copying struct {
	File    string // the new backup
	Node    string
	Version string // of the program
	Users   string // the file of the SIP users; empty: there is none
	By      mailbox.Actor
	Reason  string
	// Rest says that databases on servers are left to the tools of those.
	Rest bool
	// BrokenTrail has the databases copied although the audit trail is not whole.
	BrokenTrail bool
}

// filed is a store of our own.
type filed interface {
	DB() *sqlkit.DB
	PepperFile() string
}

// Backup writes every database that is a file, every pepper file and that of the SIP users
// into one new file, and records it. Changes go on meanwhile; those that it has are those that were
// confirmed before. Where several databases are copied, the one with the audit trail
// waits for the others, so that no change is without its intent.
func (s *Stores) Backup(ctx context.Context, o Copying) (m backup.Manifest, err error) {
	if there := s.onServer(); there != "" && !o.Rest {
		return m, fmt.Errorf("%s: back it up with pg_dump first, then say --rest for everything else", there)
	}
	if err := s.wholeTrail(ctx, o.BrokenTrail); err != nil {
		return m, err
	}
	stage, err := backup.Stage(filepath.Dir(o.File))
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(stage)
	m = backup.Manifest{Version: o.Version, Node: o.Node}
	if err := s.gather(ctx, &m, stage, o.Users); err != nil {
		if errors.Is(err, sqlkit.ErrFull) {
			return m, fmt.Errorf("the folder %s has no room for the backup: free some, or choose another one", filepath.Dir(o.File))
		}
		return m, err
	}
	m.Made = time.Now().UTC().Truncate(time.Second)
	d := &audit.Deed{Action: audit.Backup, Target: filepath.Base(o.File), By: o.By, Reason: o.Reason}
	err = s.administer(ctx, d, func(context.Context) error {
		m, err = backup.Write(o.File, m)
		return err
	}, nothing)
	return m, err
}

// wholeTrail refuses an audit trail that is not whole, which a backup would keep for good:
// the administrator is to know before the day on which it is needed.
func (s *Stores) wholeTrail(ctx context.Context, broken bool) error {
	if broken {
		return nil
	}
	_, err := s.Ledger.Verify(ctx)
	if at := new(audit.Break); errors.As(err, &at) {
		return fmt.Errorf("the audit trail is not whole: %w; look at it with `star97 audit verify`, then say --broken-trail to copy it as it is", err)
	}
	return err
}

// gather copies everything into the folder stage: peppers after the databases, since a
// pepper has every key before a code can need it, and the SIP users beside them, so that
// the audit trail tells how each came and that none of them was removed.
func (s *Stores) gather(ctx context.Context, m *backup.Manifest, stage, users string) error {
	stores := func() error {
		if err := s.alone(ctx, func() error { return s.databases(ctx, m, stage) }); err != nil {
			return err
		}
		return s.keys(m, stage)
	}
	if users == "" {
		return stores()
	}
	return digest.Still(users, func(text []byte) error {
		if err := stores(); err != nil || text == nil {
			return err
		}
		return os.WriteFile(add(m, stage, "", backup.SIPUsers), text, 0o600)
	})
}

// keys copies the pepper files.
func (s *Stores) keys(m *backup.Manifest, stage string) error {
	copied := map[string]bool{}
	for _, n := range s.Backend.All() {
		own, ok := n.Backend.(filed)
		switch {
		case !ok || copied[own.PepperFile()]:
		case own.PepperFile() == "":
			m.Missing = append(m.Missing, "the pepper of store "+storeName(n.Name)+" is kept elsewhere and not in this backup")
		default:
			copied[own.PepperFile()] = true
			text, err := os.ReadFile(own.PepperFile())
			if err != nil {
				return fmt.Errorf("the pepper file cannot be read: %w", err)
			}
			path := add(m, stage, n.Name, backup.Pepper)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func storeName(name string) string {
	if name == "" {
		return backend.DefaultName
	}
	return name
}

// add names one more file of a backup and returns where it has to be.
func add(m *backup.Manifest, stage, store string, kind backup.Kind) string {
	name := strconv.Itoa(len(m.Files)) + "-" + string(kind)
	path := filepath.Join(stage, name)
	m.Files = append(m.Files, backup.File{Name: name, Store: store, Kind: kind, Path: path})
	return path
}

func (s *Stores) databases(ctx context.Context, m *backup.Manifest, stage string) error {
	for _, n := range s.Backend.All() {
		own, ok := n.Backend.(filed)
		if !ok {
			continue
		}
		if own.DB().Dialect() != sqlkit.SQLite {
			m.Missing = append(m.Missing, left(own.DB()))
			continue
		}
		if err := own.DB().Snapshot(ctx, add(m, stage, n.Name, backup.Database)); err != nil {
			return err
		}
	}
	if s.db != nil {
		return s.db.Snapshot(ctx, add(m, stage, "", backup.Ledger))
	}
	return nil
}

// onServer says which database, if any, a backup cannot have.
func (s *Stores) onServer() string {
	for _, n := range s.Backend.All() {
		if own, ok := n.Backend.(filed); ok && own.DB().Dialect() != sqlkit.SQLite {
			return left(own.DB())
		}
	}
	return ""
}

func left(db *sqlkit.DB) string {
	return fmt.Sprintf("the database %s is on a server and not in this backup", db.Path())
}

// errCopied undoes the transaction of alone, in which nothing was written.
var errCopied = errors.New("the databases are copied")

// alone runs use while nothing is written to the audit trail, if use is to see several
// databases.
func (s *Stores) alone(ctx context.Context, use func() error) error {
	trail, files := s.db, 0
	for _, n := range s.Backend.All() {
		own, ok := n.Backend.(filed)
		if !ok {
			continue
		}
		files++
		if n.Name == "" {
			trail = own.DB()
		}
	}
	if s.db != nil {
		files++
	}
	if files < 2 || trail.Dialect() != sqlkit.SQLite {
		return use()
	}
	err := trail.Write(ctx, func(*sql.Tx) error {
		if err := use(); err != nil {
			return err
		}
		return errCopied
	})
	if errors.Is(err, errCopied) {
		return nil
	}
	return err
}
