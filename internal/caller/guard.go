package caller

import (
	"sync"

	"star97/internal/sdp"
	"star97/internal/srtp"
)

// guard is the SRTP of a telephone. Its readers and its sender each have a turn.
type guard struct {
	mu                   sync.Mutex
	sent, heard, control srtp.Session // each packet of another goroutine's buffer
}

// set takes the keys of a stream.
func (g *guard) set(a sdp.Agreed) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range []*srtp.Session{&g.sent, &g.heard, &g.control} {
		s.Rekey(a.OurKey, a.TheirKey)
	}
}

// seal makes of a packet what is sent; the sender alone calls it.
func (g *guard) seal(packet []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent.Seal(packet)
}

// sealControl is seal for RTCP.
func (g *guard) sealControl(packet []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]byte(nil), g.control.SealControl(packet)...)
}

// open turns the datagram that buf begins with, n bytes, into the packet in it, and
// returns its length; 0 if it does not open.
func (g *guard) open(buf []byte, n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return copy(buf, g.heard.Open(buf[:n]))
}

// openControl is open for RTCP.
func (g *guard) openControl(buf []byte, n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return copy(buf, g.control.OpenControl(buf[:n]))
}
