package uas

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sources bounds what sipgo keeps of UDP: it enters each address that a datagram came
// from into its pool of connections, to know the socket to answer from, and takes none
// out before the socket is closed. Addresses of peers are often anybody's to forge. So
// sipgo is told that every datagram came from the socket's own address (see gatedPackets),
// and the true one is entered here: for the moment until its transaction has found its
// socket, after which nobody asks for it. For one that was forgotten too early sipgo would
// open a socket of its own, beside the gate.
type sources struct {
	most int           // new ones of a generation
	wait time.Duration // that a generation lasts at least

	mu          sync.Mutex
	now, before map[string]struct{} // two generations: an address is forgotten with the older one
	turned      time.Time
}

const (
	// sourcesMost are the addresses of a generation.
	sourcesMost = 1 << 14
	// sourcesWait is longer than a datagram that was let in waits for its transaction.
	sourcesWait = 2 * time.Second
)

func newSources(most int, wait time.Duration) *sources {
	return &sources{most: most, wait: wait, now: make(map[string]struct{}), turned: time.Now()}
}

// full says whether a datagram from an address has to be left out, since the address would
// make too many. One that was here lately is taken longer.
func (l *sources) full(from netip.AddrPort, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.now) < l.most || now.Sub(l.turned) >= l.wait {
		return false
	}
	name := nameOf(from)
	if _, known := l.now[name]; known {
		return false
	}
	_, lately := l.before[name]
	return !lately || len(l.now) >= 2*l.most
}

// nameOf is an address as sipgo writes it.
func nameOf(from netip.AddrPort) string { return net.UDPAddrFromAddrPort(from).String() }

// enter lets the pool find a socket by an address.
func (l *sources) enter(pool *sip.ConnectionPool, from string, socket sip.Connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.now[from]; !known {
		if now := time.Now(); len(l.now) >= l.most && now.Sub(l.turned) >= l.wait {
			l.turn(pool)
			l.turned = now
		}
		l.now[from] = struct{}{}
	}
	pool.Add(from, socket) // also a known one: it may have come by another socket
}

// turn forgets the older generation; the caller holds mu.
func (l *sources) turn(pool *sip.ConnectionPool) {
	var old []string
	for from := range l.before {
		if _, still := l.now[from]; !still {
			old = append(old, from)
		}
	}
	pool.DeleteMultiple(old)
	l.before, l.now = l.now, make(map[string]struct{})
}

// forget forgets all, when no socket is read any more.
func (l *sources) forget(pool *sip.ConnectionPool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(pool)
	l.turn(pool)
}

// trace writes into a message that came by UDP where it came from, and returns when a
// message came. It is called by the reader of its socket, before that reads on.
func (s *Server) trace(msg sip.Message) time.Time {
	if sip.NetworkToLower(msg.Transport()) != "udp" {
		return time.Now()
	}
	known, ok := s.sockets.Load(msg.Source())
	if !ok {
		return time.Now()
	}
	c := known.(*gatedPackets)
	from := nameOf(c.from)
	msg.SetSource(from)
	if _, isRequest := msg.(*sip.Request); !isRequest {
		return c.at // nobody answers it
	}
	pool := s.transport.Pool("udp")
	if c.socket == nil {
		c.socket = pool.Get(c.LocalAddr().String())
	}
	s.sources.enter(pool, from, c.socket)
	return c.at
}
