// Package probe tells whether a code is right where the voicemail system has no
// interface for that: it calls the system's pilot number as a telephone, presses
// extension and code (RFC 4733), and listens to what is said. It knows no words but
// fingerprints, learned from calls with a right and with a wrong code. A code is tried
// once per question, and what is not clearly one of the learned sentences is an unknown
// outcome. It keeps no audio.
//
// A fingerprint is a second or more of sound as loudness in 20 bands of the ear's scale, a
// hundred times a second, and likeness is the correlation of two such pictures, without
// the mean of each band: neither level nor the tone of a line count. Package prompt/ear,
// which compares samples, hears nothing at 5 dB of noise where this hears all; a
// system's sentences do not come as the samples they were, but through its own gateways.
package probe

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"star97/internal/caller"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Probe is a mailbox.Verifier that asks by telephone. Its methods are safe for
// concurrent use.
type Probe struct {
	name  string
	o     Options
	known Fingerprints

	slots chan struct{} // one is taken by each call
	pace  atomic.Int64  // nanoseconds that the last answer took
	bad   atomic.Pointer[trouble]
	over  context.Context
	stop  context.CancelFunc
	ended sync.Once
}

// trouble is why the last call brought no answer, and how long it took to find out.
type trouble struct {
	err  error
	at   time.Time
	took time.Duration
}

// troubled is how long the last call speaks for the next one.
const troubled = time.Minute

// usualPace is taken for the first answer's.
const usualPace = 5 * time.Second

const op = "verify"

// Open reads the fingerprints of a probe. Nobody is called.
func Open(name string, o Options) (*Probe, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	known, err := Read(o.Fingerprints)
	if err != nil {
		return nil, err
	}
	needed := []string{Right, Wrong}
	for _, s := range o.Script {
		if s.Until != "" && s.Until != silence {
			needed = append(needed, s.Until)
		}
	}
	for _, n := range needed {
		if len(known.named(n)) == 0 {
			return nil, fmt.Errorf("the fingerprints %s have no sentence %s: run star97 probe learn --name %s", o.Fingerprints, n, name)
		}
	}
	p := &Probe{name: name, o: o, known: known, slots: make(chan struct{}, o.Calls)}
	p.pace.Store(int64(usualPace))
	p.over, p.stop = context.WithCancel(context.Background())
	return p, nil
}

// Close ends the calls that are up and waits for them.
func (p *Probe) Close() error {
	p.ended.Do(func() {
		p.stop()
		for range cap(p.slots) { // with every place ours no call is up
			p.slots <- struct{}{}
		}
		for range cap(p.slots) {
			<-p.slots
		}
	})
	return nil
}

// Traits tell the system's limit, as configured.
func (p *Probe) Traits(mailbox.Account) mailbox.Traits {
	return mailbox.Traits{Check: mailbox.Delegated, Limit: p.o.LocksAfter, Window: p.o.Remembers}
}

// Takes is how long a call to the pilot may last.
func (p *Probe) Takes(mailbox.Account) time.Duration { return p.o.Within }

// Lag is 0: whoever signs in meets the code in force.
func (p *Probe) Lag(mailbox.Account) time.Duration { return 0 }

// Verify tries the code once. Errors: WrongPIN and Locked as they were heard, Busy,
// Unavailable and ServiceRefused where the code was not tried, OutcomeUnknown where it
// was and no clear answer was heard. For an account without ID nobody is called; the
// answer takes as long as another one and, while calls bring none, is the same: else a
// pilot that does not answer would tell which mailboxes exist.
func (p *Probe) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	select {
	case p.slots <- struct{}{}:
	default:
		return mailbox.Fail(op, mailbox.Busy, fmt.Errorf("the probe %s makes no more than %d calls at a time", p.name, p.o.Calls))
	}
	done := sync.OnceFunc(func() { <-p.slots })
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, p.o.Within)
	defer cancel()
	// The canceller: started by Close, stops at once, owns nothing.
	defer context.AfterFunc(p.over, cancel)()
	if a.ID == "" || code.Empty() {
		defer done()
		return p.pretend(ctx)
	}
	began := time.Now()
	err := p.ask(ctx, a, code, done)
	took := time.Since(began)
	switch c := mailbox.CodeOf(err); {
	case c == mailbox.OK || c == mailbox.WrongPIN:
		p.pace.Store(int64(took))
		p.bad.Store(nil)
	case c == mailbox.Locked:
		p.bad.Store(nil)
	case asked.Err() == nil: // else the caller brought it about, by hanging up
		p.bad.Store(&trouble{err, time.Now(), took})
	}
	return err
}

// pretend answers as if somebody had been called.
func (p *Probe) pretend(ctx context.Context) error {
	answer, pace := mailbox.Fail(op, mailbox.WrongPIN, nil), time.Duration(p.pace.Load())
	if last := p.bad.Load(); last != nil && time.Since(last.at) < troubled {
		answer, pace = last.err, last.took
	}
	t := time.NewTimer(pace)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return answer
}

// ask makes the call. done is called when it is over.
func (p *Probe) ask(ctx context.Context, a mailbox.Account, code pin.PIN, done func()) error {
	s := &session{o: p.o, known: p.known, enough: float64(p.o.Likeness) / 100}
	if err := s.dial(ctx, a.Extension, a.Domain); err != nil {
		done()
		return mailbox.Fail(op, refusal(err), p.said(err))
	}
	defer func() { go s.leave(done) }()
	name, err := "", s.play(ctx, a.Extension, code)
	if err == nil {
		name, err = s.answer(ctx)
	}
	switch {
	case err != nil && s.typed:
		return mailbox.Fail(op, mailbox.OutcomeUnknown, p.said(err))
	case err != nil:
		return mailbox.Fail(op, mailbox.Unavailable, p.said(err))
	case name == Wrong:
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	case name == Locked:
		return mailbox.Fail(op, mailbox.Locked, p.said(errors.New("the voicemail system says that the mailbox is locked")))
	}
	return nil
}

func (p *Probe) said(err error) error { return fmt.Errorf("probe %s: %w", p.name, err) }

// Statuses of RFC 3261 section 21.4 by which the caller itself is refused.
var refused = map[int]bool{401: true, 403: true, 407: true}

func refusal(err error) mailbox.Code {
	var r *caller.Refused
	if errors.As(err, &r) && refused[r.Status] {
		return mailbox.ServiceRefused
	}
	return mailbox.Unavailable
}

var (
	extensionKeys = regexp.MustCompile(`^[0-9]{1,32}$`)
	hostName      = regexp.MustCompile(`^[A-Za-z0-9.-]{0,253}$`)
)

func (s *session) dial(ctx context.Context, extension, domain string) error {
	if !extensionKeys.MatchString(extension) || !hostName.MatchString(domain) {
		return errors.New("the mailbox's extension or domain cannot be dialled")
	}
	call, err := caller.Dial(ctx, s.o.call(extension, domain))
	s.call = call
	return err
}

// leave hangs up while the answer is on its way. Started by ask, stops when the call is
// over, owns the call.
func (s *session) leave(done func()) {
	defer done()
	s.hangUp()
}

// hangUpTime is for the answer to our BYE.
const hangUpTime = 2 * time.Second

func (s *session) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), hangUpTime)
	defer cancel()
	_ = s.call.Hangup(ctx) // whether it is heard changes nothing
	s.call.Close()
}
