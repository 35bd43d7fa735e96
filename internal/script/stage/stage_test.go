package stage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/script"
)

func TestEveryReasonHasACodeOfItsOwn(t *testing.T) {
	words := map[mailbox.Code]string{}
	for _, word := range slices.Concat(script.AskReasons, script.RefuseReasons) {
		code, err := Reason(word)
		require.NoError(t, err)
		require.NotEqual(t, mailbox.OK, code, word)
		if was, known := words[code]; known {
			require.Equal(t, was, word)
		}
		words[code] = word
	}
	for _, word := range []string{"", "ok", "unknown", "Locked"} {
		_, err := Reason(word)
		require.Error(t, err, word)
	}
	_, err := Reason("482915")
	require.NotContains(t, err.Error(), "482915")
}

func TestEveryFlagSaysSomethingElse(t *testing.T) {
	type said struct {
		flags  mailbox.Flags
		absent bool
	}
	seen := map[said]bool{{}: true}
	for _, word := range script.MailboxFlags {
		var one said
		one.flags, one.absent = Flags([]string{word})
		require.False(t, seen[one], word)
		seen[one] = true
	}
	flags, absent := Flags(script.MailboxFlags)
	require.Equal(t, mailbox.Flags{
		MustChange: true, Expired: true, Expiring: true, CannotChange: true, Disabled: true, Locked: true, NoCode: true, Slow: true, TooSoon: true,
	}, flags)
	require.True(t, absent)
}

func TestEveryPlaceholderStandsForAnotherCode(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range script.Placeholders {
		v, ok := Value("4001")(name)
		if name == "chosen" { // nobody knows it before the call
			require.False(t, ok)
			continue
		}
		require.True(t, ok, name)
		require.False(t, seen[v], name)
		seen[v] = true
	}
	require.True(t, seen["4001"])
	_, ok := Value("4001")("pin")
	require.False(t, ok)
}

func TestAllScenariosAreRead(t *testing.T) {
	all := All(t)
	require.True(t, slices.IsSortedFunc(all, func(a, b Scenario) int { return strings.Compare(a.Name+".txt", b.Name+".txt") }))
	for _, s := range all {
		require.NotEmpty(t, s.Lines, s.Name)
	}
	require.Equal(t, all[7].Lines, Read(t, all[7].Name))
}

func TestFaultyScriptsCanBePlayed(t *testing.T) {
	for name, text := range MustFind {
		require.NotEmpty(t, Lines(t, text), name)
	}
}

func TestPlainSentencesOfTheUsualLanguage(t *testing.T) {
	for _, verb := range []string{"hear", "hear-not"} {
		l := script.Line{Verb: verb, Args: []string{"en-US/welcome", "es-ES/welcome", "goodbye"}}
		require.Equal(t, []string{"welcome", "es-ES/welcome", "goodbye"}, Plain(l).Args)
		require.Equal(t, "en-US/welcome", l.Args[0], "the script itself stays")
	}
	l := script.Line{Verb: "given", Args: []string{"domain", "en-US/x"}}
	require.Equal(t, l, Plain(l))
}

func TestAFolderIsFilledOnceAndCopied(t *testing.T) {
	filled := 0
	copied := Folder(func(dir string) error {
		filled++
		return os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600)
	})
	for range 3 {
		dir := t.TempDir()
		require.NoError(t, copied(dir))
		data, err := os.ReadFile(filepath.Join(dir, "file"))
		require.NoError(t, err)
		require.Equal(t, "content", string(data))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600), "a copy is its owner's")
	}
	require.Equal(t, 1, filled)
	require.ErrorIs(t, Folder(func(string) error { return os.ErrPermission })(t.TempDir()), os.ErrPermission)
}

func TestACallInAnotherLanguage(t *testing.T) {
	lines := Lines(t, "press 2\nhear welcome fr-FR/option-language-7\nhear-not goodbye")
	require.Equal(t, []script.Line{
		{Number: 0, Verb: "given", Args: []string{"language", "es-ES"}}, {Number: 1, Verb: "press", Args: []string{"2"}},
		{Number: 2, Verb: "hear", Args: []string{"es-ES/welcome", "fr-FR/option-language-7"}}, {Number: 3, Verb: "hear-not", Args: []string{"es-ES/goodbye"}},
	}, In(lines, "es-ES"))
	require.Equal(t, []string{"welcome", "fr-FR/option-language-7"}, lines[1].Args, "the script itself stays")
}
