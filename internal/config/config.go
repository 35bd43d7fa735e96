// Package config gathers the Options of every room from one strict YAML file and
// names each problem with its line and remedy. Defaults and ranges are the
// owners'; nothing is opened here but the files that the configuration names.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/call"
	"star97/internal/console"
	"star97/internal/dialplan"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/media"
	"star97/internal/notify"
	"star97/internal/onetime"
	"star97/internal/pin"
	"star97/internal/plainfile"
	"star97/internal/probe"
	"star97/internal/prompt"
	"star97/internal/register"
	"star97/internal/strictyaml"
	"star97/internal/syslog"
	"star97/internal/uas"
)

// Config is the whole configuration. Start from Default.
type Config struct {
	// Addresses, peers and limits of the telephone side.
	SIP uas.Options `yaml:"sip"`
	// Registrations are the PBXs and providers that star97 registers with, so that they send
	// calls: each is named by the peer whose calls those are (sip.peers, registration). Each has:
	Registrations []register.Options `yaml:"registrations"`
	// The audio of calls.
	Media media.Options `yaml:"media"`
	// What a call waits for beside its caller; the caller's own time is in the dialplan.
	Call call.Options `yaml:"call"`
	// Where the mailboxes and their codes are.
	Store backend.Options `yaml:"store"`
	// Stores are further ones beside it, by name, for domains of the dialplan that say
	// store: NAME. Each takes what store takes; without a path its file is NAME.db.
	Stores map[string]backend.Options `yaml:"stores"`
	// Probes are calls to a voicemail system's own number that find out whether a code is
	// right, by name, for stores that say verify: {by: probe, name: NAME}. star97 probe
	// learn prepares them. Each has:
	Probes map[string]probe.Options `yaml:"probes"`
	// How guessing is slowed down and ended.
	Lockout lockout.Options `yaml:"lockout"`
	// Where the counters of the lock-out and the audit trail are kept.
	Ledger ledger.Options `yaml:"ledger"`
	// The record of every decision.
	Audit Audit `yaml:"audit"`
	// How owners are told of changes, resets and locks.
	Notify notify.Options `yaml:"notify"`
	// Codes for one use, which are sent to owners who have forgotten theirs, and to those
	// of stores that say verify: {by: otp}.
	OneTime onetime.Options `yaml:"one_time"`
	// What callers hear.
	Prompts prompt.Options `yaml:"prompts"`
	// Rules for new codes.
	Policy Policy `yaml:"policy"`
	// Dialplan is a file, relative to this one's folder: numbers, keys, waits. Empty: the
	// built-in one, which star97 dialplan prints.
	Dialplan string `yaml:"dialplan"`
	// Health, readiness and metrics.
	HTTP console.Options `yaml:"http"`
	// What is written to standard error.
	Log Log `yaml:"log"`
	// Drain is how long calls in progress may go on after SIGTERM, 0s to 1h.
	Drain time.Duration `yaml:"drain"`

	// Plan is the validated dialplan.
	Plan *dialplan.Plan `yaml:"-"`

	from sources
}

// sources say where in the files something stands; nil: there is no such file.
type sources struct{ config, plan *strictyaml.File }

// Audit is the audit trail and where else its records go.
type Audit struct {
	audit.Options `yaml:",inline"`
	Syslog        syslog.Options `yaml:"syslog"` // a collector that every record is sent to
}

// Policy is a preset and what differs from it.
type Policy struct {
	Preset     string `yaml:"preset"` // a set of rules by name (README); those written beside it replace its own
	pin.Policy `yaml:",inline"`
	// BlocklistFile is a file of further codes to refuse, one a line, relative to this one's
	// folder. Empty: none.
	BlocklistFile string `yaml:"blocklist_file"`
}

// readBlocklist reads the file of further codes.
func (p *Policy) readBlocklist() error {
	if p.BlocklistFile == "" {
		return nil
	}
	f, err := plainfile.Open(p.BlocklistFile)
	if err == nil {
		defer f.Close()
		p.Listed, err = pin.ReadList(f)
	}
	var unread *fs.PathError
	switch {
	case errors.As(err, &unread):
		return fmt.Errorf("blocklist_file: %s cannot be read: %w; check its name and mode", p.BlocklistFile, unread.Err)
	case err != nil:
		return fmt.Errorf("blocklist_file: %s: %w", p.BlocklistFile, err)
	}
	return nil
}

// shortestCode is how short a code may be that a telephone sets: whoever may try
// ten codes finds one of three digits in a hundredth of all mailboxes.
const shortestCode = 4

// validate is stricter than pin's own: there, a rule that is 0 asks for nothing,
// which is how an adapter leaves it to the voicemail system.
func (p Policy) validate() error {
	if err := p.Policy.Validate(); err != nil {
		return err
	}
	var short, long error
	if p.MinLen < shortestCode {
		short = fmt.Errorf("min_length is %d; write %d or more, shorter codes are soon guessed", p.MinLen, shortestCode)
	}
	if p.MaxLen == 0 {
		long = fmt.Errorf("max_length is 0; write the most digits that a code may have, min_length to %d", pin.MaxDigits)
	}
	return errors.Join(short, long)
}

// Log says what is written to standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text or json
}

// Default is the configuration without a file: this machine only.
func Default() Config {
	return Config{
		SIP: uas.DefaultOptions(), Registrations: []register.Options{}, Media: media.DefaultOptions(), Call: call.DefaultOptions(),
		Store: backend.DefaultOptions(), Stores: map[string]backend.Options{}, Probes: map[string]probe.Options{},
		Lockout: lockout.DefaultOptions(), Ledger: ledger.DefaultOptions(),
		Audit: Audit{audit.DefaultOptions(), syslog.DefaultOptions()}, Prompts: prompt.DefaultOptions(),
		Notify: notify.DefaultOptions(), OneTime: onetime.DefaultOptions(),
		Policy: Policy{Preset: pin.DefaultPreset, Policy: pin.DefaultPolicy()},
		HTTP:   console.DefaultOptions(),
		Log:    Log{Level: "info", Format: "text"},
		Drain:  time.Minute,
		Plan:   dialplan.Default(),
	}
}

// maxFile bounds a configuration or dialplan file, in bytes.
const maxFile = 1 << 20

// Load reads a file over the defaults. An empty name is the defaults alone.
func Load(name string) (Config, []strictyaml.Problem) {
	c := Default()
	if name == "" {
		return c, nil
	}
	data, problem := readFile(name)
	if problem != nil {
		return c, []strictyaml.Problem{*problem}
	}
	file, problems := c.decode(name, data)
	if file == nil {
		return c, problems
	}
	c.from.config = file
	c.resolve(filepath.Dir(name))
	problems = append(problems, strictyaml.Sound(slices.Concat(c.check(file), c.checkStores(file), c.checkProbes(file), c.checkRegistrations(file)))...)
	problems = append(problems, c.loadPlan(file)...)
	return c, append(problems, strictyaml.Sound(c.agree(file))...)
}

// YAML is the configuration as a file that Load reads to the same, wherever it lies.
func (c Config) YAML() ([]byte, error) {
	for _, name := range []*string{&c.Dialplan, &c.Prompts.Folder, &c.Policy.BlocklistFile} {
		if *name == "" {
			continue
		}
		whole, err := filepath.Abs(*name)
		if err != nil {
			return nil, err
		}
		*name = whole
	}
	return yaml.Marshal(c)
}

// decode reads twice: the second time over the rules of the preset that the
// first time has found. Without a file nothing could be read.
func (c *Config) decode(name string, data []byte) (*strictyaml.File, []strictyaml.Problem) {
	first := Default()
	file, problems := strictyaml.DecodeAll(name, data, &first)
	if file == nil {
		return nil, problems
	}
	rules, known := pin.Preset(first.Policy.Preset)
	if known {
		c.Policy.Policy = rules
	}
	file, problems = strictyaml.DecodeAll(name, data, c)
	if !known {
		problems = append(problems, file.Problem("$.policy.preset", fmt.Sprintf("There is no preset named %q.", first.Policy.Preset),
			"Use one of "+strings.Join(pin.Presets(), ", ")+"."))
	}
	return file, problems
}

// resolve takes relative file names from the folder of the configuration.
func (c *Config) resolve(dir string) {
	for _, name := range []*string{&c.Dialplan, &c.Prompts.Folder, &c.Policy.BlocklistFile} {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	}
	c.SIP.Resolve(dir)
	for i := range c.Registrations {
		c.Registrations[i].Resolve(dir)
	}
	c.Notify.Resolve(dir)
	c.Audit.Syslog = c.Audit.Syslog.In(dir)
	c.Store = c.Store.Resolve(dir)
	for name, o := range c.Stores {
		c.Stores[name] = o.Resolve(dir)
	}
	for name, o := range c.Probes {
		o.Resolve(dir)
		c.Probes[name] = o
	}
}

func (c *Config) check(file *strictyaml.File) []strictyaml.Problem {
	var all []strictyaml.Problem
	for _, owner := range []struct {
		key string
		err error
	}{
		{"sip", c.SIP.Validate()},
		{"media", c.Media.Validate()},
		{"call", c.Call.Validate()},
		{"store", c.Store.Validate()},
		{"lockout", c.Lockout.Validate()},
		{"ledger", c.Ledger.Validate()},
		{"audit", errors.Join(c.Audit.Validate(), strictyaml.Under("syslog", c.Audit.Syslog.Validate()))},
		{"notify", c.Notify.Validate()},
		{"one_time", c.OneTime.Validate()},
		{"prompts", c.Prompts.Validate()},
		{"policy", errors.Join(c.Policy.validate(), c.Policy.readBlocklist())},
		{"http", c.HTTP.Validate()},
		{"log", c.Log.validate()},
	} {
		all = append(all, locate(file, owner.key, owner.err)...)
	}
	if c.Drain < 0 || c.Drain > time.Hour {
		all = append(all, file.Problem("$.drain", fmt.Sprintf("drain is %v.", c.Drain), "Set it between 0s and 1h."))
	}
	return all
}

func (l Log) validate() error {
	var level, format error
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level) {
		level = fmt.Errorf("level is %q; write debug, info, warn or error", l.Level)
	}
	if l.Format != "text" && l.Format != "json" {
		format = fmt.Errorf("format is %q; write text or json", l.Format)
	}
	return errors.Join(level, format)
}

// leadingKey is how every owner begins the sentence about one of its options.
var leadingKey = regexp.MustCompile(`^(?:media: )?([a-z0-9_]+(?:\.[a-z0-9_]+|\[\d+\])*)`)

// locate finds the line of each of an owner's complaints.
func locate(file *strictyaml.File, owner string, err error) []strictyaml.Problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []strictyaml.Problem
		for _, e := range joined.Unwrap() {
			all = append(all, locate(file, owner, e)...)
		}
		return all
	}
	text := err.Error()
	path := "$." + owner
	if m := leadingKey.FindStringSubmatch(text); m != nil {
		path += "." + m[1]
	}
	return []strictyaml.Problem{file.Problem(path, owner+": "+strings.TrimPrefix(text, owner+": ")+".", "")}
}

func (c *Config) loadPlan(file *strictyaml.File) []strictyaml.Problem {
	if c.Dialplan == "" {
		return nil
	}
	data, problem := readFile(c.Dialplan)
	if problem != nil {
		problem.Remedy += fmt.Sprintf(" It is named in line %d of the configuration.", file.Line("$.dialplan"))
		return []strictyaml.Problem{*problem}
	}
	plan, problems := dialplan.Parse(c.Dialplan, data)
	if plan == nil {
		return problems
	}
	c.Plan = plan
	return c.checkDomains(data)
}

func readFile(name string) ([]byte, *strictyaml.Problem) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &strictyaml.Problem{File: name, Text: "There is no such file.", Remedy: "Check the name."}
	case err != nil:
		return nil, &strictyaml.Problem{File: name, Text: "The file cannot be read: " + err.Error() + ".", Remedy: "Check its owner and mode."}
	case !info.Mode().IsRegular():
		return nil, &strictyaml.Problem{File: name, Text: "This is not a file.", Remedy: "Name the YAML file itself."}
	case info.Size() > maxFile:
		return nil, &strictyaml.Problem{File: name, Text: "The file is larger than 1 MiB.", Remedy: "A configuration is a few kilobytes; check the name."}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, &strictyaml.Problem{File: name, Text: "The file cannot be read: " + err.Error() + ".", Remedy: "Check its owner and mode."}
	}
	return data, nil
}
