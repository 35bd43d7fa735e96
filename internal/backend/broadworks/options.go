package broadworks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// Options of one BroadWorks system.
type Options struct {
	// how documents travel: "tls", the default, "tcp" in clear, only where nobody else is on the way, or "soap"
	// through a server of the web
	Transport Transport       `yaml:"transport"`
	Line      Line            `yaml:"line"`     // the application server, for tls and tcp
	API       httpapi.Options `yaml:"api"`      // the server of the web, as https://host, for soap
	User      string          `yaml:"user"`     // star97's own account: an administrator of the group or the service provider is enough
	Password  secret.Source   `yaml:"password"` // of that account
	Login     Login           `yaml:"login"`    // how to sign in: "14sp4", the default, signed; "22V5" with the password itself, for newer systems
	Sessions  int             `yaml:"sessions"` // at a time, each for one request, 1-100, default 8
	Idle      time.Duration   `yaml:"idle"`     // a session that nobody has used for so long is not used again, 1s-1h, default 1m
	// name of the element that holds the document for soap, "arg0", the default, or "in0"
	Parameter string `yaml:"parameter"`

	Domain          string   `yaml:"domain"`           // the domain of the mailboxes that are found by the next two, default ""
	ServiceProvider string   `yaml:"service_provider"` // id of the service provider or enterprise to look in; empty: the whole system
	Group           string   `yaml:"group"`            // id of the group in it to look in; empty: all its groups
	Tenants         []Tenant `yaml:"tenants"`          // further ones, each with a domain of its own, default none
	Numbers         bool     `yaml:"numbers"`          // find mailboxes by telephone number too, default true

	// how a code is checked: "dn" by the system, which wants a telephone number of the user; "compare" with what
	// the system shows; "auto", the default: by the system where the user has a number, else compared
	Verify Verify `yaml:"verify"`
	// the request that checks a code: AuthenticationVerifyRequest22V4, the default, or an older one as
	// AuthenticationVerifyRequest22, 21sp1 or 14sp8
	VerifyRequest string `yaml:"verify_request"`
	// form of the number in it: "shown", the default, as the system shows it; "digits"; or "plus" and digits
	NumberForm NumberForm `yaml:"number_form"`
	// true: do not read whether a login is disabled and a code has expired, as the answer holds the code in clear;
	// with verify dn alone. Default false
	NoStates bool `yaml:"no_states"`
	// what a disabled login is told as: "locked", the default, since wrong codes disable it; or "disabled" where
	// administrators do
	LoginDisabled string `yaml:"login_disabled"`
	// send the current code with a change, which a system in XS data mode wants, default false. It is checked
	// before in any case
	OldPasscode bool `yaml:"old_passcode"`

	RulesFor time.Duration `yaml:"rules_for"` // how long rules for codes and users that were read are believed, 0-1h, default 5m
	// how long after a change the old code may still be right, where servers are kept in step, 0-1m, default 2s
	Lag time.Duration `yaml:"lag"`
	// what the system's errors mean; the first one that fits counts, and none: policy-other for a change
	Errors []Meaning `yaml:"errors"`
}

// Line is a connection of the interface's own.
type Line struct {
	Server     string        `yaml:"server"`      // host or host:port; port 2209 for tls and 2208 for tcp if there is none
	TLS        httpapi.TLS   `yaml:"tls"`         // how the server is known
	Timeout    time.Duration `yaml:"timeout"`     // of one request, 100ms-30s, default 3s
	Retries    int           `yaml:"retries"`     // further tries of a request that changes nothing, or was not sent, 0-5, default 2
	BreakAfter int           `yaml:"break_after"` // failures in a row after which the server is left alone, 1-100, default 5
	BreakPause time.Duration `yaml:"break_pause"` // how long, also after it has refused star97's own account, 1s-5m, default 10s
}

// Tenant is a part of the system that answers for a domain.
type Tenant struct {
	Domain          string `yaml:"domain"`           // the domain that calls name
	ServiceProvider string `yaml:"service_provider"` // id of the service provider or enterprise
	Group           string `yaml:"group"`            // id of the group in it; empty: all its groups
}

type (
	// Transport is a way for documents.
	Transport string
	// Login is a way to sign in.
	Login string
	// Verify is a way to check a code.
	Verify string
	// NumberForm is a way to write a telephone number.
	NumberForm string
)

// The words of the settings.
const (
	OverTLS  Transport = "tls"
	OverTCP  Transport = "tcp"
	OverSOAP Transport = "soap"

	SignedLogin Login = "14sp4"
	PlainLogin  Login = "22V5"

	ByDN    Verify = "dn"
	Compare Verify = "compare"
	Auto    Verify = "auto"

	AsShown    NumberForm = "shown"
	AsDigits   NumberForm = "digits"
	PlusDigits NumberForm = "plus"
)

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = DefaultOptions() }

// DefaultOptions has every default but the server, the account and its password.
func DefaultOptions() Options {
	return Options{
		Transport: OverTLS,
		Line:      Line{Timeout: 3 * time.Second, Retries: 2, BreakAfter: 5, BreakPause: 10 * time.Second},
		API:       httpapi.DefaultOptions(),
		Login:     SignedLogin, Sessions: 8, Idle: time.Minute, Parameter: "arg0",
		Tenants: []Tenant{}, Numbers: true,
		Verify: Auto, VerifyRequest: "AuthenticationVerifyRequest22V4", NumberForm: AsShown,
		LoginDisabled: mailbox.Locked.String(),
		RulesFor:      5 * time.Minute, Lag: 2 * time.Second, Errors: defaultErrors(),
	}
}

// LogTo tells log of every exchange.
func (o *Options) LogTo(log *slog.Logger) { o.API.Log = log }

// Resolve takes relative paths from dir.
func (o *Options) Resolve(dir string) {
	o.API, o.Password = o.API.In(dir), o.Password.In(dir)
	o.Line.TLS = httpapi.Options{TLS: o.Line.TLS}.In(dir).TLS
}

// Open reads the password and makes a Store. It does not ask the system: one that is
// down is told per call. Errors are sentences with place and remedy.
func (o Options) Open(context.Context) (mailbox.Backend, error) {
	return adapter.Opened(open(o))
}

// verifyRequest is the name of a request that checks codes.
var verifyRequest = regexp.MustCompile(`^AuthenticationVerifyRequest[0-9A-Za-z]{0,8}$`)

// Validate tells everything that is out of its range. It opens nothing.
func (o Options) Validate() error {
	errs := []error{
		adapter.OneOf("transport", o.Transport, OverTLS, OverTCP, OverSOAP),
		strictyaml.Under("line", o.validateLine()),
		strictyaml.Under("api", o.validateAPI()),
		strictyaml.Under("password", o.Password.Validate()),
		adapter.OneOf("login", o.Login, SignedLogin, PlainLogin),
		adapter.Between("sessions", o.Sessions, 1, 100),
		adapter.Between("idle", o.Idle, time.Second, time.Hour),
		adapter.OneOf("parameter", o.Parameter, "arg0", "in0"),
		o.validateTenants(),
		adapter.OneOf("verify", o.Verify, ByDN, Compare, Auto),
		adapter.OneOf("number_form", o.NumberForm, AsShown, AsDigits, PlusDigits),
		adapter.OneOf("login_disabled", o.LoginDisabled, mailbox.Locked.String(), mailbox.Disabled.String()),
		adapter.Between("rules_for", o.RulesFor, 0, time.Hour),
		adapter.Between("lag", o.Lag, 0, time.Minute),
	}
	if !isName(o.User) {
		errs = append(errs, errors.New("user is empty or no id: write the id of star97's own account"))
	}
	if !verifyRequest.MatchString(o.VerifyRequest) {
		errs = append(errs, fmt.Errorf("verify_request is %q: use a name as AuthenticationVerifyRequest22V4", o.VerifyRequest))
	}
	if o.NoStates && o.Verify != ByDN {
		errs = append(errs, errors.New("no_states is true, but verify may compare codes, which reads them: set verify to dn, or no_states to false"))
	}
	for i, m := range o.Errors {
		if err := m.validate(); err != nil {
			errs = append(errs, fmt.Errorf("errors[%d].%w", i, err))
		}
	}
	return errors.Join(errs...)
}

func (o Options) validateLine() error {
	var server error
	if o.Transport != OverSOAP {
		_, server = o.server()
	}
	return errors.Join(server, o.Line.TLS.Validate(),
		adapter.Between("timeout", o.Line.Timeout, 100*time.Millisecond, 30*time.Second),
		adapter.Between("retries", o.Line.Retries, 0, 5),
		adapter.Between("break_after", o.Line.BreakAfter, 1, 100),
		adapter.Between("break_pause", o.Line.BreakPause, time.Second, 5*time.Minute),
	)
}

func (o Options) validateAPI() error {
	if o.Transport != OverSOAP && o.API.URL == "" {
		o.API.URL = "https://unused.invalid"
	}
	return o.API.Validate()
}

var errServer = errors.New("server is empty or no address: write host or host:port of the application server")

// server is the address of the application server.
func (o Options) server() (string, error) {
	at := o.Line.Server
	if _, _, err := net.SplitHostPort(at); err != nil {
		port := "2209"
		if o.Transport == OverTCP {
			port = "2208"
		}
		at = net.JoinHostPort(strings.Trim(at, "[]"), port)
	}
	host, port, err := net.SplitHostPort(at)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" || strings.ContainsAny(host, "/ ") {
		return "", errServer
	}
	return at, nil
}

func (o Options) validateTenants() error {
	domains := map[string]bool{}
	for i, t := range o.tenants() {
		key := ""
		if i > 0 {
			key = fmt.Sprintf("tenants[%d].", i-1)
		}
		domain := strings.ToLower(t.Domain)
		switch {
		case t.Group != "" && t.ServiceProvider == "":
			return fmt.Errorf("%sservice_provider is empty, but group is not: write whose group it is", key)
		case t.Group != "" && !isName(t.Group), t.ServiceProvider != "" && !isName(t.ServiceProvider):
			return fmt.Errorf("%sservice_provider or group is no id: write them as the system shows them", key)
		case i > 0 && domain == "":
			return fmt.Errorf("%sdomain is empty: each tenant needs one of its own", key)
		case domains[domain]:
			return fmt.Errorf("%sdomain is %q a second time: each tenant needs one of its own", key, t.Domain)
		}
		domains[domain] = true
	}
	return nil
}

// tenants are all of them; the first one is that of the options themselves.
func (o Options) tenants() []Tenant {
	return append([]Tenant{{o.Domain, o.ServiceProvider, o.Group}}, o.Tenants...)
}

// longestName bounds an id of the system, in bytes.
const longestName = 161

// isName tells whether text may be an id: something without what no id has.
func isName(text string) bool {
	return text != "" && len(text) <= longestName && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || !isChar(r) })
}
