package caller

import (
	"fmt"
	"slices"
	"strings"

	"star97/internal/pin"
	"star97/internal/script"
	"star97/internal/strictyaml"
)

// maxCodesFile bounds a codes file; real ones are under 200 bytes.
const maxCodesFile = 4 << 10

// Codes are what a script's placeholders stand for, sealed.
type Codes struct{ named map[string]pin.PIN }

// filed are the placeholders that a codes file may fill in: a code that the service
// chooses is heard.
func filed() []string {
	return slices.DeleteFunc(slices.Clone(script.Placeholders), func(name string) bool { return name == theChosen })
}

// ReadCodes reads a codes file: lines of "old: DIGITS", as YAML writes them, for
// the placeholders of package script; quotes and # comments are allowed. Errors are
// strictyaml.Problem values and never quote a value.
func ReadCodes(name string, data []byte) (Codes, error) {
	c := Codes{named: map[string]pin.PIN{}}
	bad := func(line int, text string) (Codes, error) {
		return Codes{}, strictyaml.Problem{File: name, Line: line, Text: text,
			Remedy: "Write lines like \"old: DIGITS\"; the names are " + strings.Join(filed(), ", ") + "."}
	}
	if len(data) > maxCodesFile {
		return bad(0, fmt.Sprintf("The codes file is larger than %d bytes.", maxCodesFile))
	}
	for i, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" || line == "---" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		key = strings.TrimSpace(key)
		if !ok || !slices.Contains(filed(), key) {
			return bad(i+1, "This line names no code.")
		}
		if _, twice := c.named[key]; twice {
			return bad(i+1, fmt.Sprintf("%q stands here twice.", key))
		}
		digits, err := pin.Parse(strings.Trim(strings.TrimSpace(value), `"'`))
		if err != nil || digits.Empty() {
			return bad(i+1, fmt.Sprintf("The value of %q is not 1 to %d digits.", key, pin.MaxDigits))
		}
		c.named[key] = digits
	}
	return c, nil
}

// Value fills in a placeholder, for Player.
func (c Codes) Value(name string) (keys string, ok bool) {
	code, ok := c.named[name]
	if ok {
		code.Reveal(func(digits []byte) { keys = string(digits) })
	}
	return keys, ok
}
