package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// write makes a file of a mode, whatever the umask is.
func write(t *testing.T, text string, mode os.FileMode) string {
	name := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	require.NoError(t, os.Chmod(name, mode))
	return name
}

func TestASecretIsReadFromAFile(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"as it is":              {"open sesame", "open sesame"},
		"without its line end":  {"open\n", "open"},
		"without that of DOS":   {"open\r\n", "open"},
		"with its other spaces": {" open \n\n", " open \n"},
		"up to the bound":       {strings.Repeat("x", longest), strings.Repeat("x", longest)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []os.FileMode{0o600, 0o400} {
				s, err := Source{File: write(t, c.text, mode)}.Read()
				require.NoError(t, err)
				require.Equal(t, c.want, s.Reveal())
				require.False(t, s.Empty())
			}
		})
	}
}

func TestAFileThatCannotBeTheSecret(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for name, c := range map[string]struct{ file, want string }{
		"missing":                {filepath.Join(t.TempDir(), "absent"), "is missing: write"},
		"a pipe":                 {pipe, "is no file: name"},
		"a folder":               {t.TempDir(), "is no file: name"},
		"open to the group":      {write(t, "open", 0o640), "chmod 600"},
		"open to the world":      {write(t, "open", 0o604), "chmod 600"},
		"empty":                  {write(t, "", 0o600), "is empty: write"},
		"nothing but a line end": {write(t, "\r\n", 0o600), "is empty: write"},
		"larger than the bound":  {write(t, strings.Repeat("x", longest+1), 0o600), "is larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Source{File: c.file}.Read()
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, c.file)
			require.True(t, s.Empty())
		})
	}
}

func TestASecretIsReadFromTheEnvironment(t *testing.T) {
	t.Setenv("STAR97_TEST_SECRET", "open sesame")
	s, err := Source{Env: "STAR97_TEST_SECRET"}.Read()
	require.NoError(t, err)
	require.Equal(t, "open sesame", s.Reveal())

	t.Setenv("STAR97_TEST_SECRET", "")
	for _, variable := range []string{"STAR97_TEST_SECRET", "STAR97_TEST_NOT_SET"} {
		_, err = Source{Env: variable}.Read()
		require.ErrorContains(t, err, variable+" is empty or not set")
	}
}

func TestASourceNamesOnePlace(t *testing.T) {
	for _, s := range []Source{{}, {File: "a", Env: "B"}} {
		require.Error(t, s.Validate())
		_, err := s.Read()
		require.Equal(t, s.Validate(), err)
	}
	require.True(t, Source{}.Empty())
	require.False(t, Source{Env: "B"}.Empty())
	require.NoError(t, Source{File: "a"}.Validate())
}

func TestARelativeFileIsInTheConfigurationsFolder(t *testing.T) {
	require.Equal(t, "/etc/star97/password", Source{File: "password"}.In("/etc/star97").File)
	require.Equal(t, "/run/password", Source{File: "/run/password"}.In("/etc/star97").File)
	require.Equal(t, Source{Env: "B"}, Source{Env: "B"}.In("/etc/star97"))
}

func TestASecretDoesNotPrint(t *testing.T) {
	const text = "open sesame"
	s := Of(text)
	hidden := struct {
		name string
		s    Secret
		p    *Secret
	}{"x", s, &s}
	shown := struct{ S Secret }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b"} {
		for _, value := range []any{s, &s, hidden, &hidden, shown, []Secret{s}, map[string]Secret{"a": s}} {
			require.NotContains(t, fmt.Sprintf(verb, value), text)
			require.NotContains(t, fmt.Sprintf(verb, value), fmt.Sprintf("%x", text))
		}
	}
	require.Equal(t, "[secret]", s.String())
	j, err := json.Marshal(shown)
	require.NoError(t, err)
	require.JSONEq(t, `{"S":"[secret]"}`, string(j))
	y, err := yaml.Marshal(shown)
	require.NoError(t, err)
	require.NotContains(t, string(y), text)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "in", shown, "hidden", hidden)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "in", shown, "hidden", hidden)
	require.NotContains(t, log.String(), text)
	require.Contains(t, log.String(), "[secret]")
}

func TestTheZeroSecretIsEmpty(t *testing.T) {
	require.True(t, Secret{}.Empty())
	require.Empty(t, Secret{}.Reveal())
	require.True(t, Of("").Empty())
}
