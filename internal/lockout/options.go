package lockout

import (
	"fmt"
	"time"
)

// Options are the limits. All waits count from the last try; tries made while
// closed are not counted at the mailbox and do not prolong it.
type Options struct {
	CallTries        int           `yaml:"call_tries"`        // wrong codes that end a call's tries; 1 to 10, default 3
	WaitFrom         int           `yaml:"wait_from"`         // wrong codes in a row from which each next one costs a wait; 1 to 20, default 5
	WaitFirst        time.Duration `yaml:"wait_first"`        // the first wait, doubling with each further wrong code; 1s to 1h, default 30s
	WaitMax          time.Duration `yaml:"wait_max"`          // longest wait; wait_first to 24h, default 1h
	CloseFrom        int           `yaml:"close_from"`        // wrong codes in a row that close the any door; wait_from to 100, default 10
	CloseFirst       time.Duration `yaml:"close_first"`       // how long at first, doubling; wait_first to 24h, default 1h
	CloseMax         time.Duration `yaml:"close_max"`         // how long at most; close_first to 720h, default 24h
	CloseForGood     int           `yaml:"close_for_good"`    // wrong codes in a row that close the any door until the owner's own telephone, an administrator or a one-time code opens it, so that a stranger can lock out an owner who only calls from outside; 0, the default: never; else close_from to 100
	HardStop         int           `yaml:"hard_stop"`         // wrong codes in a row over both doors that end all tries until an administrator unlocks the mailbox; close_from to 100, default 100
	MailboxPerHour   int           `yaml:"mailbox_per_hour"`  // wrong codes within any hour on one mailbox through the any door, whoever tries and whatever the owner does meanwhile; 1 to 1000, default 10
	SourcePerHour    int           `yaml:"source_per_hour"`   // wrong codes an hour from one believed caller over all mailboxes; 3 to 1000, default 30
	SourceMailboxes  int           `yaml:"source_mailboxes"`  // different mailboxes of these through the any door; 1 to 1000, default 10
	UnknownPerHour   int           `yaml:"unknown_per_hour"`  // as source_per_hour from all callers together who are not believed, behind one address of a peer; 3 to 1000, default 600
	UnknownMailboxes int           `yaml:"unknown_mailboxes"` // different mailboxes of these; 1 to 1000, default 300
	PeerPerHour      int           `yaml:"peer_per_hour"`     // wrong codes an hour through one peer and the any door, whoever calls; 3 to 1000000, default 1200
	TotalPerHour     int           `yaml:"total_per_hour"`    // wrong codes an hour through the any door altogether; 3 to 1000000, default 6000
}

// DefaultOptions are the documented defaults.
func DefaultOptions() Options {
	return Options{
		CallTries: 3,
		WaitFrom:  5, WaitFirst: 30 * time.Second, WaitMax: time.Hour,
		CloseFrom: 10, CloseFirst: time.Hour, CloseMax: 24 * time.Hour,
		HardStop: 100, MailboxPerHour: 10,
		SourcePerHour: 30, SourceMailboxes: 10, UnknownPerHour: 600, UnknownMailboxes: 300,
		PeerPerHour: 1200, TotalPerHour: 6000,
	}
}

// maxTally bounds the limits of tallies, whose minutes count up to maxEntry.
const maxTally = 1_000_000

// Validate returns nil, or one sentence naming the first option out of range.
func (o Options) Validate() error {
	for _, c := range []struct {
		key          string
		v, low, high int
	}{
		{"call_tries", o.CallTries, 1, 10},
		{"wait_from", o.WaitFrom, 1, 20},
		{"close_from", o.CloseFrom, o.WaitFrom, 100},
		{"hard_stop", o.HardStop, o.CloseFrom, 100},
		{"mailbox_per_hour", o.MailboxPerHour, 1, maxRecent},
		{"source_per_hour", o.SourcePerHour, 3, maxRecent},
		{"source_mailboxes", o.SourceMailboxes, 1, maxRecent},
		{"unknown_per_hour", o.UnknownPerHour, 3, maxRecent},
		{"unknown_mailboxes", o.UnknownMailboxes, 1, maxRecent},
		{"peer_per_hour", o.PeerPerHour, 3, maxTally},
		{"total_per_hour", o.TotalPerHour, 3, maxTally},
	} {
		if c.v < c.low || c.v > c.high {
			return fmt.Errorf("%s is %d; use %d to %d", c.key, c.v, c.low, c.high)
		}
	}
	if n := o.CloseForGood; n != 0 && (n < o.CloseFrom || n > 100) {
		return fmt.Errorf("close_for_good is %d; use 0, which is never, or %d to 100", n, o.CloseFrom)
	}
	for _, c := range []struct {
		key          string
		v, low, high time.Duration
	}{
		{"wait_first", o.WaitFirst, time.Second, time.Hour},
		{"wait_max", o.WaitMax, o.WaitFirst, 24 * time.Hour},
		{"close_first", o.CloseFirst, o.WaitFirst, 24 * time.Hour},
		{"close_max", o.CloseMax, o.CloseFirst, 720 * time.Hour},
	} {
		if c.v < c.low || c.v > c.high {
			return fmt.Errorf("%s is %v; use %v to %v", c.key, c.v, c.low, c.high)
		}
	}
	return nil
}
