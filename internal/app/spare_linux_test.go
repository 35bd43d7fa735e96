package app

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/prompts"
)

// programInMemory is how much of the program's file is in this process's memory, in kB:
// its code, and what is only read.
func programInMemory(t *testing.T) (code, read int) {
	program, err := os.Readlink("/proc/self/exe")
	require.NoError(t, err)
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	into := new(int)
	for line := range strings.Lines(string(smaps)) {
		var n int
		switch one := strings.Fields(line); {
		case strings.HasSuffix(line, " "+program+"\n"):
			into = map[string]*int{"r-xp": &code, "r--p": &read}[one[1]]
		case !strings.HasSuffix(one[0], ":"):
			into = nil // another file's, or nobody's
		case into != nil && one[0] == "Rss:":
			_, err := fmt.Sscan(one[1], &n)
			require.NoError(t, err)
			*into += n
		}
	}
	return code, read
}

// recordings is the hash of every recording in the program, and how many kB they are.
func recordings(t *testing.T) (sum [sha256.Size]byte, size int) {
	hash := sha256.New()
	require.NoError(t, fs.WalkDir(prompts.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(prompts.FS, name)
		size += len(data)
		hash.Write(data)
		return err
	}))
	hash.Sum(sum[:0])
	return sum, size / 1024
}

func TestWhatTheStartReadOfTheProgramIsGivenBackWhole(t *testing.T) {
	before, size := recordings(t)
	code, held := programInMemory(t)
	if held < size/2 {
		t.Skipf("the system keeps %d kB of the program here, though %d kB were just read", held, size)
	}
	giveBack()
	rest, left := programInMemory(t)
	require.Less(t, left, held/2)
	require.GreaterOrEqual(t, rest, code/2, "code in use stays")
	again, _ := recordings(t)
	require.Equal(t, before, again, "what is used again is what was there")
}
