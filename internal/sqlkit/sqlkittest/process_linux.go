package sqlkittest

import "syscall"

// endWithParent has the kernel end the server when the thread that starts it ends.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = immediate }
