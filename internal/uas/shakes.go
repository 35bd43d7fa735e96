package uas

import (
	"net/netip"
	"time"
)

// shakes bounds the handshakes of TLS that others make us compute: see Limits.Rate.
type shakes struct {
	each        *buckets // of one host
	named, many *buckets // of all hosts together that peers list one by one, and by prefixes
}

// messagesAShake is what a new TLS connection costs in messages: 1.3 ms of computing, where
// one that is read and answered costs about 45 us.
const messagesAShake = 32

// shakesAtOnce are always let in, however low the rate of messages is.
const shakesAtOnce = 8

func newShakes(l Limits) shakes {
	rate, burst := float64(l.Rate)/messagesAShake, max(shakesAtOnce, float64(l.Burst)/messagesAShake)
	return shakes{newBuckets(rate, burst), oneBucket(totalShare*rate, totalShare*burst), oneBucket(totalShare*rate, totalShare*burst)}
}

// admit says whether a new TLS connection of a peer is within the rates. A host with calls up
// does not wait for all the others: it has its own rate alone.
func (s *shakes) admit(p *peer, from netip.Addr, calls func(netip.Addr) bool, now time.Time) bool {
	if !s.each.take(from, 1, now) {
		return false
	}
	all := s.named
	if !p.names(from) {
		all = s.many
	}
	return all.take(from, 1, now) || calls(from)
}
