package unity

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// Options of one Unity Connection server or cluster.
type Options struct {
	API      httpapi.Options `yaml:"api"`      // the server, without /vmrest
	User     string          `yaml:"user"`     // an account of the system that may reset codes: role Help Desk Administrator or User Administrator
	Password secret.Source   `yaml:"password"` // of that account
	Format   Format          `yaml:"format"`   // "json", the default, or "xml" for systems before 8.5
	Cookies  bool            `yaml:"cookies"`  // send the session's cookies back, which saves the system logins, default true

	Domain    string `yaml:"domain"`    // the only domain whose mailboxes are here, default ""
	Partition string `yaml:"partition"` // id (PartitionObjectId) of the only partition to look in; empty, the default: all
	// column that holds the id by which other systems know a user, "Alias", the default, or "LdapCcmUserId" where
	// the system has it indexed
	UserColumn string `yaml:"user_column"`
	// what to do with alternate extensions: "off", "read", the default, as the owner's numbers, or "find" to find
	// mailboxes by them too. For that every user's are read at the start and again after alternates_every
	Alternates      Alternates    `yaml:"alternates"`
	AlternatesEvery time.Duration `yaml:"alternates_every"` // 1m-24h, default 1h
	AlternatesUsers int           `yaml:"alternates_users"` // a system with more users is not read through, 1-20000, default 5000

	RulesFor time.Duration `yaml:"rules_for"` // how long rules for codes that were read are believed, 0-1h, default 5m
	// the time zone of the server's clock, as Europe/Berlin, or Local for this machine's. Times in answers do not
	// tell it. Empty, the default: not known; then only what is too soon in every zone is refused beforehand
	TimeZone string        `yaml:"time_zone"`
	Margin   time.Duration `yaml:"margin"` // how wrong the server's clock may be, 0-1h, default 5m
	// how long after a change the old code may still be right elsewhere, where systems are kept in step, 0-1m, default 2s
	Lag time.Duration `yaml:"lag"`
	// what the words of an answer that refuses a code mean; the first one that fits counts, and none: policy-other
	Refusals []adapter.Refusal `yaml:"refusals"`
}

// Format is a way to write what is asked and answered.
type Format string

// The formats.
const (
	JSON Format = "json"
	XML  Format = "xml"
)

// Alternates says what to do with alternate extensions.
type Alternates string

// What can be done with them.
const (
	Off  Alternates = "off"
	Read Alternates = "read"
	Find Alternates = "find"
)

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = DefaultOptions() }

// DefaultOptions has every default but the server, the account and its password.
func DefaultOptions() Options {
	return Options{
		API:             httpapi.DefaultOptions(),
		Format:          JSON,
		Cookies:         true,
		UserColumn:      "Alias",
		Alternates:      Read,
		AlternatesEvery: time.Hour,
		AlternatesUsers: 5000,
		RulesFor:        5 * time.Minute,
		Margin:          5 * time.Minute,
		Lag:             2 * time.Second,
		Refusals:        adapter.DefaultRefusals(),
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
		adapter.OneOf("format", o.Format, JSON, XML),
		adapter.OneOf("user_column", o.UserColumn, "Alias", "LdapCcmUserId"),
		adapter.OneOf("alternates", o.Alternates, Off, Read, Find),
		adapter.Between("alternates_every", o.AlternatesEvery, time.Minute, 24*time.Hour),
		adapter.Between("alternates_users", o.AlternatesUsers, 1, 20000),
		adapter.Between("rules_for", o.RulesFor, 0, time.Hour),
		adapter.Between("margin", o.Margin, 0, time.Hour),
		adapter.Between("lag", o.Lag, 0, time.Minute),
		adapter.ValidateRefusals(o.Refusals),
	}
	say := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if o.User == "" || strings.ContainsAny(o.User, ":\r\n") {
		// RFC 7617 section 2: a user-id with a colon cannot be told from the password.
		say("user is empty or has a colon: write the name of an account of the system that may reset codes")
	}
	if o.Partition != "" && !isID(o.Partition) {
		say("partition is %q: write the partition's ObjectId, as 9c1d2f60-0000-4000-8000-000000000000, or leave it empty", o.Partition)
	}
	if _, err := time.LoadLocation(o.TimeZone); err != nil {
		say("time_zone is %q, which is not known here: use a name as Europe/Berlin, or Local", o.TimeZone)
	}
	return errors.Join(found...)
}

// idShape is a GUID, as every ObjectId of the system is one.
var idShape = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func isID(s string) bool { return idShape.MatchString(s) }
