package cue

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// Options of one module or appliance.
type Options struct {
	Address    string        `yaml:"address"`     // host:port of its SSH server, or of the router's where via is set; without a port 22
	HostKey    string        `yaml:"host_key"`    // SHA256:... of the server's key, as ssh-keygen -l -f prints it; this or known_hosts
	KnownHosts string        `yaml:"known_hosts"` // file with the server's key, as OpenSSH keeps it
	Legacy     bool          `yaml:"legacy"`      // also key exchanges with SHA-1, CBC ciphers and ssh-rsa: only for servers that know no better
	User       string        `yaml:"user"`        // account at that server; on the system itself one that may set codes
	Password   secret.Source `yaml:"password"`    // of that account; this, key or both
	Key        secret.Source `yaml:"key"`         // private key of that account, without passphrase
	Enable     secret.Source `yaml:"enable"`      // what "enable" asks for, where the prompt ends with >; may be empty

	// the router's command that opens the module's command line, as "service-module ISM 0/0 session"; the module has
	// one such line, which star97 keeps until idle is over. Empty, the default: address is the system's own
	Via    string `yaml:"via"`
	Module Module `yaml:"module"` // who signs in at the module behind via
	More   string `yaml:"more"`   // the line with which a long answer waits for a key, default "--More--"

	Domain string `yaml:"domain"` // the only domain whose mailboxes are here, default ""
	// the mailboxes, each as {id: ada, extension: 4001}, with name and language where they matter; empty, the default:
	// all users that the system lists
	Users     []User        `yaml:"users"`
	MaxUsers  int           `yaml:"max_users"`  // a system with more users is not read, 1-10000, default 1000
	Refresh   time.Duration `yaml:"refresh"`    // how long the list of users is believed, 1m-24h, default 10m
	MissPause time.Duration `yaml:"miss_pause"` // how soon an extension that is not in the list makes star97 read it anew, 0-1h, default 30s

	Sessions  int           `yaml:"sessions"`   // connections at a time, 1-8, default 2; behind via always 1
	KeepAlive time.Duration `yaml:"keep_alive"` // how often a connection that waits gets an empty line, 5s-10m, default 1m
	Idle      time.Duration `yaml:"idle"`       // how long a connection waits for the next command, 0-24h, default 10m
	Timeout   time.Duration `yaml:"timeout"`    // of one command, 100ms-30s, default 5s
	Connect   time.Duration `yaml:"connect"`    // of connecting and signing in, 1s-1m, default 15s

	BreakAfter int           `yaml:"break_after"` // sign-ins that fail in a row after which the server is left alone, 1-100, default 3
	BreakPause time.Duration `yaml:"break_pause"` // how long, 1s-5m, default 10s

	Rules   Rules    `yaml:"rules"`   // the system's rules for codes, which star97 cannot read
	Answers []Answer `yaml:"answers"` // what the words of an answer to a new code mean; the first one that fits counts

	log *slog.Logger // told of each exchange at debug; nil: of nothing
}

// Readable tells why the private key or the known hosts cannot be used, where they can
// be read.
func (o Options) Readable() error {
	if o.Key.Readable() == nil && !o.Key.Empty() {
		if _, err := readKey(o); err != nil {
			return fmt.Errorf("key: %w", err)
		}
	}
	if o.KnownHosts == "" {
		return nil
	}
	_, err := readKnown(o.KnownHosts)
	return err
}

// Module is an account of a module that is reached through its router.
type Module struct {
	User     string        `yaml:"user"`     // name, where the module asks for one
	Password secret.Source `yaml:"password"` // of that account
	Enable   secret.Source `yaml:"enable"`   // what "enable" asks for there; may be empty
}

// User is one mailbox.
type User struct {
	ID        string `yaml:"id"`        // user id in the system
	Extension string `yaml:"extension"` // digits
	Name      string `yaml:"name"`      // of the owner
	Language  string `yaml:"language"`  // BCP 47 tag
}

// Rules are what "show security detail" tells of PINs, for star97 to keep to beforehand.
type Rules struct {
	MinLength int  `yaml:"min_length"` // digits, 1-16, default 3
	Trivial   bool `yaml:"trivial"`    // "security pin trivialcheck" is on, default false
	History   bool `yaml:"history"`    // "security pin history depth" is 1 or more, default true
}

// defaultPort is that of SSH (RFC 4253 section 4.1).
const defaultPort = "22"

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = DefaultOptions() }

// DefaultOptions has every default but the server, its key and the account.
func DefaultOptions() Options {
	return Options{
		More:  "--More--",
		Users: []User{}, MaxUsers: 1000, Refresh: 10 * time.Minute, MissPause: 30 * time.Second,
		Sessions: 2, KeepAlive: time.Minute, Idle: 10 * time.Minute, Timeout: 5 * time.Second, Connect: 15 * time.Second,
		BreakAfter: 3, BreakPause: 10 * time.Second,
		Rules: Rules{MinLength: 3, History: true}, Answers: defaultAnswers(),
	}
}

// LogTo tells log of every exchange.
func (o *Options) LogTo(log *slog.Logger) { o.log = log }

// Resolve takes relative paths from dir.
func (o *Options) Resolve(dir string) {
	if o.KnownHosts != "" && !filepath.IsAbs(o.KnownHosts) {
		o.KnownHosts = filepath.Join(dir, o.KnownHosts)
	}
	for _, s := range []*secret.Source{&o.Password, &o.Key, &o.Enable, &o.Module.Password, &o.Module.Enable} {
		*s = s.In(dir)
	}
}

// Validate tells everything that is out of its range.
func (o Options) Validate() error {
	found := []error{o.validateServer(), o.validateAccount(), o.validateUsers()}
	say := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if !printable(o.Via) || !isASCII(o.Via) {
		say("via is %q: write one line of the router's commands, or leave it empty", o.Via)
	}
	if o.More == "" || strings.TrimSpace(o.More) != o.More || !isASCII(o.More) {
		say("more is %q: write the line as it stands on the screen, as --More--", o.More)
	}
	for _, f := range []struct {
		name        string
		value, a, b int
	}{
		{"max_users", o.MaxUsers, 1, 10000},
		{"sessions", o.Sessions, 1, 8},
		{"break_after", o.BreakAfter, 1, 100},
		{"rules.min_length", o.Rules.MinLength, 1, maxDigits},
	} {
		if f.value < f.a || f.value > f.b {
			say("%s is %d: use %d to %d", f.name, f.value, f.a, f.b)
		}
	}
	for _, f := range []struct {
		name        string
		value, a, b time.Duration
	}{
		{"refresh", o.Refresh, time.Minute, 24 * time.Hour},
		{"miss_pause", o.MissPause, 0, time.Hour},
		{"keep_alive", o.KeepAlive, 5 * time.Second, 10 * time.Minute},
		{"idle", o.Idle, 0, 24 * time.Hour},
		{"timeout", o.Timeout, 100 * time.Millisecond, 30 * time.Second},
		{"connect", o.Connect, time.Second, time.Minute},
		{"break_pause", o.BreakPause, time.Second, 5 * time.Minute},
	} {
		if f.value < f.a || f.value > f.b {
			say("%s is %v: use %v to %v", f.name, f.value, f.a, f.b)
		}
	}
	for i, a := range o.Answers {
		if err := a.validate(); err != nil {
			say("answers[%d].%w", i, err)
		}
	}
	return errors.Join(found...)
}

func (o Options) validateServer() error {
	var found []error
	if _, err := address(o.Address); err != nil {
		found = append(found, err)
	}
	switch {
	case o.HostKey == "" && o.KnownHosts == "":
		found = append(found, errors.New("host_key is empty: write the fingerprint of the server's key, SHA256:..., or name a file in known_hosts; star97 trusts no key because it is the first one"))
	case o.HostKey != "" && o.KnownHosts != "":
		found = append(found, errors.New("host_key and known_hosts are both set: keep one"))
	case o.HostKey != "" && !isFingerprint(o.HostKey):
		found = append(found, fmt.Errorf("host_key is %q: write SHA256: and 43 characters, as ssh-keygen -l -f prints them", o.HostKey))
	}
	return errors.Join(found...)
}

// address is text with a port.
func address(text string) (string, error) {
	if text == "" {
		return "", errors.New("address is empty: write host:port of the SSH server")
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), defaultPort
	}
	n, err := strconv.ParseUint(port, 10, 16)
	_, notIP := netip.ParseAddr(host)
	if err != nil || n == 0 || host == "" || strings.ContainsAny(host, " /@[]") || strings.Contains(host, ":") && notIP != nil {
		return "", fmt.Errorf("address is %q: write host:port of the SSH server", text)
	}
	return net.JoinHostPort(host, port), nil
}

// isFingerprint tells whether text is one as ssh-keygen prints it: SHA-256 in base64
// without padding.
func isFingerprint(text string) bool {
	sum, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimPrefix(text, "SHA256:"))
	return strings.HasPrefix(text, "SHA256:") && err == nil && len(sum) == 32
}

func (o Options) validateAccount() error {
	var found []error
	if o.User == "" {
		found = append(found, errors.New("user is empty: write the name of star97's account at the server"))
	}
	if !printable(o.Module.User) {
		found = append(found, fmt.Errorf("module.user is %q: write a name without control characters", o.Module.User))
	}
	if o.Password.Empty() && o.Key.Empty() {
		found = append(found, errors.New("password is empty: name the file or variable that holds it, or fill in key"))
	}
	for _, f := range []struct {
		key string
		secret.Source
	}{
		{"password", o.Password}, {"key", o.Key}, {"enable", o.Enable}, {"module.password", o.Module.Password}, {"module.enable", o.Module.Enable},
	} {
		if !f.Empty() {
			found = append(found, strictyaml.Under(f.key, f.Validate()))
		}
	}
	if o.Via == "" && o.Module != (Module{}) {
		found = append(found, errors.New("module is filled in, but via is empty: write the router's command, or move the account to user and password"))
	}
	return errors.Join(found...)
}

func (o Options) validateUsers() error {
	var found []error
	seen := map[string]bool{}
	for i, u := range o.Users {
		say := func(format string, args ...any) {
			found = append(found, fmt.Errorf("users[%d].%w", i, fmt.Errorf(format, args...)))
		}
		switch {
		case !isID(u.ID):
			say("id is %q: write a user id of the system, 2 to 31 letters, digits, _ . and -, a letter first", u.ID)
		case seen[strings.ToLower(u.ID)]:
			say("id is %q for the second time: keep one", u.ID)
		}
		seen[strings.ToLower(u.ID)] = true
		if !adapter.IsNumber(u.Extension) {
			say("extension is %q: write its digits", u.Extension)
		}
		if !printable(u.Name) {
			say("name is %q: write it without control characters", u.Name)
		}
		if u.Language != "" && !isTag(u.Language) {
			say("language is %q: write a tag as en-US, or leave it empty", u.Language)
		}
	}
	return errors.Join(found...)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' }) }

// Answer says what words in an answer to a new code mean.
type Answer struct {
	Words string `yaml:"words"` // as they stand in the answer, whatever case
	Means string `yaml:"means"` // ok for words that are no error; not-found, too-short, too-long, not-digits, trivial, in-history, too-soon, cannot-change, locked, service-refused or policy-other for a refusal; outcome-unknown where only asking tells
}

// meanings are the codes that Answer.Means can name.
var meanings = []mailbox.Code{
	mailbox.OK, mailbox.NotFound, mailbox.TooShort, mailbox.TooLong, mailbox.NotDigits, mailbox.Trivial, mailbox.InHistory, mailbox.TooSoon,
	mailbox.CannotChange, mailbox.Locked, mailbox.ServiceRefused, mailbox.PolicyOther, mailbox.OutcomeUnknown,
}

func (a Answer) validate() error {
	if strings.TrimSpace(a.Words) == "" {
		return errors.New("words is empty: write what stands in the answer")
	}
	_, err := adapter.Meaning(a.Means, meanings)
	return err
}

// policy is what the rules demand of a code. How far the history goes is not known here.
func (r Rules) policy() pin.Policy {
	p := pin.Policy{MinLen: r.MinLength, MaxLen: maxDigits}
	if r.Trivial {
		p = adapter.Trivial(p)
	}
	if r.History {
		p = adapter.Old(p, 1, 0)
	}
	return p
}
