//go:build unix

package main

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/prompt"
)

// Whoever reads the log may go away: calls are answered all the same.
func TestALogThatNobodyReadsEndsNoCall(t *testing.T) {
	t.Parallel()
	v := startService(t, setup{
		Sections: map[string]string{"log": "{level: debug}"},
		Wrap:     []string{"bash", "-c", `exec "$@" 2> >(:)`, "bash"}, // the reader is gone at once
	})
	for range 2 {
		requireAnswers(t, v)
	}
	v.stop()
	require.Empty(t, v.Stderr.String(), "the log went where nobody reads")
}

// The first Ctrl-C waits for calls, the second waits for nothing.
func TestASecondInterruptEndsAtOnce(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		v := startService(t, setup{Sections: map[string]string{"drain": "1h"}})
		p := callertest.Dial(t, caller.Options{URI: "sip:*98@" + v.UDP.String(), From: "4001", Listen: "127.0.0.1"})
		p.Hear(prompt.EnterExtension)
		v.signal(syscall.SIGINT)
		require.Eventually(t, func() bool { return strings.Contains(v.Stderr.String(), "draining") }, readyWithin, 20*time.Millisecond)
		select {
		case <-v.exited:
			require.FailNow(t, "the first interrupt must wait for the call", "%s", v.Stderr)
		case <-time.After(200 * time.Millisecond):
		}
		v.signal(syscall.SIGINT)
		select {
		case <-v.exited:
		case <-time.After(endWithin):
			require.FailNow(t, "the second interrupt must end the process")
		}
		var exit *exec.ExitError
		require.True(t, errors.As(v.err, &exit))
		require.Equal(t, syscall.SIGINT, exit.Sys().(syscall.WaitStatus).Signal())
	})
}
