package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
)

func TestInitWritesAFileThatPassesCheckAndIsNeverReplaced(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "star97.yaml")
	out, stderr, code := star97(t, "", "init", "--output", name)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "star97 check --config "+name)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, templateFor(t, "sqlite"), string(text))

	out, stderr, code = star97(t, "", "check", "--config", name)
	require.Zero(t, code, stderr)
	require.Equal(t, "No problem found.\n", out)

	require.NoError(t, os.WriteFile(name, []byte("drain: 5s\n"), 0o600))
	_, stderr, code = star97(t, "", "init", "--output", name)
	require.Equal(t, 1, code)
	require.Equal(t, "star97: "+name+" is there already and is left as it is; name another file, or remove it first\n", stderr)
	text, err = os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "drain: 5s\n", string(text))

	out, _, code = star97(t, "", "init")
	require.Zero(t, code)
	require.Equal(t, templateFor(t, "sqlite"), out)
	out, _, code = star97(t, "", "init", "--store", "unity")
	require.Zero(t, code)
	require.Equal(t, templateFor(t, "unity"), out)
	_, stderr, code = star97(t, "", "init", "--store", "aliens")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "there is no driver")
	_, stderr, code = star97(t, "", "init", "--output", filepath.Join(name, "x.yaml"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "make its folder")
}

func templateFor(t *testing.T, driver string) string {
	t.Helper()
	text, err := config.TemplateFor(driver)
	require.NoError(t, err)
	return string(text)
}
