package uas

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// wire is a UDP socket in memory: a test hands over what arrives, and has what is sent.
type wire struct {
	in   chan parcel
	gone chan struct{}
	once sync.Once

	mu  sync.Mutex
	out []parcel
}

type parcel struct {
	at   netip.AddrPort // where it comes from, or goes to
	text []byte
}

func newWire() *wire { return &wire{in: make(chan parcel), gone: make(chan struct{})} }

func (w *wire) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-w.in:
		return copy(b, p.text), p.at, nil
	case <-w.gone:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (w *wire) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = append(w.out, parcel{to, bytes.Clone(b)})
	return len(b), nil
}

func (w *wire) WriteTo(b []byte, to net.Addr) (int, error) {
	return w.WriteToUDPAddrPort(b, to.(*net.UDPAddr).AddrPort())
}

func (w *wire) ReadFrom([]byte) (int, net.Addr, error) { return 0, nil, errors.ErrUnsupported }
func (w *wire) Close() error                           { w.once.Do(func() { close(w.gone) }); return nil }
func (w *wire) SetDeadline(time.Time) error            { return nil }
func (w *wire) SetReadDeadline(time.Time) error        { return nil }
func (w *wire) SetWriteDeadline(time.Time) error       { return nil }
func (w *wire) LocalAddr() net.Addr                    { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060} }

// sent takes what was sent so far.
func (w *wire) sent() []parcel {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.out
	w.out = nil
	return all
}

// arrive hands a datagram over and returns when the reader has dealt with it: it asks for
// the next one, here a keep-alive, when all that the datagram makes run has begun.
func (w *wire) arrive(from netip.AddrPort, text []byte) {
	w.in <- parcel{from, text}
	w.in <- parcel{from, []byte("\r\n")}
}
