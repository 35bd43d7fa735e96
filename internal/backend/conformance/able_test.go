package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// alter is what /alter changes of a mailbox; nil and "" leave a thing as it is.
type alter struct {
	ID, Extension, User      string
	CannotChange, MustChange *bool
	Forgive                  bool
}

// alter answers /alter, /user and /list, and is called with the system locked.
func (s *toySystem) alter(w http.ResponseWriter, r *http.Request, op string) {
	var q alter
	if json.NewDecoder(r.Body).Decode(&q) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if op != "alter" {
		found := []mailbox.Account{}
		for _, b := range s.boxes {
			if op == "list" || b.Account.User == q.User && q.User != "" {
				found = append(found, b.Account)
			}
		}
		say(w, found)
		return
	}
	b := s.boxes[q.ID]
	if b == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	for other := range maps.Values(s.boxes) {
		if q.Extension != "" && other.Account.Extension == q.Extension && other.Account.Domain == b.Account.Domain {
			w.WriteHeader(http.StatusConflict)
			return
		}
	}
	if q.Extension != "" {
		b.Account.Extension = q.Extension
	}
	if q.CannotChange != nil {
		b.Account.Flags.CannotChange = *q.CannotChange
	}
	if q.MustChange != nil {
		b.Account.Flags.MustChange = *q.MustChange
	}
	if q.Forgive {
		b.wrong = 0
	}
	say(w, b.Account)
}

// able is a toy with every ability of a foreign system.
type able struct{ *toy }

func (s able) Unlock(ctx context.Context, a mailbox.Account, _ mailbox.Actor, _ string) error {
	return s.do(ctx, "unlock", "alter", alter{ID: a.ID, Forgive: true}, new(mailbox.Account))
}

func (s able) SetFlags(ctx context.Context, a mailbox.Account, e mailbox.FlagEdit, _ mailbox.Actor, _ string) (is mailbox.Account, err error) {
	if s.wrong == "sets every state" {
		e = mailbox.FlagEdit{CannotChange: cmpOr(e.CannotChange), MustChange: cmpOr(e.MustChange)}
	}
	return is, s.do(ctx, "set-flags", "alter", alter{ID: a.ID, CannotChange: e.CannotChange, MustChange: e.MustChange}, &is)
}

func cmpOr(b *bool) *bool {
	if b == nil {
		b = new(bool)
	}
	return b
}

func (s able) Renumber(ctx context.Context, a mailbox.Account, extension string, _ mailbox.Actor, _ string) (is mailbox.Account, err error) {
	const op = "renumber"
	if extension == "" || strings.Trim(extension, "0123456789") != "" {
		return a, mailbox.Fail(op, mailbox.NotDigits, nil)
	}
	err = s.do(ctx, op, "alter", alter{ID: a.ID, Extension: extension}, &is)
	if errors.Is(err, mailbox.CannotChange) { // 409
		err = mailbox.Fail(op, mailbox.Exists, nil)
	}
	return is, err
}

func (s able) ByUser(ctx context.Context, user, domain string) (found []mailbox.Account, err error) {
	err = s.do(ctx, "lookup", "user", alter{User: user}, &found)
	return slices.DeleteFunc(found, func(a mailbox.Account) bool { return a.Domain != domain }), err
}

func (s able) List(ctx context.Context, p mailbox.Page) (found []mailbox.Account, err error) {
	if err := s.do(ctx, "list", "list", alter{}, &found); err != nil {
		return nil, err
	}
	search := strings.ToLower(p.Search)
	found = slices.DeleteFunc(found, func(a mailbox.Account) bool {
		return a.Domain != p.Domain && !p.AllDomains || !strings.Contains(a.Extension, search) && !strings.Contains(strings.ToLower(a.Name), search)
	})
	slices.SortFunc(found, func(a, b mailbox.Account) int {
		return strings.Compare(a.Domain+" "+a.Extension, b.Domain+" "+b.Extension)
	})
	if p.After != nil {
		i := slices.IndexFunc(found, func(a mailbox.Account) bool { return a.ID == p.After.ID })
		found = found[i+1:]
	}
	if p.Limit > 0 && len(found) > p.Limit {
		found = found[:p.Limit]
	}
	return found, nil
}

func (s able) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	if next.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	q := ask{ID: a.ID}
	next.Reveal(func(digits []byte) { q.Code = string(digits) })
	err := s.do(ctx, op, "write", q, nil)
	switch code := mailbox.CodeOf(err); {
	case code == mailbox.OutcomeUnknown && s.wrong == "reset refused by no answer":
		return mailbox.Refuse(err)
	case code == mailbox.OutcomeUnknown:
		return mailbox.Doubt(err)
	case err != nil:
		return mailbox.Refuse(err)
	}
	if err := s.do(ctx, op, "alter", alter{ID: a.ID, MustChange: &mustChange}, new(mailbox.Account)); err != nil {
		return mailbox.Doubt(err)
	}
	return mailbox.Proved()
}

func (s able) Probe(ctx context.Context) (string, error) {
	_, err := s.Lookup(ctx, mailbox.Query{Number: "0"})
	return "Toy", err
}

// makeAble gives the harness of a toy every ability.
func makeAble(h *Harness, s *toySystem) {
	store := h.Store.(*toy)
	h.Store = able{store}
	store.traits.Can = mailbox.AbilitiesOf(h.Store)
	h.Put = func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
		user := a.User
		a = s.put(t, a, code)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.boxes[a.ID].Account.User = user
		a.User = user
		return a
	}
}
