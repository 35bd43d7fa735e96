package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/pin"
)

func TestASitesOwnBlocklistIsRead(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "star97.yaml")
	require.NoError(t, os.WriteFile(name, []byte("policy:\n  blocklist_file: ours.txt\n"), 0o600))
	_, found := Load(name)
	require.Len(t, found, 1)
	require.Contains(t, found[0].Error(), "star97.yaml:2: policy: blocklist_file: "+filepath.Join(dir, "ours.txt")+" cannot be read: no such file or directory; check its name and mode.")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "ours.txt"), 0o700))
	_, found = Load(name)
	require.Len(t, found, 1)
	require.Contains(t, found[0].Error(), "ours.txt cannot be read: it is a folder, a pipe or a device and no file; check its name and mode.")
	require.NoError(t, os.Remove(filepath.Join(dir, "ours.txt")))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "ours.txt"), []byte("# of the club\n604817\n6048x7\n"), 0o600))
	_, found = Load(name)
	require.Len(t, found, 1)
	require.Contains(t, found[0].Error(), "ours.txt: line 3")
	require.NotContains(t, strings.ReplaceAll(found[0].Error(), dir, ""), "6048", "but for the name of the folder")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "ours.txt"), []byte("604817\n"), 0o600))
	c, found := Load(name)
	require.Empty(t, found)
	code, err := pin.Parse("604817")
	require.NoError(t, err)
	require.Equal(t, pin.Blocklisted, c.Policy.Check(code, pin.Context{}))
	text, err := c.YAML()
	require.NoError(t, err)
	require.NotContains(t, string(text), "604817")
}

func TestRulesThatLeaveNoCodeAreWarnedOf(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "star97.yaml")
	require.NoError(t, os.WriteFile(name, []byte("policy:\n  preset: carrier-4-8\n  min_length: 4\n  max_length: 4\n  blocklist_file: ours.txt\n"), 0o600))
	for _, row := range []struct {
		listed int
		warned bool
	}{{10000, true}, {5000, false}} {
		var list strings.Builder
		for i := range row.listed {
			fmt.Fprintf(&list, "%04d\n", i)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ours.txt"), []byte(list.String()), 0o600))
		c, found := Load(name)
		require.Empty(t, found)
		if !row.warned {
			require.Empty(t, c.Warnings())
			continue
		}
		require.Len(t, c.Warnings(), 1)
		require.Equal(t, name+":2: policy leaves callers nothing to choose: "+pin.ErrNoCode.Error()+".", c.Warnings()[0].Error())
	}
}
