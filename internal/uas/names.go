package uas

import (
	"net/netip"
	"sync"
	"time"
)

// names are where far ends that are given by host name were reached, so that what is sent
// next finds the connection without another one, which over TLS costs a handshake.
type names struct {
	mu sync.Mutex
	at map[string]reached
}

type reached struct {
	at    netip.AddrPort
	until time.Time
}

const (
	// namesMost bounds the names of one network.
	namesMost = 256
	// nameKept is how long the DNS is not asked again.
	nameKept = 5 * time.Minute
)

// learn keeps where a name and a port led.
func (n *names) learn(to string, at netip.AddrPort, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at == nil {
		n.at = make(map[string]reached)
	}
	if _, known := n.at[to]; !known && len(n.at) >= namesMost {
		for other := range n.at { // whichever: it costs a connection more
			delete(n.at, other)
			break
		}
	}
	n.at[to] = reached{at, now.Add(nameKept)}
}

// find is where they led; false if that is not known, or was long ago.
func (n *names) find(to string, now time.Time) (netip.AddrPort, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, known := n.at[to]
	if known && !now.Before(r.until) {
		delete(n.at, to)
		known = false
	}
	return r.at, known
}
