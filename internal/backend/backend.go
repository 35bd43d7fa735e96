// Package backend is the literal table from a backend's name to its driver.
package backend

import (
	"context"
	"fmt"
	"strings"

	"star97/internal/backend/sqldb"
)

// DefaultOptions has every driver's defaults.
func DefaultOptions() Options {
	return Options{Driver: "sqlite", SQLite: sqldb.DefaultOptions()}
}

// In returns o with its relative paths taken from dir.
func (o Options) In(dir string) Options {
	o.SQLite = o.SQLite.In(dir)
	return o
}

// Names lists the drivers.
func Names() []string {
	names := make([]string, len(table))
	for i, d := range table {
		names[i] = d.name
	}
	return names
}

// Validate tells what is wrong with the chosen driver's options.
func (o Options) Validate() error {
	d, err := find(o.Driver)
	if err != nil {
		return err
	}
	if err := d.validate(o); err != nil {
		return fmt.Errorf("%s.%w", d.name, err)
	}
	return nil
}

// Open opens the chosen backend. Errors are sentences with place and remedy.
func Open(ctx context.Context, o Options) (Backend, error) {
	d, err := find(o.Driver)
	if err != nil {
		return nil, err
	}
	return d.open(ctx, o)
}

func find(name string) (driver, error) {
	for _, d := range table {
		if d.name == name {
			return d, nil
		}
	}
	return driver{}, fmt.Errorf("driver is %q: use one of %s", name, strings.Join(Names(), ", "))
}
