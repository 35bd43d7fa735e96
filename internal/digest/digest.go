// Package digest is the server's side of Digest authentication as SIP uses it (RFC 3261
// section 22, RFC 7616, RFC 8760): credentials, challenges, nonces without state, and the
// file of the users. It reads no SIP message, keeps no password and writes no log. Of the
// schemes it serves SHA-256 and MD5 with qop "auth"; no session keys ("-sess"), no hashed
// user names and no integrity of bodies, which the way here alters where it may.
package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"star97/internal/secret"
)

// Options are about all peers with identity digest. Start from DefaultOptions.
type Options struct {
	// Realm is what telephones are told that they prove themselves for, and the host of
	// those that do. It is part of each stored hash: with another realm all users have to
	// be added anew. 1 to 64 printable characters without quotes, backslashes and colons.
	Realm string `yaml:"realm"`
	// UsersFile holds a line "user:realm:algorithm:hash" per user and algorithm, with mode
	// 0600 or 0400; star97 sip-user writes it. A changed file is in use within seconds.
	UsersFile string `yaml:"users_file"`
	// NonceLife is how long a telephone may answer one challenge, 10s to 10m. It is asked
	// again then, without its user.
	NonceLife time.Duration `yaml:"nonce_life"`
	// Algorithms are offered in this order, the strongest first: SHA-256, and MD5 for
	// telephones that know no other.
	Algorithms []string `yaml:"algorithms"`
}

// DefaultOptions name no realm and no file.
func DefaultOptions() Options {
	return Options{NonceLife: time.Minute, Algorithms: slices.Clone(names[:])}
}

// Algorithm is a hash function of RFC 7616 section 6.1.
type Algorithm uint8

// The algorithms, the strongest first.
const (
	SHA256 Algorithm = iota
	MD5
	algorithms
)

var names = [algorithms]string{SHA256: "SHA-256", MD5: "MD5"}

// String is the name that goes over the wire.
func (a Algorithm) String() string { return names[a] }

// ParseAlgorithm finds an algorithm by its name, in any case.
func ParseAlgorithm(name string) (Algorithm, bool) {
	i := slices.IndexFunc(names[:], func(n string) bool { return strings.EqualFold(n, name) })
	return Algorithm(max(i, 0)), i >= 0
}

// hexLen is the length of a hash in hexadecimal digits.
func (a Algorithm) hexLen() int {
	if a == MD5 {
		return 2 * md5.Size
	}
	return 2 * sha256.Size
}

// appendHash appends the hash of text in lower-case hexadecimal digits.
func (a Algorithm) appendHash(to, text []byte) []byte {
	if a == MD5 {
		sum := md5.Sum(text)
		return hex.AppendEncode(to, sum[:])
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(to, sum[:])
}

// HA1 is the hash that stands for a password (RFC 7616 section 3.4.2): whoever knows it
// can prove to be the user, so it is as secret as that.
func (a Algorithm) HA1(user, realm string, password secret.Secret) secret.Secret {
	text := []byte(user + ":" + realm + ":" + password.Reveal())
	defer clear(text)
	return secret.Of(string(a.appendHash(nil, text)))
}

// response is what proves the user (RFC 7616 section 3.4.1), with qop "auth".
func (a Algorithm) response(ha1 secret.Secret, c *Credentials, method string) []byte {
	var room [1024]byte
	ha2 := append(append(append(room[:0], method...), ':'), c.URI...)
	var hashed [2 * sha256.Size]byte
	h2 := a.appendHash(hashed[:0], ha2)
	text := append(room[:0], ha1.Reveal()...)
	for _, part := range []string{c.Nonce, c.NC, c.CNonce, qopAuth} {
		text = append(append(text, ':'), part...)
	}
	text = append(append(text, ':'), h2...)
	defer clear(text)
	return a.appendHash(make([]byte, 0, 2*sha256.Size), text)
}

const (
	qopAuth = "auth"

	shortestLife = 10 * time.Second
	longestLife  = 10 * time.Minute

	nameMax = 64 // characters of a user's name, and of a realm
)

// Validate returns every problem, one sentence with its key and remedy a line. It opens
// no file.
func (o Options) Validate() error {
	var all []error
	bad := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	if o.Realm != "" && !isName(o.Realm) {
		bad("realm %q is none; use 1 to %d printable characters without quotes, backslashes and colons, like sip.example.org", o.Realm, nameMax)
	}
	if o.NonceLife < shortestLife || o.NonceLife > longestLife {
		bad("nonce_life is %v; set it between %v and %v", o.NonceLife, shortestLife, longestLife)
	}
	if len(o.Algorithms) == 0 {
		bad("algorithms is empty; write [SHA-256], or [SHA-256, MD5]")
	}
	for i, name := range o.Algorithms {
		a, ok := ParseAlgorithm(name)
		switch {
		case !ok:
			bad("algorithms has %q; write SHA-256 or MD5", name)
		case i > 0 && slices.ContainsFunc(o.Algorithms[:i], func(n string) bool { b, ok := ParseAlgorithm(n); return ok && b >= a }):
			bad("algorithms has %s behind one that is no stronger; write [SHA-256, MD5], or one of them", a)
		}
	}
	return errors.Join(all...)
}

// Offered are the algorithms of valid options.
func (o Options) Offered() (all []Algorithm) {
	for _, name := range o.Algorithms {
		if a, ok := ParseAlgorithm(name); ok {
			all = append(all, a)
		}
	}
	return all
}

// Resolve takes a relative name of the file from dir.
func (o *Options) Resolve(dir string) {
	if o.UsersFile != "" && !filepath.IsAbs(o.UsersFile) {
		o.UsersFile = filepath.Join(dir, o.UsersFile)
	}
}

// isUser tells what can be a user: a name that, as the user of a SIP URI, means itself.
func isUser(s string) bool { return isName(s) && !strings.ContainsAny(s, "%;") }

// isName tells what can be a realm: printable ASCII that needs no escape in a
// header and does not end its part of a line of the file.
func isName(s string) bool {
	return s != "" && len(s) <= nameMax && s == strings.TrimSpace(s) && s[0] != '#' &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' || r == ':' })
}
