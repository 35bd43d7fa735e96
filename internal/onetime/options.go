package onetime

import (
	"fmt"
	"time"

	"star97/internal/mailbox"
)

// Options are the limits of one-time codes.
type Options struct {
	Digits int           `yaml:"digits"`  // of a code, 8 to 12, default 8
	Life   time.Duration `yaml:"life"`    // how long a code is good, 10m (as callers are told) to 30m, default 10m
	Tries  int           `yaml:"tries"`   // after so many wrong ones at a door a code is worth nothing there, 1 to 5, default 3
	PerDay int           `yaml:"per_day"` // codes for one mailbox within 24 hours, 1 to 20, default 3; the any door gets one less, so that strangers leave the own door one, and each door one at least
	// Rehearsal makes hashes cheap: for simulations, whose codes are nobody's.
	Rehearsal bool `yaml:"-"`
}

// DefaultOptions are the documented defaults.
func DefaultOptions() Options {
	return Options{Digits: 8, Life: 10 * time.Minute, Tries: 3, PerDay: 3}
}

// Validate returns nil, or one sentence naming the first option out of range.
func (o Options) Validate() error {
	for _, c := range []struct {
		key          string
		v, low, high int
	}{
		{"digits", o.Digits, 8, 12},
		{"tries", o.Tries, 1, 5},
		{"per_day", o.PerDay, 1, 20},
	} {
		if c.v < c.low || c.v > c.high {
			return fmt.Errorf("%s is %d; use %d to %d", c.key, c.v, c.low, c.high)
		}
	}
	if o.Life < 10*time.Minute || o.Life > 30*time.Minute {
		return fmt.Errorf("life is %v; use 10m to 30m", o.Life)
	}
	return nil
}

// allow tells whether a door may have one more code sent to a mailbox after so many within
// the day. What is not the own door is the any door.
func (o *Options) allow(door mailbox.Door, own, others int) bool {
	if door == mailbox.OwnDoor {
		return own == 0 || own+others < o.PerDay
	}
	return others < max(1, o.PerDay-1) && own+others < max(2, o.PerDay)
}
