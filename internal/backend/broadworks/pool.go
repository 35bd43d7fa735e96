package broadworks

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// dialogue is a session of the system and what carries it. It has one user at a time.
type dialogue struct {
	carrier
	session string
	idle    time.Time // since when nobody uses it
}

// pool holds the dialogues with the system: a few at a time, each for one request.
type pool struct {
	o        Options
	password secret.Secret
	connect  func(ctx context.Context) (carrier, error)
	timeout  time.Duration // of a request
	wait     time.Duration // for a dialogue
	farewell time.Duration // for a logout
	places   chan struct{}
	waiting  atomic.Int32
	rest     rest
	welcome  atomic.Pointer[welcome] // of the last login

	mu     sync.Mutex
	idle   []*dialogue // the one used last is last
	closed bool
}

// welcome is what the system says to who has signed in.
type welcome struct {
	kind    string // System, Provisioning, Service Provider, Group, User
	expires int    // days until star97's own password expires
	limited bool   // it does
}

// crowd is how many may wait for each dialogue.
const crowd = 32

// take waits for a dialogue and signs in where need be.
func (p *pool) take(ctx context.Context, op string) (d *dialogue, fresh bool, err error) {
	if err := p.place(ctx, op); err != nil {
		return nil, false, err
	}
	if d = p.kept(); d != nil {
		return d, false, nil
	}
	if d, err = p.open(ctx, op); err != nil {
		<-p.places
		return nil, false, err
	}
	return d, true, nil
}

func (p *pool) place(ctx context.Context, op string) error {
	if ctx.Err() != nil {
		return mailbox.Expired(ctx, op)
	}
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > int32(crowd*cap(p.places)) {
		return mailbox.Fail(op, mailbox.Busy, errBusy)
	}
	t := time.NewTimer(p.wait)
	defer t.Stop()
	select {
	case p.places <- struct{}{}:
		return nil
	case <-t.C:
		return mailbox.Fail(op, mailbox.Busy, errBusy)
	case <-ctx.Done():
		return mailbox.Expired(ctx, op)
	}
}

var (
	errBusy   = errors.New("as many requests to the system are under way as the option sessions allows")
	errClosed = errors.New("the backend is closed")
)

// kept takes an idle dialogue that may still be good; nil if there is none.
func (p *pool) kept() *dialogue {
	for d := p.pop(); d != nil; d = p.pop() {
		if d.alive() && time.Since(d.idle) < p.o.Idle {
			return d
		}
		d.close()
	}
	return nil
}

func (p *pool) pop() *dialogue {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	d := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return d
}

// give returns a dialogue after a request; good says that it can be used again.
func (p *pool) give(d *dialogue, good bool) {
	p.mu.Lock()
	good = good && !p.closed
	if good {
		d.idle = time.Now()
		p.idle = append(p.idle, d)
	}
	p.mu.Unlock()
	if !good {
		d.close()
	}
	<-p.places
}

// drop ends what is idle.
func (p *pool) drop() {
	p.mu.Lock()
	ended := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, d := range ended {
		d.close()
	}
}

// open connects and signs in.
func (p *pool) open(ctx context.Context, op string) (*dialogue, error) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, mailbox.Fail(op, mailbox.Unavailable, errClosed)
	}
	if err := p.rest.check(op); err != nil {
		return nil, err
	}
	c, err := p.connect(ctx)
	if err != nil {
		if ctx.Err() == nil {
			p.rest.failed(err)
		}
		return nil, mailbox.Fail(op, mailbox.Unavailable, err)
	}
	d := &dialogue{carrier: c, session: "s97-" + rand.Text()}
	if err := p.login(ctx, op, d); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// errLogin is the system's word on star97's own account.
var errLogin = errors.New("the system refuses star97's own account: check user, password and login")

// login signs in. A nonce is good for one password: the signature is that of the
// interface, the lower-case hex MD5 of the nonce, a colon and the lower-case hex SHA-1 of
// the password.
func (p *pool) login(ctx context.Context, op string, d *dialogue) error {
	request, name := p.plain(), loginPlain
	if p.o.Login == SignedLogin {
		hello, err := p.signIn(ctx, op, d, "AuthenticationRequest", func(m *message) { m.put("userId", p.o.User) })
		if err != nil {
			return err
		}
		if kind := hello.of("passwordAlgorithm"); kind != "MD5" {
			return mailbox.Fail(op, mailbox.Unavailable, errors.New("the system wants the password signed otherwise than by MD5: set login to 22V5"))
		}
		signed := sign(hello.of("nonce"), p.password)
		name, request = loginSigned, func(m *message) {
			m.put("userId", p.o.User)
			m.put("signedPassword", signed)
		}
	}
	n, err := p.signIn(ctx, op, d, name, request)
	if err != nil {
		return err
	}
	days, limited := n.number("passwordExpiresDays")
	p.welcome.Store(&welcome{kind: n.of("loginType"), expires: days, limited: limited})
	p.rest.welcomed()
	return nil
}

const (
	loginSigned = "LoginRequest14sp4"
	loginPlain  = "LoginRequest22V5"
)

func (p *pool) plain() func(*message) {
	return func(m *message) {
		m.put("userId", p.o.User)
		m.put("password", p.password.Reveal())
	}
}

// signIn sends a document of the login. Whatever comes of it, nothing was done to a
// mailbox. A refusal counts at star97's own account: the next try waits.
func (p *pool) signIn(ctx context.Context, op string, d *dialogue, name string, fill func(*message)) (*node, error) {
	n, err := p.send(ctx, op, d, name, fill, false)
	f, refused := err.(fault)
	switch {
	case refused:
		code := f.code(mailbox.ServiceRefused)
		if code == mailbox.ServiceRefused {
			err = fmt.Errorf("%w (%w)", errLogin, f)
			p.rest.refused(err)
		} else {
			err = fmt.Errorf("the system cannot sign star97 in: %w; a system of another release may want another login", f)
		}
		return nil, mailbox.Fail(op, code, err)
	case mailbox.CodeOf(err) == mailbox.OutcomeUnknown:
		return nil, mailbox.Fail(op, mailbox.Unavailable, errors.Unwrap(err))
	}
	return n, err
}

// sign makes the signedPassword of LoginRequest14sp4.
func sign(nonce string, password secret.Secret) string {
	word := sha1.Sum([]byte(password.Reveal()))
	signed := md5.Sum([]byte(nonce + ":" + hex.EncodeToString(word[:])))
	return hex.EncodeToString(signed[:])
}

// send sends one document on a dialogue and reads what answers it. An ErrorResponse is a
// bare fault; other errors are mailbox's, and end the dialogue.
func (p *pool) send(ctx context.Context, op string, d *dialogue, name string, fill func(*message), safe bool) (n *node, err error) {
	doc := document(d.session, name, fill)
	defer clear(doc[:cap(doc)])
	try, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("it took longer than %v", p.timeout))
	defer cancel()
	began, size := time.Now(), 0
	if p.o.Transport != OverSOAP { // httpapi tells of its own
		defer func() { adapter.Note(p.o.API.Log, p.o.Line.Server, op+" by "+name, size, began, err) }()
	}
	text, err := d.exchange(try, op, doc, safe)
	if size = len(text); err != nil {
		if ctx.Err() == nil {
			p.rest.failed(errors.Unwrap(err))
		}
		return nil, err
	}
	p.rest.worked()
	defer clear(text)
	n, err = answer(text, d.session, d.decoded())
	switch {
	case err == nil && n.kind == "ErrorResponse":
		return nil, p.o.faultOf(n)
	case err == nil && n.kind == answerOf(name):
		return n, nil
	}
	d.close()
	code := mailbox.Unavailable
	if !safe {
		code = mailbox.OutcomeUnknown
	}
	return nil, mailbox.Fail(op, code, errShape)
}

// shut ends every dialogue that is idle, in the interface's own way where that is quick.
func (p *pool) shut() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), p.farewell)
	defer cancel()
	var all sync.WaitGroup
	for _, d := range idle {
		// One logout: started here; stops when it is answered, at the latest after farewell.
		all.Go(func() {
			_, _ = p.send(ctx, "logout", d, "LogoutRequest", func(m *message) { // nobody is left to tell
				m.put("userId", p.o.User)
				m.put("reason", "closed")
			}, false)
			d.close()
		})
	}
	all.Wait()
}

// farewell is how long a logout may take.
const farewell = 500 * time.Millisecond

// rest leaves a system alone that fails, or that refuses star97's own account and could
// lock it.
type rest struct {
	after int // failures in a row; 0: who carries documents counts them
	pause time.Duration

	mu    sync.Mutex
	row   int // failures in a row
	times int // refusals in a row
	until time.Time
	code  mailbox.Code
	why   error
}

func (r *rest) check(op string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if left := time.Until(r.until); left > 0 {
		return mailbox.Fail(op, r.code, fmt.Errorf("the system is left alone for %v: %w", left.Round(time.Millisecond), r.why))
	}
	return nil
}

func (r *rest) worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.row = 0
}

func (r *rest) failed(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.row++; r.after > 0 && r.row >= r.after {
		r.row, r.until, r.code, r.why = 0, time.Now().Add(r.pause), mailbox.Unavailable, why
	}
}

// longestRest bounds the pause after a refusal, which doubles with each.
const longestRest = 5 * time.Minute

func (r *rest) refused(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until, r.code, r.why = time.Now().Add(min(r.pause<<min(r.times, 10), longestRest)), mailbox.ServiceRefused, why
	r.times++
}

func (r *rest) welcomed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times = 0
}
