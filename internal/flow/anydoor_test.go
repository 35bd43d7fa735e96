package flow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/script"
)

// boxes are what may stand behind a number that a stranger tries; a wrong code is
// entered at each.
var boxes = []string{"", "must-change", "expired", "expiring", "too-soon", "cannot-change", "disabled", "locked", "no-code", "slow", "absent"}

// heard is what a stranger hears who tries three wrong codes, in which language, and
// when. Every mailbox has a language of its own.
func heard(t *testing.T, box string, store ...string) string {
	text := "given door any\ngiven language de-DE\ngiven mailbox 4001 " + box + "\n"
	if box != "" {
		text += "given mailbox-language fr-FR\n"
	}
	for _, line := range store {
		text += "store " + line + "\n"
	}
	text += "press 4001#{wrong}#\nhear wrong-code enter-code\npress {wrong}#\nhear wrong-code enter-code\npress {wrong}#\nend wrong-codes\n"
	lines, err := script.Parse(box, []byte(text))
	require.NoError(t, err)
	c, err := play(lines)
	require.NoError(t, err, "%q %v\n%s", box, store, c)
	return c.String()
}

// What the store says of the mailbox, and which of its two answers took how long,
// makes no difference that a clock could show: the sentences are the same and begin
// at the same time, "one moment" among them, as long as the work ends in the same beat.
func TestAnyDoorTellsNothingByTheClock(t *testing.T) {
	// The code is complete 1.05 s after the extension.
	work := func(lookup, verify time.Duration) []string {
		return []string{fmt.Sprintf("lookup slow %v", lookup), fmt.Sprintf("verify slow %v", verify)}
	}
	const ms = time.Millisecond
	for name, ways := range map[string][][]string{
		"within the first beat": {
			work(20*ms, 20*ms), work(20*ms, 900*ms), work(1000*ms, 700*ms), work(1500*ms, 20*ms),
			{"verify locked"}, {"verify wrong"}, {"verify disabled"}, {"verify not-found"}, {"verify no-code"}, {"verify other-channel"},
		},
		"between 1 and 1.5 s": {work(20*ms, 1300*ms), work(2300*ms, 20*ms), work(1900*ms, 500*ms)},
		"between 2 and 2.5 s": {work(20*ms, 2200*ms), work(3200*ms, 20*ms), work(2000*ms, 1300*ms), work(2700*ms, 600*ms)},
	} {
		t.Run(name, func(t *testing.T) {
			want := heard(t, "", ways[0]...)
			for _, box := range boxes {
				for _, way := range ways {
					require.Equal(t, want, heard(t, box, way...), "%q: %v", box, way)
				}
			}
		})
	}
}

// Behind an attendant the any door is the same door.
func TestAnyDoorTellsNothingBehindAnAttendant(t *testing.T) {
	var want string
	for _, box := range boxes {
		lines, err := script.Parse(box, fmt.Appendf(nil, "given door any\ngiven layout attendant\ngiven target operator\ngiven mailbox 4001 %s\ngiven mailbox-language fr-FR\n"+
			"press 84\nhear es-ES/invalid-key\npress 54001#{wrong}#\nhear wrong-code\npress {wrong}#\nhear wrong-code\npress {wrong}#\nend wrong-codes", box))
		require.NoError(t, err)
		c, err := play(lines)
		require.NoError(t, err, "%q\n%s", box, c)
		if want == "" {
			want = c.String()
		}
		require.Equal(t, want, c.String(), "%q", box)
	}
}

// A store that cannot be asked is one sentence at the any door, whatever ails it
// and whatever the mailbox.
func TestAnyDoorTellsNothingOfAServiceThatFails(t *testing.T) {
	for _, op := range []string{"lookup", "verify"} {
		var want string
		for _, why := range []string{"unavailable", "busy", "throttled", "service-refused"} {
			for _, box := range boxes {
				lines, err := script.Parse(box, fmt.Appendf(nil, "given door any\ngiven mailbox 4001 %s\nstore %s %s\npress 4001#{wrong}#\nend unavailable", box, op, why))
				require.NoError(t, err)
				c, err := play(lines)
				require.NoError(t, err, "%s\n%s", why, c)
				if want == "" {
					want = c.String()
				}
				require.Equal(t, want, c.String(), "%s: %s, %q", op, why, box)
			}
		}
	}
}
