package backend

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// delegated is a Store whose codes another party checks. Its Change asks that party
// for the current code too, unless the same call has proved it a moment ago: a
// one-time code is good for one question, and a probe takes the caller's time.
type delegated struct {
	mailbox.Store
	by     mailbox.Verifier
	proved proofs
}

// Verify asks the delegate.
func (d *delegated) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	err := d.by.Verify(ctx, a, code, at)
	if err == nil {
		d.proved.keep(a, code, at)
	}
	return err
}

// Change has the delegate check current before the system is asked to write.
func (d *delegated) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	if !d.proved.take(a, &current, at) {
		if err := d.by.Verify(ctx, a, current, at); err != nil {
			return mailbox.Refuse(err)
		}
	}
	return d.Store.Change(ctx, a, current, next, at)
}

const (
	// proofTime is how long a call's proved code counts: longer than anybody needs to
	// choose a new one.
	proofTime = 10 * time.Minute
	// maxProofs bounds the calls that are remembered.
	maxProofs = 4096
)

// proofs remembers for each call which code its delegate has called right.
type proofs struct {
	mu   sync.Mutex
	kept map[uint64]proof
}

type proof struct {
	mailbox string
	code    pin.PIN
	until   time.Time
}

func (p *proofs) keep(a mailbox.Account, code pin.PIN, at mailbox.Attempt) {
	if at.Call == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for call, old := range p.kept {
		if len(p.kept) >= maxProofs || now.After(old.until) {
			delete(p.kept, call) // any one: whoever is forgotten is asked again
		}
	}
	if p.kept == nil {
		p.kept = map[uint64]proof{}
	}
	p.kept[at.Call] = proof{a.ID, code, now.Add(proofTime)}
}

// take tells whether the call has proved this code, once.
func (p *proofs) take(a mailbox.Account, code *pin.PIN, at mailbox.Attempt) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept, ok := p.kept[at.Call]
	delete(p.kept, at.Call)
	return ok && at.Call != 0 && kept.mailbox == a.ID && time.Now().Before(kept.until) && kept.code.Equal(code)
}

// twin is the Verifier on a store that keeps the same codes in another system.
type twin struct {
	store Backend
	name  string
}

// Verify asks for the one mailbox there that is the same person's.
func (t twin) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	if a.ID == "" {
		return t.store.Verify(ctx, mailbox.Account{Domain: a.Domain}, code, at)
	}
	same, err := t.of(ctx, a)
	if err != nil {
		return err
	}
	return t.store.Verify(ctx, same, code, at)
}

func (t twin) of(ctx context.Context, a mailbox.Account) (mailbox.Account, error) {
	found, err := resembling(ctx, t.store, a)
	switch {
	case err != nil:
		return mailbox.Account{}, err
	case len(found) == 1:
		return found[0], nil
	}
	code := mailbox.ServiceRefused
	if len(found) > 1 {
		code = mailbox.Ambiguous
	}
	return mailbox.Account{}, mailbox.Fail("verify", code,
		fmt.Errorf("store %s, which is to check the code of %s%s, has %d mailboxes that could be the same", t.name, a.Extension, mailbox.InDomain(a.Domain), len(found)))
}

// resembling finds the mailboxes of one person in another store: by the id in a common
// directory, or else by extension.
func resembling(ctx context.Context, store Backend, a mailbox.Account) ([]mailbox.Account, error) {
	if byUser, ok := store.(mailbox.ByUser); ok && a.User != "" {
		return byUser.ByUser(ctx, a.User, a.Domain)
	}
	return store.Lookup(ctx, mailbox.Query{Number: a.Extension, Domain: a.Domain})
}

// chained is a Store whose callers are found in another one first.
type chained struct {
	mailbox.Store
	codes  Backend // where the mailboxes themselves are
	finder Backend
}

// Lookup finds people in the finder and then their mailboxes. Whoever has no mailbox
// is nobody here.
func (c chained) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	people, err := c.finder.Lookup(ctx, q)
	if err != nil {
		return nil, err
	}
	var all []mailbox.Account
	for _, person := range people {
		found, err := resembling(ctx, c.codes, person)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			if !slices.ContainsFunc(all, func(b mailbox.Account) bool { return a.ID == b.ID }) {
				all = append(all, completed(a, person))
			}
		}
	}
	return all, nil
}

// completed is a mailbox with what only the finder knows of its owner.
func completed(a, person mailbox.Account) mailbox.Account {
	if a.Name == "" {
		a.Name = person.Name
	}
	if a.Language == "" {
		a.Language = person.Language
	}
	if len(a.Numbers) == 0 {
		a.Numbers = person.Numbers
	}
	return a
}
