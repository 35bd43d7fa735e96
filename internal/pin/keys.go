package pin

import (
	"fmt"
	"io"
)

// MaxKeys is how many keys a Keys holds.
const MaxKeys = 32

// keyCount is how many different keys there are: 4 bits hold one.
const keyCount = 16

// Keys is a queue of telephone keys (0-9, 10 for *, 11 for #; any number below
// 16): what was typed ahead, a code as likely as not. The zero value is empty. It
// is sealed and printed as a PIN is, and allocates nothing.
type Keys sealed

// line is a queue in clear. It lives in one function's frame and is wiped there.
type line struct {
	keys [MaxKeys]byte
	n    uint8
}

// Push puts a key at the end; false: k is full, or that is no key.
func (k *Keys) Push(key byte) bool {
	var w line
	defer w.wipe()
	k.open(&w)
	if w.n == MaxKeys || key >= keyCount {
		return false
	}
	w.keys[w.n] = key
	w.n++
	*k = w.seal()
	return true
}

// Take removes the key at the front; false: there is none.
func (k *Keys) Take() (key byte, ok bool) {
	var w line
	defer w.wipe()
	k.open(&w)
	if w.n == 0 {
		return 0, false
	}
	key = w.keys[0]
	copy(w.keys[:], w.keys[1:])
	w.keys[MaxKeys-1] = 0
	w.n--
	*k = w.seal()
	return key, true
}

// Empty tells whether there is no key, without unsealing.
func (k *Keys) Empty() bool { return *k == Keys{} }

// Wipe empties k and overwrites its bytes.
func (k *Keys) Wipe() { *k = Keys{} }

// Format shows the same word for every verb and flag.
func (k Keys) Format(f fmt.State, _ rune) { io.WriteString(f, "[keys]") }

// seal hides the queue. The block is two keys to a byte and their number.
func (w *line) seal() Keys {
	if w.n == 0 {
		return Keys{}
	}
	var in [blockSize]byte
	for i, key := range w.keys {
		in[i/2] |= key << (i % 2 * 4)
	}
	in[MaxKeys/2] = w.n
	k := Keys(enclose(keysKind, &in))
	wipe(in[:])
	return k
}

func (k *Keys) open(w *line) {
	if k.Empty() {
		*w = line{}
		return
	}
	var out [blockSize]byte
	(*sealed)(k).disclose(keysKind, &out)
	for i := range w.keys {
		w.keys[i] = out[i/2] >> (i % 2 * 4) % keyCount
	}
	w.n = out[MaxKeys/2]
	wipe(out[:])
}

// wipe is not inlined so that the compiler cannot drop the store as dead.
//
//go:noinline
func (w *line) wipe() { *w = line{} }
