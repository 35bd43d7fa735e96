package cue

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// oneCommand is the only line that may ever be sent with a code.
var oneCommand = regexp.MustCompile(`\Ausername [A-Za-z][A-Za-z0-9_.-]{1,30} pin [0-9]{1,16}\z`)

func TestOnlyIdsAndDigitsGetIntoTheCommand(t *testing.T) {
	for name, c := range map[string]struct {
		id, digits string
		ok         bool
	}{
		"the usual":                    {"ada", "482915", true},
		"the shortest":                 {"ab", "0", true},
		"the longest":                  {"a" + strings.Repeat("9", 30), strings.Repeat("0", 16), true},
		"every mark":                   {"a_b.c-d", "007294", true},
		"no id":                        {"", "482915", false},
		"one letter":                   {"a", "482915", false},
		"an id too long":               {"a" + strings.Repeat("9", 31), "482915", false},
		"a digit first":                {"1ada", "482915", false},
		"a space in the id":            {"ada delete", "482915", false},
		"a line in the id":             {"ada\rreload", "482915", false},
		"another key in the id":        {"ada\x03", "482915", false},
		"a question mark":              {"ada?", "482915", false},
		"a letter of another alphabet": {"adä", "482915", false},
		"no digits":                    {"ada", "", false},
		"too many digits":              {"ada", strings.Repeat("0", 17), false},
		"a line in the digits":         {"ada", "482915\r", false},
		"a star in the digits":         {"ada", "48*915", false},
		"digits of another alphabet":   {"ada", "٤٨٢٩", false},
	} {
		t.Run(name, func(t *testing.T) {
			line, open, ok := pinLine(c.id, []byte(c.digits))
			require.Equal(t, c.ok, ok)
			if ok {
				require.Equal(t, "username "+c.id+" pin "+c.digits, string(line))
				require.Equal(t, c.digits, string(line[open:]))
			} else {
				require.Nil(t, line)
			}
		})
	}
}

// Whatever id and digits are, what is sent is one command of the one form, and names
// the two as they were.
func FuzzCommandCannotBeAnother(f *testing.F) {
	for _, s := range [][2]string{{"ada", "482915"}, {"ada\rreload", "1"}, {"ada pin 1\r", "4829\r\n"}, {"a\x1b[A", "?"}} {
		f.Add(s[0], []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, id string, digits []byte) {
		line, open, ok := pinLine(id, digits)
		if !ok {
			require.Nil(t, line)
			require.False(t, oneCommand.MatchString("username "+id+" pin "+string(digits)), "the system would allow it")
			return
		}
		require.Regexp(t, oneCommand, string(line))
		require.Equal(t, "username "+id+" pin ", string(line[:open]))
		require.Equal(t, string(digits), string(line[open:]))
		require.Equal(t, 64, cap(line), "it has grown, and left a copy behind")
	})
}

func TestQuotesHaveNoFigures(t *testing.T) {
	for in, want := range map[string]string{
		"PIN 482915 is trivial":              "PIN … is trivial",
		"PIN 48 29-15. Again!\n":             "PIN …. Again!",
		"4829\n15 was cut":                   "… was cut",
		"a\tb\x01\x7f\xff\u00e9\n\n c":       "a b c",
		"":                                   "",
		"at least 4 digits":                  "at least … digits",
		strings.Repeat("word ", 100):         strings.Repeat("word ", 32) + "…",
		"1" + strings.Repeat(" ", 300) + "2": "…",
	} {
		require.Equal(t, want, quote([]byte(in)))
	}
}

func FuzzQuoteTellsNoDigit(f *testing.F) {
	f.Add([]byte("PIN 482915 is trivial"))
	f.Add([]byte("٤٨\xff4\n8"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		q := quote(answer)
		require.LessOrEqual(t, len(q), maxQuote+len("…"))
		for _, r := range q {
			require.False(t, unicode.IsDigit(r), "%q", q)
			require.True(t, r == '…' || r >= ' ' && r <= '~', "%q", q)
		}
	})
}
