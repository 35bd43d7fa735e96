package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// delegated is a Store whose codes another party checks. Its Change has that party
// check the current code as well.
type delegated struct {
	mailbox.Store
	by     mailbox.Verifier
	proved *proofs // nil: the delegate can be asked as often as need be
}

// Verify asks the delegate.
func (d *delegated) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	err := d.by.Verify(ctx, a, code, at)
	if err == nil {
		d.proved.keep(a, code, at)
	}
	return err
}

// Change has current checked before the system is asked to write. Where the delegate
// cannot be asked twice, what the call has proved a moment ago counts until the change
// is made.
func (d *delegated) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	if !d.proved.have(a, &current, at) {
		if err := d.by.Verify(ctx, a, current, at); err != nil {
			return mailbox.Refuse(err)
		}
	}
	r := d.Store.Change(ctx, a, current, next, at)
	if r.Outcome != mailbox.Refused {
		d.proved.drop(at)
	}
	return r
}

// nobody is the Verifier of a store whose callers show one-time codes: theirs cannot be
// checked.
type nobody struct{}

// Verify answers as a service that is not there.
func (nobody) Verify(context.Context, mailbox.Account, pin.PIN, mailbox.Attempt) error {
	return mailbox.Fail("verify", mailbox.ServiceRefused, errors.New("nobody can check a code of this store; its callers show one-time codes"))
}

// unknowable is the lag of a store whose delegate answers from what it has itself: that
// it calls the current code right never proves that a change was not made.
const unknowable = 24 * time.Hour

// lag is how long after a change the delegate may call the old code right.
func (d *delegated) lag(a mailbox.Account) time.Duration {
	if l, ok := d.by.(mailbox.Lagging); ok {
		return l.Lag(a)
	}
	return unknowable
}

const (
	// proofTime is how long a call's proved code counts: long enough to choose a new
	// one, and no longer than the code should stay in memory.
	proofTime = 5 * time.Minute
	// maxProofs bounds the calls that are remembered; the one too many is asked again.
	maxProofs = 4096
)

// proofs remembers for each call which code its delegate has called right, for
// delegates that can be asked once: as a call to a voicemail pilot, which takes the
// caller's time and counts there.
type proofs struct {
	mu   sync.Mutex
	kept map[uint64]proof
}

type proof struct {
	mailbox string
	code    pin.PIN
	end     *time.Timer
}

func (p *proofs) keep(a mailbox.Account, code pin.PIN, at mailbox.Attempt) {
	if p == nil || at.Call == 0 {
		return
	}
	p.drop(at)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) >= maxProofs {
		return
	}
	if p.kept == nil {
		p.kept = map[uint64]proof{}
	}
	// Started by the timer, stops at once, owns nothing.
	end := time.AfterFunc(proofTime, func() { p.drop(at) })
	p.kept[at.Call] = proof{a.ID, code, end}
}

// have tells whether the call has proved this code.
func (p *proofs) have(a mailbox.Account, code *pin.PIN, at mailbox.Attempt) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	kept, ok := p.kept[at.Call]
	return ok && kept.mailbox == a.ID && kept.code.Equal(code)
}

func (p *proofs) drop(at mailbox.Attempt) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept, ok := p.kept[at.Call]; ok {
		kept.end.Stop()
		kept.code.Wipe()
		delete(p.kept, at.Call)
	}
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
	same, err := t.of(ctx, a, at)
	if err != nil {
		return err
	}
	return t.store.Verify(ctx, same, code, at)
}

// of is the mailbox there that is the same person's. Whom that store does not know, or
// knows twice, is told so on the own telephone; a stranger must not learn that there is
// such a mailbox here, and hears of a wrong code.
func (t twin) of(ctx context.Context, a mailbox.Account, at mailbox.Attempt) (mailbox.Account, error) {
	found, err := resembling(ctx, t.store, a)
	switch {
	case err != nil:
		return mailbox.Account{}, err
	case len(found) == 1:
		return found[0], nil
	}
	code := mailbox.ServiceRefused
	switch {
	case at.Door == mailbox.AnyDoor:
		code = mailbox.WrongPIN
	case len(found) > 1:
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
	if a.Mail == "" {
		a.Mail = person.Mail
	}
	return a
}
