package uas

import (
	"net"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// sources bounds what sipgo keeps of UDP: it enters each address that a datagram came
// from into its pool of connections, to know the socket to answer from, and takes none
// out before the socket is closed. Addresses of peers are often anybody's to forge. So
// sipgo is told that every datagram came from the socket's own address (see gatedPackets),
// and the true one is entered here: for the moment until its transaction has found its
// socket, after which nobody asks for it.
type sources struct {
	most int // of a generation

	mu          sync.Mutex
	now, before map[string]struct{} // two generations: an address is forgotten with the older one
}

// sourcesMost are far more datagrams than wait for a goroutine at a time.
const sourcesMost = 1 << 15

func newSources(most int) *sources {
	return &sources{most: most, now: make(map[string]struct{})}
}

// enter lets the pool find a socket by an address.
func (l *sources) enter(pool *sip.ConnectionPool, from string, socket sip.Connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.now[from]; !known {
		if len(l.now) >= l.most {
			l.turn(pool)
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

// trace writes into a message that came by UDP where it came from. It is called by the
// reader of its socket, before that reads on.
func (s *Server) trace(msg sip.Message) {
	if sip.NetworkToLower(msg.Transport()) != "udp" {
		return
	}
	known, ok := s.sockets.Load(msg.Source())
	if !ok {
		return
	}
	c := known.(*gatedPackets)
	from := net.UDPAddrFromAddrPort(c.from).String()
	msg.SetSource(from)
	if _, isRequest := msg.(*sip.Request); !isRequest {
		return // nobody answers it
	}
	pool := s.transport.Pool("udp")
	if c.socket == nil {
		c.socket = pool.Get(c.LocalAddr().String())
	}
	s.sources.enter(pool, from, c.socket)
}
