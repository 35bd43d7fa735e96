package app

import (
	"bytes"
	"context"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"star97/internal/uas"
)

// sipMessage is a message as the service sent it.
type sipMessage struct {
	at      time.Time
	size    int
	headers uint32 // a sum of its first line and the names of its headers, in their order
}

// tap notes what the service sends by SIP.
type tap struct {
	mu  sync.Mutex
	all map[string][]sipMessage // by Call-ID
}

func (w *tap) listen(_ context.Context, network, address string) (uas.PacketConn, error) {
	to, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP(network, to)
	if err != nil {
		return nil, err
	}
	return &tapped{conn, w}, nil
}

// of are the messages of one call so far.
func (w *tap) of(callID string) []sipMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all[callID])
}

func (w *tap) note(raw []byte) {
	m, sum, id := sipMessage{at: time.Now(), size: len(raw)}, fnv.New32a(), ""
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for i, line := range bytes.Split(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if i == 0 { // a request has the caller's address behind its method
			name, _, _ = bytes.Cut(line, []byte(" sip:"))
		}
		sum.Write(name)
		if bytes.EqualFold(name, []byte("Call-ID")) {
			id = string(bytes.TrimSpace(value))
		}
	}
	m.headers = sum.Sum32() % 1000
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string][]sipMessage{}
	}
	w.all[id] = append(w.all[id], m)
}

// tapped is a socket under a tap.
type tapped struct {
	*net.UDPConn
	tap *tap
}

func (c *tapped) WriteTo(b []byte, to net.Addr) (int, error) {
	c.tap.note(b)
	return c.UDPConn.WriteTo(b, to)
}

func (c *tapped) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.tap.note(b)
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}
