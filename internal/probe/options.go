package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"star97/internal/caller"
)

// Options are one way to ask a voicemail system by telephone.
type Options struct {
	URI       string           `yaml:"uri"`       // the pilot number, sip:*98@192.0.2.10:5060; {extension} and {domain} stand for the mailbox's
	Transport caller.Transport `yaml:"transport"` // udp or tcp; "", the default: as the URI says, else udp
	Local     string           `yaml:"local"`     // local address without port; "", the default: the one that leads to the URI's
	From      string           `yaml:"from"`      // who calls, a number or a SIP URI; default "star97". {extension} and {domain} as above
	PAI       string           `yaml:"pai"`       // P-Asserted-Identity, a SIP URI; "", the default: none. {extension} and {domain} as above
	// what to do until the code is in, in order; the code is the last thing pressed. Each step has until
	// ("", silence, or a name that probe learn gives the sentence heard there), at_most (how long until may take,
	// 100ms-30s, default 3s), wait (a pause after it, 0s-10s, default 0s) and press (keys, {extension}, {code};
	// 0-9 * # and A-D). Default: after 1s "{extension}#", after 1s "{code}#"
	Script []Step        `yaml:"script"`
	Key    time.Duration `yaml:"key"`   // how long a key is held, 40ms-1s, default 100ms
	Gap    time.Duration `yaml:"gap"`   // between two keys, 20ms-1s, default 80ms
	Quiet  time.Duration `yaml:"quiet"` // that long without sound is silence, 100ms-3s, default 500ms

	Answer time.Duration `yaml:"answer"` // for the pilot to answer, 1s-30s, default 3s
	Listen time.Duration `yaml:"listen"` // for what is said after the code, 1s-30s, default 4s
	// for all of it, 2s-55s, default 7s; less than call.store_deadline, or the caller is told
	// that nobody knows
	Within time.Duration `yaml:"within"`
	Calls  int           `yaml:"calls"` // at a time, 1-64, default 4; one more is refused as busy

	Fingerprints string `yaml:"fingerprints"` // the file that probe learn writes, relative to the configuration's folder
	Likeness     int    `yaml:"likeness"`     // percent that a sentence must be like a learned one, 70-95, default 85

	LocksAfter int           `yaml:"locks_after"` // wrong codes in a row after which the system itself locks a mailbox, 0-100; 0, the default: not known
	Remembers  time.Duration `yaml:"remembers"`   // how long it remembers them, 0s-720h, default 0s: not known
}

// Step is one thing to do in a call.
type Step struct {
	Until  string        `yaml:"until"`
	AtMost time.Duration `yaml:"at_most"`
	Wait   time.Duration `yaml:"wait"`
	Press  string        `yaml:"press"`
}

const defaultAtMost = 3 * time.Second

// DefaultOptions lack only URI and Fingerprints.
func DefaultOptions() Options {
	return Options{
		From: "star97",
		Script: []Step{
			{AtMost: defaultAtMost, Wait: time.Second, Press: "{extension}#"},
			{AtMost: defaultAtMost, Wait: time.Second, Press: "{code}#"},
		},
		Key: 100 * time.Millisecond, Gap: 80 * time.Millisecond, Quiet: 500 * time.Millisecond,
		Answer: 3 * time.Second, Listen: 4 * time.Second, Within: 7 * time.Second, Calls: 4,
		Likeness: 85,
	}
}

// UnmarshalYAML reads over what is there already, and where nothing is, as in a map,
// over the defaults.
func (o *Options) UnmarshalYAML(read func(any) error) error {
	if reflect.ValueOf(*o).IsZero() {
		*o = DefaultOptions()
	}
	type plain Options // without this method
	return read((*plain)(o))
}

// UnmarshalYAML reads over the defaults of a step.
func (s *Step) UnmarshalYAML(read func(any) error) error {
	*s = Step{AtMost: defaultAtMost}
	type plain Step
	return read((*plain)(s))
}

// Resolve takes a relative file from the folder of the configuration.
func (o *Options) Resolve(dir string) {
	if o.Fingerprints != "" && !filepath.IsAbs(o.Fingerprints) {
		o.Fingerprints = filepath.Join(dir, o.Fingerprints)
	}
}

// Validate begins each sentence with the option that it is about.
func (o Options) Validate() error {
	var all []error
	bad := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	for _, v := range []struct {
		key        string
		is, lo, hi time.Duration
	}{
		{"key", o.Key, 40 * time.Millisecond, time.Second},
		{"gap", o.Gap, 20 * time.Millisecond, time.Second},
		{"quiet", o.Quiet, 100 * time.Millisecond, 3 * time.Second},
		{"answer", o.Answer, time.Second, 30 * time.Second},
		{"listen", o.Listen, time.Second, 30 * time.Second},
		{"within", o.Within, 2 * time.Second, 55 * time.Second},
		{"remembers", o.Remembers, 0, 720 * time.Hour},
	} {
		if v.is < v.lo || v.is > v.hi {
			bad("%s is %v: set it between %v and %v", v.key, v.is, v.lo, v.hi)
		}
	}
	for _, v := range []struct {
		key        string
		is, lo, hi int
	}{{"calls", o.Calls, 1, 64}, {"likeness", o.Likeness, 70, 95}, {"locks_after", o.LocksAfter, 0, 100}} {
		if v.is < v.lo || v.is > v.hi {
			bad("%s is %d: set it between %d and %d", v.key, v.is, v.lo, v.hi)
		}
	}
	if o.Fingerprints == "" {
		bad("fingerprints is empty: name the file that star97 probe learn is to write")
	}
	all = append(all, o.validateFar()...)
	return errors.Join(append(all, o.validateScript()...)...)
}

func (o Options) validateFar() (all []error) {
	if err := o.call("1", "example.com").Validate(); err != nil {
		all = append(all, fmt.Errorf("uri, transport, from or pai: %w", err))
	}
	if o.Local == "" {
		return all
	}
	if _, err := netip.ParseAddr(o.Local); err != nil {
		all = append(all, fmt.Errorf("local is %q: write an address without port, or leave it out", o.Local))
	}
	return all
}

// silence in Step.Until is no sentence.
const silence = "silence"

var (
	reserved     = map[string]bool{Right: true, Wrong: true, Locked: true}
	sentenceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	keysOnly     = regexp.MustCompile(`^[0-9*#A-D]*$`)
)

func (o Options) validateScript() (all []error) {
	bad := func(i int, format string, args ...any) {
		all = append(all, fmt.Errorf("script[%d].%w", i, fmt.Errorf(format, args...)))
	}
	if len(o.Script) == 0 || len(o.Script) > maxSteps {
		return []error{fmt.Errorf("script has %d steps: write 1 to %d", len(o.Script), maxSteps)}
	}
	for i, s := range o.Script {
		last := i == len(o.Script)-1
		codes := strings.Count(s.Press, codeMark)
		switch {
		case !keysOnly.MatchString(strings.NewReplacer(extensionMark, "", codeMark, "").Replace(s.Press)):
			bad(i, "press holds what is no key: write 0-9, *, #, A-D, {extension} and {code}")
		case last && codes != 1:
			bad(i, "press must hold {code} once: the last step types it")
		case !last && codes != 0:
			bad(i, "press holds {code}, which only the last step may")
		}
		if s.Until != "" && !sentenceName.MatchString(s.Until) || reserved[s.Until] {
			bad(i, "until is %q: write silence, or a name of small letters, digits and hyphens for the sentence", s.Until)
		}
		if s.AtMost < 100*time.Millisecond || s.AtMost > 30*time.Second {
			bad(i, "at_most is %v: set it between 100ms and 30s", s.AtMost)
		}
		if s.Wait < 0 || s.Wait > 10*time.Second {
			bad(i, "wait is %v: set it between 0s and 10s", s.Wait)
		}
	}
	return all
}

const (
	maxSteps      = 16
	extensionMark = "{extension}"
	codeMark      = "{code}"
	domainMark    = "{domain}"
)

// call is the call about a mailbox.
func (o Options) call(extension, domain string) caller.Options {
	fill := strings.NewReplacer(extensionMark, extension, domainMark, domain).Replace
	return caller.Options{
		URI: fill(o.URI), From: fill(o.From), PAI: fill(o.PAI), Transport: o.Transport, Listen: o.Local, Answer: o.Answer,
		Press: caller.Press{Length: o.Key, Gap: o.Gap},
	}
}
