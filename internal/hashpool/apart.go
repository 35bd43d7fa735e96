package hashpool

import "runtime"

// apart runs work on a thread of its own that gives way to every other, and returns
// when work has ended. A hash computes for tens of milliseconds without a pause:
// beside it on equal terms, packets and answers come late by as much.
func apart(work func()) {
	var panicked any
	done := make(chan struct{})
	// One for each hash: started here, stops with work, owns its thread, which is
	// not unlocked so that it ends too and nothing else runs at its low priority.
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		runtime.LockOSThread()
		giveWay()
		work()
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
}
