//go:build !race

package app

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// traced are the system calls by which a file or a folder can be altered or synced, of
// which a trace has to tell. What is written into a mapping is not seen: SQLite maps its
// -shm alone, which it makes anew from the log.
const traced = "open,openat,openat2,creat,write,pwrite64,pwritev,pwritev2,writev,ftruncate,truncate,fallocate,copy_file_range," +
	"fsync,fdatasync,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat"

// act is one of these calls that succeeded, about a file of the folder or the standard
// output. entry and exit are lines of the trace: what has not returned may be done or not.
type act struct {
	call        string
	path, other string // as strace found them; other is where a rename or link leads
	data        []byte
	offset      int64 // of a write; the length of a truncation
	create      bool
	entry, exit int
}

var (
	// lineShape is "pid call(arguments) = result", or its first or second half.
	lineShape   = regexp.MustCompile(`^(\d+) +(.*)$`)
	resumption  = regexp.MustCompile(`^<\.\.\. (\w+) resumed>(.*)$`)
	callShape   = regexp.MustCompile(`^(\w+)\((.*)\) += (-?\d+)(.*)$`)
	quotedShape = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)
	fdShape     = regexp.MustCompile(`^(\d+)<([^>]*)>`)
	tailNumber  = regexp.MustCompile(`, (\d+)$`)
)

// readTrace reads what strace wrote about the files below dir and the standard output.
func readTrace(t *testing.T, name, dir string) (acts []act) {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	type half struct {
		text string
		line int
	}
	begun := map[string]half{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for n := 0; lines.Scan(); n++ {
		whole := lineShape.FindStringSubmatch(lines.Text())
		require.NotNil(t, whole, "line %d", n)
		thread, text := whole[1], whole[2]
		entry := n
		if head, cut := strings.CutSuffix(text, " <unfinished ...>"); cut {
			begun[thread] = half{head, n}
			continue
		}
		if rest := resumption.FindStringSubmatch(text); rest != nil {
			text, entry = begun[thread].text+rest[2], begun[thread].line
		}
		call := callShape.FindStringSubmatch(text)
		if call == nil || strings.HasPrefix(call[3], "-") {
			continue // a signal, an exit, or a call that failed
		}
		if a, ok := readAct(t, call[1], call[2], call[3]+call[4], dir); ok {
			a.entry, a.exit = entry, n
			acts = append(acts, a)
		}
	}
	require.NoError(t, lines.Err())
	return acts
}

// readAct takes one call apart; false: it is about something else.
func readAct(t *testing.T, call, arguments, result, dir string) (a act, ok bool) {
	t.Helper()
	a.call = call
	var texts []string
	for _, q := range quotedShape.FindAllStringSubmatch(arguments, -1) {
		b, err := hex.DecodeString(strings.ReplaceAll(q[1], `\x`, ""))
		require.NoError(t, err)
		texts = append(texts, string(b))
	}
	fd := fdShape.FindStringSubmatch(arguments)
	switch call {
	case "open", "openat", "creat", "openat2":
		opened := fdShape.FindStringSubmatch(result)
		if opened == nil || !strings.Contains(arguments, "O_CREAT") {
			return a, false
		}
		a.path, a.create = plainPath(t, opened[2]), true
		require.NotContains(t, arguments, "O_TRUNC", "no file of the folder is overwritten in its place: %s", a.path)
	case "write", "pwrite64":
		if fd == nil {
			return a, false
		}
		a.path, a.offset = plainPath(t, fd[2]), -1
		a.data = []byte(texts[0])
		if call == "pwrite64" {
			a.offset = tail(t, arguments)
		}
		if fd[1] == "1" {
			a.call = "say"
			return a, true
		}
		if !below(a.path, dir) {
			return a, false
		}
		require.Equal(t, strconv.Itoa(len(a.data)), result, "a whole write of %s", a.path)
	case "ftruncate":
		a.path, a.offset = plainPath(t, fd[2]), tail(t, arguments)
	case "fsync", "fdatasync":
		a.call, a.path = "sync", plainPath(t, fd[2])
	case "unlink", "unlinkat":
		a.call, a.path = "unlink", texts[len(texts)-1]
	case "rename", "renameat", "renameat2", "link", "linkat":
		a.call, _, _ = strings.Cut(call, "at")
		a.path, a.other = texts[len(texts)-2], texts[len(texts)-1]
	default:
		require.False(t, fd != nil && below(plainPath(t, fd[2]), dir), "%s(%.200s) alters a file in a way that this test does not know", call, arguments)
		return a, false
	}
	return a, below(a.path, dir) || a.path == dir
}

func below(path, dir string) bool { return strings.HasPrefix(path, dir+string(filepath.Separator)) }

// plainPath is the path that strace has added to a descriptor.
func plainPath(t *testing.T, shown string) string {
	t.Helper()
	shown = strings.TrimSuffix(shown, "(deleted)")
	if !strings.HasPrefix(shown, `\x`) {
		return shown
	}
	b, err := hex.DecodeString(strings.ReplaceAll(shown, `\x`, ""))
	require.NoError(t, err)
	return string(b)
}

func tail(t *testing.T, arguments string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(tailNumber.FindStringSubmatch(arguments)[1], 10, 64)
	require.NoError(t, err, "%s", fmt.Sprintf("%.100s", arguments))
	return n
}
