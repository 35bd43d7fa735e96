// Package pin holds an access code so that it cannot leak: the secret type, the
// policy rules and their presets, the lists of likely codes, and the generator. It
// opens no file, logs nothing and knows nothing of mailboxes or telephones.
package pin

import "crypto/subtle"

// MaxDigits is the longest code that any supported system accepts.
const MaxDigits = 30

// PIN is an access code of 0 to MaxDigits digits; the zero value is empty. It is
// also the entry buffer of a call: Push, Len and Wipe allocate nothing.
//
// Every printing and encoding method shows the same word for every code. Package
// reflect, and with it %+v of a struct that holds a PIN in an unexported field,
// goes past those methods; therefore the bytes are sealed (see seal.go). Equal
// digits have equal bytes within one process and in no other.
type PIN sealed

// Parse reads ASCII digits, none at all included; errors are ErrNotDigits and
// ErrTooLong and never quote the input.
func Parse[T ~string | ~[]byte](s T) (PIN, error) {
	if len(s) > MaxDigits {
		return PIN{}, ErrTooLong
	}
	var w plain
	defer w.wipe()
	for i := range len(s) {
		if !w.push(s[i]) {
			return PIN{}, ErrNotDigits
		}
	}
	return w.seal(), nil
}

// Push appends one ASCII digit. On ErrNotDigits and ErrTooLong p is unchanged.
func (p *PIN) Push(c byte) error {
	var w plain
	defer w.wipe()
	p.open(&w)
	if w.n == MaxDigits {
		return ErrTooLong
	}
	if !w.push(c) {
		return ErrNotDigits
	}
	*p = w.seal()
	return nil
}

// Len is the number of digits. It is as secret as they are: it goes into no output.
func (p *PIN) Len() int {
	var w plain
	defer w.wipe()
	p.open(&w)
	return int(w.n)
}

// Empty is Len() == 0 without unsealing.
func (p *PIN) Empty() bool { return *p == PIN{} }

// Equal compares in constant time.
func (p *PIN) Equal(q *PIN) bool {
	return subtle.ConstantTimeCompare(p.tag[:], q.tag[:])&
		subtle.ConstantTimeCompare(p.box[:], q.box[:]) == 1
}

// Wipe empties p and overwrites its bytes.
func (p *PIN) Wipe() { *p = PIN{} }

// Reveal lends a copy of the ASCII digits to use, which must not keep it: it is
// overwritten when use returns or panics. Reveal is for hashing, for the wire of
// an adapter and for numbers that are no secret. It allocates.
func (p *PIN) Reveal(use func(digits []byte)) {
	w := new(plain)
	defer w.wipe()
	p.open(w)
	use(w.digits[:w.n])
}
