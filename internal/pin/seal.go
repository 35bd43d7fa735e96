package pin

import (
	"crypto/rand"
	"crypto/sha256"
)

const (
	keySize = 16
	tagSize = 16
	boxSize = sha256.Size
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

// seal builds a synthetic-IV cipher from SHA-256 under key (the construction of
// RFC 5297, with fixed-length input): the tag depends on every digit, the box is
// digits and length under a key stream made from the tag. Two codes that differ
// in one digit, or an entry before and after a key, have nothing in common.
// Sealing is deterministic, so that flow.Step stays a function of its arguments.
func (w *plain) seal() (p PIN) {
	if w.n == 0 {
		return PIN{}
	}
	var in [keySize + 1 + MaxDigits + 1]byte
	copy(in[:], key[:])
	in[keySize] = 'T'
	copy(in[keySize+1:], w.digits[:])
	in[keySize+1+MaxDigits] = w.n
	sum := sha256.Sum256(in[:])
	p.tag = [tagSize]byte(sum[:])
	p.box = p.stream()
	for i, c := range in[keySize+1:] {
		p.box[i] ^= c
	}
	wipe(in[:])
	return p
}

// open unseals p into w.
func (p *PIN) open(w *plain) {
	if p.Empty() {
		*w = plain{}
		return
	}
	s := p.stream()
	for i := range w.digits {
		w.digits[i] = p.box[i] ^ s[i]
	}
	w.n = p.box[MaxDigits] ^ s[MaxDigits]
	wipe(s[:])
}

func (p *PIN) stream() [boxSize]byte {
	var in [keySize + 1 + tagSize]byte
	copy(in[:], key[:])
	in[keySize] = 'S'
	copy(in[keySize+1:], p.tag[:])
	return sha256.Sum256(in[:])
}

//go:noinline
func wipe(b []byte) { clear(b) }
