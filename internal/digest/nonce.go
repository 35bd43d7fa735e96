package digest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// A nonce is 32 bytes in base64, of which nothing is kept when it is given:
//
//	 0        8       16              28      32
//	+--------+--------+---------------+-------+
//	|  time  | random |    genuine    | host  |
//	+--------+--------+---------------+-------+
//
// time is nanoseconds since this process began. genuine, a MAC of what stands before
// it, says that the nonce is ours, wherever it comes from: a telephone may have a new
// address by then. host, another one with the address that the nonce was sent to, says
// that whoever shows it there can read there what we send.
const (
	nonceLen = 32
	genuine  = 16
	hostAt   = 28
)

// nonceID is time and random.
type nonceID [genuine]byte

func (id nonceID) given() time.Duration { return time.Duration(binary.BigEndian.Uint64(id[:8])) }

// Nonces gives nonces and remembers those that were used. It outlives an exchange of the
// options. It is safe for concurrent use.
type Nonces struct {
	key   [32]byte
	began time.Time

	mu          sync.Mutex
	most        int // entries of a generation
	now, before map[nonceID]uint32
	newest      time.Duration // of now
	aged        time.Duration // newest of before
	turned      time.Duration
	floor       time.Duration // nonces given up to then are over: they may have been forgotten
}

// usedMost bounds a generation of used nonces. Only who has proved to be a user enters
// one, and its nonce is over after a minute.
const usedMost = 1 << 15

// NewNonces makes a source of nonces with a key of its own.
func NewNonces(now time.Time) *Nonces {
	n := &Nonces{began: now.Add(-time.Nanosecond), most: usedMost, now: map[nonceID]uint32{}}
	rand.Read(n.key[:])
	return n
}

// mac is for one use of a nonce, with the host that it was sent to where that is meant.
func (n *Nonces) mac(id nonceID, host netip.Addr) []byte {
	h := hmac.New(sha256.New, n.key[:])
	h.Write(id[:])
	if host.IsValid() {
		a := host.As16()
		h.Write(a[:])
	}
	return h.Sum(nil)
}

// give makes a nonce for whoever reads what is sent to a host.
func (n *Nonces) give(host netip.Addr, now time.Time) string {
	var b [nonceLen]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.Sub(n.began)))
	rand.Read(b[8:genuine])
	id := nonceID(b[:genuine])
	copy(b[genuine:hostAt], n.mac(id, netip.Addr{}))
	copy(b[hostAt:], n.mac(id, host.Unmap().WithZone("")))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// read says whether a nonce is one of ours, and whether it was given to a host.
func (n *Nonces) read(text string, host netip.Addr) (id nonceID, ours, toHost bool) {
	var b [nonceLen]byte
	if len(text) != base64.RawURLEncoding.EncodedLen(nonceLen) {
		return id, false, false
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(text)); err != nil {
		return id, false, false
	}
	id = nonceID(b[:genuine])
	ours = subtle.ConstantTimeCompare(b[genuine:hostAt], n.mac(id, netip.Addr{})[:hostAt-genuine]) == 1
	toHost = ours && host.IsValid() && subtle.ConstantTimeCompare(b[hostAt:], n.mac(id, host.Unmap().WithZone(""))[:nonceLen-hostAt]) == 1
	return id, ours, toHost
}

// Given says whether a nonce was sent to a host, at whatever time: whoever shows it from
// there is there.
func (n *Nonces) Given(nonce string, host netip.Addr) bool {
	_, _, toHost := n.read(nonce, host)
	return toHost
}

// use takes a count of a nonce; false if the nonce is not ours or over, or if this count
// or a higher one came before (RFC 7616 section 3.4): the credentials may be a copy.
func (n *Nonces) use(text string, count uint32, life time.Duration, now time.Time) bool {
	id, ours, _ := n.read(text, netip.Addr{})
	at := now.Sub(n.began)
	given := id.given()
	if !ours || at-given > life || given > at {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if at-n.turned > life || len(n.now) >= n.most {
		n.turn(at)
	}
	if given <= n.floor || count <= max(n.now[id], n.before[id]) {
		return false
	}
	n.now[id] = count
	n.newest = max(n.newest, given)
	return true
}

// turn forgets the older generation, and with it everything that is as old; the caller
// holds mu. When the table is full a telephone is asked once more at worst: no count is
// ever taken twice.
func (n *Nonces) turn(at time.Duration) {
	n.floor = max(n.floor, n.aged)
	n.before, n.now = n.now, map[nonceID]uint32{}
	n.aged, n.newest = n.newest, 0
	n.turned = at
}
