package app

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// forgetProgram takes the pages of the program's file out of this process's memory: most
// hold recordings, which were read once, when they were encoded. A page that is used again
// comes back from the system's cache, as at its first use. Without /proc it does nothing.
func forgetProgram() {
	for _, m := range programPages() {
		// Private mappings of a file are read from it again (madvise(2), MADV_DONTNEED);
		// a refusal, as of pages that are locked, leaves all as it was.
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.from, m.to-m.from, syscall.MADV_DONTNEED)
	}
}

// mapping is a piece of this process's memory.
type mapping struct{ from, to uintptr }

// programPages are the mappings of the program's file that are only read, so none of its
// code, which calls need at once, and of which no page is this process's own: relocations
// would be lost.
func programPages() (all []mapping) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer f.Close()
	var now *mapping // of the program; nil: the lines are about another one
	for lines := bufio.NewScanner(f); lines.Scan(); {
		head, rest, _ := strings.Cut(lines.Text(), " ")
		switch from, to, isRange := strings.Cut(head, "-"); {
		case isRange:
			now = nil
			if strings.HasPrefix(rest, "r--") && strings.HasSuffix(rest, " "+program) {
				now = rangeOf(from, to)
			}
		case head == "Anonymous:" && now != nil && strings.TrimSpace(rest) == "0 kB":
			all = append(all, *now)
		}
	}
	return all
}

func rangeOf(from, to string) *mapping {
	first, err := strconv.ParseUint(from, 16, strconv.IntSize)
	if err != nil {
		return nil
	}
	end, err := strconv.ParseUint(to, 16, strconv.IntSize)
	if err != nil || end <= first {
		return nil
	}
	return &mapping{uintptr(first), uintptr(end)}
}
