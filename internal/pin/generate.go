package pin

import (
	"fmt"
	"io"
)

const (
	// generatedLen is how long a chosen code is where the policy leaves the choice.
	generatedLen = 6
	// maxDraws bounds Generate: a policy that refuses all of these has next to no codes of a length.
	maxDraws = 10000
)

// Generate draws a code that passes the policy, every such code of its length
// equally likely. The length is 6, else the next longer one of which the policy lets codes
// pass, else the next shorter one.
// Random bytes come from r, crypto/rand.Reader outside of tests. Errors: ErrNoCode, or r's.
func Generate(p Policy, c Context, r io.Reader) (PIN, error) {
	d := draw{from: r}
	defer d.wipe()
	for _, n := range lengths(p) {
		for range maxDraws {
			code, err := d.code(n)
			if err != nil {
				return PIN{}, fmt.Errorf("no random numbers for a new code: %w", err)
			}
			if p.Check(code, c) == Pass {
				return code, nil
			}
		}
	}
	return PIN{}, ErrNoCode
}

// lengths are those that the policy's limits leave for a code: from generatedLen up, then
// the shorter ones down.
func lengths(p Policy) (all []int) {
	least, most := max(p.MinLen, p.MinDistinct, 1), MaxDigits
	if p.MaxLen > 0 {
		most = min(most, p.MaxLen)
	}
	for n := max(generatedLen, least); n <= most; n++ {
		all = append(all, n)
	}
	for n := min(generatedLen-1, most); n >= least; n-- {
		all = append(all, n)
	}
	return all
}

// draw turns random bytes into digits.
type draw struct {
	from io.Reader
	buf  [64]byte
	left []byte
}

func (d *draw) wipe() { wipe(d.buf[:]) }

func (d *draw) code(n int) (PIN, error) {
	var w plain
	defer w.wipe()
	for int(w.n) < n {
		c, err := d.digit()
		if err != nil {
			return PIN{}, err
		}
		w.push(c)
	}
	return w.seal(), nil
}

// digit draws one ASCII digit. Bytes from 250 on are thrown away: keeping them
// would make 0 to 5 more likely than 6 to 9.
func (d *draw) digit() (byte, error) {
	for {
		if len(d.left) == 0 {
			if _, err := io.ReadFull(d.from, d.buf[:]); err != nil {
				return 0, err
			}
			d.left = d.buf[:]
		}
		b := d.left[0]
		d.left = d.left[1:]
		if b < 250 {
			return '0' + b%10, nil
		}
	}
}
