package caller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"star97/internal/codec"
	"star97/internal/pin"
	"star97/internal/prompt/ear"
	"star97/internal/sdp"
)

// LoadMode is what the callers of a load run do.
type LoadMode string

// The modes: play a script, listen to what is said, interrupt it with keys at random
// moments, or set up and end calls at a steady rate.
const (
	ScriptMode LoadMode = "script"
	Listen     LoadMode = "listen"
	KeysMode   LoadMode = "keys"
	RateMode   LoadMode = "rate"
)

// User is one caller's identity. With a code it signs in, but for script mode: the code,
// then the pound key.
type User struct {
	From string
	Code pin.PIN
	New  pin.PIN // for scripts that change it
}

// Play is what a caller of script mode does on its call; the player has Call alone.
type Play func(ctx context.Context, p *Player, u User) error

// LoadOptions are a load run. URI and Mode are needed, in script mode Play too.
type LoadOptions struct {
	URI       string
	Mode      LoadMode
	Calls     int           // at a time; default 100, 1 to 5000
	Duration  time.Duration // of the measurement, after the set-up; default 60 s, 1 s to 24 h; in script mode: no call begins later
	Rate      float64       // calls set up a second; default 100, up to 5000
	Hold      time.Duration // rate mode: how long a call lasts; default 500 ms, up to 1 min
	Answer    time.Duration // longest wait for a final answer; default 10 s, 1 s to 5 min
	Talk      Talk          // Nothing: silent callers
	Users     []User        // used in turn; none: the callers 1000, 1001, ... who do not sign in
	Settle    time.Duration // between signing in and the measurement; default 3 s, up to 1 min
	Every     time.Duration // keys mode: mean time between keys; default 2 s, 500 ms to 1 min
	Keys      string        // keys mode: pressed in turn; default 9, the repeat key of the default menu
	Road      Keys          // of keys: Events or Inband, which offers no telephone-event; any in script mode
	Play      Play          // script mode
	Ear       *ear.Ear      // script mode: knows the sentences
	Rounds    int           // script mode: calls that each caller makes, one after the other; default 1, up to 1,000,000
	Timeout   time.Duration // script mode: longest duration of a call; default 1 min, 1 s to 1 h
	Codecs    []codec.ID    // script mode; others offer PCMU and PCMA
	Transport Transport
	TLS       *tls.Config  // as Options'
	SRTP      sdp.Security // as Options'
	Listen    string       // local address
	PID       int          // process whose CPU and memory are read; 0: none
	Seed      uint64       // of the random moments; 0: 1

	Progress func(Progress) // called each second while the run goes on; nil: nobody looks
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
	set(&o.Answer, 10*time.Second)
	set(&o.Timeout, time.Minute)
	if o.Calls == 0 {
		o.Calls = 100
	}
	if o.Rate == 0 {
		o.Rate = 100
	}
	if o.Rounds == 0 {
		o.Rounds = 1
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
		{"duration in seconds", o.Duration.Seconds(), 1, 24 * 3600},
		{"rate", o.Rate, 0.1, 5000},
		{"hold in seconds", o.Hold.Seconds(), 0, 60},
		{"settle in seconds", o.Settle.Seconds(), 0, 60},
		{"time between keys in seconds", o.Every.Seconds(), 0.5, 60},
		{"wait for an answer in seconds", o.Answer.Seconds(), 1, 300},
		{"longest duration of a call in seconds", o.Timeout.Seconds(), 1, 3600},
		{"rounds", float64(o.Rounds), 1, 1e6},
		{"process", float64(o.PID), 0, 1 << 30},
	}
	for _, r := range ranges {
		if !(r.is >= r.from && r.is <= r.to) { // NaN is in no range
			return fmt.Errorf("%w: %s is %g; it must be %g to %g", ErrOptions, r.name, r.is, r.from, r.to)
		}
	}
	switch {
	case !slices.Contains([]LoadMode{ScriptMode, Listen, KeysMode, RateMode}, o.Mode):
		return fmt.Errorf("%w: mode %q is unknown; use script, listen, keys or rate", ErrOptions, string(o.Mode))
	case (o.Mode == ScriptMode) != (o.Play != nil):
		return fmt.Errorf("%w: a script is for mode script, which needs one", ErrOptions)
	case o.Mode != ScriptMode && o.Road != Events && o.Road != Inband:
		return fmt.Errorf("%w: in mode %s keys go by events or inband, not by %s", ErrOptions, string(o.Mode), o.Road)
	}
	if _, err := digitsOf(o.Keys); err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return Options{URI: o.URI, Transport: o.Transport}.Validate()
}

// ErrNeedsLinux is what Load says elsewhere: it needs the kernel's arrival times.
var ErrNeedsLinux = errors.New("the load run needs Linux, whose kernel notes when each packet arrives")
