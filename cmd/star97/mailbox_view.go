package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

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
	Slow      bool     `json:"slow,omitempty"`
	State     []string `json:"state"`
}

func viewOf(a mailbox.Account) view {
	v := view{
		ID: a.ID, Backend: a.Backend, Extension: a.Extension, Domain: a.Domain,
		Name: a.Name, Language: a.Language, Numbers: a.Numbers, Slow: a.Flags.Slow,
	}
	for _, f := range []struct {
		on   bool
		word string
	}{
		{a.Flags.Disabled, "disabled"},
		{a.Flags.NoCode, "no code"},
		{a.Flags.MustChange, "must change"},
		{a.Flags.CannotChange, "cannot change"},
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
		{"pace", d.pace()},
		{"state", strings.Join(d.State, ", ")},
		{"own door", d.OwnDoor.String()},
		{"any door", d.AnyDoor.String()},
		{"id", d.Backend + " " + d.ID},
	} {
		fmt.Fprintf(w, "%-10s %s\n", row[0], row[1])
	}
	if d.Stopped {
		fmt.Fprintf(w, "\nToo many wrong codes in a row: closed until `star97 mailbox unlock %s`.\n", d.Extension)
	}
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
