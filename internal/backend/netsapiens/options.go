package netsapiens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// Options of one system. Of key and login exactly one is set.
type Options struct {
	API     httpapi.Options `yaml:"api"`     // the server: https://SERVER/ns-api, without /v2
	Version string          `yaml:"version"` // of the API: "v2", the default, or "v1"
	Domain  string          `yaml:"domain"`  // the domain that a call without one belongs to
	Domains []string        `yaml:"domains"` // further domains that are served, "*": every one; default none
	Key     secret.Source   `yaml:"key"`     // an API key: one of the domain (nsd_) is enough, one of a reseller (nsr_) or the system (nss_) serves several; only v2
	Login   Login           `yaml:"login"`   // a user's login, where there is no API key

	// what a change sends: "pin", the code alone, "all", with it the name, address and scope that were read, or
	// "auto", the default: pin, and all where that is answered by 400
	Fields string `yaml:"fields"`
	// form of a new code in JSON: "text", "number", or "same", the default: as the server shows the current one
	WriteAs string `yaml:"write_as"`
	// a server that shows codes as numbers has lost the zeros in front: true takes a current code with any number of
	// them, default false. A new code with a zero in front is refused there
	LeadingZeros bool `yaml:"leading_zeros"`
	// values of account-status at which an owner has to choose another code; default none, as a new code need not
	// clear them
	MustChange []string `yaml:"must_change"`
	// take an answer of v1 with nothing in it for "no such user"; false, the default: for a fault of the server
	EmptyIsNobody bool `yaml:"empty_is_nobody"`

	Numbers     bool          `yaml:"numbers"`      // find mailboxes by telephone number too, and know the owners' numbers; only v2, default false
	NumbersKeep time.Duration `yaml:"numbers_keep"` // how long the numbers of a domain are believed, 0-1h, default 5m
	ReadBack    time.Duration `yaml:"read_back"`    // how long a change may take until it shows, 100ms-30s, default 4s
	Lag         time.Duration `yaml:"lag"`          // how long after a change another site may still know the old code, 0-1m, default 3s
}

// Login is an OAuth2 login with a password (RFC 6749 section 4.3).
type Login struct {
	ClientID     string        `yaml:"client_id"`     // id of the API client that star97 is
	ClientSecret secret.Source `yaml:"client_secret"` // of that client
	User         string        `yaml:"user"`          // login name, often EXTENSION@DOMAIN; for one domain the scope Office Manager is enough
	Password     secret.Source `yaml:"password"`      // of that user
}

// Words of the settings.
const (
	v1, v2                            = "v1", "v2"
	fieldsAuto, fieldsPIN, fieldsAll  = "auto", "pin", "all"
	writeSame, writeText, writeNumber = "same", "text", "number"
	everyDomain                       = "*"
)

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = DefaultOptions() }

// DefaultOptions has every default; URL, Domain and Key or Login have none.
func DefaultOptions() Options {
	return Options{
		API: httpapi.DefaultOptions(), Version: v2, Fields: fieldsAuto, WriteAs: writeSame,
		Domains: []string{}, MustChange: []string{}, NumbersKeep: 5 * time.Minute, ReadBack: 4 * time.Second, Lag: 3 * time.Second,
	}
}

// LogTo tells log of every exchange.
func (o *Options) LogTo(log *slog.Logger) { o.API.Log = log }

// Resolve takes relative paths from dir.
func (o *Options) Resolve(dir string) {
	o.API = o.API.In(dir)
	o.Key = o.Key.In(dir)
	o.Login.ClientSecret = o.Login.ClientSecret.In(dir)
	o.Login.Password = o.Login.Password.In(dir)
}

// Validate tells what is wrong with o. It opens nothing.
func (o Options) Validate() error {
	errs := []error{
		strictyaml.Under("api", o.API.Validate()),
		adapter.OneOf("version", o.Version, v2, v1),
		adapter.OneOf("fields", o.Fields, fieldsAuto, fieldsPIN, fieldsAll),
		adapter.OneOf("write_as", o.WriteAs, writeSame, writeText, writeNumber),
		adapter.Between("numbers_keep", o.NumbersKeep, 0, time.Hour),
		adapter.Between("read_back", o.ReadBack, 100*time.Millisecond, 30*time.Second),
		adapter.Between("lag", o.Lag, 0, time.Minute),
		o.validateDomains(),
		o.validateAccount(),
	}
	if o.Version == v1 && o.Numbers {
		errs = append(errs, errors.New("numbers is true: API v1 has no such list here; set it to false or version to v2"))
	}
	return errors.Join(errs...)
}

// domainShape is what a domain's name may consist of in a path; it leaves out ~ and *,
// which the system reads as "my own" and "all".
var domainShape = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$`)

func (o Options) validateDomains() error {
	switch {
	case o.Domain == "":
		return errors.New("domain is empty: write the domain that calls belong to where they name none")
	case !domainShape.MatchString(o.Domain):
		return fmt.Errorf("domain is %q: write the name of one domain, in letters, digits, dots and dashes", o.Domain)
	}
	for _, d := range o.Domains {
		if d != everyDomain && !domainShape.MatchString(d) {
			return fmt.Errorf("domains has %q: write names of domains, in letters, digits, dots and dashes, or \"*\" for all", d)
		}
	}
	return nil
}

func (o Options) validateAccount() error {
	login := o.Login != Login{}
	switch {
	case o.Key.Empty() && !login:
		return errors.New("key is empty: name the file or variable with an API key, or fill in login")
	case !o.Key.Empty() && login:
		return errors.New("key and login are both set: keep one")
	case !o.Key.Empty() && o.Version == v1:
		return errors.New("key is set, but API v1 knows no keys: fill in login instead, or set version to v2")
	case !o.Key.Empty():
		return strictyaml.Under("key", o.Key.Validate())
	case o.Login.ClientID == "":
		return errors.New("login.client_id is empty: write the id of the API client")
	case o.Login.User == "":
		return errors.New("login.user is empty: write the login name of star97's user")
	}
	return errors.Join(strictyaml.Under("login.client_secret", o.Login.ClientSecret.Validate()), strictyaml.Under("login.password", o.Login.Password.Validate()))
}

// Declared says what holds for every such system.
func (o Options) Declared() mailbox.Traits { return Declared() }

// Open makes the Store. It reads the secrets and asks the system nothing.
func (o Options) Open(context.Context) (mailbox.Backend, error) {
	return adapter.Opened(open(o))
}
