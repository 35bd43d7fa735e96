// Package pin holds an access code so that it cannot leak: the secret type, the
// entry buffer, the policy rules and their presets, and the generator. It does
// no I/O, logs nothing and knows nothing of mailboxes or telephones.
package pin

// MaxDigits is the longest code that any supported system accepts.
const MaxDigits = 30

// PIN is an access code. The zero value is empty.
type PIN struct {
	digits [MaxDigits]byte
	n      uint8
}

// Parse reads ASCII digits; errors are ErrNotDigits and ErrTooLong and never
// quote the input.
func Parse(s string) (PIN, error) {
	var p PIN
	for i := 0; i < len(s); i++ {
		if err := p.Push(s[i]); err != nil {
			return PIN{}, err
		}
	}
	return p, nil
}

// Push appends one ASCII digit.
func (p *PIN) Push(c byte) error {
	switch {
	case c < '0' || c > '9':
		return ErrNotDigits
	case p.n == MaxDigits:
		return ErrTooLong
	}
	p.digits[p.n] = c
	p.n++
	return nil
}

// Len is the number of digits.
func (p *PIN) Len() int { return int(p.n) }

// Equal compares in constant time.
func (p *PIN) Equal(q *PIN) bool { return *p == *q }

// Wipe empties p and overwrites its digits.
func (p *PIN) Wipe() { *p = PIN{} }

// Reveal lends the ASCII digits to use, which must not keep them. It is for
// hashing, for the wire of an adapter and for numbers that are no secret.
func (p *PIN) Reveal(use func(digits []byte)) { use(p.digits[:p.n]) }
