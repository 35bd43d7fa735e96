package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"star97/internal/mailbox"
	"star97/internal/strictyaml"
)

// Backend is what a driver opens.
type Backend = mailbox.Backend

// Checker is a Backend that can tell beforehand what Add would refuse of an account,
// whatever else is stored.
type Checker interface {
	Check(a mailbox.Account) error
}

// Verify says who checks the current code where the system that keeps it cannot. That
// the caller ID fits is never enough.
type Verify struct {
	By   string `yaml:"by"`   // "": the system itself; store: another one of stores, as for codes kept in step; probe: a call to the voicemail pilot; otp: a one-time code that is sent to the address on file
	Name string `yaml:"name"` // of the store or the probe
}

// section is what a driver's options can do, all but File with nothing open.
type section interface {
	SetDefaults()
	Resolve(dir string) // relative paths are taken from the configuration's folder
	Validate() error
	Declared() mailbox.Traits
	Open(ctx context.Context) (Backend, error)
}

// logging is a section whose driver has something to tell a log.
type logging interface{ LogTo(log *slog.Logger) }

// filed is a section whose driver keeps everything in one file of this machine.
type filed interface {
	Place(dir string)   // a relative file is taken from the data folder
	Rename(file string) // another default, empty for none
	File() string
}

var sections = reflect.TypeFor[section]()

// drivers lists the fields of Options that are drivers, by the name that a
// configuration gives them.
var drivers = func() (all []field) {
	t := reflect.TypeFor[Options]()
	for i := range t.NumField() {
		f := t.Field(i)
		if reflect.PointerTo(f.Type).Implements(sections) {
			all = append(all, field{f.Tag.Get("yaml"), i})
		}
	}
	return all
}()

type field struct {
	name  string
	index int
}

func (o *Options) at(f field) section {
	return reflect.ValueOf(o).Elem().Field(f.index).Addr().Interface().(section)
}

// Names lists the drivers.
func Names() (names []string) {
	for _, f := range drivers {
		names = append(names, f.name)
	}
	return names
}

// Declared is what a driver says of itself with its defaults.
func Declared(driver string) (mailbox.Traits, error) {
	o := Options{Driver: driver}
	s, err := o.chosen()
	if err != nil {
		return mailbox.Traits{}, err
	}
	s.SetDefaults()
	return s.Declared(), nil
}

// Declared is what the chosen driver says of itself with its options; nothing if there is
// no such driver.
func (o Options) Declared() mailbox.Traits {
	s, err := o.chosen()
	if err != nil {
		return mailbox.Traits{}
	}
	return s.Declared()
}

// DefaultOptions has every driver's defaults.
func DefaultOptions() Options {
	o := Options{Driver: drivers[0].name}
	for _, f := range drivers {
		o.at(f).SetDefaults()
	}
	return o
}

// chosen is the section of the chosen driver.
func (o *Options) chosen() (section, error) {
	i := slices.IndexFunc(drivers, func(f field) bool { return f.name == o.Driver })
	if i < 0 {
		return nil, fmt.Errorf("driver is %q: use one of %s", o.Driver, strings.Join(Names(), ", "))
	}
	return o.at(drivers[i]), nil
}

// Chosen is the section of the chosen driver; nil if there is no such driver.
func (o Options) Chosen() any {
	s, err := o.chosen()
	if err != nil {
		return nil
	}
	return reflect.ValueOf(s).Elem().Interface()
}

// each alters a copy of o, driver by driver.
func (o Options) each(alter func(section)) Options {
	for _, f := range drivers {
		alter(o.at(f))
	}
	return o
}

// Resolve returns o with the relative paths that an administrator names taken from
// the folder of the configuration.
func (o Options) Resolve(dir string) Options {
	return o.each(func(s section) { s.Resolve(dir) })
}

// In returns o with the files of its own taken from the data folder.
func (o Options) In(dir string) Options {
	return o.each(func(s section) {
		if f, ok := s.(filed); ok {
			f.Place(dir)
		}
	})
}

// UnmarshalYAML reads over what is there already, and where nothing is, as in a map,
// over the defaults of a further store, which Called completes.
func (o *Options) UnmarshalYAML(read func(any) error) error {
	if reflect.ValueOf(*o).IsZero() {
		*o = further()
	}
	type plain Options // without this method
	return read((*plain)(o))
}

func further() Options {
	return DefaultOptions().each(func(s section) {
		if f, ok := s.(filed); ok {
			f.Rename("")
		}
	})
}

// Called completes the options of a further store: without a file of its own it gets
// one with its name.
func (o Options) Called(name string) Options {
	if reflect.ValueOf(o).IsZero() {
		o = further()
	}
	return o.each(func(s section) {
		if f, ok := s.(filed); ok && f.File() == "" {
			f.Rename(name + ".db")
		}
	})
}

// File is the file that the chosen driver keeps everything in; empty if it is not in
// a file of this machine.
func (o Options) File() string {
	s, err := o.chosen()
	if err != nil {
		return ""
	}
	if f, ok := s.(filed); ok {
		return f.File()
	}
	return ""
}

// Validate tells what is wrong with the chosen driver's options, and with who checks
// its codes.
func (o Options) Validate() error {
	s, err := o.chosen()
	if err != nil {
		return err
	}
	return errors.Join(strictyaml.Under(o.Driver, s.Validate()), o.Verify.validate(s.Declared()))
}

func (v Verify) validate(t mailbox.Traits) error {
	switch v.By {
	case "":
		if t.Check == mailbox.NoCheck {
			return fmt.Errorf("verify.by is empty, and %s cannot tell whether a code is right: write store, probe or otp", t.System)
		}
		if v.Name != "" {
			return fmt.Errorf("verify.name is %q without verify.by: write who it is the name of", v.Name)
		}
	case "otp":
		if v.Name != "" {
			return fmt.Errorf("verify.name is %q: one-time codes have no name, leave it out", v.Name)
		}
	case "store", "probe":
		if v.Name == "" {
			return fmt.Errorf("verify.name is empty: name the %s that checks codes", v.By)
		}
	default:
		return fmt.Errorf("verify.by is %q: write store, probe or otp", v.By)
	}
	return nil
}
