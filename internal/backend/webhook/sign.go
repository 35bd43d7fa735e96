package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"star97/internal/secret"
)

// The headers of a request. The service takes the signature whose key it knows and
// compares it in constant time.
const (
	timeHeader      = "Star97-Time"      // seconds since 1970
	signatureHeader = "Star97-Signature" // KEY=HEX, KEY=HEX
)

// leastKey is the length from which on a key is worth its name, in bytes.
const leastKey = 16

// keys sign requests.
type keys []signer

type signer struct {
	id  string
	key secret.Secret
}

func readKeys(from []Key) (keys, error) {
	var all keys
	for i, k := range from {
		s, err := k.Secret.Read()
		if err != nil {
			return nil, fmt.Errorf("keys[%d].secret: %w", i, err)
		}
		if len(s.Reveal()) < leastKey {
			return nil, fmt.Errorf("keys[%d].secret has fewer than %d bytes: make a longer one, as openssl rand -hex 32 does", i, leastKey)
		}
		all = append(all, signer{k.ID, s})
	}
	return all, nil
}

// header is what a request with this body carries at a time.
func (k keys) header(now time.Time, body []byte) http.Header {
	at := strconv.FormatInt(now.Unix(), 10)
	sums := make([]string, len(k))
	for i, s := range k {
		sums[i] = s.id + "=" + s.sum(at, body)
	}
	return http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json"},
		timeHeader: {at}, signatureHeader: {strings.Join(sums, ", ")},
	}
}

// sum is the HMAC-SHA-256 of the time, a dot and the body.
func (s signer) sum(at string, body []byte) string {
	h := hmac.New(sha256.New, []byte(s.key.Reveal()))
	h.Write([]byte(at + "."))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// newID is an id that no other request has: 128 random bits in hex.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}
