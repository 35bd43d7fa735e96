package register

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/secret"
)

// Options are one registration. Start from DefaultOptions.
type Options struct {
	Name      string `yaml:"name"`      // of your choice, in logs, metrics and at the peer that its calls are; small letters, digits and hyphens
	Registrar string `yaml:"registrar"` // the domain that is registered with: a host, or a sip or sips URI with port and transport as they are needed (RFC 3263)
	User      string `yaml:"user"`      // whose calls come: a user of that domain, or USER@DOMAIN
	AuthUser  string `yaml:"auth_user"` // who shows the password; "", the default: the user
	// what is shown when the registrar asks for it: {file: NAME}, of mode 0600, or {env: NAME}
	Password secret.Source `yaml:"password"`
	// where requests are sent if not to the registrar: a host, or a sip or sips URI; "", the default: none
	OutboundProxy string `yaml:"outbound_proxy"`
	// udp, tcp or tls; "", the default: as the URI or SRV records say, udp before tcp
	Network     string        `yaml:"network"`
	ContactUser string        `yaml:"contact_user"` // the number that its calls have in the dialplan; "", the default: the user
	Expires     time.Duration `yaml:"expires"`      // asked for, 1m-24h, default 10m; the registrar decides
	// between two signs of life, which keep a NAT or a connection open, 0s (none), or 5s-10m, default 25s
	KeepAlive time.Duration `yaml:"keep_alive"`
	// what that is: crlf (default, RFC 5626 section 4.4.1), or options: a question about the own
	// user, which also shows that the registrar has lost the registration, or is gone
	KeepAliveBy string        `yaml:"keep_alive_by"`
	RetryFirst  time.Duration `yaml:"retry_first"` // up to the second try, 1s-1m, default 5s; from there it doubles
	// up to the next try at most, 10s-1h; 0s, the default: 5m, and up to 1h where a person has to
	// mend something, as after a wrong password, for whose repetition a registrar may lock the
	// account. Only the registrar's own Retry-After may ask for more, up to 1h
	RetryMost time.Duration `yaml:"retry_most"`
}

const (
	byCRLF    = "crlf"
	byOptions = "options"
)

// DefaultOptions lack only Name, Registrar and User.
func DefaultOptions() Options {
	return Options{
		Expires: 10 * time.Minute, KeepAlive: 25 * time.Second, KeepAliveBy: byCRLF,
		RetryFirst: 5 * time.Second,
	}
}

// UnmarshalYAML reads over what is there already, and where nothing is, as in a list, over
// the defaults.
func (o *Options) UnmarshalYAML(read func(any) error) error {
	if reflect.ValueOf(*o).IsZero() {
		*o = DefaultOptions()
	}
	type plain Options // without this method
	return read((*plain)(o))
}

// Resolve takes a relative file from the folder of the configuration.
func (o *Options) Resolve(dir string) {
	if o.Password.File != "" && !filepath.IsAbs(o.Password.File) {
		o.Password.File = filepath.Join(dir, o.Password.File)
	}
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Validate begins each sentence with the option that it is about. It opens nothing.
func (o Options) Validate() error {
	var all []error
	bad := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(o.Name) {
		bad("name %q is no name; use 1 to 32 small letters, digits and hyphens", o.Name)
	}
	if _, err := parseHop(o.Registrar, o.Network); err != nil {
		bad("registrar %w", err)
	}
	if o.OutboundProxy != "" {
		if _, err := parseHop(o.OutboundProxy, o.Network); err != nil {
			bad("outbound_proxy %w", err)
		}
	}
	if o.Network != "" && o.Network != "udp" && o.Network != "tcp" && o.Network != "tls" {
		bad("network is %q; write udp, tcp or tls, or leave it out", o.Network)
	}
	for _, u := range []struct{ key, is string }{{"user", cmp.Or(o.localUser(), " ")}, {"contact_user", o.Number()}} {
		if _, err := url.PathUnescape(u.is); err != nil || strings.ContainsFunc(u.is, notInUser) {
			bad("%s %q is no user part of a SIP URI; write letters, digits and -_.!~*'()&=+$,;?/, others as %%23", u.key, strings.TrimSpace(u.is))
		}
	}
	if _, domain, with := strings.Cut(o.User, "@"); with && !hostForm.MatchString(domain) {
		bad("user %q is no user of a domain; write USER or USER@DOMAIN", o.User)
	}
	if strings.ContainsAny(o.AuthUser, "\r\n\"") {
		bad("auth_user has characters that no header can hold; write the name that the registrar knows")
	}
	if !o.Password.Empty() {
		if err := o.Password.Validate(); err != nil {
			bad("password.%w", err)
		}
	}
	if o.KeepAliveBy != byCRLF && o.KeepAliveBy != byOptions {
		bad("keep_alive_by is %q; write %s or %s", o.KeepAliveBy, byCRLF, byOptions)
	}
	o.ranges(bad)
	return errors.Join(all...)
}

func (o Options) ranges(bad func(string, ...any)) {
	for _, v := range []struct {
		key        string
		is, lo, hi time.Duration
	}{
		{"expires", o.Expires, time.Minute, 24 * time.Hour},
		{"keep_alive", cmp.Or(o.KeepAlive, 5*time.Second), 5 * time.Second, 10 * time.Minute},
		{"retry_first", o.RetryFirst, time.Second, time.Minute},
		{"retry_most", cmp.Or(o.RetryMost, usualMost), 10 * time.Second, time.Hour},
	} {
		if v.is < v.lo || v.is > v.hi {
			bad("%s is %v; set it between %v and %v", v.key, v.is, v.lo, v.hi)
		}
	}
}

// notInUser are the characters that RFC 3261 section 25.1 has escaped in a user part.
func notInUser(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.!~*'()&=+$,;?/%", r))
}

func (o Options) localUser() string {
	user, _, _ := strings.Cut(o.User, "@")
	return user
}

// Number is the one that calls have in the dialplan.
func (o Options) Number() string { return cmp.Or(o.ContactUser, o.localUser()) }

// AOR is the address of record (RFC 3261 section 6); empty if the options are not valid.
func (o Options) AOR() string {
	h, err := parseHop(o.Registrar, o.Network)
	if err != nil {
		return ""
	}
	uri := o.aor(h)
	return uri.String()
}

// aor takes its scheme from the registrar.
func (o Options) aor(registrar hop) sip.Uri {
	user, domain, _ := strings.Cut(o.User, "@")
	return sip.Uri{Scheme: registrar.scheme, User: user, Host: cmp.Or(domain, registrar.host)}
}

// next is where requests are sent, and whether that is an outbound proxy.
func (o Options) next() (hop, bool, error) {
	if o.OutboundProxy != "" {
		h, err := parseHop(o.OutboundProxy, o.Network)
		return h, true, err
	}
	h, err := parseHop(o.Registrar, o.Network)
	return h, false, err
}

// Networks are those that requests, and so calls, may go by.
func (o Options) Networks() []string {
	h, _, err := o.next()
	switch {
	case err != nil:
		return nil
	case h.network != "":
		return []string{h.network}
	}
	return []string{"udp", "tcp"}
}

// hop is the next element as it is written: what RFC 3263 section 4 begins with.
type hop struct {
	scheme  string // sip or sips
	host    string // a name, or an address without brackets
	port    int    // 0: none is written
	network string // udp, tcp, tls; empty: none is asked for
}

// hostForm is a host name (RFC 1123 section 2.1).
var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?$`)

// parseHop reads a host or a URI without user. network is that of the options.
func parseHop(text, network string) (hop, error) {
	whole := text
	if scheme, _, ok := strings.Cut(text, ":"); !ok || !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips") {
		whole = "sip:" + text
	}
	var uri sip.Uri
	err := sip.ParseUri(whole, &uri)
	host := strings.Trim(uri.Host, "[]")
	_, noIP := netip.ParseAddr(host)
	if err != nil || text == "" || uri.User != "" || noIP != nil && !hostForm.MatchString(host) || uri.Port < 0 || uri.Port > 65535 || len(uri.Headers) > 0 {
		return hop{}, fmt.Errorf("is %q; write a host such as example.org, or a URI such as sip:192.0.2.10:5070;transport=tcp", text)
	}
	h := hop{scheme: strings.ToLower(uri.Scheme), host: host, port: uri.Port, network: network}
	for _, p := range uri.UriParams {
		switch {
		case strings.EqualFold(p.K, "lr"):
		case strings.EqualFold(p.K, "transport") && (network == "" || strings.EqualFold(network, p.V)):
			h.network = strings.ToLower(p.V)
		case strings.EqualFold(p.K, "transport"):
			return hop{}, fmt.Errorf("is %q, but network is %s; leave one of the two out", text, network)
		default:
			return hop{}, fmt.Errorf("is %q, whose parameter %s is not served; leave it out", text, p.K)
		}
	}
	switch {
	case h.network != "" && h.network != "udp" && h.network != "tcp" && h.network != "tls":
		return hop{}, fmt.Errorf("is %q; write transport=udp, tcp or tls, or none", text)
	case h.scheme == "sips" && h.network == "udp":
		return hop{}, fmt.Errorf("is %q, which asks for TLS, but its network is udp; leave that out", text)
	case h.scheme == "sips":
		h.network = "tls"
	}
	return h, nil
}

// uri names the hop in a Request-URI or a Route.
func (h hop) uri() sip.Uri {
	return sip.Uri{Scheme: h.scheme, Host: h.host, Port: h.port}
}
