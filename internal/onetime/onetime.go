// Package onetime is a mailbox.Store that wraps another and knows, beside the codes of
// mailboxes, one-time codes: it sends one to the owner's address on file, tells whether
// what was typed is that code, and has the wrapped store grant a change to the call that
// typed it. Attempts with another claim pass through. How a code reaches its owner is the
// Carrier's matter, declared here.
//
// A code is kept as argon2id (RFC 9106) of a random salt: who reads the database, and
// could try the hundred million codes of eight digits against a fast hash within a
// second, needs two months of a core for one that is worth nothing after ten minutes. A
// try is counted before it is looked at, so ten at once get no more than one after the
// other; of two right ones at once the first wins. All of this holds between the nodes
// that share a database.
//
// Wrong tries count for the door where they are made, and the any door leaves the own one
// a code a day: no stranger can use up what the owner's telephone may have.
//
// Whether a mailbox exists, has an address, or has used up its codes can be told neither
// by the answers to Verify nor by the hashes that Send and Verify compute. The answers to
// Send tell, and so may its time: no caller may wait for it.
package onetime

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"star97/internal/hashpool"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// Store is what a Desk wraps.
type Store interface {
	mailbox.Store
	mailbox.Granter
}

// Carrier brings one-time codes to their owners.
type Carrier interface {
	// Carry takes a code that is good until a time to the owner of a, and returns before
	// it has arrived. It keeps no code longer than that, and none where it would survive
	// the process. Errors: NotFound where there is no way to the owner, Busy, Unavailable.
	Carry(ctx context.Context, a mailbox.Account, code pin.PIN, until time.Time) error
}

// Witness is told, from within a Send and with its ctx, that the code before is good still
// and nothing was sent. It must not block.
type Witness interface {
	Stood(ctx context.Context)
}

const (
	hashers   = 2               // at a time
	queued    = 32              // callers who wait for that
	queueWait = 3 * time.Second // and for how long
)

// Desk is the Store with one-time codes. It is safe for concurrent use.
type Desk struct {
	store   Store
	db      *sqlkit.DB
	carrier Carrier
	opts    Options
	cost    cost
	now     func() time.Time
	pool    *hashpool.Pool
	decoy   record // stands in for the code of a mailbox that has none
	proofs  proofs
	witness Witness // nil: nobody is told
}

var (
	_ mailbox.Store    = (*Desk)(nil)
	_ mailbox.Sender   = (*Desk)(nil)
	_ mailbox.Slow     = (*Desk)(nil)
	_ mailbox.Lagging  = (*Desk)(nil)
	_ mailbox.Declarer = (*Desk)(nil)
)

// New brings the tables in db up to date, which stays the caller's. A nil carrier sends
// nothing; a nil now is time.Now. Errors are sqlkit's sentences or that of
// Options.Validate.
func New(ctx context.Context, db *sqlkit.DB, store Store, carrier Carrier, opts Options, now func() time.Time) (*Desk, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if err := migrate(ctx, db); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	d := &Desk{
		store: store, db: db, carrier: carrier, opts: opts, cost: usual, now: now,
		pool: hashpool.New(hashers, queued, queueWait),
	}
	if opts.Rehearsal {
		d.cost = cheap
	}
	d.decoy = record{salt: make([]byte, saltSize), hash: make([]byte, hashSize), cost: d.cost}
	rand.Read(d.decoy.salt) // it never fails (crypto/rand)
	rand.Read(d.decoy.hash)
	return d, nil
}

// Tell names the Witness. Call it before the first Send.
func (d *Desk) Tell(w Witness) { d.witness = w }

// Lookup passes through.
func (d *Desk) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	return d.store.Lookup(ctx, q)
}

// Takes is the wrapped store's.
func (d *Desk) Takes(a mailbox.Account) time.Duration {
	if s, ok := d.store.(mailbox.Slow); ok {
		return s.Takes(a)
	}
	return 0
}

// Lag is the wrapped store's.
func (d *Desk) Lag(a mailbox.Account) time.Duration {
	if l, ok := d.store.(mailbox.Lagging); ok {
		return l.Lag(a)
	}
	return 0
}

// Traits are the wrapped store's.
func (d *Desk) Traits(a mailbox.Account) mailbox.Traits {
	if t, ok := d.store.(mailbox.Declarer); ok {
		return t.Traits(a)
	}
	return mailbox.Traits{}
}

// Send makes a one-time code, which takes the place of the one before, and gives it to
// the Carrier. While the one before is good for some minutes still, it stays, and nothing
// is sent, as the Witness is told. One that the Carrier does not take is withdrawn and was none of the day's.
func (d *Desk) Send(ctx context.Context, a mailbox.Account, at mailbox.Attempt) error {
	const op = "send"
	code, err := pin.Generate(pin.Policy{MinLen: d.opts.Digits, MaxLen: d.opts.Digits}, pin.Context{}, rand.Reader)
	if err != nil {
		return mailbox.Fail(op, mailbox.Unavailable, err)
	}
	defer code.Wipe()
	fresh := d.decoy
	if err := d.pool.Do(hashpool.For(ctx, at), op, func() { fresh = seal(&code, d.cost) }); err != nil {
		return err
	}
	until := d.now().Add(d.opts.Life)
	refused := sendable(a)
	became, err := d.keep(ctx, ownerOf(a), at.Door, &fresh, until, refused == nil)
	switch {
	case err != nil:
		return fail(op, err)
	case refused != nil:
		return refused
	case became == standing:
		if d.witness != nil {
			d.witness.Stood(ctx)
		}
		return nil
	case became == notKept:
		return mailbox.Fail(op, mailbox.Throttled, errors.New("the mailbox was sent as many one-time codes within a day as this door may have"))
	case d.carrier == nil:
		err = mailbox.Fail(op, mailbox.Unavailable, errNoCarrier)
	default:
		err = d.carrier.Carry(ctx, a, code, until)
	}
	if err == nil {
		return nil
	}
	if lost := d.withdraw(ctx, ownerOf(a), at.Door, &fresh); lost != nil {
		err = mailbox.Fail(op, mailbox.CodeOf(err), errors.Join(err, lost))
	}
	return err
}

var errNoCarrier = errors.New("nobody carries one-time codes here: this is not the service")

// sendable says why a code for a would be of no use, or nil.
func sendable(a mailbox.Account) error {
	code := mailbox.OK
	switch {
	case a.ID == "":
		code = mailbox.NotFound
	case a.Flags.Disabled:
		code = mailbox.Disabled
	case a.Flags.Locked:
		code = mailbox.Locked
	case a.Flags.CannotChange:
		code = mailbox.CannotChange
	}
	if code == mailbox.OK {
		return nil
	}
	return mailbox.Fail("send", code, nil)
}

// Verify with the claim ByOneTime tells whether code is the mailbox's one-time code, and
// uses it up. The errors are WrongPIN, whatever is wrong with code or mailbox, Busy and
// Unavailable.
func (d *Desk) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	if at.Claim != mailbox.ByOneTime {
		return d.store.Verify(ctx, a, code, at)
	}
	const op = "verify"
	defer code.Wipe()
	if !d.proofs.room(d.now()) {
		return mailbox.Fail(op, mailbox.Busy, errors.New("too many calls have proved a one-time code and not used it yet"))
	}
	owner := ownerOf(a)
	r, good, err := d.count(ctx, owner, at.Door)
	if err != nil {
		return fail(op, err)
	}
	right := false
	if err := d.pool.Do(hashpool.For(ctx, at), op, func() { right = r.matches(&code) }); err != nil {
		if good && mailbox.CodeOf(err) == mailbox.Busy {
			// The try was not looked at, and not for the caller's doing. A count that
			// stays too high is no harm.
			_ = d.giveBack(ctx, owner, at.Door, &r)
		}
		return err
	}
	if !right || !good {
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	voided, first, err := d.use(ctx, owner, &r)
	switch {
	case err != nil:
		return fail(op, err)
	case !first:
		return mailbox.Fail(op, mailbox.WrongPIN, errors.New("another call was faster, or a newer code was sent"))
	}
	d.proofs.keep(at.Call, proof{owner, voided, d.now().Add(d.opts.Life)})
	return nil
}

// errUnproved is the answer to a change by a call that has not proved its claim.
var errUnproved = errors.New("this call has not typed the mailbox's one-time code, or has changed its code already")

// Change with the claim ByOneTime has the wrapped store grant next, once, to the call
// that has proved the claim by Verify within the life of a code; current is not looked
// at. A change that was refused may be asked for again.
func (d *Desk) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	if at.Claim != mailbox.ByOneTime {
		return d.store.Change(ctx, a, current, next, at)
	}
	defer current.Wipe()
	defer next.Wipe()
	p, ok := d.proofs.take(at.Call, ownerOf(a), d.now())
	if !ok {
		return mailbox.Refuse(mailbox.Fail("change", mailbox.WrongPIN, errUnproved))
	}
	r := d.grant(ctx, a, next, at, p)
	if r.Outcome == mailbox.Refused {
		d.proofs.keep(at.Call, p)
	}
	return r
}

// grant has the change made if what p proves was not voided since.
func (d *Desk) grant(ctx context.Context, a mailbox.Account, next pin.PIN, at mailbox.Attempt, p proof) mailbox.Result {
	const op = "change"
	switch voided, err := d.voided(ctx, p.owner); {
	case err != nil:
		return mailbox.Refuse(fail(op, err))
	case voided != p.voided:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.WrongPIN, errUnproved))
	}
	return d.store.Grant(ctx, a, next, at)
}

// Forget makes the code that a was sent worth nothing, and what calls have proved by it:
// for a mailbox that was given to somebody else, or whose address was altered.
func (d *Desk) Forget(ctx context.Context, a mailbox.Account) error {
	return fail("forget", d.void(ctx, ownerOf(a)))
}

// fail gives a database's error its code.
func fail(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sqlkit.ErrBusy):
		return mailbox.Fail(op, mailbox.Busy, err)
	}
	return mailbox.Fail(op, mailbox.Unavailable, err)
}
