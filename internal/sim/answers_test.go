package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// answers are what the store does next, as the "store" lines of a script say: a queue
// for each operation. With nothing queued it tells the truth at once.
type answers struct {
	mu    sync.Mutex
	next  map[string][][]string
	asked map[string]int
	busy  int // questions without an answer
}

func (a *answers) queue(op string, how []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next[op] = append(a.next[op], how)
}

func (a *answers) count(op string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[op]
}

func (a *answers) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.busy == 0
}

// unused: a line that asked for an answer nobody wanted is a mistake in the file.
func (a *answers) unused() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for op, list := range a.next {
		if len(list) > 0 {
			return fmt.Errorf("store %s %v was never asked for", op, list[0])
		}
	}
	return nil
}

type how struct{}

// begin counts a question and puts what is to happen to it into its context, so that
// the questions by which a change is settled meet the same fate.
func (a *answers) begin(ctx context.Context, op string) context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[op]++
	a.busy++
	if list := a.next[op]; len(list) > 0 {
		ctx, a.next[op] = context.WithValue(ctx, how{}, list[0]), list[1:]
	}
	return ctx
}

func (a *answers) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy--
}

// questioned stands where the lock-out asks: one question of a call is one there.
type questioned struct {
	mailbox.Store
	answers *answers
}

func (s questioned) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	defer s.answers.end()
	return s.Store.Lookup(s.answers.begin(ctx, "lookup"), q)
}

func (s questioned) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	defer s.answers.end()
	return s.Store.Verify(s.answers.begin(ctx, "verify"), a, code, at)
}

func (s questioned) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	defer s.answers.end()
	return s.Store.Change(s.answers.begin(ctx, "change"), a, current, next, at)
}

// answering stands right around the backend and lets each question meet its fate.
type answering struct{ mailbox.Store }

var errScript = errors.New("the script says so")

// befall waits or fails as a question's fate wants; nil: the backend answers.
func befall(ctx context.Context, op string) error {
	words, _ := ctx.Value(how{}).([]string)
	if len(words) == 0 {
		return nil
	}
	switch words[0] {
	case "ok":
		return nil
	case "slow":
		d, err := time.ParseDuration(words[1])
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
	}
	for code := mailbox.Code(1); code < 64; code++ {
		if code.String() == words[len(words)-1] || code == mailbox.WrongPIN && words[len(words)-1] == "wrong" {
			return mailbox.Fail(op, code, errScript)
		}
	}
	return fmt.Errorf("the runner does not know %v", words)
}

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
	if err == nil {
		return s.Store.Change(ctx, a, current, next, at)
	}
	if words, _ := ctx.Value(how{}).([]string); words[0] == "refused" {
		return mailbox.Refuse(err)
	}
	return mailbox.Doubt(err)
}
