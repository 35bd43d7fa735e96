package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/backup"
	"star97/internal/config"
	"star97/internal/digest"
	"star97/internal/ledger"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// Restoring is what Restore is told.
type Restoring struct {
	File   string // the backup
	Data   string // folder
	By     mailbox.Actor
	Reason string
	Force  bool // what is there is moved aside
	// BrokenTrail takes a backup whose audit trail is not whole.
	BrokenTrail bool
}

// Restored is what came of a Restore.
type Restored struct {
	backup.Manifest
	Mailboxes map[string]int // by store
	Trail     audit.Head     // of the audit trail in the backup; zero if it is not in it
	Broken    error          // what is wrong with that trail; nil: it is whole
	Aside     []string       // where what was there is now
}

// Restore puts a backup in the place of what a configuration's stores keep in files.
// Before it touches anything it makes sure that no service runs and no command works
// there, until everything is in its place, that every file is as it was written, that each
// database opens with its pepper and that the audit trail is whole. What is there already
// is refused, or with Force moved aside and never deleted. A Restore that is refused
// leaves no folder behind that it has made.
func Restore(ctx context.Context, c config.Config, o Restoring) (r Restored, err error) {
	made := missing(o.Data)
	defer func() {
		if err != nil {
			for _, dir := range made {
				_ = os.Remove(dir) // it stays if anything is in it
			}
		}
	}()
	if err := makeFolder(o.Data); err != nil {
		return r, err
	}
	unlock, err := borrowFolder(o.Data)
	if err != nil {
		return r, err
	}
	defer unlock()
	if err := r.restore(ctx, c, o); err != nil {
		return r, err
	}
	return r, r.record(ctx, c, o)
}

// restore has the folder to itself.
func (r *Restored) restore(ctx context.Context, c config.Config, o Restoring) error {
	done, err := clearFolder(o.Data)
	if err != nil {
		return err
	}
	defer done()
	if err := sweepStages(o.Data); err != nil {
		return err
	}
	stage, err := os.MkdirTemp(o.Data, staging+"*") // mode 0700
	if err != nil {
		return fmt.Errorf("the data folder %s cannot be written to: %w; run this as the user that star97 runs as", o.Data, err)
	}
	defer os.RemoveAll(stage)
	if r.Manifest, err = backup.Extract(o.File, stage); err != nil {
		return err
	}
	places, err := placesOf(c, o.Data, r.Manifest)
	if err != nil {
		return err
	}
	if err := r.prove(ctx, c, places); err != nil {
		return fmt.Errorf("the backup %s cannot be used: %w", o.File, err)
	}
	if r.Broken != nil && !o.BrokenTrail {
		return fmt.Errorf("the audit trail in the backup %s is not whole: %w; say --broken-trail to use it all the same", o.File, r.Broken)
	}
	if err := writable(places); err != nil {
		return err
	}
	if r.Aside, err = clearPlaces(places, o.Force); err != nil {
		return err
	}
	return settleIn(places, o.Data)
}

// staging begins the name of the folder in which a backup is unpacked.
const staging = ".restore-"

// sweepStages removes what a restoration that was ended by force has left in a folder
// that is clear.
func sweepStages(dir string) error {
	all, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the data folder %s cannot be read: %w; run this as the user that star97 runs as", dir, err)
	}
	for _, one := range all {
		digits, ours := strings.CutPrefix(one.Name(), staging)
		if _, err := strconv.ParseUint(digits, 10, 64); !ours || err != nil {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, one.Name())); err != nil {
			return fmt.Errorf("what a restoration that was cut off has left cannot be removed: %w; remove it", err)
		}
	}
	return nil
}

// place is one file of a backup and where it belongs.
type place struct {
	backup.File
	goes string
	opts sqldb.Options // of a store's database: the configuration's
}

// placesOf finds the place of each file.
func placesOf(c config.Config, dir string, m backup.Manifest) (all []place, err error) {
	for _, f := range m.Files {
		p := place{File: f}
		if err := p.find(c, dir); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(q place) bool { return q.goes == p.goes }) {
			return nil, fmt.Errorf("the configuration has one place, %s, for two files of the backup: name the configuration of that time with --config", p.goes)
		}
		all = append(all, p)
	}
	return all, nil
}

func (p *place) find(c config.Config, dir string) error {
	what := fmt.Sprintf("a %s of store %s", p.Kind, storeName(p.Store))
	switch p.Kind {
	case backup.Ledger:
		p.goes = filepath.Join(dir, ledgerName)
	case backup.SIPUsers:
		what, p.goes = "SIP users", c.SIP.Digest.UsersFile
	case backup.Database, backup.Pepper:
		o, known := c.Stores[p.Store]
		if p.Store == "" {
			o, known = c.Store, true
		}
		if known {
			p.findStore(o.In(dir))
		}
	}
	if p.goes == "" {
		return fmt.Errorf("the backup has %s, for which the configuration has no place: name the configuration of that time with --config", what)
	}
	return nil
}

func (p *place) findStore(o backend.Options) {
	p.opts = o.SQLite
	switch {
	case p.Kind == backup.Pepper:
		p.goes = keysOf(o)
	case o.Driver == sqldb.Name:
		p.goes = o.File()
	}
}

// prove opens what was unpacked, where it is.
func (r *Restored) prove(ctx context.Context, c config.Config, places []place) error {
	r.Mailboxes = map[string]int{}
	for _, p := range places {
		switch p.Kind {
		case backup.Ledger:
			o := sqlkit.DefaultOptions()
			o.Path = p.Path
			db, err := sqlkit.Open(ctx, o)
			if err != nil {
				return err
			}
			if err := errors.Join(r.proveTrail(ctx, c, db), db.Close()); err != nil {
				return err
			}
		case backup.Database:
			if err := r.proveStore(ctx, c, p, places); err != nil {
				return err
			}
		case backup.SIPUsers:
			if _, err := digest.Users(digest.Options{UsersFile: p.Path}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Restored) proveStore(ctx context.Context, c config.Config, p place, places []place) (err error) {
	o := p.opts
	o.Database.Path = p.Path
	for _, q := range places {
		if q.Kind == backup.Pepper && q.goes == p.opts.Keys() {
			o.PepperFile = q.Path
		}
	}
	s, err := sqldb.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if p.Store == "" {
		if err := r.proveTrail(ctx, c, s.DB()); err != nil {
			return err
		}
	}
	page := mailbox.Page{AllDomains: true}
	for {
		found, err := s.List(ctx, page)
		if err != nil || len(found) == 0 {
			return err
		}
		r.Mailboxes[p.Store] += len(found)
		page.After = &found[len(found)-1]
	}
}

func (r *Restored) proveTrail(ctx context.Context, c config.Config, db *sqlkit.DB) error {
	l, err := ledger.New(ctx, db, c.Ledger, nil)
	if err != nil {
		return err
	}
	r.Trail, err = l.Verify(ctx)
	if at := new(audit.Break); errors.As(err, &at) {
		r.Broken = err
		r.Trail, err = l.Head(ctx)
	}
	return errors.Join(err, l.Close())
}

// besides are the ends of the names of what SQLite keeps beside a database.
var besides = []string{"", "-wal", "-shm", "-journal"}

// clearPlaces makes room: nothing is there, or it is moved aside.
func clearPlaces(places []place, force bool) (aside []string, err error) {
	var there []string
	for _, p := range places {
		for _, end := range besides {
			if _, err := os.Lstat(p.goes + end); err == nil {
				there = append(there, p.goes+end)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("whether something is at %s cannot be told: %w", p.goes+end, err)
			}
		}
	}
	if len(there) > 0 && !force {
		return nil, fmt.Errorf("there is something already: %s; say --force to move it aside, or restore into an empty folder with --data", strings.Join(there, ", "))
	}
	mark := ".before-restore-" + time.Now().UTC().Format("20060102T150405.000")
	for _, name := range there {
		if err := os.Rename(name, name+mark); err != nil {
			return aside, fmt.Errorf("%s cannot be moved aside: %w; what was moved already ends in %s", name, err, mark)
		}
		aside = append(aside, name+mark)
	}
	return aside, nil
}

// writable makes sure that the folders of all places, as far as they are there, can be
// written to.
func writable(places []place) error {
	for _, p := range places {
		f, err := os.CreateTemp(filepath.Dir(p.goes), staging+"*")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s cannot be put in its place: %w; let this user write to its folder, or run this as root", p.goes, err)
		}
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// settleIn moves the files to their places, secrets first, for the owner of the folder.
func settleIn(places []place, dir string) error {
	slices.SortStableFunc(places, func(a, b place) int { return order(a.Kind) - order(b.Kind) })
	for _, p := range places {
		if err := moveIn(p, dir); err != nil {
			return fmt.Errorf("%s cannot be put in its place: %w; nothing of the backup is lost: mend that and restore again with --force", p.goes, err)
		}
	}
	return nil
}

func order(k backup.Kind) int {
	return slices.Index([]backup.Kind{backup.Pepper, backup.SIPUsers, backup.Database, backup.Ledger}, k)
}

func moveIn(p place, dir string) error {
	owner, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.goes), 0o700); err != nil {
		return err
	}
	if err := chown(p.Path, owner); err != nil {
		return err
	}
	err = os.Rename(p.Path, p.goes)
	if errors.Is(err, syscall.EXDEV) {
		err = copyIn(p, owner)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(p.goes))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// chown gives a file to an owner, if this process may.
func chown(name string, owner fs.FileInfo) error {
	is, ok := owner.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(name, int(is.Uid), int(is.Gid))
}

// copyIn is moveIn to another file system, complete or not at all.
func copyIn(p place, owner fs.FileInfo) error {
	from, err := os.Open(p.Path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.CreateTemp(filepath.Dir(p.goes), staging+"*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(to.Name())
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Sync(), to.Close(), chown(to.Name(), owner)); err != nil {
		return err
	}
	return os.Rename(to.Name(), p.goes)
}

// record puts the restoration into the restored audit trail.
func (r *Restored) record(ctx context.Context, c config.Config, o Restoring) error {
	s, err := OpenStores(ctx, c, o.Data)
	if err != nil {
		return &Unfinished{Action: audit.Restore, Outcome: mailbox.Done, Err: err}
	}
	why := because("backup of "+r.Made.Format(time.RFC3339), o.Reason)
	d := &audit.Deed{Action: audit.Restore, Target: filepath.Base(o.File), By: o.By, Reason: why}
	err = s.administer(ctx, d, nothing, nothing)
	if err = errors.Join(err, s.Close()); err != nil {
		return &Unfinished{Action: audit.Restore, Outcome: mailbox.Done, Err: err}
	}
	return nil
}
