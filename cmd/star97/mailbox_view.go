package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"star97/internal/app"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

// view is a mailbox as people and programs read it.
type view struct {
	ID        string   `json:"id"`
	Backend   string   `json:"backend"`
	Extension string   `json:"extension"`
	Domain    string   `json:"domain,omitempty"`
	Name      string   `json:"name,omitempty"`
	Language  string   `json:"language,omitempty"`
	Numbers   []string `json:"numbers,omitempty"`
	Mail      string   `json:"mail,omitempty"`
	Slow      bool     `json:"slow,omitempty"`
	State     []string `json:"state"`

	Set *time.Time `json:"code_set,omitempty"` // when the code in force was
}

func viewOf(a mailbox.Account) view {
	v := view{
		ID: a.ID, Backend: a.Backend, Extension: a.Extension, Domain: a.Domain,
		Name: a.Name, Language: a.Language, Numbers: a.Numbers, Mail: a.Mail, Slow: a.Flags.Slow,
	}
	if !a.Set.IsZero() {
		set := a.Set.UTC().Truncate(time.Second)
		v.Set = &set
	}
	for _, f := range []struct {
		on   bool
		word string
	}{
		{a.Flags.Disabled, "disabled"},
		{a.Flags.Locked, "locked"},
		{a.Flags.NoCode, "no code"},
		{a.Flags.MustChange, "must change"},
		{a.Flags.CannotChange, "cannot change"},
		{a.Flags.Expired, "expired"},
		{a.Flags.Expiring, "expires soon"},
		{a.Flags.TooSoon, "too soon to change"},
	} {
		if f.on {
			v.State = append(v.State, f.word)
		}
	}
	if v.State == nil {
		v.State = []string{"ok"}
	}
	return v
}

// states are the words of a list's row.
func (v view) states() []string {
	if v.Slow {
		return append(slices.Clone(v.State), "slow")
	}
	return v.State
}

// codeView is a mailbox with the code that was generated for it, shown this once.
type codeView struct {
	view
	Code string `json:"code"`
}

// with adds to a view which doors wrong codes have closed.
func (v view) with(s lockout.State) view {
	own, anyDoor := s.Own.Closed(), s.Any.Closed()
	word := ""
	switch {
	case s.Stopped || own && anyDoor:
		word = "closed"
	case own:
		word = "own door closed"
	case anyDoor:
		word = "any door closed"
	default:
		return v
	}
	if slices.Equal(v.State, []string{"ok"}) {
		v.State = nil
	}
	v.State = append(v.State, word)
	return v
}

// detail is a view with what the lock-out holds against the mailbox.
type detail struct {
	view
	OwnDoor doorView `json:"own_door"`
	AnyDoor doorView `json:"any_door"`
	Stopped bool     `json:"stopped"`

	LastChange *changeView `json:"last_change,omitempty"`
}

// changeView is the last time that another code was put in force, as the audit trail
// tells it.
type changeView struct {
	Time time.Time `json:"time"`
	Door string    `json:"door,omitempty"` // of a call
	From string    `json:"from,omitempty"` // address, and the caller as believed
	By   string    `json:"by,omitempty"`   // the administrator
}

func lastChange(ctx context.Context, s *app.Stores, a mailbox.Account) (*changeView, error) {
	r, found, err := s.Ledger.LastChange(ctx, a.Backend, a.ID)
	if err != nil || !found {
		return nil, err
	}
	v := &changeView{Time: r.Time.UTC().Truncate(time.Second), From: r.Source, By: r.Actor}
	if r.Door != 0 {
		v.Door = r.Door.String()
	}
	return v, nil
}

// String is "2026-11-22T10:00:00Z, own door, from 192.0.2.7 4001".
func (v *changeView) String() string {
	if v == nil {
		return "-"
	}
	s := v.Time.Format(time.RFC3339)
	if v.Door != "" {
		s += ", " + v.Door + " door"
	}
	if v.From != "" {
		s += ", from " + v.From
	}
	if v.By != "" {
		s += ", by " + v.By
	}
	return s
}

type doorView struct {
	WrongCodes  int        `json:"wrong_codes_in_a_row"`
	LastHour    int        `json:"wrong_codes_last_hour,omitempty"` // the any door's
	ClosedUntil *time.Time `json:"closed_until,omitempty"`
	ForGood     bool       `json:"closed_until_opened,omitempty"`
}

func detailOf(a mailbox.Account, s lockout.State) detail {
	return detail{view: viewOf(a).with(s), OwnDoor: doorOf(s.Own), AnyDoor: doorOf(s.Any), Stopped: s.Stopped}
}

func doorOf(s lockout.DoorState) doorView {
	d := doorView{WrongCodes: s.Wrong, LastHour: s.Recent, ForGood: s.ForGood}
	if !s.ClosedUntil.IsZero() {
		until := s.ClosedUntil.UTC()
		d.ClosedUntil = &until
	}
	return d
}

func (d detail) print(w io.Writer) {
	for _, row := range [][2]string{
		{"extension", d.Extension},
		{"domain", dash(d.Domain)},
		{"name", dash(d.Name)},
		{"language", dash(d.Language)},
		{"numbers", dash(strings.Join(d.Numbers, ", "))},
		{"mail", dash(d.Mail)},
		{"pace", d.pace()},
		{"state", strings.Join(d.State, ", ")},
		{"own door", d.door(d.OwnDoor)},
		{"any door", d.door(d.AnyDoor)},
		{"code set", d.age()},
		{"changed", d.LastChange.String()},
		{"id", d.Backend + " " + d.ID},
	} {
		fmt.Fprintf(w, "%-10s %s\n", row[0], row[1])
	}
	if d.Stopped {
		fmt.Fprintf(w, "\nToo many wrong codes in a row: closed until `star97 mailbox unlock %s`.\n", d.Extension)
	}
}

// door says whether a code is taken at a door, and what the lock-out holds against it.
func (d detail) door(v doorView) string {
	for _, shut := range []string{"disabled", "locked", "no code"} {
		if slices.Contains(d.State, shut) {
			return "closed (" + shut + "); of wrong codes: " + v.String()
		}
	}
	return v.String()
}

// age is when the code was set, by whatever way, a dash if nobody knows.
func (v view) age() string {
	if v.Set == nil {
		return "-"
	}
	return v.Set.Format(time.RFC3339)
}

func (v view) pace() string {
	if v.Slow {
		return "slow: twice the time for every entry"
	}
	return "normal"
}

func (d doorView) String() string {
	s := "open"
	switch {
	case d.ForGood:
		s = "closed until somebody opens it"
	case d.ClosedUntil != nil:
		s = "closed until " + d.ClosedUntil.Format(time.RFC3339)
	}
	switch {
	case d.WrongCodes == 1:
		s += ", 1 wrong code"
	case d.WrongCodes > 1:
		s += fmt.Sprintf(", %d wrong codes in a row", d.WrongCodes)
	}
	if d.LastHour > d.WrongCodes {
		s += fmt.Sprintf(", %d within the last hour", d.LastHour)
	}
	return s
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
