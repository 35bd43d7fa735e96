package axl

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
	"star97/internal/strictyaml"
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
	Refusals []adapter.Refusal `yaml:"refusals"`
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
		Refusals: adapter.DefaultRefusals(),
	}
}

// LogTo tells log of every exchange.
func (o *Options) LogTo(log *slog.Logger) { o.API.Log = log }

// Resolve takes relative paths from dir.
func (o *Options) Resolve(dir string) {
	o.API, o.Password = o.API.In(dir), o.Password.In(dir)
}

// Validate tells everything that is out of its range.
func (o Options) Validate() error {
	found := []error{
		strictyaml.Under("api", o.API.Validate()),
		strictyaml.Under("password", o.Password.Validate()),
		adapter.OneOf("find", o.Find, SQL, UDS, UserID),
		adapter.Between("rules_for", o.RulesFor, 0, time.Hour),
		adapter.Between("lag", o.Lag, 0, time.Hour),
		adapter.ValidateRefusals(o.Refusals),
	}
	if !slices.Contains(versions, o.version()) {
		found = append(found, adapter.OneOf("version", o.Version, versions...))
	}
	if o.User == "" || strings.ContainsAny(o.User, ":\r\n") {
		// RFC 7617 section 2: a user-id with a colon cannot be told from the password.
		found = append(found, errors.New("user is empty or has a colon: write the name of an application user with AXL access"))
	}
	for i, m := range o.Codes {
		found = append(found, strictyaml.Under(fmt.Sprintf("codes[%d]", i), adapter.OneOf("means", m.Means, answers...)))
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
