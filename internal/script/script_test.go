package script

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/strictyaml"
)

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Line
	}{
		"empty file":                      {"", nil},
		"comments and empty lines":        {"# a comment\n\n   # another\n// a third\n", nil},
		"a key # is no comment":           {"press 4001 #", []Line{{1, "press", []string{"4001", "#"}}}},
		"a comment behind words":          {"press 1# // the first # is a key", []Line{{1, "press", []string{"1#"}}}},
		"blanks of any sort":              {"\t hear \t welcome  menu \r\n", []Line{{1, "hear", []string{"welcome", "menu"}}}},
		"numbers count all lines":         {"# one\n\nhangup\n", []Line{{3, "hangup", []string{}}}},
		"quoted words":                    {`given domain "a \"b\" \\ c"`, []Line{{1, "given", []string{"domain", `a "b" \ c`}}}},
		"a quoted word may look like any": {`given domain "// x"`, []Line{{1, "given", []string{"domain", "// x"}}}},
		"pause is wait":                   {"pause 3s", []Line{{1, "wait", []string{"3s"}}}},
		"placeholders stay":               {"press {old}#{new}", []Line{{1, "press", []string{"{old}#{new}"}}}},
		"store with everything":           {"store verify slow 3s\nstore change refused too-soon", []Line{{1, "store", []string{"verify", "slow", "3s"}}, {2, "store", []string{"change", "refused", "too-soon"}}}},
		"a layout and its targets":        {"given layout my-menu\ngiven target messages taxi", []Line{{1, "given", []string{"layout", "my-menu"}}, {2, "given", []string{"target", "messages", "taxi"}}}},
		"a slow route in a language":      {"given slow\ngiven language es-ES", []Line{{1, "given", []string{"slow"}}, {2, "given", []string{"language", "es-ES"}}}},
		"transfers":                       {"transfer ok\ntransfer slow 3s", []Line{{1, "transfer", []string{"ok"}}, {2, "transfer", []string{"slow", "3s"}}}},
		"a sentence in a language":        {"hear es-ES/option-language-8", []Line{{1, "hear", []string{"es-ES/option-language-8"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			lines, err := Parse("x.txt", []byte(c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, lines)
		})
	}
}

func TestWhatIsWrongIsSaidWithItsLineAndRemedy(t *testing.T) {
	for text, want := range map[string]string{
		"dial 97":                       `x.txt:1: There is no verb "dial". The verbs are `,
		"4829#":                         `x.txt:1: There is no verb a word with digits.`,
		"hear 4829153706":               `x.txt:1: A word with digits is not the name of a sentence`,
		"wait 4829153706":               `x.txt:1: A word with digits is not a duration`,
		"\n\npress":                     `x.txt:3: Press needs at least one key. Write it as: press KEYS`,
		"press 12e":                     `x.txt:1: "e" is not a key of a telephone. Write it as: press KEYS`,
		"press {pin}":                   `x.txt:1: After { must come one of old, new, other, wrong, ext, one-time, chosen and }.`,
		"press {old":                    `x.txt:1: After { must come one of`,
		"hear":                          `x.txt:1: The name of a sentence is missing.`,
		"hear Welcome":                  `x.txt:1: "Welcome" is not the name of a sentence`,
		"wait":                          `x.txt:1: This takes 1 word, not 0.`,
		"wait soon":                     `x.txt:1: "soon" is not a duration from 0s to 10m0s, nor is it a timer (first-digit`,
		"wait 11m":                      `is not a duration`,
		"silence -1s":                   `is not a duration`,
		"hangup now":                    `x.txt:1: This takes 0 words, not 1.`,
		"end":                           `x.txt:1: This takes 1 word, not 0.`,
		"end Goodbye!":                  `is not the word of an end`,
		"store verify":                  `Store needs an operation and its answer.`,
		"store delete ok":               `"delete" is no operation of the store; there are lookup, verify, change.`,
		"store verify maybe":            `"maybe" is no answer to verify; there are wrong,`,
		"store verify slow":             `This takes 1 word, not 0.`,
		"store change refused whatever": `"whatever" is no reason of a refusal`,
		"store change wrong":            `The store cannot answer "wrong" to a change.`,
		"given":                         `Given needs a fact and its value.`,
		"given weather fine":            `There is no fact "weather".`,
		"given door front":              `"front" is no door; there are own, any, check.`,
		"given layout":                  `Given needs a fact and its value.`,
		"given layout Mine":             `"Mine" is not the name of a layout.`,
		"given target messages a/b":     `"a/b" is not the name of a target.`,
		"given language spanish!":       `"spanish!" is no tag of a language.`,
		"given language es--ES":         `"es--ES" is no tag of a language.`,
		"given language 8":              `"8" is no tag of a language.`,
		"given slow very":               `There is no fact "slow".`,
		"transfer":                      `This takes 1 word, not 0.`,
		"transfer slow":                 `"slow" is no outcome of a transfer`,
		"transfer slow 11m":             `is not a duration`,
		"transfer perhaps":              `"perhaps" is no outcome of a transfer; there are ok, fails, silent.`,
		"hear es/ES/welcome":            `"es/ES/welcome" is not the name of a sentence`,
		"hear /welcome":                 `"/welcome" is not the name of a sentence`,
		"given mailbox 4001 broken":     `"broken" is no flag of a mailbox`,
		"given mailbox ann":             `"ann" is not a number.`,
		"given mailbox x4829153706":     `x.txt:1: A word with digits is not a number.`,
		"given caller 4829153706#":      `x.txt:1: A word with digits is not a number.`,
		"store change 4829153706":       `x.txt:1: The store cannot answer a word with digits to a change.`,
		"expect changes 482915370648#":  `x.txt:1: A word with digits is not a count.`,
		"expect happiness":              `"happiness" is no expectation; there are changed, unchanged.`,
		"expect changes many":           `"many" is not a count.`,
		`given domain "open`:            `x.txt:1: A quoted word has no end. Close it with " before the line ends.`,
	} {
		t.Run(text, func(t *testing.T) {
			lines, err := Parse("x.txt", []byte(text))
			require.Nil(t, lines)
			require.ErrorContains(t, err, want)
			var p strictyaml.Problem
			require.True(t, errors.As(err, &p))
			require.NotEmpty(t, p.Remedy)
			require.Positive(t, p.Line)
		})
	}
}

func TestEveryProblemIsTold(t *testing.T) {
	_, err := Parse("x.txt", []byte("dial\nhear welcome\nwait\n"))
	require.ErrorContains(t, err, "x.txt:1:")
	require.ErrorContains(t, err, "x.txt:3:")
	_, err = Parse("x.txt", []byte(strings.Repeat("dial\n", MaxProblems+5)))
	require.Equal(t, MaxProblems, strings.Count(err.Error(), "There is no verb"))
}

func TestLimitsOfAFile(t *testing.T) {
	_, err := Parse("x.txt", []byte(strings.Repeat("#\n", MaxFileBytes)))
	require.ErrorContains(t, err, "larger than")
	_, err = Parse("x.txt", []byte("press "+strings.Repeat("1", MaxLineBytes)))
	require.ErrorContains(t, err, "x.txt:1: The line is longer than")
	_, err = Parse("x.txt", []byte(strings.Repeat("hangup\n", MaxLines+1)))
	require.ErrorContains(t, err, "more than 2000 steps")
	lines, err := Parse("x.txt", []byte(strings.Repeat("hangup\n", MaxLines)))
	require.NoError(t, err)
	require.Len(t, lines, MaxLines)
}

func TestKeys(t *testing.T) {
	value := func(name string) (string, bool) {
		v, ok := map[string]string{"old": "739152", "ext": "4001"}[name]
		return v, ok
	}
	keys, err := Keys([]string{"{ext}#", "{old}", "#A*"}, value)
	require.NoError(t, err)
	require.Equal(t, "4001#739152#A*", keys)
	_, err = Keys([]string{"{new}"}, value)
	require.EqualError(t, err, "nobody said what {new} is")
}

func TestWait(t *testing.T) {
	timer := func(name string) (time.Duration, bool) { return 7 * time.Second, name == "first-digit" }
	d, err := Wait("250ms", timer)
	require.NoError(t, err)
	require.Equal(t, 250*time.Millisecond, d)
	d, err = Wait("first-digit", timer)
	require.NoError(t, err)
	require.Equal(t, 7*time.Second, d)
	_, err = Wait("menu", timer)
	require.Error(t, err)
}

func TestUsageNamesItsVerb(t *testing.T) {
	for _, name := range Verbs() {
		require.Contains(t, verbs[name].usage, name)
	}
}

// FuzzParse: what is read can be written again and means the same.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../testdata/flows/*.txt")
	require.NoError(f, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Add(`given domain "a \" // b"` + "\npause 3s // c")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := Parse("x", []byte(text))
		if err != nil {
			require.Nil(t, lines)
			return
		}
		for _, l := range lines {
			require.Contains(t, Verbs(), l.Verb)
			again, err := Parse("x", []byte(l.String()))
			if len(l.String()) > MaxLineBytes {
				continue
			}
			require.NoError(t, err, l.String())
			require.Len(t, again, 1)
			require.Equal(t, l.Args, again[0].Args)
			require.Equal(t, l.Verb, again[0].Verb)
		}
	})
}
