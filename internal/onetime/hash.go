package onetime

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	"golang.org/x/crypto/argon2"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

const (
	saltSize = 16
	hashSize = 32
)

// cost is that of argon2id (RFC 9106 section 3.1), on one lane.
type cost struct{ memory, passes int }

var (
	usual = cost{memory: 19456, passes: 2} // KiB; OWASP's minimum, as for codes at rest: 55 ms of a core
	cheap = cost{memory: 8, passes: 1}
	most  = cost{memory: 1 << 20, passes: 100} // a damaged row must not exhaust the machine
)

// record is a one-time code at rest.
type record struct {
	salt, hash []byte
	cost       cost
}

// whole tells whether r is a code whose hash can be computed.
func (r *record) whole() bool {
	return len(r.salt) == saltSize && len(r.hash) == hashSize &&
		r.cost.memory >= cheap.memory && r.cost.memory <= most.memory &&
		r.cost.passes >= cheap.passes && r.cost.passes <= most.passes
}

func seal(code *pin.PIN, c cost) record {
	salt := make([]byte, saltSize)
	rand.Read(salt) // it never fails (crypto/rand)
	return record{salt: salt, hash: derive(code, salt, c), cost: c}
}

func (r *record) matches(code *pin.PIN) bool {
	got := derive(code, r.salt, r.cost)
	defer clear(got)
	return subtle.ConstantTimeCompare(got, r.hash) == 1
}

func derive(code *pin.PIN, salt []byte, c cost) (hash []byte) {
	code.Reveal(func(digits []byte) {
		hash = argon2.IDKey(digits, salt, uint32(c.passes), uint32(c.memory), 1, hashSize)
	})
	return hash
}

// owner names a mailbox's row. It has the same length for each, and does not show whose
// it is.
type owner [sha256.Size]byte

func ownerOf(a mailbox.Account) owner {
	if a.ID == "" {
		return owner{}
	}
	return sha256.Sum256([]byte(a.Backend + "\n" + a.ID))
}
