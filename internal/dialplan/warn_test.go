package dialplan

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatWorksAndIsPerhapsNotMeantIsAWarning(t *testing.T) {
	const targets = "targets: {operator: \"sip:0@a.example\", messages: \"sip:8@a.example\"}\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"the embedded plan":   {"", nil},
		"targets in use":      {"routes: [{number: \"1\", door: any, layout: attendant}, {number: \"2\", door: own, layout: netsapiens}]\n" + targets, nil},
		"a misspelt target":   {"routes: [{number: \"1\", door: any, layout: attendant}]\ntargets: {operatr: \"sip:0@a.example\"}\n", []string{`The target "operatr" of the dialplan is on no key of a layout in use`}},
		"a layout without it": {"routes: [{number: \"1\", door: own, layout: netsapiens}]\n" + targets, []string{`The target "operator"`}},
		"a layout that only the check door names by default": {"routes: [{number: \"1\", door: check}, {number: \"2\", redirect: \"sip:2@a.example\"}]\n" + targets, []string{`The target "messages"`, `The target "operator"`}},
		"the mailbox of who forwarded": {"routes: [{number: \"1\", door: own, mailbox_from: diversion}, {number: \"2\", door: own, mailbox_from: history-info}, {number: \"3\", door: own, mailbox_from: identity}]\n",
			[]string{`The route "1" of the dialplan takes whoever was forwarded for the owner`, `The route "2" of the dialplan`}},
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(t, c.text).Warnings()
			require.Len(t, got, len(c.want), "%q", got)
			for i, want := range c.want {
				require.Contains(t, got[i].Text, want)
			}
		})
	}
}
