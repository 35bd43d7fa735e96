package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// What an administrator is told to paste is accepted as it stands, but for the secrets and
// certificates that the site has to put where it says.
func TestTheConfigurationsOfTheTelephoneSystemsPassTheCheck(t *testing.T) {
	pages, err := filepath.Glob("../../dialplans/*/README.md")
	require.NoError(t, err)
	checked := 0
	for _, page := range pages {
		t.Run(filepath.Base(filepath.Dir(page)), func(t *testing.T) {
			text, err := os.ReadFile(page)
			require.NoError(t, err)
			dir, named := t.TempDir(), ""
			for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
				name := "star97.yaml"
				if strings.HasPrefix(block[1], "# dialplan.yaml") {
					name = "dialplan.yaml"
				}
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(block[1]), 0o600))
				named += name
			}
			if named == "" {
				return // it points to another page
			}
			require.Equal(t, "star97.yamldialplan.yaml", named)
			_, _, problems := sound(filepath.Join(dir, "star97.yaml"))
			require.Empty(t, problems)
			checked++
		})
	}
	require.GreaterOrEqual(t, checked, 5)
}
