package caller

import (
	"errors"
	"fmt"
	"time"

	"star97/internal/pin"
)

// LoadMode is what the callers of a load run do.
type LoadMode string

// The modes: listen to what is said, interrupt it with keys at random moments, or
// set up and end calls at a steady rate.
const (
	Listen   LoadMode = "listen"
	KeysMode LoadMode = "keys"
	RateMode LoadMode = "rate"
)

// User is one caller's identity. With a code it signs in: the code, then the pound key.
type User struct {
	From string
	Code pin.PIN
}

// LoadOptions are a load run. URI and Mode are needed.
type LoadOptions struct {
	URI       string
	Mode      LoadMode
	Calls     int           // at a time; default 100, 1 to 5000
	Duration  time.Duration // of the measurement, after the set-up; default 60 s, 1 s to 1 h
	Rate      float64       // calls set up a second; default 100, up to 5000
	Hold      time.Duration // rate mode: how long a call lasts; default 500 ms, up to 1 min
	Talk      Talk          // Nothing: silent callers
	Users     []User        // used in turn; none: the callers 1000, 1001, ... who do not sign in
	Settle    time.Duration // between signing in and the measurement; default 3 s, up to 1 min
	Every     time.Duration // keys mode: mean time between keys; default 2 s, 500 ms to 1 min
	Keys      string        // keys mode: pressed in turn; default 9, the repeat key of the default menu
	Transport Transport
	Listen    string // local address
	PID       int    // process whose CPU and memory are read; 0: none
	Seed      uint64 // of the random moments; 0: 1
}

func (o LoadOptions) withDefaults() LoadOptions {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.Duration, time.Minute)
	set(&o.Hold, 500*time.Millisecond)
	set(&o.Settle, 3*time.Second)
	set(&o.Every, 2*time.Second)
	if o.Calls == 0 {
		o.Calls = 100
	}
	if o.Rate == 0 {
		o.Rate = 100
	}
	if o.Keys == "" {
		o.Keys = "9"
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	return o
}

// Validate says in one sentence what is wrong.
func (o LoadOptions) Validate() error {
	o = o.withDefaults()
	ranges := []struct {
		name     string
		is       float64
		from, to float64
	}{
		{"calls", float64(o.Calls), 1, 5000},
		{"duration in seconds", o.Duration.Seconds(), 1, 3600},
		{"rate", o.Rate, 0.1, 5000},
		{"hold in seconds", o.Hold.Seconds(), 0, 60},
		{"settle in seconds", o.Settle.Seconds(), 0, 60},
		{"time between keys in seconds", o.Every.Seconds(), 0.5, 60},
	}
	for _, r := range ranges {
		if r.is < r.from || r.is > r.to {
			return fmt.Errorf("%w: %s is %g; it must be %g to %g", ErrOptions, r.name, r.is, r.from, r.to)
		}
	}
	switch o.Mode {
	case Listen, KeysMode, RateMode:
	default:
		return fmt.Errorf("%w: mode %q is unknown; use listen, keys or rate", ErrOptions, string(o.Mode))
	}
	if _, err := digitsOf(o.Keys); err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return Options{URI: o.URI, Transport: o.Transport}.Validate()
}

// ErrNeedsLinux is what Load says elsewhere: it needs the kernel's arrival times.
var ErrNeedsLinux = errors.New("the load run needs Linux, whose kernel notes when each packet arrives")
