package config

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"slices"
	"strings"

	"star97/internal/backend"
)

// Template is a configuration file that says nothing: every option, explained and
// commented out, with its default. The explanations are the doc comments of the
// options' owners: `make docs` writes the file from them, and a test compares.
//
//go:embed template.yaml
var Template []byte

// TemplateFor is the Template for one voicemail system: without the options of the
// others, and with its driver chosen. The error names the drivers.
func TemplateFor(driver string) ([]byte, error) {
	drivers := backend.Names()
	if !slices.Contains(drivers, driver) {
		return nil, fmt.Errorf("there is no driver %q: use one of %s", driver, strings.Join(drivers, ", "))
	}
	var out, comment bytes.Buffer
	inStore, dropping := false, false
	for line := range bytes.Lines(Template) {
		key, isKey := storeKey(line)
		switch {
		case line[0] != ' ':
			inStore, dropping = string(line) == "store:\n", false
		case !inStore:
		case isKey:
			dropping = slices.Contains(drivers, key) && key != driver
			if dropping {
				comment.Reset()
			}
		case bytes.HasPrefix(line, []byte("  ##")):
			dropping = false
			comment.Write(line)
			continue
		}
		if dropping {
			continue
		}
		out.Write(comment.Bytes())
		comment.Reset()
		if inStore && key == "#driver" && driver != drivers[0] {
			line = fmt.Appendf(nil, "  driver: %s\n", driver)
		}
		out.Write(line)
	}
	return out.Bytes(), nil
}

// storeKey is the key of a line that begins an option or a section right below store.
func storeKey(line []byte) (string, bool) {
	text, indented := strings.CutPrefix(string(line), "  ")
	key, _, found := strings.Cut(text, ":")
	return key, indented && found && key != "" && key[0] != ' ' && !strings.HasPrefix(key, "##")
}
