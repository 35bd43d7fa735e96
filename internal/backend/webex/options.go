package webex

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// Options of one organisation.
type Options struct {
	API httpapi.Options `yaml:"api"` // the server, default https://webexapis.com/v1
	// of the integration or service app that star97 is, with the scopes spark-admin:people_read,
	// spark-admin:telephony_config_read and spark-admin:telephony_config_write
	ClientID     string        `yaml:"client_id"`
	ClientSecret secret.Source `yaml:"client_secret"` // of the same
	// of an administrator's consent. Where it is a file, star97 replaces it when the system gives another one: let
	// star97's user write in its folder
	RefreshToken secret.Source `yaml:"refresh_token"`

	Organisation string `yaml:"organisation"` // id (orgId), where it is not that of star97's own account; default ""
	Location     string `yaml:"location"`     // id of the only location whose people are here; default "": all
	Domain       string `yaml:"domain"`       // the only domain whose mailboxes are here, default ""
	// how mailboxes are found: "numbers", the default, by one search for the number, or "people", by a list of
	// everybody that is read every people_for, ten at a time
	Find      string        `yaml:"find"`
	PeopleFor time.Duration `yaml:"people_for"` // how long that list is believed, and as long again while the next one is read, 10s-24h, default 10m
	PeopleMax int           `yaml:"people_max"` // an organisation with more people is not read through, 1-20000, default 2000
	State     bool          `yaml:"state"`      // ask at each look-up whether the person's voicemail is on, default true
	Language  bool          `yaml:"language"`   // take the location's announcement language for the person's, default true

	Rules     string        `yaml:"rules"`      // whose rules for codes are read: "organisation", the default, "location", "user" or "off"
	UserRules string        `yaml:"user_rules"` // path of one person's rules, with {id} for the person; only for rules: user
	RulesFor  time.Duration `yaml:"rules_for"`  // how long rules and languages that were read are believed, 0-1h, default 5m
	Lag       time.Duration `yaml:"lag"`        // how long after a change the old code may still be right, 0-1m, default 5s
	// what an answer means that refuses a code, by its errorCode, or its words; the first one that fits counts, and
	// none: policy-other
	Refusals []Refusal `yaml:"refusals"`
}

// Refusal says what an answer means. Code or Words is set.
type Refusal struct {
	Number int    `yaml:"error_code"` // its errorCode, 0-99999999; 0: any
	Words  string `yaml:"words"`      // part of its description, whatever case
	Means  string `yaml:"means"`      // too-short, too-long, not-digits, trivial, in-history, too-soon, cannot-change, locked, disabled, policy-other
}

// Words of the settings.
const (
	byNumbers, byPeople                          = "numbers", "people"
	rulesOrg, rulesLocation, rulesUser, rulesOff = "organisation", "location", "user", "off"
)

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = DefaultOptions() }

// DefaultOptions has every default but the account.
func DefaultOptions() Options {
	o := Options{
		API: httpapi.DefaultOptions(), Find: byNumbers, PeopleFor: 10 * time.Minute, PeopleMax: 2000, State: true, Language: true,
		Rules: rulesOrg, RulesFor: 5 * time.Minute, Lag: 5 * time.Second, Refusals: defaultRefusals(),
	}
	o.API.URL = "https://webexapis.com/v1"
	return o
}

// defaultRefusals are guesses: nothing tells what the system says.
func defaultRefusals() []Refusal {
	return []Refusal{
		{0, "previous", "in-history"},
		{0, "history", "in-history"},
		{0, "too soon", "too-soon"},
		{0, "number of days", "too-soon"},
		{0, "repeat", "trivial"},
		{0, "sequen", "trivial"},
		{0, "contiguous", "trivial"},
		{0, "pattern", "trivial"},
		{0, "phone number", "trivial"},
		{0, "extension", "trivial"},
		{0, "maximum length", "too-long"},
		{0, "too long", "too-long"},
		{0, "minimum length", "too-short"},
		{0, "too short", "too-short"},
		{0, "length", "too-short"},
		{0, "numeric", "not-digits"},
	}
}

// LogTo tells log of every exchange.
func (o *Options) LogTo(log *slog.Logger) { o.API.Log = log }

// Resolve takes relative paths from dir.
func (o *Options) Resolve(dir string) {
	o.API, o.ClientSecret, o.RefreshToken = o.API.In(dir), o.ClientSecret.In(dir), o.RefreshToken.In(dir)
}

// idShape is what an id of the system consists of: base64url of an address, or a UUID.
var idShape = regexp.MustCompile(`^[A-Za-z0-9_=-]{1,200}$`)

func isID(s string) bool { return idShape.MatchString(s) }

var userRulesShape = regexp.MustCompile(`^(/[A-Za-z0-9_-]+)*/\{id\}(/[A-Za-z0-9_-]+)*$`)

// Validate tells everything that is wrong with o. It opens nothing.
func (o Options) Validate() error {
	errs := []error{
		strictyaml.Under("api", o.API.Validate()),
		strictyaml.Under("client_secret", o.ClientSecret.Validate()),
		strictyaml.Under("refresh_token", o.RefreshToken.Validate()),
		adapter.OneOf("find", o.Find, byNumbers, byPeople),
		adapter.OneOf("rules", o.Rules, rulesOrg, rulesLocation, rulesUser, rulesOff),
		adapter.Between("people_for", o.PeopleFor, 10*time.Second, 24*time.Hour),
		adapter.Between("rules_for", o.RulesFor, 0, time.Hour),
		adapter.Between("lag", o.Lag, 0, time.Minute),
		adapter.Between("people_max", o.PeopleMax, 1, 20000),
	}
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.ClientID == "" {
		say("client_id is empty: write the id of the integration or service app")
	}
	for name, id := range map[string]string{"organisation": o.Organisation, "location": o.Location} {
		if id != "" && !isID(id) {
			say("%s is %q: write its id, or leave it empty", name, id)
		}
	}
	if o.Rules == rulesUser && !userRulesShape.MatchString(o.UserRules) {
		say("user_rules is %q: write the path of one person's rules with {id} for the person", o.UserRules)
	}
	for i, r := range o.Refusals {
		if err := r.validate(); err != nil {
			say("refusals[%d].%w", i, err)
		}
	}
	return errors.Join(errs...)
}

// meanings are the codes that Refusal.Means can name.
var meanings = []mailbox.Code{
	mailbox.TooShort, mailbox.TooLong, mailbox.NotDigits, mailbox.Trivial, mailbox.InHistory, mailbox.TooSoon,
	mailbox.CannotChange, mailbox.Locked, mailbox.Disabled, mailbox.PolicyOther,
}

func (r Refusal) validate() error {
	switch _, err := adapter.Meaning(r.Means, meanings); {
	case err != nil:
		return err
	case r.Number < 0 || r.Number > largestError:
		return fmt.Errorf("error_code is %d: use 0 to %d", r.Number, largestError)
	case r.Number == 0 && strings.TrimSpace(r.Words) == "":
		return errors.New("words are empty, and error_code is 0: write one of them")
	}
	return nil
}
