package axl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// maxUser bounds a user's id, in bytes.
const maxUser = 128

// isUser tells whether id can be one of the system's. It stands in XML only, escaped.
func isUser(id string) bool {
	return id != "" && len(id) <= maxUser && utf8.ValidString(id) && id == strings.TrimSpace(id) &&
		!strings.ContainsFunc(id, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}

// user is what the system tells of an end user and of what stands with the PIN.
type user struct {
	id         string
	name       string
	mail       string
	locale     string // as "English United States"
	extension  string // the primary one, digits; empty if there is none
	partition  string
	telephone  string // in the directory, digits
	inactive   bool
	cantChange bool
	mustChange bool
	lasting    bool // the PIN does not expire
	locked     bool // by an administrator
	policy     string
	changed    time.Time // zero: not known
	now        time.Time // the server's clock
}

// user reads one. NotFound stands for an id that nobody has.
func (s *Store) user(ctx context.Context, op, id string) (user, error) {
	if !isUser(id) {
		return user{}, mailbox.Fail(op, mailbox.NotFound, errUser)
	}
	answer, err := s.ask(ctx, op, "getUser", func(m *message) {
		m.put("userid", id)
		m.in("returnedTags", func() { s.tags(m) })
	})
	if err != nil {
		return user{}, err
	}
	n := answer.child("user")
	pin := n.child("pinCredentials")
	if !strings.EqualFold(n.child("userid").text(), id) || pin == nil {
		return user{}, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	status, known := n.child("status").number()
	return user{
		id:         n.child("userid").text(),
		name:       strings.TrimSpace(n.child("firstName").text() + " " + n.child("lastName").text()),
		mail:       adapter.Mail(n.child("mailid").text()),
		locale:     n.child("userLocale").text(),
		extension:  digits(strings.TrimPrefix(n.at("primaryExtension", "pattern").text(), `\`)),
		partition:  n.at("primaryExtension", "routePartitionName").text(),
		telephone:  digits(n.child("telephoneNumber").text()),
		inactive:   known && slices.Contains(s.o.Inactive, status),
		cantChange: pin.child("pinCredUserCantChange").truth(),
		mustChange: pin.child("pinCredUserMustChange").truth(),
		lasting:    pin.child("pinCredDoesNotExpire").truth(),
		locked:     pin.child("pinCredLockedByAdministrator").truth(),
		policy:     pin.child("pinCredPolicyName").text(),
		changed:    moment(pin.child("pinCredTimeChanged").text()),
		now:        answer.now,
	}, nil
}

// early tells whether a version is one of before 10.
func early(version string) bool { return len(version) < len("10.0") }

// tags asks for what is needed of a user, in the order of the schema: version 10 put the
// telephone number elsewhere.
func (s *Store) tags(m *message) {
	early := early(s.o.Version)
	for _, name := range []string{"firstName", "lastName", "userid", "mailid"} {
		m.put(name, "")
	}
	if early {
		m.put("telephoneNumber", "")
	}
	m.put("userLocale", "")
	m.in("primaryExtension", func() {
		m.put("pattern", "")
		m.put("routePartitionName", "")
	})
	m.in("pinCredentials", func() {
		for _, name := range []string{
			"pinCredPolicyName", "pinCredUserCantChange", "pinCredUserMustChange", "pinCredDoesNotExpire",
			"pinCredTimeChanged", "pinCredLockedByAdministrator",
		} {
			m.put(name, "")
		}
	})
	m.put("status", "")
	if !early {
		m.put("telephoneNumber", "")
	}
}

// moment reads a time as "November 24, 2012 18:00:39 GMT". One in a zone that is not
// exactly known, and one that is none, are not known.
func moment(text string) time.Time {
	for _, zone := range []string{" GMT", " UTC"} {
		if before, ok := strings.CutSuffix(text, zone); ok {
			if t, err := time.Parse("January 2, 2006 15:04:05", before); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// sure is how far a time of the system may be wrong.
const sure = time.Minute

// age is how old the PIN is; ok is false if that is not known.
func (u user) age() (passed time.Duration, ok bool) {
	passed = u.now.Sub(u.changed)
	return passed, !u.changed.IsZero() && passed >= -sure
}

// account completes a user with the rules.
func (s *Store) account(ctx context.Context, op string, u user) (mailbox.Account, error) {
	a := mailbox.Account{
		ID: u.id, Backend: Name, Extension: u.extension, Domain: s.o.Domain, Name: u.name, Mail: u.mail, User: u.id, Language: language(u.locale),
		Flags: mailbox.Flags{Disabled: u.inactive, MustChange: u.mustChange, CannotChange: u.cantChange},
	}
	if u.telephone != "" && u.telephone != u.extension {
		a.Numbers = []string{u.telephone}
	}
	r, err := s.rulesOf(ctx, op, u)
	switch {
	case hidden(err):
		return a, nil
	case err != nil:
		return mailbox.Account{}, err
	}
	p := r.policy
	a.Rules = &p
	return a, nil
}

// hidden tells whether the system says by itself that something is not for the service's
// account, or not there.
func hidden(err error) bool {
	if c := mailbox.CodeOf(err); c == mailbox.ServiceRefused || c == mailbox.NotFound {
		return true
	}
	var f fault
	return errors.As(err, &f) && (f.coded || f.client)
}
