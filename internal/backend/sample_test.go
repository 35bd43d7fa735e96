package backend

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A new system is one folder and one line of the table: the program that is built with
// both, laid over this tree, has it in its list and in its configuration.
func TestANewSystemIsOneFolderAndOneLine(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	table, err := os.ReadFile("table.go")
	require.NoError(t, err)
	with := strings.Replace(string(table), "import (\n", "import (\n\t\"star97/internal/backend/sample\"\n", 1)
	with = strings.Replace(with, "\tSQLite ", "\tSample sample.Options `yaml:\"sample\"` // an invented system\n\tSQLite ", 1)
	require.Equal(t, strings.Count(string(table), "\n")+2, strings.Count(with, "\n"), "its import, and its line")
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "table.go"), []byte(with), 0o600))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(here, "table.go"):            filepath.Join(dir, "table.go"),
		filepath.Join(here, "sample", "sample.go"): filepath.Join(here, "testdata", "sample", "sample.go"),
	}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	program := filepath.Join(dir, "star97")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "star97/cmd/star97").CombinedOutput()
	require.NoError(t, err, "%s", out)

	list, err := exec.CommandContext(t.Context(), program, "backend", "list").Output()
	require.NoError(t, err)
	require.Contains(t, string(list), "the sample system")
	config := filepath.Join(dir, "star97.yaml")
	require.NoError(t, os.WriteFile(config, []byte("store:\n  driver: sample\n  sample:\n    api: {url: ftp://x}\n    keys: 1\n"), 0o600))
	out, err = exec.CommandContext(t.Context(), program, "check", "--config", config).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "star97.yaml:5:", "an unknown key has its line")
	require.NoError(t, os.WriteFile(config, []byte("store:\n  driver: sample\n  sample:\n    api: {url: ftp://x}\n"), 0o600))
	out, err = exec.CommandContext(t.Context(), program, "check", "--config", config).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "store: sample.api.url")
	require.Contains(t, string(out), "store: sample.key.file")
}
