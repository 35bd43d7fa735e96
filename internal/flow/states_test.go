package flow_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/prompt"
	"star97/internal/script"
	"star97/internal/script/stage"
)

// Each row of the page on the states of a mailbox names scenarios in which its
// sentences are heard, at the door in whose column they stand.
func TestThePageOnStatesIsTrue(t *testing.T) {
	page, err := os.ReadFile("README.md")
	require.NoError(t, err)
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) < 3 || strings.HasPrefix(line, "| state") {
			continue
		}
		rows++
		heard := map[bool][]string{}
		for _, name := range strings.Split(cells[len(cells)-1], ",") {
			any, ids := sentencesOf(t, strings.TrimSpace(name))
			heard[any] = append(heard[any], ids...)
		}
		for i, cell := range cells[1 : len(cells)-1] {
			for _, id := range quoted(cell) {
				require.Contains(t, heard[i == 1], id, "%s", line)
			}
		}
	}
	require.Greater(t, rows, 20)
}

// sentencesOf are the ids that are heard in a scenario, and whether it is at the any door.
func sentencesOf(t *testing.T, name string) (any bool, ids []string) {
	for _, l := range stage.Read(t, name) {
		switch {
		case l.Verb == "given" && l.Args[0] == "door":
			any = l.Args[1] == "any"
		case l.Verb == "hear":
			ids = append(ids, l.Args...)
		}
	}
	return any, ids
}

var inBackquotes = regexp.MustCompile("`([a-z-]+)`")

// quoted are the ids of sentences in a cell.
func quoted(cell string) (ids []string) {
	for _, m := range inBackquotes.FindAllStringSubmatch(cell, -1) {
		if slices.Contains(prompt.Required(), prompt.ID(m[1])) {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// Every state, and every two of them, at both doors, with the right code: the call
// goes on or ends with a sentence that has a reason, and who cannot change the code is
// not asked for a new one.
func TestEveryPairOfStatesHasAWay(t *testing.T) {
	for _, one := range script.MailboxFlags {
		for _, other := range script.MailboxFlags {
			for _, door := range []string{"own", "any"} {
				text := "given door " + door + "\ngiven mailbox 4001 " + one + " " + other + "\n"
				if door == "any" {
					text += "press {ext}#\nhear enter-code\n"
				}
				text += wayOf(door, one, other)
				lines, err := script.Parse(one+" "+other, []byte(text))
				require.NoError(t, err, text)
				c, err := play(lines)
				require.NoError(t, err, "%s\n%s", text, c)
			}
		}
	}
}

// wayOf is what must be heard, written down anew: the first that holds.
func wayOf(door, one, other string) string {
	has := func(flag string) bool { return one == flag || other == flag }
	own := door == "own"
	shut := has("disabled") || has("locked") || has("no-code") || has("absent")
	switch {
	case !own && shut:
		return "press {old}#\nhear wrong-code\nhear-not mailbox-disabled locked-by-administrator no-code-yet\nhangup"
	case has("absent"):
		return "hear enter-extension\nhangup"
	case has("disabled"):
		return "hear mailbox-disabled\nend disabled"
	case has("locked"):
		return "hear locked-by-administrator\nend locked"
	case has("no-code"):
		return "hear no-code-yet\nend no-code"
	}
	const atTheMenu = "press {old}#\nhear option-change-2\nhear-not must-change code-expired code-expires-soon\npress 2\nhear "
	switch {
	case has("cannot-change"):
		return atTheMenu + "cannot-change option-change-2\nhangup"
	case has("too-soon"):
		return atTheMenu + "too-soon option-change-2\nhangup"
	case has("must-change"):
		return "press {old}#\nhear must-change\nhear-not code-expired\npress {new}#{new}#\nhear changed option-change-2\nhangup"
	case has("expired"):
		return "press {old}#\nhear code-expired\npress {new}#{new}#\nhear changed option-change-2\nhangup"
	case has("expiring"):
		return "press {old}#\nhear code-expires-soon option-change-2\nhangup"
	}
	return "press {old}#\nhear option-change-2\nhangup"
}
