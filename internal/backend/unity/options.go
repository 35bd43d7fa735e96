package unity

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
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
	Refusals []Refusal `yaml:"refusals"`
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
		Refusals:        defaultRefusals(),
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
	found = append(found, strictyaml.Under("api", o.API.Validate()))
	if o.User == "" || strings.ContainsAny(o.User, ":\r\n") {
		// RFC 7617 section 2: a user-id with a colon cannot be told from the password.
		say("user is empty or has a colon: write the name of an account of the system that may reset codes")
	}
	found = append(found, strictyaml.Under("password", o.Password.Validate()))
	if o.Format != JSON && o.Format != XML {
		say("format is %q: use json or xml", o.Format)
	}
	if o.Partition != "" && !isID(o.Partition) {
		say("partition is %q: write the partition's ObjectId, as 9c1d2f60-0000-4000-8000-000000000000, or leave it empty", o.Partition)
	}
	if o.UserColumn != "Alias" && o.UserColumn != "LdapCcmUserId" {
		say("user_column is %q: use Alias or LdapCcmUserId", o.UserColumn)
	}
	if o.Alternates != Off && o.Alternates != Read && o.Alternates != Find {
		say("alternates is %q: use off, read or find", o.Alternates)
	}
	if o.AlternatesUsers < 1 || o.AlternatesUsers > 20000 {
		say("alternates_users is %d: use 1 to 20000", o.AlternatesUsers)
	}
	if _, err := time.LoadLocation(o.TimeZone); err != nil {
		say("time_zone is %q, which is not known here: use a name as Europe/Berlin, or Local", o.TimeZone)
	}
	for _, f := range []struct {
		name        string
		value, a, b time.Duration
	}{
		{"alternates_every", o.AlternatesEvery, time.Minute, 24 * time.Hour},
		{"rules_for", o.RulesFor, 0, time.Hour},
		{"margin", o.Margin, 0, time.Hour},
		{"lag", o.Lag, 0, time.Minute},
	} {
		if f.value < f.a || f.value > f.b {
			say("%s is %v: use %v to %v", f.name, f.value, f.a, f.b)
		}
	}
	for i, r := range o.Refusals {
		if err := r.validate(); err != nil {
			say("refusals[%d].%w", i, err)
		}
	}
	return errors.Join(found...)
}

// idShape is a GUID, as every ObjectId of the system is one.
var idShape = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func isID(s string) bool { return idShape.MatchString(s) }

// Refusal says what words in an answer mean.
type Refusal struct {
	Words string `yaml:"words"` // as they stand in the answer, whatever case
	Means string `yaml:"means"` // too-short, too-long, not-digits, trivial, in-history, too-soon, cannot-change, locked, policy-other
}

// meanings are the codes that Refusal.Means can name.
var meanings = []mailbox.Code{
	mailbox.TooShort, mailbox.TooLong, mailbox.NotDigits, mailbox.Trivial, mailbox.InHistory, mailbox.TooSoon,
	mailbox.CannotChange, mailbox.Locked, mailbox.PolicyOther,
}

func (r Refusal) validate() error {
	if strings.TrimSpace(r.Words) == "" {
		return errors.New("words are empty: write what stands in the answer")
	}
	if _, ok := r.code(); !ok {
		return fmt.Errorf("means is %q: use one of %v", r.Means, meanings)
	}
	return nil
}

func (r Refusal) code() (mailbox.Code, bool) {
	for _, c := range meanings {
		if c.String() == r.Means {
			return c, true
		}
	}
	return mailbox.OK, false
}

// defaultRefusals are guesses but for the first, which the web administration was seen
// to say.
func defaultRefusals() []Refusal {
	return []Refusal{
		{"trivial", "trivial"},
		{"previous", "in-history"},
		{"history", "in-history"},
		{"already used", "in-history"},
		{"reuse", "in-history"},
		{"duration", "too-soon"},
		{"too soon", "too-soon"},
		{"recently", "too-soon"},
		{"too long", "too-long"},
		{"maximum length", "too-long"},
		{"too short", "too-short"},
		{"minimum length", "too-short"},
		{"length", "too-short"},
		{"numeric", "not-digits"},
		{"digits", "not-digits"},
		{"cannot change", "cannot-change"},
		{"can't change", "cannot-change"},
		{"locked", "locked"},
	}
}
