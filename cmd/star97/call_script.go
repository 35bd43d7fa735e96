package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"star97/internal/caller"
	"star97/internal/prompt"
	"star97/internal/script"
	"star97/internal/strictyaml"
)

// possible tells, before anything is dialled, each step that no call could carry
// out: a sentence that does not exist, keys that nobody named, too many keys.
func (f *callFlags) possible(lines []script.Line, value filling) error {
	var all []error
	add := func(line script.Line, text, remedy string) {
		all = append(all, strictyaml.Problem{File: f.script, Line: line.Number, Text: text, Remedy: remedy})
	}
	for _, line := range lines {
		switch line.Verb {
		case "hear", "hear-not":
			for _, id := range line.Args {
				if !slices.Contains(f.sentences, prompt.ID(id)) {
					add(line, fmt.Sprintf("There is no sentence %s in %s.", script.Told(id), f.language), "Use one of "+near(id, f.sentences)+".")
				}
			}
		case "press":
			keys, err := script.Keys(line.Args, func(name string) (string, bool) {
				if name == "chosen" { // it will be heard
					return "", true
				}
				return value(name)
			})
			switch {
			case err != nil:
				add(line, "For this press "+err.Error()+".", "Write it to the file of --codes.")
			case len(keys) > caller.MaxKeys:
				add(line, fmt.Sprintf("These are more than %d keys.", caller.MaxKeys), "Press the rest in a second line.")
			}
		}
	}
	return errors.Join(all...)
}

// near lists the names that share a word with id, or all if none does.
func near(id string, known []prompt.ID) string {
	var alike, all []string
	for _, k := range known {
		all = append(all, string(k))
		if slices.ContainsFunc(strings.Split(id, "-"), func(word string) bool { return slices.Contains(strings.Split(string(k), "-"), word) }) {
			alike = append(alike, string(k))
		}
	}
	if alike != nil {
		all = alike
	}
	return strings.Join(all, ", ")
}
