package app

import (
	"fmt"
	"syscall"

	"star97/internal/config"
)

// filesBeside are descriptors for what is not a call: databases, listeners, logs.
const filesBeside = 64

// openFiles is how many files this process may have open. At its start, Go has
// raised the soft limit to the hard one.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1 << 62 // unknown: no reason to warn
	}
	return uint64(limit.Cur)
}

// shortfalls are the sentences on what keeps this machine from carrying as many calls
// as sip.limits.calls allows, when so many files may be open.
func shortfalls(c config.Config, files uint64) (all []string) {
	calls := c.SIP.Limits.Calls
	if need := uint64(2*calls + c.SIP.Limits.Connections + filesBeside); files < need {
		all = append(all, fmt.Sprintf("%d files may be open, but %d calls need %d: raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd) or lower sip.limits.calls", files, calls, need))
	}
	return all
}
