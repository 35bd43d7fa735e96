package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Router is a Store over several, each of which keeps the mailboxes of domains of
// its own. It holds no lock and no queue but those of one mailbox's first code: what
// befalls one store befalls the calls of its domains alone. Make one with NewRouter.
type Router struct {
	stores  []*store // the default one first
	domains atomic.Pointer[tenants]
}

// Named is an open Backend under its name in the configuration.
type Named struct {
	Backend
	Name   string // empty: the default one
	Driver string // what the Backend says of itself in Account.Backend
}

// store is one of a Router's.
type store struct {
	Named
	identity string
	calls    mailbox.Store  // stands before the Backend for the stores that it leans on; nil: it leans on none
	checker  mailbox.Traits // of whoever checks codes instead; Check is NoCheck if nobody does
	twin     *twin          // the other store that does
	delegate *delegated     // nil: the system itself
	oneTime  bool           // its callers show one-time codes instead of theirs
	first    adapter.Turns  // of setting a mailbox's first code, where the system does not compare
}

// tenants says which store has a domain. It is never altered.
type tenants struct {
	of    map[string]*store // by domain in lower case
	names []string          // of these, sorted
	rest  *store            // of every other domain; nil: nobody has it
}

// NewRouter owns what it is given. Until Serve is called all domains belong to the
// default store, which comes first.
func NewRouter(stores ...Named) *Router {
	r := new(Router)
	for _, n := range stores {
		r.stores = append(r.stores, &store{Named: n, identity: Identity(n.Driver, n.Name)})
	}
	_ = r.Serve(nil) // names no store
	return r
}

// OpenAll opens the default store, then the others in the order of their names. One
// that cannot be opened is named in the error and ends it all: a service that starts
// without the mailboxes of one tenant tells nobody but that tenant's callers.
func OpenAll(ctx context.Context, o Options, more map[string]Options, by Delegates) (*Router, error) {
	first, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	opened := []Named{{first, "", o.Driver}}
	files := []string{o.File()}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		next, err := openApart(ctx, more[name], files)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("store %s: %w", name, err), NewRouter(opened...).Close())
		}
		opened = append(opened, Named{next, name, more[name].Driver})
		files = append(files, more[name].File())
	}
	r := NewRouter(opened...)
	for i, s := range r.stores {
		own := o
		if i > 0 {
			own = more[s.Name]
		}
		if err := r.lean(ctx, s, own, by); err != nil {
			return nil, errors.Join(fmt.Errorf("store %s: %w", cmp.Or(s.Name, DefaultName), err), r.Close())
		}
	}
	return r, nil
}

// usable is the section of a driver that keeps files on this machine.
type usable interface {
	Usable(ctx context.Context) error
}

// Usable tells why OpenAll would refuse the files on this machine, as its error. It makes
// and alters nothing, and asks no other machine.
func Usable(ctx context.Context, o Options, more map[string]Options) error {
	if err := o.usable(ctx); err != nil {
		return err
	}
	files := []string{o.File()}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		err := more[name].usable(ctx)
		if err == nil {
			err = apart(more[name].File(), files)
		}
		if err != nil {
			return fmt.Errorf("store %s: %w", name, err)
		}
		files = append(files, more[name].File())
	}
	return nil
}

func (o Options) usable(ctx context.Context) error {
	s, err := o.chosen()
	if err != nil {
		return err
	}
	u, ok := s.(usable)
	if !ok {
		return nil
	}
	if err := u.Usable(ctx); err != nil {
		return fmt.Errorf("%s: %w", o.Driver, err)
	}
	return nil
}

// openApart opens a store that has none of some files, however they are named.
func openApart(ctx context.Context, o Options, files []string) (Backend, error) {
	b, err := Open(ctx, o)
	if err != nil || o.File() == "" {
		return b, err
	}
	if err := apart(o.File(), files); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// apart refuses a file that is one of some others, however they are named.
func apart(file string, others []string) error {
	mine, err := os.Stat(file)
	if err != nil {
		return nil // there is none yet
	}
	for _, name := range others {
		if other, missing := os.Stat(name); missing == nil && os.SameFile(mine, other) {
			return fmt.Errorf("%s is the file of another store already, there as %s: give each a file of its own", file, name)
		}
	}
	return nil
}

// Identity is what Account.Backend says of a store's mailboxes, in audit records and
// in the keys of counters: the driver's name, and behind it the store's own unless
// it is the default one, so that those of a site with one store stay when it gets
// a second.
func Identity(driver, name string) string {
	if name == "" {
		return driver
	}
	return driver + ":" + name
}

// Default is the store without a name.
func (r *Router) Default() Backend { return r.stores[0].Backend }

// All are the stores, the default one first.
func (r *Router) All() []Named {
	all := make([]Named, len(r.stores))
	for i, s := range r.stores {
		all[i] = s.Named
	}
	return all
}

// Keeper is the Identity of the store that has a domain, empty if none does.
func (r *Router) Keeper(domain string) string {
	if s := r.holding(domain); s != nil {
		return s.identity
	}
	return ""
}

// Serve leads each domain to the store of that name, an empty name and the default
// tenant to the default one, from the next question on. Without any domain all
// belong to the default store. Accounts found before stay with theirs.
func (r *Router) Serve(domains map[string]string) error {
	t := &tenants{of: map[string]*store{"": r.stores[0]}}
	if len(domains) == 0 {
		t.rest = r.stores[0]
	}
	for domain, name := range domains {
		i := slices.IndexFunc(r.stores, func(s *store) bool { return s.Name == name })
		if i < 0 {
			return fmt.Errorf("domain %q is to be in store %s, which is not open: add it to stores, and restart", domain, name)
		}
		t.of[strings.ToLower(domain)] = r.stores[i]
	}
	t.names = slices.Sorted(maps.Keys(t.of))
	r.domains.Store(t)
	return nil
}

// Close closes every store, the default one last.
func (r *Router) Close() error {
	var all []error
	for _, s := range slices.Backward(r.stores) {
		all = append(all, s.told(s.Backend.Close()))
	}
	return errors.Join(all...)
}

// holding is the store that has a domain; nil if none does.
func (r *Router) holding(domain string) *store {
	t := r.domains.Load()
	if s := t.of[strings.ToLower(domain)]; s != nil {
		return s
	}
	return t.rest
}

// keeping is the store of an account, and the account as that store knows it. One
// that nobody keeps, or that has no store, goes to that of its domain, or else to
// the default one, as a mailbox that does not exist: the work is the same.
func (r *Router) keeping(a mailbox.Account) (*store, mailbox.Account) {
	if i := slices.IndexFunc(r.stores, func(s *store) bool { return s.identity == a.Backend }); i >= 0 {
		a.Backend = r.stores[i].Driver
		return r.stores[i], a
	}
	nobody := mailbox.Account{Domain: a.Domain}
	if s := r.holding(a.Domain); s != nil {
		return s, nobody
	}
	return r.stores[0], nobody
}

// Lookup asks the store of the domain; a domain that nobody has has no mailbox.
func (r *Router) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	s := r.holding(q.Domain)
	if s == nil {
		return nil, nil
	}
	found, err := s.front().Lookup(ctx, q)
	if err != nil {
		return nil, s.told(err)
	}
	for i := range found {
		if !strings.EqualFold(found[i].Domain, q.Domain) {
			return nil, s.told(mailbox.Fail("lookup", mailbox.Unavailable,
				fmt.Errorf("it answered for domain %q with a mailbox of domain %q", q.Domain, found[i].Domain)))
		}
		found[i].Backend = s.identity
	}
	return found, nil
}

// Verify asks the store of the account.
func (r *Router) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	s, own := r.keeping(a)
	return s.told(s.front().Verify(ctx, own, code, at))
}

// Change asks the store of the account. With the claim ByFirstUse there is no current
// code to check: a store that does not know that claim looks whether there is still none,
// and sets the first.
func (r *Router) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	s, own := r.keeping(a)
	var result mailbox.Result
	if at.Claim == mailbox.ByFirstUse {
		result = s.begin(ctx, own, next, at)
		s.prove(own, next, at, result)
	} else {
		result = s.front().Change(ctx, own, current, next, at)
	}
	result.Err = s.told(result.Err)
	return result
}

// OneTime tells whether the callers of a domain show one-time codes: nobody can tell
// whether a code of theirs is right.
func (r *Router) OneTime(domain string) bool {
	s := r.holding(domain)
	return s != nil && s.oneTime
}

// Lag is that of the account's store, or of whoever checks its codes if that is longer.
func (r *Router) Lag(a mailbox.Account) (lag time.Duration) {
	s, own := r.keeping(a)
	if l, ok := s.Backend.(mailbox.Lagging); ok {
		lag = l.Lag(own)
	}
	if s.delegate != nil {
		lag = max(lag, s.delegate.lag(own))
	}
	return lag
}

// Takes is how long whoever checks the account's code may take for it; 0 where nothing
// says that it is long.
func (r *Router) Takes(a mailbox.Account) time.Duration {
	s, own := r.keeping(a)
	if s.delegate == nil {
		return 0
	}
	if slow, ok := s.delegate.by.(mailbox.Slow); ok {
		return slow.Takes(own)
	}
	return 0
}

// front is what calls ask.
func (s *store) front() mailbox.Store {
	if s.calls != nil {
		return s.calls
	}
	return s.Backend
}

// told names the store in an error that an administrator should look at, and leaves
// its Code as it is.
func (s *store) told(err error) error {
	code := mailbox.CodeOf(err)
	switch code {
	case mailbox.Unavailable, mailbox.Throttled, mailbox.ServiceRefused, mailbox.OutcomeUnknown, mailbox.Busy:
	default:
		return err
	}
	if s.Name == "" {
		return err
	}
	op, detail := "store", err
	var e *mailbox.Error
	if errors.As(err, &e) {
		op = e.Op
		if e.Detail != nil {
			detail = e.Detail
		}
	}
	return mailbox.Fail(op, code, fmt.Errorf("store %s: %w", s.Name, detail))
}
