package caller

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/prompt"
	"star97/internal/prompt/ear"
)

func whole(ids ...prompt.ID) (all []Heard) {
	for _, id := range ids {
		all = append(all, Heard{Sound: ear.Sound{ID: id}}, Heard{Sound: ear.Sound{ID: id, Ended: true, Complete: true}})
	}
	return all
}

func TestTheCodeThatWasSpelledLastIsTypedBack(t *testing.T) {
	for name, c := range map[string]struct {
		heard []Heard
		code  string
	}{
		"none":              {whole("welcome"), ""},
		"digits of no code": {whole("digit-4", "digit-2"), ""},
		"one":               {whole("chosen-code", "digit-4", "digit-0", "digit-0", "digit-7", "chosen-type-back"), "4007"},
		"again":             {whole("chosen-code", "digit-4", "chosen-type-back", "chosen-code", "digit-9", "digit-1"), "91"},
		"another language":  {whole("de-DE/chosen-code", "de-DE/digit-8", "de-DE/digit-3", "de-DE/chosen-type-back"), "83"},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := spelled(c.heard)
			require.Equal(t, c.code, got)
			require.Equal(t, c.code != "", ok)
		})
	}
	cut := whole("chosen-code", "digit-4", "digit-2")
	cut[5].Complete = false
	got, _ := spelled(cut)
	require.Equal(t, "4", got, "a digit that was cut may be another one")
}

// A code that was spelled stands in nothing that is told, nor does its length.
func TestACodeThatWasSpelledIsToldNobody(t *testing.T) {
	short := append(whole("chosen-code", "digit-4", "digit-2", "chosen-type-back"), Heard{Sound: ear.Sound{Among: []prompt.ID{"digit-1", "digit-7"}}})
	long := whole("chosen-code", "digit-4", "digit-2", "digit-7", "digit-9", "digit-1", "chosen-type-back", "de-DE/digit-3")
	require.Equal(t, []string{"chosen-code", "digits", "chosen-type-back", "digits"}, namesOf(short))
	require.Equal(t, namesOf(short), namesOf(long))
	var b bytes.Buffer
	l := &Timeline{W: &b}
	l.Begin(time.Now())
	for _, h := range long { // begun and ended
		l.Heard(h)
	}
	require.NotContains(t, b.String(), "digit")
	require.Len(t, l.Entries(), 4)
}
