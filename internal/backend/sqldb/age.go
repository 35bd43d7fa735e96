package sqldb

import (
	"fmt"
	"time"

	"star97/internal/mailbox"
)

// Age says how old a code may and must be. NIST SP 800-63B section 5.1.1.2 advises
// against a change without a reason, so nothing of it is on by itself.
type Age struct {
	MaxAge       time.Duration `yaml:"max_age"`       // after which a code has to be changed, as 2160h, 24h-87600h; 0, the default: never
	ExpiryNotice time.Duration `yaml:"expiry_notice"` // how long before that its owner is told at each call, 0-MaxAge, default 0
	MinAge       time.Duration `yaml:"min_age"`       // before which its owner cannot change it again, 0-8760h, default 0; not where it has to be changed
}

// The ranges of Age.
const (
	leastMaxAge = 24 * time.Hour
	mostMaxAge  = 10 * 365 * 24 * time.Hour
	mostMinAge  = 365 * 24 * time.Hour
)

// Validate tells the first field that is out of its range.
func (o Age) Validate() error {
	switch {
	case o.MaxAge != 0 && (o.MaxAge < leastMaxAge || o.MaxAge > mostMaxAge):
		return fmt.Errorf("max_age is %v: use 24h to 87600h, or 0 for codes that never expire", o.MaxAge)
	case o.ExpiryNotice < 0 || o.ExpiryNotice > o.MaxAge:
		return fmt.Errorf("expiry_notice is %v: use 0 to max_age (%v)", o.ExpiryNotice, o.MaxAge)
	case o.MinAge < 0 || o.MinAge > mostMinAge:
		return fmt.Errorf("min_age is %v: use 0 to 8760h", o.MinAge)
	case o.MaxAge > 0 && o.MinAge >= o.MaxAge:
		return fmt.Errorf("min_age %v is not less than max_age %v: a code could be changed only when it has to be", o.MinAge, o.MaxAge)
	}
	return nil
}

// mark sets the flags of a code's age. A code that its owner cannot change does not
// have to be changed.
func (o Age) mark(f *mailbox.Flags, set, now time.Time) {
	if f.NoCode || f.CannotChange {
		return
	}
	if o.MaxAge > 0 {
		left := set.Add(o.MaxAge).Sub(now)
		f.Expired = left <= 0
		f.Expiring = !f.Expired && left <= o.ExpiryNotice
	}
	f.TooSoon = o.soon("lookup", *f, set, now) != nil
}

// soon is TooSoon for a code that is too young for its owner to change it.
func (o Age) soon(op string, f mailbox.Flags, set, now time.Time) error {
	until := set.Add(o.MinAge)
	if f.MustChange || f.Expired || !now.Before(until) {
		return nil
	}
	return mailbox.Fail(op, mailbox.TooSoon, fmt.Errorf("the code can be changed again from %s on", until.UTC().Format(time.RFC3339)))
}
