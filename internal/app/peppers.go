package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/mailbox"
)

// Pepper is the pepper of one or several stores of our own.
type Pepper struct {
	sqldb.PepperStatus
	Stores []string // that share it, by name

	keeper peppered
}

// peppered is a store of our own.
type peppered interface {
	Pepper(ctx context.Context) (sqldb.PepperStatus, error)
	RotatePepper(ctx context.Context) (kid string, err error)
	UsePepper(ctx context.Context, kid string) error
}

// Peppers lists the peppers of all stores, those of one folder's stores as one.
func (s *Stores) Peppers(ctx context.Context) (all []Pepper, err error) {
	for _, n := range s.Backend.All() {
		store, ok := n.Backend.(peppered)
		if !ok {
			continue
		}
		status, err := store.Pepper(ctx)
		if err != nil {
			return nil, err
		}
		name := n.Name
		if name == "" {
			name = backend.DefaultName
		}
		i := slices.IndexFunc(all, func(p Pepper) bool { return p.Title == status.Title })
		if i < 0 {
			all = append(all, Pepper{PepperStatus: status, Stores: []string{name}, keeper: store})
			continue
		}
		all[i].Stores = append(all[i].Stores, name)
		all[i].add(status.Keys)
	}
	if len(all) == 0 {
		return nil, errors.New("no store of this configuration is one of star97's own, so none has a pepper")
	}
	return all, nil
}

// add counts the codes of one more store.
func (p *Pepper) add(keys []sqldb.PepperKey) {
	for _, k := range keys {
		for i := range p.Keys {
			if p.Keys[i].ID == k.ID {
				p.Keys[i].Codes += k.Codes
				p.Keys[i].Former += k.Former
			}
		}
	}
}

// RotatePepper makes a new key of p, records it and returns the key's id.
func (s *Stores) RotatePepper(ctx context.Context, p Pepper, by mailbox.Actor, reason string) (kid string, err error) {
	d := &audit.Deed{Action: audit.Pepper, By: by, Reason: because("rotate", reason)}
	err = s.administer(ctx, d, func(ctx context.Context) error {
		kid, err = p.keeper.RotatePepper(ctx)
		d.Target = kid
		return err
	}, nothing)
	return kid, err
}

// UsePepper makes new codes use a key of p, and records it.
func (s *Stores) UsePepper(ctx context.Context, p Pepper, kid string, by mailbox.Actor, reason string) error {
	d := &audit.Deed{Action: audit.Pepper, Target: kid, By: by, Reason: because("use", reason)}
	return s.administer(ctx, d, func(ctx context.Context) error {
		return p.keeper.UsePepper(ctx, kid)
	}, nothing)
}

// because puts what was done before an administrator's reason.
func because(what, reason string) string { return strings.TrimSuffix(what+": "+reason, ": ") }
