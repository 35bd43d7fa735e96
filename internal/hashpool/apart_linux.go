package hashpool

import "syscall"

// hashNice is a tenth of the weight of a normal thread (sched(7)): enough not to
// starve on a machine that is busy with other things.
const hashNice = 10

// giveWay lowers the priority of this thread alone: Linux keeps one for each thread
// (setpriority(2), under NOTES). A refusal costs punctuality, not correctness.
func giveWay() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, hashNice) }
