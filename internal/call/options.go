package call

import (
	"fmt"
	"time"
)

// Options are the waits that belong to the shell; the flow's own are in the dialplan.
type Options struct {
	// StoreDeadline bounds one answer of the store, 4s to 60s; past it the caller
	// is told the truth and the late answer is dropped. Two seconds of it are kept
	// for asking which code is in force after a change without an answer.
	StoreDeadline time.Duration `yaml:"store_deadline"`
	// PlayOut is left for the phone's jitter buffer between the last packet of the
	// last sentence and the BYE, 0 to 1s.
	PlayOut time.Duration `yaml:"play_out"`
	// HangupGrace is how long a call may last past its total time while the
	// caller is still typing, 10s to 10m.
	HangupGrace time.Duration `yaml:"hangup_grace"`
}

// SettleReserve is held back from the time for a change to ask which code is in force
// when the change itself got no answer.
const SettleReserve = 2 * time.Second

// DefaultOptions are used where the configuration says nothing.
func DefaultOptions() Options {
	return Options{
		StoreDeadline: 8 * time.Second,
		PlayOut:       100 * time.Millisecond,
		HangupGrace:   2 * time.Minute,
	}
}

// Validate names the first value out of range by its key.
func (o Options) Validate() error {
	for _, v := range []struct {
		key        string
		is, lo, hi time.Duration
	}{
		{"store_deadline", o.StoreDeadline, 4 * time.Second, time.Minute},
		{"play_out", o.PlayOut, 0, time.Second},
		{"hangup_grace", o.HangupGrace, 10 * time.Second, 10 * time.Minute},
	} {
		if v.is < v.lo || v.is > v.hi {
			return fmt.Errorf("%s is %v; set it between %v and %v", v.key, v.is, v.lo, v.hi)
		}
	}
	return nil
}
