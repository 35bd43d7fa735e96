package webex

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Change sets next for the mailbox's owner. It does not look at current but for the
// rules: whoever stands before it has verified that. The person, the state of the
// voicemail and the rules are read first, because the system may not hold an
// administrator's account to them.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, _ mailbox.Attempt) mailbox.Result {
	const op = "change"
	if a.ID == "" {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.WrongPIN, nil))
	}
	if err := s.allowed(ctx, op, a, current, next); err != nil {
		return mailbox.Refuse(err)
	}
	result := s.set(ctx, op, a.ID, next)
	if result.Outcome == mailbox.Done {
		s.noteChange(a.ID)
	}
	return result
}

// allowed asks what the system tells of the mailbox whether the change may be.
func (s *Store) allowed(ctx context.Context, op string, a mailbox.Account, current, next pin.PIN) error {
	if !isID(a.ID) {
		return mailbox.Fail(op, mailbox.NotFound, nil)
	}
	p, err := s.person(ctx, op, a.ID)
	if err != nil {
		return err
	}
	off, err := s.off(ctx, op, a.ID)
	if err != nil {
		return err
	}
	if off {
		return mailbox.Fail(op, mailbox.Disabled, nil)
	}
	r, err := s.rulesOf(ctx, op, &p)
	if err != nil || r == nil {
		return err
	}
	if s.changedWithin(a.ID, r.minAge) {
		return mailbox.Fail(op, mailbox.TooSoon, nil)
	}
	return adapter.Allowed(op, r.policy, next, pin.Context{Extension: p.Extension, Numbers: p.numbers(), Names: []string{p.name()}, Current: current})
}

// changedWithin tells whether star97 has changed a code a short time ago, as far as it
// remembers since its start. The system tells nobody when a code was last changed.
func (s *Store) changedWithin(id string, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.changed[id]
	return ok && time.Since(at) < d
}

// maxChanged bounds the changes that are remembered; the one too many forgets all.
const maxChanged = 10000

func (s *Store) noteChange(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.changed) >= maxChanged {
		clear(s.changed)
	}
	s.changed[id] = time.Now()
}

// Reset sets next whatever the rules are; the system's own hold. It has no way to make
// an owner choose another code than one of its own, so mustChange is refused. by and
// reason are the audit trail's.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	switch {
	case mustChange:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.PolicyOther, adapter.ErrMustChange))
	case !isID(a.ID):
		return mailbox.Refuse(mailbox.Fail(op, mailbox.NotFound, nil))
	}
	return s.set(ctx, op, a.ID, next)
}

// set writes a code once.
func (s *Store) set(ctx context.Context, op, id string, next pin.PIN) mailbox.Result {
	if next.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	const before, behind = `{"passcode":"`, `"}`
	// made at once, so that no part of a code stays behind where it grew
	body := append(make([]byte, 0, len(before)+pin.MaxDigits+len(behind)), before...)
	next.Reveal(func(digits []byte) { body = append(body, digits...) })
	body = append(body, behind...)
	defer clear(body)
	return s.write(ctx, op, "/telephony/config/people/"+url.PathEscape(id)+"/voicemail/passcode", body)
}

// write asks once. 204 proves it; any other success is none that is described.
func (s *Store) write(ctx context.Context, op, path string, body []byte) mailbox.Result {
	a, err := s.api.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodPut, Path: path, Query: s.inOrganisation(nil), Body: body, Want: "json",
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
	})
	if err != nil {
		return adapter.Written(err)
	}
	defer clear(a.Body)
	no := refusal(a)
	code := mailbox.ServiceRefused
	switch a.Status {
	case http.StatusNoContent:
		return mailbox.Proved()
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		code = no.means(s.o.Refusals)
	case http.StatusNotFound:
		code = mailbox.NotFound
	case http.StatusLocked: // "temporarily unavailable" to this system
		code = mailbox.Throttled
	default:
		if a.Status < 400 {
			return mailbox.Doubt(mailbox.Fail(op, mailbox.OutcomeUnknown, fmt.Errorf("the system answers %d instead of 204", a.Status)))
		}
	}
	return mailbox.Refuse(mailbox.Fail(op, code, no.detail()))
}
