package digest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"star97/internal/secret"
)

// Verdict is what credentials prove.
type Verdict uint8

// The verdicts. The zero value proves nothing.
const (
	Wrong Verdict = iota // no user has these, or they are not for this request
	Stale                // they are a user's, but their nonce is over, or its count came before
	Right
)

// Authority asks for credentials and checks them. It is safe for concurrent use.
type Authority struct {
	opts    Options
	offered []Algorithm
	book    *Book
	nonces  *Nonces
	nobody  [algorithms]secret.Secret // what a user who is not there is checked with
}

// NewAuthority reads the users of valid options; without their file there are none. The
// error is a sentence with file, line and remedy for each line that is wrong.
func NewAuthority(o Options, nonces *Nonces, now time.Time) (*Authority, error) {
	book, err := OpenBook(o.UsersFile, o.Realm, now)
	if err != nil {
		return nil, err
	}
	a := &Authority{opts: o, offered: o.Offered(), book: book, nonces: nonces}
	for i := range a.nobody {
		b := make([]byte, Algorithm(i).hexLen()/2)
		rand.Read(b)
		a.nobody[i] = secret.Of(hex.EncodeToString(b))
	}
	return a, nil
}

// Realm is the realm of all users.
func (a *Authority) Realm() string { return a.opts.Realm }

// Refresh reads the users again if their file has changed. The error is told once for
// each file that cannot be used: the users of before stay. changed tells of new ones.
func (a *Authority) Refresh(now time.Time) (changed bool, err error) { return a.book.refresh(now) }

// Challenges are the values of WWW-Authenticate headers, a header each, the strongest
// first (RFC 8760 section 2.2), for whoever reads what is sent to a host. stale says that
// the credentials were right but for their nonce.
func (a *Authority) Challenges(host netip.Addr, stale bool, now time.Time) []string {
	all := make([]string, 0, len(a.offered))
	nonce := a.nonces.give(host, now)
	old := ""
	if stale {
		old = ", stale=true"
	}
	for _, alg := range a.offered {
		all = append(all, `Digest realm="`+a.opts.Realm+`", nonce="`+nonce+`"`+old+`, algorithm=`+alg.String()+`, qop="`+qopAuth+`"`)
	}
	return all
}

// Given says whether the nonce of credentials was sent to a host: whoever shows it from
// there reads there what we send, and did not only write the address.
func (a *Authority) Given(c *Credentials, host netip.Addr) bool { return a.nonces.Given(c.Nonce, host) }

// Knows says whether there is a user. No answer may depend on it.
func (a *Authority) Knows(user string) bool { return a.book.users.Load().knows(user) }

// Check says what credentials prove for a request of a method; own says that their URI is
// that of the request. It takes the same time whether there is such a user or not, and
// whatever is wrong.
func (a *Authority) Check(c *Credentials, method string, own bool, now time.Time) Verdict {
	alg, offered := MD5, true // what is meant by none (RFC 7616 section 3.4)
	if c.Algorithm != "" {
		alg, offered = ParseAlgorithm(c.Algorithm)
	}
	offered = offered && slices.Contains(a.offered, alg)
	ha1, known := a.book.users.Load().ha1(c.Username, alg)
	if !known {
		ha1 = a.nobody[alg]
	}
	count, counted := c.count()
	same := subtle.ConstantTimeCompare(alg.response(ha1, c, method), []byte(strings.ToLower(c.Response))) == 1
	sound := counted && c.CNonce != "" && strings.EqualFold(c.QOP, qopAuth) && c.Realm == a.opts.Realm
	if !same || !known || !offered || !sound || !own {
		return Wrong
	}
	if !a.nonces.use(c.Nonce, count, a.opts.NonceLife, now) {
		return Stale
	}
	return Right
}
