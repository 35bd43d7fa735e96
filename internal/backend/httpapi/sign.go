package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// The headers of a signed request. The service takes the signature whose key it knows
// and compares it in constant time.
const (
	TimeHeader      = "Star97-Time"      // seconds since 1970
	SignatureHeader = "Star97-Signature" // KEY=HEX, KEY=HEX
)

const (
	// leastKey is the length from which on a key is worth its name, in bytes.
	leastKey = 16
	// maxKeys bounds the signatures of a request.
	maxKeys = 8
)

// Key is a shared key and the name that both sides know it by.
type Key struct {
	ID     string        `yaml:"id"`     // 1 to 32 small letters, digits and dashes
	Secret secret.Source `yaml:"secret"` // where the key is: {file: NAME} or {env: NAME}; at least 16 bytes, which both sides use as they are
}

// Readable tells what is wrong with a key that can be read.
func (k Key) Readable() error {
	s, err := k.Secret.Read()
	if err != nil { // Secret tells it
		return nil
	}
	return enough(s)
}

func enough(key secret.Secret) error {
	if len(key.Reveal()) < leastKey {
		return fmt.Errorf("secret has fewer than %d bytes: make a longer one, as openssl rand -hex 32 does", leastKey)
	}
	return nil
}

// Keys are those that sign a request. With two of them the service can be given another
// key while it runs: add the new one here, then there, and then remove the old one.
type Keys []Key

// In returns k with its relative paths taken from dir.
func (k Keys) In(dir string) Keys {
	k = slices.Clone(k)
	for i := range k {
		k[i].Secret = k[i].Secret.In(dir)
	}
	return k
}

var keyShape = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate tells everything that is wrong with k, each under keys. It opens nothing.
func (k Keys) Validate() error {
	if len(k) == 0 || len(k) > maxKeys {
		return fmt.Errorf("keys has %d entries: name 1 to %d keys that the web service knows too", len(k), maxKeys)
	}
	var errs []error
	seen := map[string]bool{}
	for i, key := range k {
		at := fmt.Sprintf("keys[%d]", i)
		switch {
		case !keyShape.MatchString(key.ID):
			errs = append(errs, fmt.Errorf("%s.id is %q: use 1 to 32 small letters, digits and dashes", at, key.ID))
		case seen[key.ID]:
			errs = append(errs, fmt.Errorf("%s.id is %q, as an earlier one: give each key a name of its own", at, key.ID))
		}
		seen[key.ID] = true
		errs = append(errs, strictyaml.Under(at+".secret", key.Secret.Validate()))
	}
	return errors.Join(errs...)
}

// Signer signs requests with HMAC-SHA-256 (RFC 2104) over time and body.
type Signer []signer

type signer struct {
	id  string
	key secret.Secret
}

// Signer reads the keys.
func (k Keys) Signer() (Signer, error) {
	var all Signer
	for i, key := range k {
		s, err := key.Secret.Read()
		if err != nil {
			return nil, fmt.Errorf("keys[%d].secret: %w", i, err)
		}
		if err := enough(s); err != nil {
			return nil, strictyaml.Under(fmt.Sprintf("keys[%d]", i), err)
		}
		all = append(all, signer{key.ID, s})
	}
	return all, nil
}

// Header is what a request with this body of JSON carries at a time.
func (s Signer) Header(now time.Time, body []byte) http.Header {
	at := strconv.FormatInt(now.Unix(), 10)
	sums := make([]string, len(s))
	for i, k := range s {
		sums[i] = k.id + "=" + k.sum(at, body)
	}
	return http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json"},
		TimeHeader: {at}, SignatureHeader: {strings.Join(sums, ", ")},
	}
}

// sum is the HMAC of the time, a dot and the body.
func (s signer) sum(at string, body []byte) string {
	h := hmac.New(sha256.New, []byte(s.key.Reveal()))
	h.Write([]byte(at + "."))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}
