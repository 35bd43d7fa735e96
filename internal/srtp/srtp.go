// Package srtp protects RTP and RTCP (RFC 3711, RFC 7714) under keys that the session
// description carries (security descriptions, RFC 4568). It decides nothing about when
// that is wanted: such keys are worth no more than the signalling that carries them.
// DTLS-SRTP is not here.
package srtp

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"

	pion "github.com/pion/srtp/v3"
)

// Suite is a crypto-suite. The zero value is none: plain RTP.
type Suite uint8

// The suites (RFC 4568 section 6.2, RFC 7714 section 14.2), the strongest first, which is
// the order of our offers.
const (
	AES256GCM Suite = iota + 1
	AES128GCM
	AES128SHA80
	AES128SHA32
	numSuites
)

var suites = [numSuites]struct {
	name      string
	profile   pion.ProtectionProfile
	key, salt int // bytes
	overhead  int // bytes that protection adds to a packet of RTP, an MKI apart
}{
	AES256GCM:   {"AEAD_AES_256_GCM", pion.ProtectionProfileAeadAes256Gcm, 32, 12, 16},
	AES128GCM:   {"AEAD_AES_128_GCM", pion.ProtectionProfileAeadAes128Gcm, 16, 12, 16},
	AES128SHA80: {"AES_CM_128_HMAC_SHA1_80", pion.ProtectionProfileAes128CmHmacSha1_80, 16, 14, 10},
	AES128SHA32: {"AES_CM_128_HMAC_SHA1_32", pion.ProtectionProfileAes128CmHmacSha1_32, 16, 14, 4},
}

// Suites lists them, the strongest first.
func Suites() []Suite { return []Suite{AES256GCM, AES128GCM, AES128SHA80, AES128SHA32} }

// String is the suite's name in SDP; empty for none.
func (s Suite) String() string {
	if s == 0 || s >= numSuites {
		return ""
	}
	return suites[s].name
}

// ByName finds a suite.
func ByName(name string) (Suite, bool) {
	for _, s := range Suites() {
		if suites[s].name == name {
			return s, true
		}
	}
	return 0, false
}

// Limits of a master key and of its identifier.
const (
	maxMaster = 32 + 12
	maxMKI    = 4 // bytes; RFC 4568 allows 128, telephones send one
)

// Key is a master key with its salt, for one direction of a stream. The zero value is
// none. It shows itself to nobody but Inline and the contexts made of it.
type Key struct {
	suite  Suite
	master [maxMaster]byte // key, then salt
	mki    [maxMKI]byte
	mkiLen uint8
}

// NewKey makes a random key.
func NewKey(s Suite) Key {
	k := Key{suite: s}
	rand.Read(k.material()) // never fails: crypto/rand ends the program instead
	return k
}

// Suite is what the key is for; 0 for the zero Key.
func (k *Key) Suite() Suite { return k.suite }

// Equal compares in constant time.
func (k *Key) Equal(o *Key) bool {
	return k.suite == o.suite && k.mkiLen == o.mkiLen && k.mki == o.mki &&
		subtle.ConstantTimeCompare(k.master[:], o.master[:]) == 1
}

// Format writes the suite alone, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "key for "+k.suite.String()) }

// MarshalText hides the key as Format does.
func (k Key) MarshalText() ([]byte, error) { return fmt.Append(nil, k), nil }

func (k *Key) material() []byte {
	of := &suites[k.suite]
	return k.master[:of.key+of.salt]
}

// Inline is the key parameter of a crypto attribute (RFC 4568 section 6.1).
func (k *Key) Inline() string {
	text := "inline:" + base64.StdEncoding.EncodeToString(k.material())
	if k.mkiLen == 0 {
		return text
	}
	n := 0
	for _, b := range k.mki[:k.mkiLen] {
		n = n<<8 | int(b)
	}
	return fmt.Sprintf("%s|%d:%d", text, n, k.mkiLen)
}
