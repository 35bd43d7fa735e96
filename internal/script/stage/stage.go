// Package stage is what the tests that play scripts have in common, whichever way they
// play them: the scenario files, what the words of the language stand for, a store and
// transfers that do as the lines of a script say, and the scripts in which a runner
// must find a fault. It plays nothing itself.
package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/script"
)

// Codes are what the placeholders of codes stand for.
var Codes = map[string]string{"old": "739152", "new": "482915", "other": "590837", "wrong": "268413", "one-time": "50718264"}

// Value fills in placeholders where the mailbox has that extension.
func Value(extension string) func(name string) (string, bool) {
	return func(name string) (string, bool) {
		if name == "ext" {
			return extension, true
		}
		v, ok := Codes[name]
		return v, ok
	}
}

// fewest is how many scenario files there are at the least: one that a runner does not
// find proves nothing.
const fewest = 150

// Scenario is one file.
type Scenario struct {
	Name  string // of the file, without .txt
	Lines []script.Line
}

// All reads every scenario, in the order of their files.
func All(t testing.TB) []Scenario {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder(t), "*.txt"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), fewest)
	all := make([]Scenario, len(files))
	for i, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		all[i] = Scenario{name, Read(t, name)}
	}
	return all
}

// Read reads the scenario of a name.
func Read(t testing.TB, name string) []script.Line {
	t.Helper()
	file := filepath.Join(folder(t), name+".txt")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	lines, err := script.Parse(file, data)
	require.NoError(t, err)
	return lines
}

// Lines reads a script that stands in a test.
func Lines(t testing.TB, text string) []script.Line {
	t.Helper()
	lines, err := script.Parse("text", []byte(text))
	require.NoError(t, err)
	return lines
}

// In returns the script as a call on a route of that language (BCP 47): the sentences
// that it hears are that language's recordings.
func In(lines []script.Line, tag string) []script.Line {
	in := []script.Line{{Verb: "given", Args: []string{"language", tag}}}
	for _, l := range lines {
		if l.Verb == "hear" || l.Verb == "hear-not" {
			ids := make([]string, len(l.Args))
			for i, id := range l.Args {
				if ids[i] = id; !strings.Contains(id, "/") {
					ids[i] = tag + "/" + id
				}
			}
			l.Args = ids
		}
		in = append(in, l)
	}
	return in
}

// folder is where the scenarios lie, from wherever in the module a test runs.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		flows := filepath.Join(dir, "testdata", "flows")
		if _, err := os.Stat(flows); err == nil {
			return flows
		}
		above := filepath.Dir(dir)
		require.NotEqual(t, dir, above, "no folder testdata/flows from here upwards")
		dir = above
	}
}

// Usual is the language whose sentences go by their plain names.
const Usual = "en-US"

// Plain is a line whose sentences in the usual language go by their plain names.
func Plain(l script.Line) script.Line {
	if l.Verb != "hear" && l.Verb != "hear-not" {
		return l
	}
	ids := make([]string, len(l.Args))
	for i, id := range l.Args {
		ids[i] = strings.TrimPrefix(id, Usual+"/")
	}
	l.Args = ids
	return l
}

// Flags are what the words behind "given mailbox EXTENSION" say. A mailbox with the
// flag NoCode has none; an absent one nobody made.
func Flags(words []string) (f mailbox.Flags, absent bool) {
	for _, w := range words {
		switch w {
		case "must-change":
			f.MustChange = true
		case "expired":
			f.Expired = true
		case "expiring":
			f.Expiring = true
		case "too-soon":
			f.TooSoon = true
		case "locked":
			f.Locked = true
		case "cannot-change":
			f.CannotChange = true
		case "disabled":
			f.Disabled = true
		case "slow":
			f.Slow = true
		case "no-code":
			f.NoCode = true
		case "absent":
			absent = true
		}
	}
	return f, absent
}

// Reason is the code that a reason's word stands for.
func Reason(word string) (mailbox.Code, error) {
	if word == "wrong" {
		return mailbox.WrongPIN, nil
	}
	for _, c := range mailbox.Codes() {
		if c != mailbox.OK && c.String() == word {
			return c, nil
		}
	}
	return mailbox.OK, fmt.Errorf("%s is no reason", script.Told(word))
}

// MustFind are scripts that do not say what happens: a runner that finds no fault in
// one of them proves nothing.
var MustFind = map[string]string{
	"a sentence that is not said":              "press *\nhear changed",
	"a sentence that is cut off":               "press *\nhear enter-code",
	"a sentence in the wrong order":            "hear enter-code welcome",
	"a sentence that must not be said":         "hear welcome\nhear-not welcome",
	"the same by its language":                 "hear welcome\nhear-not en-US/welcome",
	"speech in a silence":                      "hear enter-code\nsilence 8s",
	"the wrong end":                            "press *\nend no-input",
	"an end that does not come":                "hear welcome\nend goodbye",
	"the end of another":                       "hangup\nend goodbye",
	"keys after the end":                       "hangup\npress 1",
	"a change that was not made":               "hear welcome\nexpect changed",
	"a code that stays":                        "press {old}#2{new}#{new}#\nhear changed\nexpect unchanged",
	"a wrong count of verifications":           "press {old}#\nhear option-change-2\nexpect verifies 2",
	"a wrong count of changes":                 "hear welcome\nexpect changes 1",
	"a wrong count of transfers":               "hear welcome\nexpect transfers 1",
	"a wrong count of one-time codes":          "hear welcome\nexpect sends 1",
	"a one-time code that never came":          "press {one-time}#\nhear welcome",
	"a code that was never spelled":            "hear welcome\npress {chosen}#",
	"an answer that nobody asked for":          "store change unknown\nhear welcome",
	"a transfer that nobody asked for":         "transfer ok\nhear welcome",
	"a transfer that nobody asked for, midway": "hear welcome\ntransfer fails",
}
