package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/strictyaml"
)

// Options of one web service. star97 backend webhook-api prints what it has to do.
type Options struct {
	API   httpapi.Options `yaml:"api"`   // the service; http only to this machine
	Paths Paths           `yaml:"paths"` // where below api.url each operation is
	// shared keys, at least one. Each request is signed with each of them, so that the service can be given another
	// key while it runs: add the new one here, then there, and then remove the old one
	Keys httpapi.Keys `yaml:"keys"`

	NoVerify bool          `yaml:"no_verify"` // the service cannot verify codes, and verify.by names who can, default false
	Limit    int           `yaml:"limit"`     // wrong codes in a row after which the service locks a mailbox, 0-100; 0, the default: none; its policy goes before
	Window   time.Duration `yaml:"window"`    // how long it remembers them, 0-24h, default 0: for ever

	PolicyFor time.Duration `yaml:"policy_for"` // how long the answer to policy is believed, 0-1h, default 5m
	Repeat    time.Duration `yaml:"repeat"`     // how long a change without an answer is asked again with its id, 0-30s, default 4s
	Lag       time.Duration `yaml:"lag"`        // how long after a change the old code may still be right, 0-1m, default 2s
}

// Paths are the addresses of the operations, each from its / on.
type Paths struct {
	Find   string `yaml:"find"`   // find mailboxes by number, default /find
	Verify string `yaml:"verify"` // verify a code, default /verify; not used with no_verify
	Set    string `yaml:"set"`    // set a new code for who knows the current one, default /set
	Reset  string `yaml:"reset"`  // set a code for an administrator, default /reset; empty: not offered
	Policy string `yaml:"policy"` // tell rules and limits; empty, the default: not offered
}

// Key is a shared key and the name that both sides know it by.
type Key = httpapi.Key

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = DefaultOptions() }

// DefaultOptions has every default; URL and Keys have none.
func DefaultOptions() Options {
	return Options{
		API:       httpapi.DefaultOptions(),
		Paths:     Paths{Find: "/find", Verify: "/verify", Set: "/set", Reset: "/reset"},
		Keys:      httpapi.Keys{},
		PolicyFor: 5 * time.Minute, Repeat: 4 * time.Second, Lag: 2 * time.Second,
	}
}

// LogTo tells log of every exchange.
func (o *Options) LogTo(log *slog.Logger) { o.API.Log = log }

// Resolve takes relative paths from dir.
func (o *Options) Resolve(dir string) {
	o.API = o.API.In(dir)
	o.Keys = o.Keys.In(dir) // o may be a copy that shares the list
}

var pathShape = regexp.MustCompile(`^(/[A-Za-z0-9._~-]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// Validate tells everything that is wrong with o. It opens nothing.
func (o Options) Validate() error {
	errs := []error{strictyaml.Under("api", o.API.Validate())}
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, p := range []struct {
		name, path string
		optional   bool
	}{
		{"find", o.Paths.Find, false}, {"verify", o.Paths.Verify, o.NoVerify}, {"set", o.Paths.Set, false},
		{"reset", o.Paths.Reset, true}, {"policy", o.Paths.Policy, true},
	} {
		if !(p.optional && p.path == "") && !pathShape.MatchString(p.path) {
			say("paths.%s is %q: write the path below api.url, as /%s", p.name, p.path, p.name)
		}
	}
	errs = append(errs, o.Keys.Validate(),
		adapter.Between("limit", o.Limit, 0, 100),
		adapter.Between("window", o.Window, 0, 24*time.Hour),
		adapter.Between("policy_for", o.PolicyFor, 0, time.Hour),
		adapter.Between("repeat", o.Repeat, 0, 30*time.Second),
		adapter.Between("lag", o.Lag, 0, time.Minute),
	)
	return errors.Join(errs...)
}
