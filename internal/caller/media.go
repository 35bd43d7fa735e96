package caller

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"star97/internal/codec"
	"star97/internal/prompt"
	"star97/internal/sdp"
)

const (
	portTries  = 50
	rtpBuffer  = 1 << 20 // bytes of socket buffer: packets wait there while we are busy
	maxPayload = 1500
	// strangerAfter is how long nothing may have come from where the answer said before
	// audio from elsewhere is listened to.
	strangerAfter = 200 * time.Millisecond
)

// Media is the RTP of one call: a port pair (RFC 3550 section 11), one goroutine
// that reads, one that sends, one that listens to what was read.
type Media struct {
	o     Options
	stats *arrivals
	ears  *ears

	mu      sync.Mutex
	pair    ports
	old     []ports // left by move, still read until Close
	agreed  sdp.Agreed
	named   time.Time // the last packet from where the answer said arrived
	started bool
	closed  bool
	sender  *sender
	guard   guard
	readers sync.WaitGroup
	wg      sync.WaitGroup // the others
	quit    chan struct{}
}

// ports are an RTP socket and its RTCP neighbour.
type ports struct{ rtp, rtcp *net.UDPConn }

func (p ports) close() {
	p.rtp.Close()
	p.rtcp.Close()
}

// openMedia binds a port pair at ip and starts to read it: what comes before the
// answer or before the ACK counts too.
func openMedia(ip netip.Addr, o Options) (*Media, error) {
	m := &Media{o: o, quit: make(chan struct{})}
	m.stats = newArrivals()
	m.ears = newEars(o.Ear)
	m.sender = newSender(o, m.guard.seal)
	pair, err := openPair(ip)
	if err != nil {
		return nil, err
	}
	m.pair = pair
	m.wg.Add(1)
	go func() {
		defer m.wg.Done()
		m.ears.run()
	}()
	m.read(pair)
	return m, nil
}

// openPair binds an even port and the next one (RFC 3550 section 11).
func openPair(ip netip.Addr) (ports, error) {
	var last error
	for range portTries {
		rtp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
		if err != nil {
			return ports{}, fmt.Errorf("opening an RTP port: %w", err)
		}
		port := rtp.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		if port%2 == 0 && port < 65535 {
			rtcp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port+1)))
			if err == nil {
				_ = rtp.SetReadBuffer(rtpBuffer) // a smaller one only matters on a starved machine, where loss is counted
				stampArrivals(rtp)
				stampArrivals(rtcp)
				return ports{rtp, rtcp}, nil
			}
			last = err
		}
		rtp.Close()
	}
	return ports{}, fmt.Errorf("opening an RTP port pair: no even port with a free neighbour in %d tries: %w", portTries, last)
}

// LocalAddr is where our RTP comes to.
func (m *Media) LocalAddr() netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	return unmap(m.pair.rtp.LocalAddr().(*net.UDPAddr).AddrPort())
}

// Set applies a negotiated stream.
func (m *Media) Set(a sdp.Agreed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.agreed = a
	m.guard.set(a)
	m.sender.set(a)
}

// Start permits sending: the call is acknowledged.
func (m *Media) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started || m.closed {
		return
	}
	m.started = true
	m.wg.Add(1)
	go func() {
		defer m.wg.Done()
		m.sender.run(m.quit, m.rtpConn)
	}()
	if m.o.Reports {
		m.wg.Add(1)
		go m.report()
	}
}

// report sends RTCP each 5 s while audio is sent. Started by Start, stops at Close or Hush,
// owns nothing.
func (m *Media) report() {
	defer m.wg.Done()
	timer := time.NewTimer(firstReport)
	defer timer.Stop()
	for {
		select {
		case now := <-timer.C:
			m.sendReport(now)
			timer.Reset(reportEvery)
		case <-m.sender.silent:
			return
		case <-m.quit:
			return
		}
	}
}

// sendReport sends one report to the far end's RTCP port.
func (m *Media) sendReport(now time.Time) {
	sent := m.sender.sending(now)
	m.mu.Lock()
	to, conn := m.agreed.RemoteRTCP, m.pair.rtcp
	m.mu.Unlock()
	if sent.packets == 0 || !to.IsValid() {
		return
	}
	a := m.stats
	a.mu.Lock()
	raw, err := a.reports.compose(now, sent, hearing{ssrc: a.ssrc, highest: a.highest, lost: a.s.Lost, jitter: a.s.Jitter})
	a.mu.Unlock()
	if err != nil {
		return
	}
	if sealed := m.guard.sealControl(raw); sealed != nil {
		_, _ = conn.WriteToUDPAddrPort(sealed, to) // lost or refused, it is only a report
	}
}

func (m *Media) rtpConn() *net.UDPConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pair.rtp
}

// Hush ends sending for good; receiving goes on until Close.
func (m *Media) Hush() { m.sender.hush() }

// move takes a new port pair; the old one is still read, since packets are under way.
func (m *Media) move() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrEnded
	}
	pair, err := openPair(m.pair.rtp.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap())
	if err != nil {
		return err
	}
	m.old = append(m.old, m.pair)
	m.pair = pair
	m.read(pair)
	return nil
}

// Close ends the media and waits for its goroutines. It may be called twice.
func (m *Media) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	close(m.quit)
	for _, p := range append(m.old, m.pair) {
		p.close()
	}
	m.mu.Unlock()
	m.readers.Wait()
	close(m.ears.frames) // only readers fill it
	m.wg.Wait()
}

// SSRC is that of the packets we send.
func (m *Media) SSRC() uint32 { return m.sender.header.SSRC }

// acked marks the moment just before our ACK leaves; media may come from then on.
func (m *Media) acked(at time.Time) { m.stats.acked(at) }

// read starts the readers of a pair.
func (m *Media) read(p ports) {
	m.readers.Add(2)
	go m.readRTP(p.rtp)
	go m.readRTCP(p.rtcp)
}

// readRTP counts and hands on packets. Started by read, stops when the socket
// closes, owns its buffer.
func (m *Media) readRTP(conn *net.UDPConn) {
	defer m.readers.Done()
	buf, oob := make([]byte, maxPayload), make([]byte, 128)
	var pcm frame
	var hearing decoding
	port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	for {
		n, at, from, err := readStamped(conn, buf, oob)
		if err != nil {
			if isClosed(err) {
				return
			}
			continue
		}
		from = unmap(from)
		agreed, ours := m.listensTo(from, at)
		p, ok := m.stats.packet(buf[:m.guard.open(buf, n)], at, from, port, agreed)
		if !ok || !p.audio {
			continue
		}
		if !ours {
			m.stats.strange()
			continue
		}
		if len(p.payload) > len(pcm.pcm) || !hearing.set(p.codec) {
			continue
		}
		pcm.n = hearing.decode(pcm.pcm[:], p.payload)
		pcm.at, pcm.timestamp, pcm.marker, pcm.ssrc = at, p.timestamp, p.marker, p.ssrc
		m.ears.offer(&pcm)
	}
}

// decoding makes samples of sampleRate of what a port receives.
type decoding struct {
	format   *codec.Format
	decoder  codec.Decoder
	narrower *prompt.Narrower // nil: the format has that rate
	wide     [2 * maxFrame]int16
}

// set begins anew where the codec changes; false for an unknown one.
func (d *decoding) set(id codec.ID) bool {
	f, ok := codec.ByID(id)
	if !ok || f == d.format {
		return ok
	}
	d.format, d.decoder, d.narrower = f, f.NewDecoder(), nil
	if f.SampleRate != sampleRate {
		d.narrower = prompt.NewNarrower()
	}
	return true
}

func (d *decoding) decode(dst []int16, payload []byte) int {
	if d.narrower == nil {
		return d.decoder.Decode(dst, payload)
	}
	return d.narrower.Take(dst, d.wide[:d.decoder.Decode(d.wide[:], payload)])
}

// listensTo tells whether what comes from an address now is this call's: where the
// answer said, or elsewhere as long as nothing comes from there. A port that another
// telephone had a moment ago may still get what is said to that one, and two voices in
// one ear are none.
func (m *Media) listensTo(from netip.AddrPort, at time.Time) (sdp.Agreed, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from == m.agreed.Remote {
		m.named = at
		return m.agreed, true
	}
	return m.agreed, at.Sub(m.named) > strangerAfter
}

// readRTCP counts reports. Started by read, stops when the socket closes, owns its buffers.
func (m *Media) readRTCP(conn *net.UDPConn) {
	defer m.readers.Done()
	buf, oob := make([]byte, maxPayload), make([]byte, 128)
	for {
		n, at, _, err := readStamped(conn, buf, oob)
		if err != nil {
			if isClosed(err) {
				return
			}
			continue
		}
		m.stats.report(buf[:m.guard.openControl(buf, n)], at, m.SSRC())
	}
}
