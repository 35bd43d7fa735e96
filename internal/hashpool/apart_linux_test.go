package hashpool

import (
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// niceness is the calling thread's; the system call itself returns 20 minus it.
func niceness(t *testing.T) int {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	require.NoError(t, err)
	return 20 - raw
}

func TestHashesGiveWayAndNothingElseDoes(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := niceness(t)
	if before >= hashNice {
		t.Skipf("the tests themselves run at nice %d", before)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			within := 0
			apart(func() { within = niceness(t) })
			require.Equal(t, hashNice, within)
			require.Equal(t, before, niceness(t), "a goroutine must not meet a thread that gave way")
		})
	}
	all.Wait()
	require.Equal(t, before, niceness(t))
}
