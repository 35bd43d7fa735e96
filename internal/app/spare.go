package app

import "runtime/debug"

// giveBack gives the system the memory back that only the start needed: what it has left
// of the heap, and the pages of the program's file that it read. Calls go on meanwhile.
func giveBack() {
	debug.FreeOSMemory()
	forgetProgram()
}
