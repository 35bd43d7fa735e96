package media

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// heldMost is what a session may hold on the heap while nothing has gone wrong with it: as
// much again as it does.
const heldMost = 9 << 10

// The heap gives what is larger than 3072 bytes the next room, of 3200.
func TestASessionHoldsLittle(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(session{}), uintptr(3072))
	const calls = 200
	e := newBench(t, &sink{}).engine
	all := make([]*session, calls)
	before := onHeap()
	for i := range all {
		all[i] = newSession(e, pair{}, signalled)
	}
	held := (onHeap() - before) / calls
	runtime.KeepAlive(all)
	t.Logf("a session holds %d bytes", held)
	require.Less(t, held, int64(heldMost))
}

// onHeap is what is in use, garbage apart.
func onHeap() int64 {
	runtime.GC()
	one := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(one)
	return int64(one[0].Value.Uint64())
}
