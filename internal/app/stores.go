package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/notify"
	"star97/internal/onetime"
	"star97/internal/probe"
	"star97/internal/sqlkit"
)

// Stores is everything that keeps something, opened in one data folder: the
// backend, and around it the layers through which a call reaches it.
type Stores struct {
	Backend *backend.Router
	Guard   *lockout.Guard
	Trail   *audit.Trail // the outermost layer: what calls use
	Ledger  *ledger.Ledger
	Desk    *onetime.Desk
	// Notifier tells owners; nil: nobody does. It works while a service runs it.
	Notifier *notify.Notifier

	unwritten atomic.Pointer[failure] // the last record that the audit trail could not take

	oneTime func(domain string) bool        // whether a domain's callers show one-time codes
	carries bool                            // there is a way for one-time codes
	claim   func(ctx context.Context) error // takes the node's name, for a service
	db      *sqlkit.DB                      // the ledger's, where it is not the default store's
	reached atomic.Pointer[[]string]        // domains that calls reach, in lower case and order; empty is the default one
	asked   measured
	probes  []*probe.Probe
	leave   func() // the data folder
}

// OpenStores makes the data folder, readable by its owner only, if it is missing.
// Errors are sentences with place and remedy.
func OpenStores(ctx context.Context, c config.Config, dir string) (*Stores, error) {
	return OpenWith(ctx, c, dir, Seams{})
}

// Seams are where the service, a simulation or a test steps in.
type Seams struct {
	Log  *slog.Logger                              // of what happens behind a call; nil: nobody is told
	Wrap func(backend mailbox.Store) mailbox.Store // what the lock-out asks; nil: every change is settled
	// Carrier takes one-time codes to their owners; nil: what the configuration names.
	Carrier onetime.Carrier
	// OneTime tells whose mailboxes are opened by one-time codes; nil: as the stores say.
	OneTime func(domain string) bool
	Now     func() time.Time // the wall clock of lock-out, audit trail and ledger; nil: time.Now
}

// OpenWith is OpenStores with something at its seams.
func OpenWith(ctx context.Context, c config.Config, dir string, with Seams) (*Stores, error) {
	return entered(ctx, c, folders{dir: dir}, with)
}

// entered opens stores in a data folder, which it makes if it is missing.
func entered(ctx context.Context, c config.Config, at folders, with Seams) (*Stores, error) {
	if err := makeFolder(at.dir); err != nil {
		return nil, err
	}
	leave, err := enterFolder(at.dir)
	if err != nil {
		return nil, err
	}
	return opened(ctx, c, at, with, leave)
}

// opened opens stores; leave is called when they are closed, or could not be opened.
func opened(ctx context.Context, c config.Config, at folders, with Seams, leave func()) (*Stores, error) {
	if with.Wrap == nil {
		with.Wrap = settled
	}
	if with.Log == nil {
		with.Log = slog.New(slog.DiscardHandler)
	}
	s := &Stores{leave: leave}
	if err := s.open(ctx, c, at, with); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func settled(backend mailbox.Store) mailbox.Store {
	return mailbox.Settled(backend, call.SettleReserve)
}

// open opens the default store first: the ledger lives in its file, if it is one of
// our own. A change in another store is recorded as for a foreign system: its intent
// before, its end after.
func (s *Stores) open(ctx context.Context, c config.Config, at folders, with Seams) error {
	first, err := s.openBackends(ctx, c, at, with.Log)
	if err != nil {
		return err
	}
	db, err := s.ledgerFile(ctx, first, at)
	if err != nil {
		return err
	}
	s.claim = func(ctx context.Context) error { return claimNode(ctx, db, c.Audit.Node) }
	if s.Ledger, err = ledger.New(ctx, db, c.Ledger, with.Now); err != nil {
		return err
	}
	if own, ok := first.(journaled); ok {
		own.Keep(s.Ledger)
		c.Audit.Atomic = backend.Identity(c.Store.Driver, "")
	}
	if err := s.openDesk(ctx, c, db, with); err != nil {
		return err
	}
	if s.Guard, err = lockout.New(&s.asked, s.Ledger, c.Lockout, with.Now); err != nil {
		return err
	}
	s.Guard.Heed(s.Backend)
	c.Audit.Policy = rulesName(c.Policy)
	if s.Trail, err = audit.New(s.Guard, s.Ledger, c.Audit.Options, with.Now); err != nil {
		return err
	}
	s.Guard.Tell(s.Trail)
	s.Desk.Tell(s.Trail)
	for _, own := range s.forgetful() {
		own.Refuse(c.Policy.History)
	}
	return nil
}

// forgetful is a store of our own, which keeps the codes of before.
type forgetful interface {
	Refuse(codes int)
	Remember(codes int)
}

func (s *Stores) forgetful() (all []forgetful) {
	for _, n := range s.Backend.All() {
		if own, ok := n.Backend.(forgetful); ok {
			all = append(all, own)
		}
	}
	return all
}

// remember makes the stores of our own keep and refuse the codes of before that the rules
// name. The service alone forgets others: a command may run under other rules.
func (s *Stores) remember(codes int) {
	for _, own := range s.forgetful() {
		own.Remember(codes)
	}
}

// openDesk puts one-time codes before the stores, and with them whoever tells owners.
func (s *Stores) openDesk(ctx context.Context, c config.Config, db *sqlkit.DB, with Seams) (err error) {
	carrier := with.Carrier
	if c.Notify.On() {
		if s.Notifier, err = notify.New(ctx, db, s.Ledger, s.Backend, c.Notify, with.Log, with.Now); err != nil {
			return err
		}
	}
	if carrier == nil && c.Notify.Carries() {
		carrier = s.Notifier
	}
	if s.oneTime = with.OneTime; s.oneTime == nil {
		s.oneTime = s.Backend.OneTime
	}
	s.carries = carrier != nil
	if s.Desk, err = onetime.New(ctx, db, s.Backend, carrier, c.OneTime, with.Now); err != nil {
		return err
	}
	s.asked.Store, s.asked.sender, s.asked.keeper = with.Wrap(s.Desk), s.Desk, s.Backend.Keeper
	return nil
}

// openBackends returns the default store.
func (s *Stores) openBackends(ctx context.Context, c config.Config, at folders, log *slog.Logger) (first backend.Backend, err error) {
	more := map[string]backend.Options{}
	c.Store.Log = log
	for name, o := range c.Stores {
		o.Log = log.With(slog.String("store", name))
		more[name] = at.of(name, o)
	}
	if s.Backend, err = backend.OpenAll(ctx, at.of(backend.DefaultName, c.Store), more, s.delegate(c)); err != nil {
		return nil, err
	}
	for _, n := range s.Backend.All() {
		if own, ok := n.Backend.(filed); ok && own.PepperFile() != "" {
			if err := guarded(filepath.Dir(own.PepperFile())); err != nil {
				return nil, err
			}
		}
	}
	return s.Backend.Default(), s.Adopt(c.Plan)
}

// delegate opens who checks codes for stores that cannot.
func (s *Stores) delegate(c config.Config) backend.Delegates {
	return func(_ context.Context, v backend.Verify) (mailbox.Verifier, error) {
		o, known := c.Probes[v.Name]
		if !known {
			return nil, fmt.Errorf("there is no probe %s: add it to probes, or let another one check codes", v.Name)
		}
		p, err := probe.Open(v.Name, o)
		if err != nil {
			return nil, fmt.Errorf("probe %s: %w", v.Name, err)
		}
		s.probes = append(s.probes, p)
		return p, nil
	}
}

// Adopt makes a dialplan's domains those of the stores, for what comes from then on.
// It changes nothing if one of them is in a store that is not open: that takes a
// restart.
func (s *Stores) Adopt(plan *dialplan.Plan) error {
	domains := map[string]string{}
	for _, d := range plan.Domains {
		domains[strings.ToLower(d.Name)] = d.Store
	}
	if err := s.Backend.Serve(domains); err != nil {
		return err
	}
	reached := slices.Collect(maps.Keys(domains))
	for _, r := range plan.Routes {
		if r.DomainFrom == "" && r.Redirect == "" && r.Door != mailbox.CheckDoor {
			reached = append(reached, strings.ToLower(r.Domain))
		}
	}
	slices.Sort(reached)
	reached = slices.Compact(reached)
	s.reached.Store(&reached)
	return nil
}

// claimNode takes the node's name in the audit trail for this process, where several
// share a database: two of one name would close each other's changes in flight as cut off.
func claimNode(ctx context.Context, db *sqlkit.DB, node string) error {
	err := db.Claim(ctx, "node "+node)
	if errors.Is(err, sqlkit.ErrClaimed) {
		return fmt.Errorf("another star97 is node %s of this database: give each its own audit.node", node)
	}
	return err
}

// rulesName is the preset's name for the audit trail with a mark of the rules as they
// are: the configuration may alter them, and another version of the program the preset.
func rulesName(p config.Policy) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", p.Policy)) // a site's own list shows as its hash
	return fmt.Sprintf("%s+%x", p.Preset, sum[:4])
}

// journaled is a store of our own: with the ledger in its file, a change and its end
// in the audit trail are one transaction.
type journaled interface {
	DB() *sqlkit.DB
	Keep(sqldb.Journal)
}

// ledgerFile is the default store's own database, or one beside it.
func (s *Stores) ledgerFile(ctx context.Context, first backend.Backend, at folders) (*sqlkit.DB, error) {
	if own, ok := first.(journaled); ok {
		return own.DB(), nil
	}
	o := sqlkit.DefaultOptions()
	o.Path = at.ledger()
	var err error
	s.db, err = sqlkit.Open(ctx, o)
	return s.db, err
}

// Close closes what is open, the ledger's last writes first.
func (s *Stores) Close() error {
	var all []error
	if s.Ledger != nil {
		all = append(all, s.Ledger.Close())
	}
	if s.db != nil {
		all = append(all, s.db.Close())
	}
	if s.Backend != nil {
		all = append(all, s.Backend.Close())
	}
	for _, p := range s.probes {
		all = append(all, p.Close())
	}
	s.leave()
	return errors.Join(all...)
}
