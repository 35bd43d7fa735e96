// Package backend is the literal table from a backend's name to its driver, the ways
// of stores that lean on each other, and the Router over several.
package backend

import (
	"context"
	"fmt"

	"star97/internal/mailbox"
)

// Delegates makes the Verifiers that are no store: Verify.By is probe.
type Delegates func(ctx context.Context, v Verify) (mailbox.Verifier, error)

// Open opens the chosen backend alone, without whom it leans on. Errors are sentences
// with place and remedy.
func Open(ctx context.Context, o Options) (Backend, error) {
	s, err := o.chosen()
	if err != nil {
		return nil, err
	}
	if told, ok := s.(logging); ok && o.Log != nil {
		told.LogTo(o.Log)
	}
	b, err := s.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Driver, err)
	}
	return b, nil
}

// Leans tells whether the store needs others: then only OpenAll opens it whole.
func (o Options) Leans() bool { return o.Verify != Verify{} || o.Find != "" }
