package notify

import (
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// Options say how owners are told of what happens to their mailboxes.
type Options struct {
	Mail    Mail    `yaml:"mail"`    // by mail, to the owner's address on file
	Webhook Webhook `yaml:"webhook"` // by a web service of one's own

	Contact     string        `yaml:"contact"`      // whom owners shall tell of what they have not done, as "the help desk, extension 200"; empty: their administrator
	Language    string        `yaml:"language"`     // of mails to owners whose language is not known or not among ours, default en-US
	GiveUp      time.Duration `yaml:"give_up"`      // age at which a notice that cannot be delivered is given up, 1h to 168h, default 24h
	LockEvery   time.Duration `yaml:"lock_every"`   // at least this long between two notices of a lock of one mailbox, 10m to 24h, default 1h
	MaxWaiting  int           `yaml:"max_waiting"`  // notices that wait to be delivered, 100 to 100000, default 10000; beyond it the oldest are given up
	Digest      string        `yaml:"digest"`       // mail address of an administrator who gets a list of the changes left unknown; empty, the default: nobody
	DigestEvery time.Duration `yaml:"digest_every"` // how often, 1h to 168h, default 24h
}

// Mail is a mail server that takes notices for their owners.
type Mail struct {
	Host     string        `yaml:"host"`     // name or address of the server; empty, the default: no mail
	Port     int           `yaml:"port"`     // 1 to 65535, default 587 (RFC 6409)
	Security string        `yaml:"security"` // starttls, the default; tls, from the first byte, usually port 465 (RFC 8314); plain: none, only to this machine
	TLS      httpapi.TLS   `yaml:"tls"`      // how the server is known
	User     string        `yaml:"user"`     // name to sign in with; empty: without signing in
	Password secret.Source `yaml:"password"` // of User, read anew for each mail: {file: NAME} or {env: NAME}
	From     string        `yaml:"from"`     // sender of the mails, as "Voicemail <voicemail@example.com>"
	Timeout  time.Duration `yaml:"timeout"`  // of one mail from the connection to the end, 1s to 1m, default 15s
}

// Webhook is a web service that is told, by the contract of internal/notify/README.md.
type Webhook struct {
	API     httpapi.Options `yaml:"api"`      // the service, url is the whole address; http only to this machine; empty, the default: none
	Keys    httpapi.Keys    `yaml:"keys"`     // shared keys that sign each request, at least one
	OneTime bool            `yaml:"one_time"` // one-time codes go to the service, which brings them to the owner, and not by mail, default false
}

// The values of Mail.Security.
const (
	startTLS = "starttls"
	fullTLS  = "tls"
	plainTCP = "plain"
)

// DefaultOptions tell nobody anything.
func DefaultOptions() Options {
	return Options{
		Mail:     Mail{Port: 587, Security: startTLS, Timeout: 15 * time.Second},
		Webhook:  Webhook{API: httpapi.DefaultOptions(), Keys: httpapi.Keys{}},
		Language: "en-US", GiveUp: 24 * time.Hour, LockEvery: time.Hour, MaxWaiting: 10_000, DigestEvery: 24 * time.Hour,
	}
}

// On tells whether there is any way to tell an owner.
func (o Options) On() bool { return o.Mail.on() || o.Webhook.on() }

// Carries tells whether there is a way for one-time codes.
func (o Options) Carries() bool { return o.Mail.on() || o.Webhook.on() && o.Webhook.OneTime }

func (m Mail) on() bool    { return m.Host != "" }
func (w Webhook) on() bool { return w.API.URL != "" }

// Resolve takes relative paths from dir.
func (o *Options) Resolve(dir string) {
	o.Mail.Password = o.Mail.Password.In(dir)
	if f := o.Mail.TLS.CAFile; f != "" && !filepath.IsAbs(f) {
		o.Mail.TLS.CAFile = filepath.Join(dir, f)
	}
	o.Webhook.API, o.Webhook.Keys = o.Webhook.API.In(dir), o.Webhook.Keys.In(dir)
}

// Validate tells everything that is wrong with o. It opens nothing.
func (o Options) Validate() error {
	errs := []error{strictyaml.Under("mail", o.Mail.validate()), strictyaml.Under("webhook", o.Webhook.validate())}
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if clean(o.Contact) != o.Contact || len(o.Contact) > maxContact {
		say("contact is no single line of up to %d bytes: write a name and a number", maxContact)
	}
	if known := languages(); !slices.Contains(known, o.Language) {
		say("language is %q: use one of %s", o.Language, strings.Join(known, ", "))
	}
	for _, f := range []struct {
		name           string
		v, least, most time.Duration
	}{
		{"give_up", o.GiveUp, time.Hour, 168 * time.Hour},
		{"lock_every", o.LockEvery, 10 * time.Minute, 24 * time.Hour},
		{"digest_every", o.DigestEvery, time.Hour, 168 * time.Hour},
	} {
		if f.v < f.least || f.v > f.most {
			say("%s is %v: use %v to %v", f.name, f.v, f.least, f.most)
		}
	}
	if o.MaxWaiting < 100 || o.MaxWaiting > 100_000 {
		say("max_waiting is %d: use 100 to 100000", o.MaxWaiting)
	}
	switch {
	case o.Digest == "":
	case !o.Mail.on():
		say("digest is set without mail.host: name the mail server, or leave digest out")
	case !isAddress(o.Digest):
		say("digest is %q: write one mail address", o.Digest)
	}
	return errors.Join(errs...)
}

// maxContact bounds Contact, in bytes.
const maxContact = 200

func isAddress(s string) bool {
	_, err := mail.ParseAddress(s)
	return err == nil
}

func (m Mail) validate() error {
	if !m.on() {
		if m.User != "" || m.From != "" || m.Password != (secret.Source{}) || m.TLS != (httpapi.TLS{}) {
			return errors.New("host is empty: name the mail server, or leave the rest of mail out")
		}
		return nil
	}
	errs := []error{m.TLS.Validate()}
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if strings.ContainsAny(m.Host, "/@ \t\r\n") || strings.Contains(m.Host, ":") && !isIP(m.Host) {
		say("host is %q: write the name or the address of the mail server alone; port has an option of its own", m.Host)
	}
	if m.Port < 1 || m.Port > 65535 {
		say("port is %d: use 1 to 65535", m.Port)
	}
	switch m.Security {
	case startTLS, fullTLS:
	case plainTCP:
		if !isHere(m.Host) {
			say("security is plain to %s, another machine, where mails could be read on the way: write starttls or tls", m.Host)
		}
	default:
		say("security is %q: write starttls, tls or plain", m.Security)
	}
	if !isAddress(m.From) {
		say("from is %q: write the sender's address, as \"Voicemail <voicemail@example.com>\"", m.From)
	}
	switch {
	case m.User != "":
		errs = append(errs, strictyaml.Under("password", m.Password.Validate()))
	case m.Password != (secret.Source{}):
		say("user is empty, and there is a password: write the name to sign in with, or leave password out")
	}
	if m.Timeout < time.Second || m.Timeout > time.Minute {
		say("timeout is %v: use 1s to 1m", m.Timeout)
	}
	return errors.Join(errs...)
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// isHere tells whether host is this machine.
func isHere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (w Webhook) validate() error {
	switch {
	case w.on():
		return errors.Join(strictyaml.Under("api", w.API.Validate()), w.Keys.Validate())
	case len(w.Keys) > 0 || w.OneTime:
		return errors.New("api.url is empty: write the address of the web service, or leave the rest of webhook out")
	}
	return nil
}
