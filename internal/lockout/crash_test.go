//go:build unix

package lockout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

// crashAt names the ledger for the process that dies within a verification.
const crashAt = "STAR97_TEST_CRASH_LEDGER"

// A process killed between the question and the answer leaves the try counted.
func TestACrashDuringVerifyCountsAsWrong(t *testing.T) {
	if path := os.Getenv(crashAt); path != "" {
		h := openAt(t, path, lockout.DefaultOptions())
		h.sys.during = func(mailbox.Account) error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }
		h.tryOnce(anna, mailbox.AnyDoor, rightCode)
		t.Fatal("still alive")
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	for range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), crashAt+"="+path)
		out, err := cmd.CombinedOutput()
		require.ErrorContains(t, err, "signal: killed", "%s", out)
	}
	h := openAt(t, path, lockout.DefaultOptions())
	s, err := h.State(t.Context(), anna)
	require.NoError(t, err)
	require.Equal(t, 4, s.Any.Wrong)
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
}
