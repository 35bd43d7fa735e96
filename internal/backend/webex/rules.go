package webex

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// rules are what is demanded of codes.
type rules struct {
	policy pin.Policy
	minAge time.Duration // of a code that its owner changes; 0: any
	limit  int           // wrong codes until a lock; 0: not known
}

// wireRules are the rules as a location or a person has them, and those of the
// organisation, which has the first four in an object of their own.
type wireRules struct {
	Patterns bool `json:"blockRepeatedPatternsEnabled"`
	Digits   struct {
		Enabled bool `json:"enabled"`
		Max     int  `json:"max"`
	} `json:"blockRepeatedDigits"`
	Sequences struct {
		Enabled bool `json:"enabled"`
		Up      int  `json:"numberOfAscendingDigits"`
		Down    int  `json:"numberOfDescendingDigits"`
	} `json:"blockContiguousSequences"`
	Length *struct {
		Min int `json:"min"`
		Max int `json:"max"`
	} `json:"length"`
	Previous struct {
		Enabled bool `json:"enabled"`
		Number  int  `json:"numberOfPasscodes"`
	} `json:"blockPreviousPasscodes"`
	ReversedOld bool `json:"blockReversedOldPasscodeEnabled"`
	OwnNumber   bool `json:"blockUserNumberEnabled"`
	Reversed    bool `json:"blockReversedUserNumberEnabled"`
	Change      struct {
		Enabled bool `json:"enabled"`
		Days    int  `json:"numberOfDays"`
	} `json:"changePasscode"`
	Failed struct {
		Enabled  bool `json:"enabled"`
		Attempts int  `json:"attempts"`
	} `json:"failedAttempts"`
	Default *wireRules `json:"defaultVoicemailPinRules"`
}

const (
	maxDays  = 365 // of a minimum age
	maxTries = 100 // of failed attempts
)

// rules maps what the system tells; false if it has told none. Where runs up and down
// have different limits the lower one holds, as Policy has one for both.
func (w wireRules) rules() (rules, bool) {
	shape := w
	if w.Default != nil {
		shape = *w.Default
	}
	if shape.Length == nil {
		return rules{}, false
	}
	within := func(n, most int) int { return max(0, min(n, most)) }
	var r rules
	r.policy.MinLen, r.policy.MaxLen = within(shape.Length.Min, pin.MaxDigits), within(shape.Length.Max, pin.MaxDigits)
	if shape.Digits.Enabled {
		r.policy.MaxSameRun = within(shape.Digits.Max, pin.MaxDigits)
	}
	if shape.Sequences.Enabled {
		r.policy.MaxSequence = adapter.Lower(within(shape.Sequences.Up, pin.MaxDigits), within(shape.Sequences.Down, pin.MaxDigits))
	}
	r.policy.RepeatBlock = shape.Patterns
	if w.OwnNumber || w.Reversed {
		r.policy.OwnNumber = pin.NotContained
	}
	r.policy = adapter.Old(r.policy, max(w.old(), shape.old()), 0)
	if w.Change.Enabled {
		r.minAge = time.Duration(within(w.Change.Days, maxDays)) * 24 * time.Hour
	}
	if w.Failed.Enabled {
		r.limit = within(w.Failed.Attempts, maxTries)
	}
	return r, r.policy.Validate() == nil
}

// old is how many earlier codes are refused.
func (w *wireRules) old() int {
	if !w.Previous.Enabled && !w.ReversedOld {
		return 0
	}
	return max(1, w.Previous.Number)
}

// rulesOf are the rules that hold for a person; nil if none are read, or if star97's
// account may not read them.
func (s *Store) rulesOf(ctx context.Context, op string, p *person) (*rules, error) {
	path, key := "/telephony/config/voicemail/rules", ""
	switch s.o.Rules {
	case rulesOff:
		return nil, nil
	case rulesLocation:
		if !isID(p.LocationID) {
			return nil, nil
		}
		path, key = "/telephony/config/locations/"+url.PathEscape(p.LocationID)+"/voicePortal/passcodeRules", p.LocationID
	case rulesUser:
		path, key = strings.ReplaceAll(s.o.UserRules, "{id}", url.PathEscape(p.ID)), p.ID
	}
	if r, ok := s.rules.Get(key); ok {
		return &r, nil
	}
	var w wireRules
	_, err := s.get(ctx, op, path, nil, &w)
	if errors.Is(err, mailbox.NotFound) || errors.Is(err, mailbox.ServiceRefused) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, ok := w.rules()
	if !ok {
		return nil, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	s.rules.Set(key, r)
	return &r, nil
}

// language is the announcement language of a location; empty if star97's account may
// not read it.
func (s *Store) language(ctx context.Context, op, location string) (string, error) {
	if !s.o.Language || !isID(location) {
		return "", nil
	}
	if t, ok := s.tongues.Get(location); ok {
		return t, nil
	}
	var l struct {
		Language string `json:"announcementLanguage"`
	}
	_, err := s.get(ctx, op, "/telephony/config/locations/"+url.PathEscape(location), nil, &l)
	if errors.Is(err, mailbox.NotFound) || errors.Is(err, mailbox.ServiceRefused) {
		err = nil
	}
	if err != nil {
		return "", err
	}
	t := adapter.Tag(l.Language)
	s.tongues.Set(location, t)
	return t, nil
}
