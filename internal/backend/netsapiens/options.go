package netsapiens

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// Options of one system. Of key and login exactly one is set.
type Options struct {
	API     httpapi.Options `yaml:"api"`      // url is https://SERVER/ns-api, without /v2
	Version string          `yaml:"version"`  // of the API: v2 or v1, default v2
	Domain  string          `yaml:"domain"`   // the tenant that is meant where a call names none
	Domains []string        `yaml:"domains"`  // further tenants that are served; "*": every one; default none
	Key     secret.Source   `yaml:"key"`      // an API key: nsd_ (one domain, the best fit), nsr_ or nss_; v2 only
	Login   Login           `yaml:"login"`    // a user's login, where there is no API key
	Fields  string          `yaml:"fields"`   // what a change sends: pin, all (name, address and scope as they were read, too) or auto: pin, and all after a 400; default auto
	WriteAs string          `yaml:"write_as"` // form of a new code in JSON: text, number, or same: as the server shows the current one; default same
	// LeadingZeros concerns servers that give codes as JSON numbers, which have lost the
	// zeros in front: true accepts a current code with any number of them, default false.
	LeadingZeros bool          `yaml:"leading_zeros"`
	MustChange   []string      `yaml:"must_change"`  // values of account-status at which the owner has to choose another code; default none, as a new code need not clear them
	Numbers      bool          `yaml:"numbers"`      // find mailboxes by telephone number too, and know the owners' numbers; v2 only, default false
	NumbersKeep  time.Duration `yaml:"numbers_keep"` // how long a domain's numbers are remembered, 0-1h, default 5m
	// EmptyIsNobody takes an answer of API v1 with nothing in it for "no such user"; false,
	// the default, for a fault of the system.
	EmptyIsNobody bool          `yaml:"empty_is_nobody"`
	ReadBack      time.Duration `yaml:"read_back"` // how long a change may take to show, 100ms-30s, default 4s
	Lag           time.Duration `yaml:"lag"`       // how long another site may still know the old code, 0-1m, default 3s
}

// Login is an OAuth2 login with a password (RFC 6749 section 4.3).
type Login struct {
	ClientID     string        `yaml:"client_id"`
	ClientSecret secret.Source `yaml:"client_secret"`
	User         string        `yaml:"user"` // login name, often EXTENSION@DOMAIN; the scope Office Manager is enough for one domain
	Password     secret.Source `yaml:"password"`
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
		NumbersKeep: 5 * time.Minute, ReadBack: 4 * time.Second, Lag: 3 * time.Second,
	}
}

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
		under("api", o.API.Validate()),
		oneOf("version", o.Version, v2, v1),
		oneOf("fields", o.Fields, fieldsAuto, fieldsPIN, fieldsAll),
		oneOf("write_as", o.WriteAs, writeSame, writeText, writeNumber),
		within("numbers_keep", o.NumbersKeep, 0, time.Hour),
		within("read_back", o.ReadBack, 100*time.Millisecond, 30*time.Second),
		within("lag", o.Lag, 0, time.Minute),
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
		return under("key", o.Key.Validate())
	case o.Login.ClientID == "":
		return errors.New("login.client_id is empty: write the id of the API client")
	case o.Login.User == "":
		return errors.New("login.user is empty: write the login name of star97's user")
	}
	return errors.Join(under("login.client_secret", o.Login.ClientSecret.Validate()), under("login.password", o.Login.Password.Validate()))
}

// Declared says what holds for every such system.
func (o Options) Declared() mailbox.Traits { return Declared() }

// Open makes the Store. It reads the secrets and asks the system nothing.
func (o Options) Open(ctx context.Context) (mailbox.Backend, error) {
	s, err := open(ctx, o)
	if err != nil {
		return nil, err // not s: a nil *Store would be a Backend that is there
	}
	return s, nil
}

// under puts key in front of what Validate of a part says.
func under(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s.%w", key, err)
}

func oneOf(key, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("%s is %q: use %s", key, value, strings.Join(words, ", "))
}

func within(key string, value, least, most time.Duration) error {
	if value < least || value > most {
		return fmt.Errorf("%s is %v: use %v to %v", key, value, least, most)
	}
	return nil
}
