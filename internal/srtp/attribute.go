package srtp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrUnusable is in every error of ParseAttribute: a line that is passed over, as the
// offerer expects (RFC 4568 section 7.1.2).
var ErrUnusable = errors.New("the crypto attribute cannot be used")

// ParseAttribute reads the value of an a=crypto line (RFC 4568 section 9.2): its tag and
// the key for what its sender sends. Errors wrap ErrUnusable and hold nothing of the key.
func ParseAttribute(value string) (tag uint32, k Key, err error) {
	fields := strings.Fields(value)
	if len(fields) < 3 {
		return 0, Key{}, unusable("it needs a tag, a suite and a key")
	}
	n, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil || len(fields[0]) > 9 || fields[0][0] == '0' && n > 0 {
		return 0, Key{}, unusable("its tag is no number of one to nine digits")
	}
	s, ok := ByName(fields[1])
	if !ok {
		return 0, Key{}, unusable("its suite is none of ours")
	}
	for _, p := range fields[3:] {
		if !harmless(p) {
			return 0, Key{}, unusable("it asks for session parameters that we do not have")
		}
	}
	k, err = parseInline(s, fields[2])
	return uint32(n), k, err
}

// harmless tells whether a session parameter alters nothing: a hint for the replay
// window, key derivation as it is without a word, an extension that may be passed over
// (RFC 4568 sections 6.3 and 6.3.7).
func harmless(parameter string) bool {
	return strings.HasPrefix(parameter, "WSH=") || parameter == "KDR=0" || strings.HasPrefix(parameter, "-")
}

// parseInline reads inline:KEY[|LIFETIME][|MKI:LENGTH]. The lifetime is passed over: a
// call ends long before any that the suites allow.
func parseInline(s Suite, text string) (Key, error) {
	const method = "inline:"
	if len(text) < len(method) || !strings.EqualFold(text[:len(method)], method) || strings.Contains(text, ";") {
		return Key{}, unusable("its key is not a single one after inline:")
	}
	parts := strings.Split(text[len(method):], "|")
	k := Key{suite: s}
	material, err := base64.StdEncoding.DecodeString(parts[0])
	defer clear(material)
	if err != nil || len(material) != len(k.material()) {
		return Key{}, unusable("its key does not have the length that its suite needs")
	}
	copy(k.master[:], material)
	if len(parts) > 3 {
		return Key{}, unusable("its key has too many parts")
	}
	for i, p := range parts[1:] {
		if !strings.Contains(p, ":") && i == 0 {
			continue // a lifetime
		}
		if i != len(parts)-2 || !k.identify(p) {
			return Key{}, unusable("its key identifier is not of the form VALUE:LENGTH, or too long")
		}
	}
	return k, nil
}

// identify reads VALUE:LENGTH.
func (k *Key) identify(text string) bool {
	value, length, _ := strings.Cut(text, ":")
	n, bad := strconv.ParseUint(length, 10, 8)
	if bad != nil || n == 0 || n > maxMKI {
		return false
	}
	v, bad := strconv.ParseUint(value, 10, 8*int(n))
	if bad != nil {
		return false
	}
	k.mkiLen = uint8(n)
	for i := range n {
		k.mki[n-1-i] = byte(v >> (8 * i))
	}
	return true
}

// Attribute is the value of an a=crypto line.
func (k *Key) Attribute(tag uint32) string {
	return fmt.Sprintf("%d %s %s", tag, k.suite, k.Inline())
}

func unusable(why string) error { return fmt.Errorf("%w: %s", ErrUnusable, why) }
