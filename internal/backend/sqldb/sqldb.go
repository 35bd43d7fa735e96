// Package sqldb is the backend on a SQL database of our own: mailboxes, codes at
// rest as argon2id over a peppered HMAC, and the change of a code as one
// transaction. Only the hash of a code is stored; nothing here can show one.
//
// A stolen database alone does not reveal codes while the pepper file stays
// secret. Not claimed: that hashing protects a 4 to 6 digit code once both are lost.
package sqldb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"star97/internal/hashpool"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// Name is what Account.Backend says of the embedded store's mailboxes.
const Name = "sqlite"

//go:embed migrations
var migrations embed.FS

// Store is a mailbox.Store on one SQLite file, or on a database of a PostgreSQL server
// that several nodes share. It is also a mailbox.Lister, Resetter, Granter, Admin,
// Editor, Flagger, Renumberer, Reassigner and Recaller.
type Store struct {
	name    string // Account.Backend
	traits  mailbox.Traits
	db      *sqlkit.DB
	lookup  *sql.Stmt // lookupQuery; nil: it is compiled each time
	ring    keyring
	pool    *hashpool.Pool
	cost    Cost
	age     Age
	refused atomic.Int32 // how many former codes are refused
	kept    atomic.Int32 // how many are kept
	doubts  doubts
	decoy   record // stands in for the code of a mailbox that has none
	journal Journal
}

// Journal records the end of a change within the transaction that makes it.
type Journal interface {
	// EndIn records that the change of this intent (mailbox.Attempt) is Done.
	EndIn(ctx context.Context, tx *sql.Tx, intent string) error
}

// Keep makes every later Change of an attempt with an intent end in j too, in one
// transaction. Call it before the first Change.
func (s *Store) Keep(j Journal) { s.journal = j }

// Waiting is the number of callers that wait for a code to be checked or made.
func (s *Store) Waiting() int { return s.pool.Waiting() }

// DB is the open database, for a journal in the same file. It stays the Store's.
func (s *Store) DB() *sqlkit.DB { return s.db }

var (
	_ mailbox.Store      = (*Store)(nil)
	_ mailbox.Lister     = (*Store)(nil)
	_ mailbox.Resetter   = (*Store)(nil)
	_ mailbox.Admin      = (*Store)(nil)
	_ mailbox.Editor     = (*Store)(nil)
	_ mailbox.Flagger    = (*Store)(nil)
	_ mailbox.Renumberer = (*Store)(nil)
	_ mailbox.Granter    = (*Store)(nil)
	_ mailbox.Reassigner = (*Store)(nil)
	_ mailbox.Recaller   = (*Store)(nil)
)

// Open opens or makes the database and, at the first start, its pepper file.
// Errors are sentences with place and remedy.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return open(ctx, o)
}

func open(ctx context.Context, o Options) (*Store, error) {
	db, err := sqlkit.Open(ctx, o.Database)
	if err != nil {
		return nil, err
	}
	s := newStore(db, o)
	s.name, s.traits = Name, o.Declared()
	return s.prepared(ctx, o.pepperFile(), o.Pepper)
}

// newStore takes what is not the database's from o.
func newStore(db *sqlkit.DB, o Options) *Store {
	return &Store{db: db, pool: hashpool.New(o.workers(), o.Queue, o.QueueWait), cost: o.Cost, age: o.Age}
}

// prepared returns s ready for use, or closes it.
func (s *Store) prepared(ctx context.Context, pepperFile string, from PepperSource) (*Store, error) {
	if err := s.prepare(ctx, pepperFile, from); err != nil {
		s.db.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context, pepperFile string, from PepperSource) error {
	files, err := fs.Sub(migrations, "migrations/"+string(s.db.Dialect()))
	if err != nil {
		return err
	}
	if err := s.db.Migrate(ctx, "mailbox", files); err != nil {
		return err
	}
	if err := s.compile(ctx); err != nil {
		return err
	}
	if err := s.openPepper(ctx, pepperFile, from); err != nil {
		return err
	}
	s.decoy = record{kid: s.ring.now.Load().last, salt: make([]byte, saltSize), hash: make([]byte, hashSize), cost: s.cost}
	rand.Read(s.decoy.salt)
	rand.Read(s.decoy.hash)
	return nil
}

func (s *Store) lacks(p *pepper, kid string) error {
	return fmt.Errorf("the database %s holds codes made with pepper key %s, which %s lacks: %s", s.db.Path(), kid, p.title, s.regain())
}

// regain says where the right pepper file is.
func (s *Store) regain() string {
	if s.db.Dialect() == sqlkit.SQLite {
		return "restore it from a backup"
	}
	return "copy it from another node, or restore it from a backup"
}

// kidsOf finds the ids of the pepper keys that the codes need.
var kidsOf = map[sqlkit.Dialect]string{
	sqlkit.SQLite:     "SELECT kid FROM code UNION SELECT kid FROM history",
	sqlkit.PostgreSQL: "SELECT kid FROM code UNION SELECT kid FROM history UNION SELECT kid FROM pepper",
}

func (s *Store) kids(ctx context.Context) (kids []string, err error) {
	err = s.db.Read(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, kidsOf[s.db.Dialect()])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kid string
			if err := rows.Scan(&kid); err != nil {
				return err
			}
			kids = append(kids, kid)
		}
		return rows.Err()
	})
	return kids, err
}

// Close closes the database. Calls still running fail with Unavailable.
func (s *Store) Close() error { return s.db.Close() }

// fail gives a database's error its code; errors that have one keep it.
func fail(op string, err error) error {
	var e *mailbox.Error
	switch {
	case err == nil, errors.As(err, &e):
		return err
	case errors.Is(err, sqlkit.ErrCommit):
		return mailbox.Fail(op, mailbox.OutcomeUnknown, err)
	case errors.Is(err, sqlkit.ErrBusy):
		return mailbox.Fail(op, mailbox.Busy, err)
	case errors.Is(err, sqlkit.ErrRefused):
		return mailbox.Fail(op, mailbox.ServiceRefused, err)
	}
	return mailbox.Fail(op, mailbox.Unavailable, err)
}

// one passes the result of a statement that must have met exactly one row.
func one(done sql.Result, otherwise error) error {
	n, err := done.RowsAffected()
	if err == nil && n != 1 {
		return otherwise
	}
	return err
}

func now() int64 { return time.Now().UnixMilli() }
