package sqldb

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/argon2"

	"star97/internal/pin"
)

const (
	saltSize = 16
	hashSize = 32

	// What a stored record may ask for at most: a damaged one must not exhaust the machine.
	maxMemory  = 1 << 20 // KiB
	maxPasses  = 100
	maxThreads = 64
)

// record is a code at rest.
type record struct {
	kid  string
	salt []byte
	hash []byte
	cost Cost
}

// valid tells whether r can be computed within the limits.
func (r *record) valid() error {
	c := r.cost
	switch {
	case len(r.salt) != saltSize, len(r.hash) != hashSize,
		c.Memory < 8*c.Threads, c.Memory > maxMemory, // RFC 9106 section 3.1: at least 8 KiB a lane
		c.Passes < 1, c.Passes > maxPasses, c.Threads < 1, c.Threads > maxThreads:
		return fmt.Errorf("the stored code is damaged: set a new one with `star97 mailbox set-code`")
	}
	return nil
}

// derive computes argon2id(salt, mix(pepper, id, code)).
func derive(key []byte, id string, code *pin.PIN, salt []byte, c Cost) []byte {
	mixed := mix(key, id, code)
	defer clear(mixed)
	return argon2.IDKey(mixed, salt, uint32(c.Passes), uint32(c.Memory), uint8(c.Threads), hashSize)
}

// mix computes HMAC-SHA-256(pepper, length of id in 4 bytes, id, digits). The
// immutable id binds a code to its mailbox. What is left of the digits in between
// is overwritten, as far as Go lets it be.
func mix(key []byte, id string, code *pin.PIN) []byte {
	mac := hmac.New(sha256.New, key)
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(id)))
	mac.Write(length[:])
	mac.Write([]byte(id))
	code.Reveal(func(digits []byte) { mac.Write(digits) })
	mixed := mac.Sum(nil)
	mac.Reset()
	mac.Write(make([]byte, sha256.BlockSize-1)) // over the digits in its block buffer
	return mixed
}

// seal makes the record of a new code.
func (p *pepper) seal(id string, code *pin.PIN, c Cost) record {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return record{kid: p.last, salt: salt, hash: derive(p.keys[p.last], id, code, salt, c), cost: c}
}

// matches does the work of one hash and tells whether code is r's.
func (p *pepper) matches(r *record, id string, code *pin.PIN) bool {
	got := derive(p.keys[r.kid], id, code, r.salt, r.cost)
	defer clear(got)
	return subtle.ConstantTimeCompare(got, r.hash) == 1
}
