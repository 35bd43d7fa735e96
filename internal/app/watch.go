package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"star97/internal/audit"
	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/metrics"
	"star97/internal/pin"
	"star97/internal/register"
	"star97/internal/uas"
)

// newMetrics counts under the words of every room's own lists.
func newMetrics(version string) *metrics.Metrics {
	w := metrics.Words{
		Ends:       words(flow.EndReasons()...),
		Doors:      words(0, mailbox.OwnDoor, mailbox.AnyDoor, mailbox.CheckDoor),
		Transports: []string{"udp", "tcp", "tls"},
		Sources:    words(dtmf.FromEvent, dtmf.FromInfo, dtmf.FromTone),
		KeyFaults:  call.KeyFaults(),
		Operations: []string{opLookup, opVerify, opChange, opSend},
		Answers:    words(mailbox.Codes()...),
		Outcomes:   words(mailbox.Done, mailbox.Refused, mailbox.Unknown),
		Refusals:   uas.Refusals(),
		Failures:   register.Reasons(),
		Version:    version,
	}
	for _, r := range pin.Rules() {
		w.Rules = append(w.Rules, string(r))
	}
	return metrics.New(w)
}

func words[T fmt.Stringer](all ...T) (words []string) {
	for _, one := range all {
		words = append(words, one.String())
	}
	return words
}

// tongues is a Voice that knows its languages.
type tongues interface {
	Languages() []string
	Spoken(language string) string
	Speaks(language string) bool
	Prepare(language string)
}

// namesOf are the names of a configuration that may stand in labels.
func namesOf(c config.Config, voice call.Voice, stores *Stores) metrics.Names {
	n := metrics.Names{Backends: stores.identities()}
	for _, p := range c.SIP.Peers {
		n.Peers = append(n.Peers, p.Name)
	}
	for _, r := range c.Registrations {
		n.Registrations = append(n.Registrations, r.Name)
	}
	if v, ok := voice.(tongues); ok {
		n.Languages = v.Languages()
	}
	return n
}

// countCall counts a call that has ended.
func countCall(m *metrics.Metrics, end call.Record) {
	m.CallEnded(metrics.Call{
		End: end.End.String(), Door: end.Door.String(), Language: end.Language, Transport: end.Transport, Peer: end.Peer,
		Lasted: end.Lasted, Sources: words(end.Sources...), Repeated: end.Repeated, LostKeys: end.LostKeys,
		PacketsIn: end.Media.PacketsIn, PacketsOut: end.Media.PacketsOut, LostIn: end.Media.LostIn, LostOut: end.Media.RemoteLost,
		Dropped: end.Media.Dropped, Jitter: end.Media.JitterIn, Thinned: end.Media.Thinned, RoundTrip: end.Media.RoundTrip, KeyFaults: end.Faults,
	})
}

// Operations of a store, for metrics.
const (
	opLookup = "lookup"
	opVerify = "verify"
	opChange = "change"
	opSend   = "send"
)

// watched is the outermost store: it counts how callers' tries end.
type watched struct {
	*audit.Trail
	count     *metrics.Metrics
	unwritten *atomic.Pointer[failure]
}

// Lookup implements mailbox.Store.
func (w watched) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	found, err := w.Trail.Lookup(ctx, q)
	w.judge(err, 0)
	return found, err
}

// Verify implements mailbox.Store.
func (w watched) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	err := w.Trail.Verify(ctx, a, code, at)
	w.judge(err, at.Door)
	return err
}

// Change implements mailbox.Store.
func (w watched) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	r := w.Trail.Change(ctx, a, current, next, at)
	reason := ""
	if r.Outcome == mailbox.Refused {
		reason = r.Reason.String()
	}
	w.count.Changed(r.Outcome.String(), reason)
	w.judge(r.Err, at.Door)
	return r
}

// Refused implements call.Notes.
func (w watched) Refused(ctx context.Context, a mailbox.Account, at mailbox.Attempt, rule pin.Rule) error {
	err := w.Trail.Refused(ctx, a, at, rule)
	w.count.CodeRefused(string(rule))
	w.judge(err, at.Door)
	return err
}

func (w watched) judge(err error, door mailbox.Door) {
	var closed *lockout.Closed
	if errors.As(err, &closed) {
		w.count.LockedOut(door.String())
	}
	if errors.Is(err, audit.ErrUnwritten) {
		w.count.Unrecorded()
		w.unwritten.Store(&failure{time.Now(), err})
	}
}

// measured counts and times the answers of the voicemail systems, below the lock-out.
type measured struct {
	mailbox.Store
	sender mailbox.Sender
	keeper func(domain string) string // the name of the store that has a domain
	count  atomic.Pointer[metrics.Metrics]
}

// Lookup implements mailbox.Store.
func (s *measured) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	began := time.Now()
	found, err := s.Store.Lookup(ctx, q)
	code := mailbox.CodeOf(err)
	if err == nil && len(found) == 0 {
		code = mailbox.NotFound
	}
	s.tell(opLookup, s.keeper(q.Domain), code, began)
	return found, err
}

// Verify implements mailbox.Store.
func (s *measured) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	began := time.Now()
	err := s.Store.Verify(ctx, a, code, at)
	s.tell(opVerify, s.of(a), mailbox.CodeOf(err), began)
	return err
}

// Change implements mailbox.Store.
func (s *measured) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	began := time.Now()
	r := s.Store.Change(ctx, a, current, next, at)
	s.tell(opChange, s.of(a), r.Reason, began)
	return r
}

// Send implements mailbox.Sender.
func (s *measured) Send(ctx context.Context, a mailbox.Account, at mailbox.Attempt) error {
	began := time.Now()
	err := s.sender.Send(ctx, a, at)
	s.tell(opSend, s.of(a), mailbox.CodeOf(err), began)
	return err
}

// of is the store of an account; one of a mailbox that does not exist has none.
func (s *measured) of(a mailbox.Account) string {
	if a.Backend == "" {
		return s.keeper(a.Domain)
	}
	return a.Backend
}

func (s *measured) tell(operation, backend string, code mailbox.Code, began time.Time) {
	s.count.Load().StoreAnswered(operation, backend, code.String(), time.Since(began))
}
