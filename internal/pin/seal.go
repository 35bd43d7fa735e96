package pin

import (
	"crypto/rand"
	"crypto/sha256"
)

const (
	keySize   = 16
	tagSize   = 16
	blockSize = MaxDigits + 1 // what is sealed at once
	boxSize   = sha256.Size   // a block, filled up by key stream
)

// key lives as long as the process and is never written anywhere.
var key = newKey()

func newKey() (k [keySize]byte) {
	rand.Read(k[:]) // never fails (crypto/rand)
	return k
}

// plain is a code in clear. It lives in one function's frame and is wiped there.
type plain struct {
	digits [MaxDigits]byte // ASCII; unused positions are 0
	n      uint8
}

func (w *plain) push(c byte) bool {
	if c < '0' || c > '9' {
		return false
	}
	w.digits[w.n] = c
	w.n++
	return true
}

// wipe is not inlined so that the compiler cannot drop the store as dead.
//
//go:noinline
func (w *plain) wipe() { *w = plain{} }

// seal hides the code. The block is its digits and their number.
func (w *plain) seal() PIN {
	if w.n == 0 {
		return PIN{}
	}
	var in [blockSize]byte
	copy(in[:], w.digits[:])
	in[MaxDigits] = w.n
	p := PIN(enclose(codeKind, &in))
	wipe(in[:])
	return p
}

// open unseals p into w.
func (p *PIN) open(w *plain) {
	if p.Empty() {
		*w = plain{}
		return
	}
	var out [blockSize]byte
	(*sealed)(p).disclose(codeKind, &out)
	copy(w.digits[:], out[:])
	w.n = out[MaxDigits]
	wipe(out[:])
}

// sealed is a block that shows nothing of itself.
type sealed struct {
	tag [tagSize]byte
	box [boxSize]byte
}

// What is sealed. The inputs for tag and stream differ in length, so one letter
// serves both.
const (
	codeKind = 'C'
	keysKind = 'K'
)

// enclose builds a synthetic-IV cipher from SHA-256 under key (the construction of
// RFC 5297, with fixed-length input): the tag depends on every byte, the box is
// the block under a key stream made from the tag. Two codes that differ in one
// digit, or an entry before and after a key, have nothing in common. Sealing is
// deterministic, so that flow.Step stays a function of its arguments. kind keeps
// apart what is sealed for different uses.
func enclose(kind byte, block *[blockSize]byte) (s sealed) {
	var in [keySize + 1 + blockSize]byte
	copy(in[:], key[:])
	in[keySize] = kind
	copy(in[keySize+1:], block[:])
	sum := sha256.Sum256(in[:])
	s.tag = [tagSize]byte(sum[:])
	s.box = s.stream(kind)
	for i, c := range block {
		s.box[i] ^= c
	}
	wipe(in[:])
	return s
}

// disclose is the block that was enclosed for that kind.
func (s *sealed) disclose(kind byte, block *[blockSize]byte) {
	stream := s.stream(kind)
	for i := range block {
		block[i] = s.box[i] ^ stream[i]
	}
	wipe(stream[:])
}

func (s *sealed) stream(kind byte) [boxSize]byte {
	var in [keySize + 1 + tagSize]byte
	copy(in[:], key[:])
	in[keySize] = kind
	copy(in[keySize+1:], s.tag[:])
	return sha256.Sum256(in[:])
}

//go:noinline
func wipe(b []byte) { clear(b) }
