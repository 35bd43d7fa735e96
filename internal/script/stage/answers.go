package stage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Answers are what the store does next, as the "store" lines of a script say: a queue
// for each operation. With nothing queued it tells the truth at once. The zero value is
// ready; it may be used from several goroutines.
type Answers struct {
	mu    sync.Mutex
	next  map[string][][]string
	asked map[string]int
	busy  int // questions without an answer
	flags mailbox.Flags
}

// Queue adds the next answer to an operation: the words behind "store lookup", "store
// verify" or "store change", or panic, which is a program error in the store.
func (a *Answers) Queue(op string, how ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == nil {
		a.next = map[string][][]string{}
	}
	a.next[op] = append(a.next[op], how)
}

// Take counts a question and returns its answer.
func (a *Answers) Take(op string) (how []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.take(op)
}

func (a *Answers) take(op string) (how []string) {
	if a.asked == nil {
		a.asked = map[string]int{}
	}
	a.asked[op]++
	if list := a.next[op]; len(list) > 0 {
		how, a.next[op] = list[0], list[1:]
		return how
	}
	return []string{"ok"}
}

// Count is how often an operation was asked for, also by the word that expect has for
// it: verifies, changes.
func (a *Answers) Count(op string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch op {
	case "verifies":
		op = "verify"
	case "changes":
		op = "change"
	}
	return a.asked[op]
}

// Idle tells whether every question that Asked has passed on is answered.
func (a *Answers) Idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.busy == 0
}

// Unused is an error if an answer is left: a line that asks for what nobody wanted is a
// mistake in the script.
func (a *Answers) Unused() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for op, list := range a.next {
		if len(list) > 0 {
			return fmt.Errorf("store %s %v was never asked for", op, list[0])
		}
	}
	return nil
}

// Age makes the code of every mailbox that is found look as old as the flags say:
// expired, expiring or too young.
func (a *Answers) Age(flags mailbox.Flags) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flags = flags
}

// aged are accounts with the flags of their age.
func (a *Answers) aged(all []mailbox.Account) []mailbox.Account {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range all {
		f := &all[i].Flags
		f.Expired, f.Expiring = f.Expired || a.flags.Expired, f.Expiring || a.flags.Expiring
		f.TooSoon = f.TooSoon || a.flags.TooSoon
	}
	return all
}

// Asked stands where the lock-out asks: one question of a call is one question here. It
// puts the answer into the question's context, where Answering finds it, so that the
// questions by which a change is settled meet the same fate.
func (a *Answers) Asked(s mailbox.Store) mailbox.Store { return asked{s, a} }

// Answering stands right before the backend and lets each question meet its fate.
func Answering(s mailbox.Store) mailbox.Store { return answering{s} }

type asked struct {
	mailbox.Store
	answers *Answers
}

func (s asked) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	ctx, end := s.answers.begin(ctx, "lookup")
	defer end()
	found, err := s.Store.Lookup(ctx, q)
	return s.answers.aged(found), err
}

func (s asked) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	ctx, end := s.answers.begin(ctx, "verify")
	defer end()
	return s.Store.Verify(ctx, a, code, at)
}

func (s asked) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	ctx, end := s.answers.begin(ctx, "change")
	defer end()
	return s.Store.Change(ctx, a, current, next, at)
}

type fate struct{}

func (a *Answers) begin(ctx context.Context, op string) (context.Context, func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy++
	return context.WithValue(ctx, fate{}, a.take(op)), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.busy--
	}
}

type answering struct{ mailbox.Store }

func (s answering) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	if err := befall(ctx, "lookup"); err != nil {
		return nil, err
	}
	return s.Store.Lookup(ctx, q)
}

func (s answering) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	if err := befall(ctx, "verify"); err != nil {
		return err
	}
	return s.Store.Verify(ctx, a, code, at)
}

func (s answering) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	err := befall(ctx, "change")
	switch {
	case err == nil:
		return s.Store.Change(ctx, a, current, next, at)
	case fateOf(ctx)[0] == "refused":
		return mailbox.Refuse(err)
	}
	return mailbox.Doubt(err)
}

// fateOf is the answer to the question that ctx belongs to; nothing: the truth.
func fateOf(ctx context.Context) []string {
	how, _ := ctx.Value(fate{}).([]string)
	return how
}

var errScript = errors.New("the script says so")

// befall waits or fails as a question's fate wants; nil: the backend answers.
func befall(ctx context.Context, op string) error {
	how := fateOf(ctx)
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
		return mailbox.Fail(op, mailbox.OutcomeUnknown, errScript)
	case "panic":
		panic(errScript)
	}
	code, err := Reason(how[len(how)-1])
	if err != nil {
		return err
	}
	return mailbox.Fail(op, code, errScript)
}
