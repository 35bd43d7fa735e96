package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// faults is what the store does next, as the "store" lines of a scenario say: a
// queue per operation. With nothing queued it tells the truth at once.
type faults struct {
	mu    sync.Mutex
	next  map[string][][]string
	asked map[string]int
	busy  int // questions without an answer
}

func newFaults() *faults {
	return &faults{next: map[string][][]string{}, asked: map[string]int{}}
}

func (f *faults) queue(op string, how ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next[op] = append(f.next[op], how)
}

func (f *faults) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[op]
}

func (f *faults) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.busy == 0
}

// unused: a line that asked for an answer nobody wanted is a mistake in the file.
func (f *faults) unused() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for op, list := range f.next {
		if len(list) > 0 {
			return fmt.Errorf("store %s %v was never asked for", op, list[0])
		}
	}
	return nil
}

// begin counts a question and puts what is to happen to it into its context, so
// that the questions by which a change is settled meet the same fate.
func (f *faults) begin(ctx context.Context, op string) context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[op]++
	f.busy++
	how := []string{"ok"}
	if list := f.next[op]; len(list) > 0 {
		how, f.next[op] = list[0], list[1:]
	}
	return context.WithValue(ctx, fate{}, how)
}

func (f *faults) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
}

type fate struct{}

// asked stands where the lock-out asks: one question of a call is one question here.
type asked struct {
	mailbox.Store
	*faults
}

func (s asked) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	defer s.end()
	return s.Store.Lookup(s.begin(ctx, "lookup"), q)
}

func (s asked) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	defer s.end()
	return s.Store.Verify(s.begin(ctx, "verify"), a, code, at)
}

func (s asked) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	defer s.end()
	return s.Store.Change(s.begin(ctx, "change"), a, current, next, at)
}

// faulty stands right before the backend and lets each question meet its fate.
type faulty struct{ mailbox.Store }

var errFate = errors.New("the scenario says so")

// befall waits or fails as the question's fate wants; nil: the backend answers.
func befall(ctx context.Context, op string) error {
	how, _ := ctx.Value(fate{}).([]string)
	if len(how) == 0 {
		return nil
	}
	switch how[0] {
	case "ok":
		return nil
	case "slow":
		d, err := time.ParseDuration(how[1])
		if err != nil {
			return err
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return mailbox.Expired(ctx, op)
		}
	case "dead":
		<-ctx.Done()
		return mailbox.Expired(ctx, op)
	case "unknown":
		return mailbox.Fail(op, mailbox.OutcomeUnknown, errFate)
	case "panic":
		panic("the scenario says so")
	case "refused":
		return mailbox.Fail(op, reasons[how[1]], errFate)
	}
	return mailbox.Fail(op, reasons[how[0]], errFate)
}

// reasons are the words of the script language.
var reasons = map[string]mailbox.Code{
	"wrong": mailbox.WrongPIN, "locked": mailbox.Locked, "not-found": mailbox.NotFound, "disabled": mailbox.Disabled,
	"no-code": mailbox.NoCode, "unavailable": mailbox.Unavailable, "busy": mailbox.Busy, "throttled": mailbox.Throttled,
	"service-refused": mailbox.ServiceRefused, "too-soon": mailbox.TooSoon, "cannot-change": mailbox.CannotChange,
	"other-channel": mailbox.OtherChannel, "in-history": mailbox.InHistory, "trivial": mailbox.Trivial,
	"too-short": mailbox.TooShort, "too-long": mailbox.TooLong, "not-digits": mailbox.NotDigits, "policy-other": mailbox.PolicyOther,
}

func (s faulty) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	if err := befall(ctx, "lookup"); err != nil {
		return nil, err
	}
	return s.Store.Lookup(ctx, q)
}

func (s faulty) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	if err := befall(ctx, "verify"); err != nil {
		return err
	}
	return s.Store.Verify(ctx, a, code, at)
}

func (s faulty) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	how, _ := ctx.Value(fate{}).([]string)
	err := befall(ctx, "change")
	switch {
	case err == nil:
		return s.Store.Change(ctx, a, current, next, at)
	case how[0] == "refused":
		return mailbox.Refuse(err)
	}
	return mailbox.Doubt(err)
}
