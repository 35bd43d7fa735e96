package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend"
)

func TestTheTemplateForOneDriverHasItsOptionsAlone(t *testing.T) {
	for _, chosen := range backend.Names() {
		text, err := TemplateFor(chosen)
		require.NoError(t, err)
		stores, _, _ := strings.Cut(string(text), "\nlockout:")
		for _, name := range backend.Names() {
			require.Equal(t, name == chosen, strings.Contains(stores, "\n  "+name+":\n"), "%s for %s", name, chosen)
		}
		require.Contains(t, string(text), "\n#stores: {}")
		require.Contains(t, string(text), "\nlockout:")
		if chosen == Default().Store.Driver {
			defaultsAre(t, text)
			continue
		}
		require.Contains(t, string(text), "\n  driver: "+chosen+"\n")
		require.NotContains(t, string(text), "#driver:")
	}
	_, err := TemplateFor("aliens")
	require.ErrorContains(t, err, `there is no driver "aliens": use one of sqlite`)
}

// What one driver's template leaves out stands in another's.
func TestTheTemplatesTogetherAreTheTemplate(t *testing.T) {
	lines := map[string]bool{}
	for _, name := range backend.Names() {
		text, err := TemplateFor(name)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			lines[line] = true
		}
	}
	for line := range strings.Lines(string(Template)) {
		require.True(t, lines[line], line)
	}
}
