package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// reading is a command that waits for the rest of its standard input.
type reading struct {
	t    *testing.T
	cmd  *exec.Cmd
	errs bytes.Buffer
}

func startReading(t *testing.T, in *os.File, args ...string) *reading {
	t.Helper()
	r := &reading{t: t, cmd: exec.Command(program(t, false), args...)}
	r.cmd.Stdin, r.cmd.Stderr = in, &r.errs
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

// ends tells that one signal was enough.
func (r *reading) ends(by os.Signal) (stderr string) {
	r.t.Helper()
	require.NoError(r.t, r.cmd.Process.Signal(by))
	gone := make(chan struct{})
	// Started here; stops when the command ends, which the test's end makes sure of.
	go func() { _ = r.cmd.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(endWithin):
		require.FailNow(r.t, "the first signal must end a command that reads", "%v", r.cmd.Args)
	}
	require.Positive(r.t, r.cmd.ProcessState.ExitCode(), "it says so itself: %s", &r.errs)
	return r.errs.String()
}

func TestTheFirstSignalEndsWhoeverReadsStandardInput(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "482915\n", "add", "4001")
	dir := t.TempDir()
	config := filepath.Join(dir, "star97.yaml")
	require.NoError(t, os.WriteFile(config, []byte("sip: {digest: {realm: example.org, users_file: users}}\n"), 0o600))
	before, _ := c.run(0, "", "show", "4001", "--json")
	with := func(args ...string) []string { return append(args, "--data", c.data) }
	for _, one := range []struct {
		begun string // what is there of standard input
		args  []string
		by    os.Signal
	}{
		{"73", with("mailbox", "set-code", "4001"), os.Interrupt},
		{"73", with("mailbox", "add", "4002"), syscall.SIGTERM},
		{"mailbox,domain,", with("mailbox", "import", "-"), os.Interrupt},
		{"73", with("backend", "test", "--extension", "4001", "--verify"), syscall.SIGTERM},
		{"73", with("sip-user", "add", "4001", "--config", config), os.Interrupt},
		{"73", []string{"code", "check"}, os.Interrupt},
		{"73", []string{"code", "report"}, syscall.SIGTERM},
		{"hear", []string{"call", "sip:*97@127.0.0.1:1", "--script", "-", "--from", "4001"}, os.Interrupt},
		{"{", []string{"audit", "verify", "--file", "-"}, os.Interrupt},
	} {
		t.Run(strings.Join(one.args[:2], " "), func(t *testing.T) {
			in, out, err := os.Pipe()
			require.NoError(t, err)
			defer out.Close()
			_, err = out.WriteString(one.begun)
			require.NoError(t, err)
			r := startReading(t, in, one.args...)
			require.NoError(t, in.Close())
			require.Eventually(t, func() bool {
				left, err := unix.IoctlGetInt(int(out.Fd()), unix.TIOCINQ)
				return err == nil && left == 0
			}, readyWithin, 5*time.Millisecond, "it reads what there is")
			said := r.ends(one.by)
			require.Contains(t, said, "interrupted; nothing was changed")
			require.Equal(t, 1, strings.Count(said, "\n"), said)
		})
	}
	after, _ := c.run(0, "", "show", "4001", "--json")
	require.Equal(t, before, after)
	c.run(1, "", "show", "4002")
	require.NoFileExists(t, filepath.Join(dir, "users"))
}

// pseudoTerminal returns both ends of one.
func pseudoTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { person.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	return person, program
}

func TestTheFirstSignalLeavesATerminalThatShowsWhatIsTyped(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "482915\n", "add", "4001")
	_, tty := pseudoTerminal(t)
	echoes := func() bool {
		now, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		require.NoError(t, err)
		return now.Lflag&unix.ECHO != 0
	}
	require.True(t, echoes())
	r := startReading(t, tty, "mailbox", "set-code", "4001", "--data", c.data)
	require.Eventually(t, func() bool { return !echoes() }, readyWithin, 5*time.Millisecond, "a code is not shown")
	said := r.ends(os.Interrupt)
	require.True(t, echoes())
	require.Equal(t, "New access code: \nstar97: the terminal cannot be read: interrupted; nothing was changed\n", said)
}

// Mailboxes are added in loops over a list, which is what standard input is then.
func TestWhatIsGeneratedLeavesStandardInputAlone(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	list, err := os.Open("input.go")
	require.NoError(t, err)
	defer list.Close()
	for _, args := range [][]string{{"add", "4001", "--generate"}, {"set-code", "4001", "--generate"}} {
		cmd := exec.CommandContext(t.Context(), program(t, false), append(append([]string{"mailbox"}, args...), "--data", c.data)...)
		cmd.Stdin = list
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, string(text))
		require.Contains(t, string(text), "shown this once")
	}
	at, err := list.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.Zero(t, at)
}
