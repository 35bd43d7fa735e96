package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"star97/internal/strictyaml"
)

// readable is an option that names files or environment variables of this machine.
// Readable tells why what they hold cannot be used, and keeps nothing of it.
type readable interface{ Readable() error }

// Unreadable tells which files and variables that the configuration names for secrets,
// keys and authorities cannot be used, as far as what is switched on uses them. It asks
// no other machine and runs no program.
func (c Config) Unreadable() []strictyaml.Problem {
	return c.unreadable(func(w *walk) {
		w.stores(c)
		w.into("registrations", c.Registrations)
		if c.Notify.On() {
			w.into("notify", c.Notify)
		}
		if c.Audit.Syslog.On() {
			w.into("audit.syslog", c.Audit.Syslog)
		}
	})
}

// UnreadableStores is Unreadable for what commands on mailboxes use.
func (c Config) UnreadableStores() []strictyaml.Problem {
	return c.unreadable(func(w *walk) { w.stores(c) })
}

// Placed adds to problems that have no line of their own where the configuration names
// what they are about.
func (c Config) Placed(key string, problems []strictyaml.Problem) []strictyaml.Problem {
	if c.from.config == nil || c.from.config.Line("$."+key) == 0 {
		return problems
	}
	for i, p := range problems {
		if p.Line == 0 {
			at := c.from.config.Problem("$."+key, key+" is set here.", "")
			problems[i].Remedy = strings.TrimSpace(p.Remedy + " " + at.Error())
		}
	}
	return problems
}

// At is an error about what stands at a path of the configuration, with file and line where
// that is written.
func (c Config) At(path string, err error) error {
	if c.from.config == nil || c.from.config.Line("$."+path) == 0 {
		return err
	}
	at := c.from.config.Problem("$."+path, "", "")
	return fmt.Errorf("%s:%d: %w", at.File, at.Line, err)
}

func (c Config) unreadable(look func(*walk)) []strictyaml.Problem {
	if c.from.config == nil { // the defaults name none
		return nil
	}
	w := walk{file: c.from.config}
	look(&w)
	return strictyaml.Sound(w.found)
}

// walk gathers the complaints of everything readable below a key, which it finds by
// reflection: a method of every adapter that lists its secrets could leave one out, and
// nobody would notice before the first call.
type walk struct {
	file  *strictyaml.File
	found []strictyaml.Problem
}

func (w *walk) stores(c Config) {
	w.into("store."+c.Store.Driver, c.Store.Chosen())
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		w.into("stores."+name+"."+c.Stores[name].Driver, c.Stores[name].Chosen())
	}
}

func (w *walk) into(key string, v any) { w.value(key, reflect.ValueOf(v)) }

// value asks v and what it consists of.
func (w *walk) value(key string, v reflect.Value) {
	if !v.IsValid() || !v.CanInterface() {
		return
	}
	if r, ok := v.Interface().(readable); ok {
		if err := r.Readable(); err != nil {
			w.found = append(w.found, w.file.Problem("$."+key, key+": "+err.Error()+".", ""))
		}
	}
	w.parts(key, v)
}

func (w *walk) parts(key string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			w.value(fmt.Sprintf("%s[%d]", key, i), v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Anonymous { // what it can, its owner can
				w.parts(key, v.Field(i))
			} else {
				w.value(key+"."+strings.Split(f.Tag.Get("yaml"), ",")[0], v.Field(i))
			}
		}
	}
}
