// Package secret reads what only star97 may know, its passwords at other systems and
// their keys, from a file or the environment, never from a command line or the
// configuration itself. What it has read prints as a word. It keeps no store of its own.
package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"star97/internal/plainfile"
)

// longest bounds a secret, in bytes.
const longest = 64 << 10

// Source says where a secret is: in one of the two.
type Source struct {
	File string `yaml:"file"` // mode 0600 or 0400, relative to the configuration's folder or absolute
	Env  string `yaml:"env"`  // name of an environment variable
}

// In returns s with a relative file taken from dir.
func (s Source) In(dir string) Source {
	if s.File != "" && !filepath.IsAbs(s.File) {
		s.File = filepath.Join(dir, s.File)
	}
	return s
}

// Empty tells whether s names nothing.
func (s Source) Empty() bool { return s == Source{} }

// Validate tells what is wrong with s; it opens nothing.
func (s Source) Validate() error {
	switch {
	case s.File == "" && s.Env == "":
		return errors.New("file and env are empty: name a file or an environment variable that holds it")
	case s.File != "" && s.Env != "":
		return errors.New("file and env are both set: keep one")
	}
	return nil
}

// Read reads the secret without the line end behind it. Errors are sentences with
// place and remedy.
func (s Source) Read() (Secret, error) {
	if err := s.Validate(); err != nil {
		return Secret{}, err
	}
	if s.Env != "" {
		value, set := os.LookupEnv(s.Env)
		if !set || value == "" {
			return Secret{}, fmt.Errorf("the environment variable %s is empty or not set: set it before star97 starts", s.Env)
		}
		return Of(value), nil
	}
	return fromFile(s.File)
}

// Readable tells why the secret that s names cannot be read; nothing is wrong with none.
func (s Source) Readable() error {
	if s.Empty() {
		return nil
	}
	_, err := s.Read()
	return err
}

func fromFile(name string) (Secret, error) {
	f, err := plainfile.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Secret{}, fmt.Errorf("the secret's file %s is missing: write the secret into it, with mode 0600", name)
	case errors.Is(err, plainfile.ErrOther):
		return Secret{}, fmt.Errorf("%s is no file: name the file that holds the secret", name)
	case err != nil:
		return Secret{}, fmt.Errorf("the secret's file %s cannot be opened: %w; let star97's user read it", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return Secret{}, fmt.Errorf("the secret's file %s cannot be looked at: %w", name, err)
	case info.Mode().Perm()&0o077 != 0:
		return Secret{}, fmt.Errorf("the secret's file %s is open to other users (mode %04o): run chmod 600 on it", name, info.Mode().Perm())
	case info.Size() > longest:
		return Secret{}, fmt.Errorf("the secret's file %s is larger than %d bytes: check the name", name, longest)
	}
	text, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return Secret{}, fmt.Errorf("the secret's file %s cannot be read: %w", name, err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return Secret{}, fmt.Errorf("the secret's file %s is empty: write the secret into it", name)
	}
	return Of(value), nil
}

// Secret is text that does not print: behind a function, since fmt walks into the
// unexported fields of a struct that holds one and asks no method there.
type Secret struct{ reveal func() string }

// Of makes a Secret of text, for tests and for what a program was given by other means.
func Of(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// Reveal is the text itself. Nobody may log, wrap or keep it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Empty tells whether there is none.
func (s Secret) Empty() bool { return s.reveal == nil }

const shown = "[secret]"

// Format shows a word for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, shown) }

// String is the same word.
func (s Secret) String() string { return shown }

// MarshalText writes the same word.
func (s Secret) MarshalText() ([]byte, error) { return []byte(shown), nil }

// LogValue is the same word.
func (s Secret) LogValue() slog.Value { return slog.StringValue(shown) }
