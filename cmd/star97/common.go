package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/goccy/go-yaml"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/strictyaml"
)

// site are the flags that every command working on the service's own data shares.
type site struct {
	config string
	data   string
}

const defaultData = "./star97-data"

// load reads the configuration; several problems become one error of several lines.
func (s site) load() (config.Config, error) {
	c, problems := config.Load(s.config)
	return c, failing(problems)
}

// readable reads a configuration, and whether what it names for secrets, keys and
// authorities can be read.
func readable(file string) (config.Config, []strictyaml.Problem) {
	c, problems := config.Load(file)
	if len(problems) == 0 {
		problems = c.Unreadable()
	}
	return c, problems
}

// failing is the error of what has problems; nil: there is none.
func failing(problems []strictyaml.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.Error()
	}
	return exitError{1, errors.New(strings.Join(lines, "\n"))}
}

// newLogger logs as l says; its level can be set later.
func newLogger(w io.Writer, l config.Log) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	if level.UnmarshalText([]byte(l.Level)) != nil {
		level.Set(slog.LevelInfo)
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		o.ReplaceAttr = durationsAsText
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// durationsAsText writes a duration as the configuration does, and as the text log: as a
// number it would have no unit.
func durationsAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printYAML writes a document as it is, or as JSON.
func printYAML(w io.Writer, text []byte, asJSON bool) error {
	if !asJSON {
		_, err := w.Write(text)
		return err
	}
	compact, err := yaml.YAMLToJSON(text)
	if err != nil {
		return failed("the document cannot be written as JSON: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return failed("the document cannot be written as JSON: %w", err)
	}
	_, err = out.WriteTo(w)
	return err
}

// failed is an error that was understood: exit code 1.
func failed(format string, args ...any) error { return exitError{1, fmt.Errorf(format, args...)} }

// plainly is an error in the words that its reader needs: what a mailbox.Error
// keeps for logs and programs is left out where it has a sentence as well.
func plainly(err error) string {
	switch e := err.(type) {
	case *mailbox.Error:
		if e.Detail != nil {
			return plainly(e.Detail)
		}
	case *app.Unfinished:
		return e.Told() + "; but: " + plainly(e.Err)
	case interface{ Unwrap() []error }:
		var said, plain []string
		for _, one := range e.Unwrap() {
			said, plain = append(said, one.Error()), append(plain, plainly(one))
		}
		if strings.Join(said, "\n") == err.Error() { // of errors.Join: no sentence stands around them
			return strings.Join(plain, "\n")
		}
	}
	return err.Error()
}

func printProblems(w io.Writer, problems []strictyaml.Problem) {
	for _, p := range problems {
		fmt.Fprintln(w, p.Error())
	}
}
