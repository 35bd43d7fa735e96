package axl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// Options of one Unified Communications Manager cluster.
type Options struct {
	API      httpapi.Options `yaml:"api"`      // the publisher, as https://host:8443, without /axl
	User     string          `yaml:"user"`     // an application user with the role Standard AXL API Access
	Password secret.Source   `yaml:"password"` // of that user
	// of AXL, which the server must know: 8.5 to 15.0, default 12.5; 7.0 and 7.1 have other faults and were never tried
	Version string `yaml:"version"`
	Cookies bool   `yaml:"cookies"` // send the session's cookies back, which saves the system logins, default true

	// how users are found by their number: "sql", the default, by the primary extension; "uds" by the directory's
	// telephone number, for accounts that may not send SQL; "userid" where the number is the user's id
	Find      Find   `yaml:"find"`
	Plus      bool   `yaml:"plus"`      // directory numbers are written with a plus, as \+12015550143, default false
	Partition string `yaml:"partition"` // name of the only route partition whose extensions count; empty, the default: all
	Domain    string `yaml:"domain"`    // the only domain whose users are here, default ""
	Inactive  []int  `yaml:"inactive"`  // statuses of users who may not change their code, default [0]

	RulesFor time.Duration `yaml:"rules_for"` // how long a credential policy that was read is believed, 0-1h, default 5m
	// how long after a change the old code may still be taken from a server's cache, 0-1h, default 2m; 0s where
	// credential caching is off in the enterprise parameters
	Lag time.Duration `yaml:"lag"`
	// what the numbers mean that come with a refused code. The log tells them. Default: none is known, and the
	// user's flags decide
	Codes []Meaning `yaml:"codes"`
	// what the words of a fault mean that refuses a new code; the first one that fits counts, and none: policy-other
	Refusals []Refusal `yaml:"refusals"`
}

// Find is a way to find users.
type Find string

// The ways.
const (
	SQL    Find = "sql"
	UDS    Find = "uds"
	UserID Find = "userid"
)

// versions are those of AXL whose schemas are known, and the two before them in which
// faults have another form.
var versions = []string{
	"7.0", "7.1", "8.0", "8.5", "8.6", "9.0", "9.1", "10.0", "10.5", "11.0", "11.5", "12.0", "12.5", "14.0", "15.0",
}

// version is Version with the fraction that YAML drops from 14.0.
func (o Options) version() string {
	if strings.Contains(o.Version, ".") {
		return o.Version
	}
	return o.Version + ".0"
}

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = DefaultOptions() }

// DefaultOptions has every default but the server, the user and the password.
func DefaultOptions() Options {
	return Options{
		API:      httpapi.DefaultOptions(),
		Version:  "12.5",
		Cookies:  true,
		Find:     SQL,
		Inactive: []int{0},
		RulesFor: 5 * time.Minute,
		Lag:      2 * time.Minute,
		Codes:    []Meaning{},
		Refusals: defaultRefusals(),
	}
}

// Resolve takes relative paths from dir.
func (o *Options) Resolve(dir string) {
	o.API, o.Password = o.API.In(dir), o.Password.In(dir)
}

// Validate tells everything that is out of its range.
func (o Options) Validate() error {
	var found []error
	say := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if err := o.API.Validate(); err != nil {
		say("api.%w", err)
	}
	if o.User == "" || strings.ContainsAny(o.User, ":\r\n") {
		// RFC 7617 section 2: a user-id with a colon cannot be told from the password.
		say("user is empty or has a colon: write the name of an application user with AXL access")
	}
	if err := o.Password.Validate(); err != nil {
		say("password.%w", err)
	}
	if !slices.Contains(versions, o.version()) {
		say("version is %q: use one of %s", o.Version, strings.Join(versions, ", "))
	}
	if o.Find != SQL && o.Find != UDS && o.Find != UserID {
		say("find is %q: use sql, uds or userid", o.Find)
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"rules_for", o.RulesFor}, {"lag", o.Lag}} {
		if f.value < 0 || f.value > time.Hour {
			say("%s is %v: use 0s to 1h", f.name, f.value)
		}
	}
	for i, m := range o.Codes {
		if !slices.Contains(answers, m.Means) {
			say("codes[%d].means is %q: use one of %v", i, m.Means, answers)
		}
	}
	for i, r := range o.Refusals {
		if err := r.validate(); err != nil {
			say("refusals[%d].%w", i, err)
		}
	}
	return errors.Join(found...)
}

// Meaning says what the number of a refused code means.
type Meaning struct {
	Code  int    `yaml:"code"`  // as the log tells it
	Means string `yaml:"means"` // right (but to be changed or expired), wrong-pin, locked, disabled
}

// right is what a code can be that the system refuses only because it must be changed.
const right = "right"

var answers = []string{right, mailbox.WrongPIN.String(), mailbox.Locked.String(), mailbox.Disabled.String()}

// Refusal says what words in a fault mean.
type Refusal struct {
	Words string `yaml:"words"` // as they stand in the fault, whatever case
	Means string `yaml:"means"` // too-short, too-long, not-digits, trivial, in-history, too-soon, cannot-change, locked, policy-other
}

// meanings are the codes that Refusal.Means can name.
var meanings = []mailbox.Code{
	mailbox.TooShort, mailbox.TooLong, mailbox.NotDigits, mailbox.Trivial, mailbox.InHistory, mailbox.TooSoon,
	mailbox.CannotChange, mailbox.Locked, mailbox.PolicyOther,
}

func (r Refusal) validate() error {
	if strings.TrimSpace(r.Words) == "" {
		return errors.New("words are empty: write what stands in the fault")
	}
	if r.code() == mailbox.OK {
		return fmt.Errorf("means is %q: use one of %v", r.Means, meanings)
	}
	return nil
}

// code is OK for a word that is none of meanings.
func (r Refusal) code() mailbox.Code {
	for _, c := range meanings {
		if c.String() == r.Means {
			return c
		}
	}
	return mailbox.OK
}

// defaultRefusals are guesses but for the first, which the self-care page was seen to say.
func defaultRefusals() []Refusal {
	return []Refusal{
		{"length of the pin is less", "too-short"},
		{"trivial", "trivial"},
		{"previous", "in-history"},
		{"history", "in-history"},
		{"already used", "in-history"},
		{"reuse", "in-history"},
		{"too soon", "too-soon"},
		{"duration", "too-soon"},
		{"recently", "too-soon"},
		{"too long", "too-long"},
		{"maximum", "too-long"},
		{"too short", "too-short"},
		{"minimum", "too-short"},
		{"length", "too-short"},
		{"numeric", "not-digits"},
		{"digits", "not-digits"},
		{"cannot change", "cannot-change"},
		{"can't change", "cannot-change"},
		{"locked", "locked"},
	}
}
