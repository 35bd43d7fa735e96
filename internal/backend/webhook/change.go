package webhook

import (
	"context"
	"errors"
	"slices"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Change sends both codes in one request: the service compares the current one and sets
// the new one as one step.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, _ mailbox.Attempt) mailbox.Result {
	const op = "change"
	if a.ID == "" {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.WrongPIN, nil))
	}
	if err := adapter.Known(op, a, current); err != nil && !s.o.NoVerify { // else the service ignores it
		return mailbox.Refuse(err)
	}
	q := question{Operation: "set", ID: newID(), Domain: &a.Domain, Account: &a.ID}
	return s.carryOut(ctx, op, s.o.Paths.Set, q, field{"current", current}, field{"next", next})
}

// Reset has the service set next whatever the current code is. by and reason are the
// audit trail's.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	switch {
	case a.ID == "":
		return mailbox.Refuse(mailbox.Fail(op, mailbox.NotFound, nil))
	case s.o.Paths.Reset == "":
		return mailbox.Refuse(mailbox.Fail(op, mailbox.OtherChannel, errNoReset))
	}
	q := question{Operation: "reset", ID: newID(), Domain: &a.Domain, Account: &a.ID, MustChange: &mustChange}
	return s.carryOut(ctx, op, s.o.Paths.Reset, q, field{"next", next})
}

var errNoReset = errors.New("the web service is not set up to reset codes: give paths.reset, or reset it there")

const (
	firstPause = 100 * time.Millisecond // before a change is asked again
	mostPause  = time.Second
)

// carryOut sends a change until there is a definite answer, with one id, so that it is
// carried out once.
func (s *Store) carryOut(ctx context.Context, op, path string, q question, codes ...field) mailbox.Result {
	if codes[len(codes)-1].code.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	body := q.body(codes...)
	defer clear(body)
	first := s.write(ctx, op, path, q.ID, body)
	if !errors.Is(first, mailbox.OutcomeUnknown) {
		return adapter.Written(first)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Repeat)
	defer cancel()
	last := first
	for pause := firstPause; wait(ctx, max(pause, told(last))); pause = min(2*pause, mostPause) {
		if last = s.write(ctx, op, path, q.ID, body); last == nil {
			return mailbox.Proved()
		}
		if settled(mailbox.CodeOf(last)) {
			return mailbox.Refuse(last)
		}
	}
	return mailbox.Doubt(first)
}

// write asks once.
func (s *Store) write(ctx context.Context, op, path, id string, body []byte) error {
	var said reply
	err := s.send(ctx, op, path, id, body, false, &said)
	if err == nil && said.Result != mailbox.OK.String() {
		err = s.failed(op, said, mailbox.OutcomeUnknown, changeCodes)
	}
	return err
}

// settled tells whether a refusal of what was asked again says what became of the first
// request, too. A service that had forgotten the id would judge the change anew: where
// it has been made, that looks like a wrong code, one of the history, or one that comes
// too soon. Such an answer leaves the change in doubt, and Verify finds it out.
func settled(c mailbox.Code) bool {
	return slices.Contains([]mailbox.Code{
		mailbox.NotFound, mailbox.NoCode, mailbox.OtherChannel, mailbox.CannotChange, mailbox.TooShort,
		mailbox.TooLong, mailbox.NotDigits,
	}, c)
}

// told is how long the service wants to be left alone.
func told(err error) time.Duration {
	var l *httpapi.Later
	if errors.As(err, &l) {
		return l.After
	}
	return 0
}

// wait pauses and tells whether ctx leaves time to go on.
func wait(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	return adapter.Pause(ctx, d)
}
