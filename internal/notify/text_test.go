package notify

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// uses are the words that each mail fills in; those of its subject are among them.
var uses = map[Kind][]string{
	Changed: {"{contact}", "{from}", "{mailbox}", "{time}"},
	Unsure:  {"{contact}", "{from}", "{mailbox}", "{time}"},
	Reset:   {"{contact}", "{from}", "{mailbox}", "{time}"},
	Locked:  {"{contact}", "{from}", "{mailbox}", "{time}", "{until}"},
	Shut:    {"{contact}", "{from}", "{mailbox}", "{time}"},
	oneTime: {"{code}", "{contact}", "{mailbox}", "{until}"},
	digest:  {"{list}"},
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// Each language that is spoken is written too, says everything, and fills in just what
// the others do.
func TestEveryLanguageSaysEverything(t *testing.T) {
	all, err := readTexts()
	require.NoError(t, err)
	folders, err := os.ReadDir("../../prompts")
	require.NoError(t, err)
	var spoken []string
	for _, f := range folders {
		if f.IsDir() {
			spoken = append(spoken, f.Name())
		}
	}
	require.Equal(t, spoken, languages())
	for tag, of := range all {
		require.Len(t, of.Letters, len(uses), tag)
		for kind, words := range uses {
			l := of.Letters[kind]
			require.NotEmpty(t, l.Subject, "%s %s", tag, kind)
			require.NotContains(t, l.Subject, "\n")
			require.Less(t, len([]rune(l.Subject)), 78, "%s %s", tag, kind)
			got := placeholder.FindAllString(l.Body, -1)
			slices.Sort(got)
			require.Equal(t, words, slices.Compact(got), "%s %s", tag, kind)
			for _, w := range placeholder.FindAllString(l.Subject, -1) {
				require.Equal(t, "{mailbox}", w)
			}
			for line := range strings.Lines(l.Body) {
				require.LessOrEqual(t, len([]rune(line)), 100, "%s %s", tag, kind)
			}
			require.LessOrEqual(t, strings.Count(l.Body, "\n"), 14, "it is short")
		}
		for _, w := range []string{"contact", "own", "any", "administrator", "one-time-code", "until", "unlocked"} {
			require.NotEmpty(t, of.Words[w], "%s %s", tag, w)
		}
		require.Len(t, of.Words, 7, tag)
		require.Contains(t, of.Words["until"], "{time}")
		require.NotEqual(t, of.until(time.Time{}), of.until(time.Now()))
		for _, from := range []string{of.from(&notice{door: mailbox.OwnDoor}), of.from(&notice{door: mailbox.AnyDoor}), of.from(&notice{actor: "eve"})} {
			require.NotEmpty(t, from)
		}
	}
}

func TestLanguagesStandInForEachOther(t *testing.T) {
	for language, want := range map[string]string{
		"en-US": "en-US", "EN-gb": "en-GB", "en-AU": "en-GB", "en": "en-GB", "de-AT": "de-DE", "de": "de-DE", "fr-CA": "fr-FR",
		"es-MX": "es-ES", "it-CH": "it-IT", "pt-BR": "other", "": "other", "-": "other", "d": "other", "den": "other",
	} {
		require.Equal(t, want, spokenIn(language, "other"), language)
	}
}

// What is filled in is not read for words again.
func TestValuesAreNotTemplates(t *testing.T) {
	l := letter{"{mailbox}", "{from} {code}"}.fill("{mailbox}", "{code}", "{from}", "{mailbox}{code}", "{code}", "x")
	require.Equal(t, letter{"{code}", "{mailbox}{code} x"}, l)
}
