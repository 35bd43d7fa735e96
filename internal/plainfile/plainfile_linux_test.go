package plainfile

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	require.NoError(t, os.Symlink(file, link))
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, name := range []string{file, link} {
		f, err := Open(name)
		require.NoError(t, err)
		text, err := io.ReadAll(f)
		require.NoError(t, err)
		require.Equal(t, "text", string(text))
		require.NoError(t, f.Close())
	}
	for _, name := range []string{dir, pipe, "/dev/zero"} {
		_, err := Open(name)
		require.ErrorIs(t, err, ErrOther)
		var at *fs.PathError
		require.ErrorAs(t, err, &at)
		require.Equal(t, name, at.Path)
	}
	_, err := Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
