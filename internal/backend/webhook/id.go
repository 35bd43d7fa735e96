package webhook

import (
	"crypto/rand"
	"encoding/hex"
)

// newID is an id that no other request has: 128 random bits in hex.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}
