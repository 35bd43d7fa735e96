package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/config"
)

// OpenAside is OpenStores for what only looks, or tries what it is about to do: it makes
// nothing in the data folder, nor the folder, but the pepper of a database on a server.
// Databases of our own that are not there yet are made, empty, in a folder that goes with
// Close.
func OpenAside(ctx context.Context, c config.Config, dir string) (*Stores, error) {
	if !Makes(c, dir) {
		return OpenStores(ctx, c, dir)
	}
	aside, err := os.MkdirTemp("", "star97-")
	if err != nil {
		return nil, fmt.Errorf("a folder for what is only looked at cannot be made: %w; set TMPDIR to one where this user can", err)
	}
	s, err := openAside(ctx, c, folders{dir: dir, aside: aside})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(aside))
	}
	leave := s.leave
	s.leave = func() {
		leave()
		_ = os.RemoveAll(aside) // nobody has put anything into it
	}
	return s, nil
}

func openAside(ctx context.Context, c config.Config, at folders) (*Stores, error) {
	shared := slices.ContainsFunc(everyStore(c), func(o backend.Options) bool { return o.Driver == sqldb.PostgresName })
	if !shared && !there(at.dir) {
		return opened(ctx, c, at, Seams{}, func() {})
	}
	return entered(ctx, c, at, Seams{})
}

// Makes tells whether OpenStores would make a database for a data folder.
func Makes(c config.Config, dir string) bool {
	for _, o := range everyStore(c) {
		if o.Driver == sqldb.Name && !there(o.In(dir).File()) {
			return true
		}
	}
	return !Recorded(c, dir)
}

// Begun tells whether there is a store to ask: one of another machine, or a database of
// our own in a data folder.
func Begun(c config.Config, dir string) bool {
	for _, o := range everyStore(c) {
		if o.Driver != sqldb.Name {
			return true
		}
	}
	return Kept(c, dir)
}

// Kept tells whether a store of our own has a database, in a data folder or on a server.
func Kept(c config.Config, dir string) bool {
	for _, o := range everyStore(c) {
		if o.Driver == sqldb.PostgresName || o.Driver == sqldb.Name && there(o.In(dir).File()) {
			return true
		}
	}
	return false
}

// everyStore are the options of all stores, the default one first.
func everyStore(c config.Config) []backend.Options {
	all := []backend.Options{c.Store}
	for _, o := range c.Stores {
		all = append(all, o)
	}
	return all
}

// there tells whether something is there, or may be.
func there(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// folders are where the databases of our own are: in the data folder, and what that lacks
// aside, if anywhere.
type folders struct{ dir, aside string }

// of completes a store's options with where its files are.
func (at folders) of(name string, o backend.Options) backend.Options {
	in := o.In(at.dir)
	if at.aside == "" || o.Driver != sqldb.Name || there(in.File()) {
		return in
	}
	o.SQLite.Database.Path, o.SQLite.PepperFile = name+".db", ""
	return o.In(at.aside)
}

// ledger is the file of a ledger that is in no store.
func (at folders) ledger() string {
	name := filepath.Join(at.dir, ledgerName)
	if at.aside == "" || there(name) {
		return name
	}
	return filepath.Join(at.aside, ledgerName)
}
