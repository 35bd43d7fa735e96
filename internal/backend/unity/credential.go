package unity

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

// credential is what the system tells of a mailbox's code, which is never the code.
type credential struct {
	cantChange bool // by the user
	mustChange bool // at the next login
	locked     bool // by an administrator
	hacked     bool // by wrong codes
	changed    span // since the last change
	hackedFor  span // since the lock by wrong codes
	policy     string
}

// credential reads what stands with a mailbox's code. A refusal is for this mailbox: the
// account's role can be too low for users who hold a role themselves.
func (s *Store) credential(ctx context.Context, op, id string) (credential, error) {
	if !isID(id) {
		return credential{}, mailbox.Fail(op, mailbox.NotFound, nil)
	}
	found, err := s.get(ctx, op, credentialPath(id), nil, "Credential", http.StatusUnauthorized)
	if err != nil {
		return credential{}, err
	}
	// 4 is the kind of a code for phones, 3 of a web password.
	if len(found.items) != 1 || found.items[0].text("CantChange") == "" || found.items[0].text("CredentialType") == "3" {
		return credential{}, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	r := found.items[0]
	return credential{
		cantChange: r.flag("CantChange"),
		mustChange: r.flag("CredMustChange"),
		locked:     r.flag("Locked"),
		hacked:     r.flag("Hacked"),
		changed:    s.since(r.text("TimeChanged"), found.now),
		hackedFor:  s.since(r.text("TimeHacked"), found.now),
		policy:     r.text("CredentialPolicyObjectId"),
	}, nil
}

// span is a time that has passed, as far as it is known.
type span struct {
	known       bool
	least, most time.Duration
}

// The zones of the world, from the one that comes last to a date to the first.
const (
	lastZone  = 12 * time.Hour
	firstZone = 14 * time.Hour
)

// since measures from a time as the system writes it, "2013-03-05 11:24:33.344", in its
// own zone and without saying which.
func (s *Store) since(text string, now time.Time) span {
	zone, before, after := s.zone, s.o.Margin, s.o.Margin
	if zone == nil {
		zone, before, after = time.UTC, before+lastZone, after+firstZone
	}
	then, err := time.ParseInLocation("2006-01-02 15:04:05", text, zone)
	if err != nil {
		return span{}
	}
	passed := now.Sub(then)
	// A time that has yet to come is of a clock that is wrong by more than it may be.
	return span{passed+after >= 0, passed - before, passed + after}
}

// refusal tells why a mailbox's owner cannot change the code now.
func (c credential) refusal(op string, r rules) error {
	switch {
	case c.locked:
		return mailbox.Fail(op, mailbox.Locked, fmt.Errorf("an administrator has locked the mailbox"))
	case c.hacked && !(r.lockout > 0 && c.hackedFor.known && c.hackedFor.least > r.lockout):
		return mailbox.Fail(op, mailbox.Locked, fmt.Errorf("wrong codes have locked the mailbox"))
	case c.cantChange:
		return mailbox.Fail(op, mailbox.CannotChange, nil)
	case !c.mustChange && c.changed.known && c.changed.most < r.minAge: // what has to be changed is held to no age
		return mailbox.Fail(op, mailbox.TooSoon, fmt.Errorf("the code must be %v old to be changed", r.minAge))
	}
	return nil
}

// forUser is the error of an answer of 401 to a request about one mailbox.
func (s *Store) forUser(op string) error {
	return mailbox.Fail(op, mailbox.ServiceRefused, fmt.Errorf(
		"the account %s is not allowed to do this with the mailbox, which may be an administrator's: give the account a higher role", s.o.User))
}

// put writes fields of a mailbox's credential. Nil means that they are in force: 204 is
// what the system answers then, and nothing else.
func (s *Store) put(ctx context.Context, op, id string, body []byte) error {
	if !isID(id) {
		return mailbox.Fail(op, mailbox.NotFound, nil)
	}
	header := s.header()
	header.Set("Content-Type", "application/"+string(s.o.Format))
	answer, err := s.api.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodPut, Path: credentialPath(id), Header: header, Body: body,
		AllowStatus: []int{http.StatusUnauthorized},
	})
	if err != nil {
		return err
	}
	defer clear(answer.Body)
	switch answer.Status {
	case http.StatusNoContent:
		return nil
	case http.StatusBadRequest:
		return s.refused(op, answer)
	case http.StatusUnauthorized:
		return s.forUser(op)
	case http.StatusNotFound, http.StatusGone:
		return mailbox.Fail(op, mailbox.NotFound, nil)
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
		return mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf("%w: try another format", status(answer.Status)))
	}
	return mailbox.Fail(op, mailbox.OutcomeUnknown, status(answer.Status))
}
