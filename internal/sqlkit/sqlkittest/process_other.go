//go:build !linux

package sqlkittest

import "syscall"

// endWithParent does nothing: a server whose tests are killed stays behind.
func endWithParent(*syscall.SysProcAttr) {}
