package caller

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
)

// peer is the other end of a call in the tests: a small UAS on a UDP or TCP socket
// with its own port for RTP. It keeps every message and packet it got.
type peer struct {
	t    *testing.T
	udp  *net.UDPConn
	tcp  net.Listener
	rtp  *net.UDPConn
	conn net.Conn // the TCP connection of the call

	mu       sync.Mutex
	far      netip.AddrPort // of the last message
	requests []*sip.Request
	repeats  map[sip.RequestMethod]int // of requests that came before, byte by byte
	answers  []*sip.Response
	packets  []rtp.Packet
	froms    []netip.AddrPort // of packets
	on       map[sip.RequestMethod]func(req *sip.Request)
	wg       sync.WaitGroup
	seq      uint16
	ts       uint32
	ears     *ears // of the telephone, if it has some: nothing is played faster than they listen
}

const peerTag = "peer-tag"

// newPeer starts a peer that answers nothing until told how.
func newPeer(t *testing.T, transport Transport, ip string) *peer {
	p := &peer{t: t, on: map[sip.RequestMethod]func(*sip.Request){}, repeats: map[sip.RequestMethod]int{}}
	var err error
	if transport == TCP {
		p.tcp, err = net.Listen("tcp", net.JoinHostPort(ip, "0"))
		require.NoError(t, err)
		p.wg.Add(1)
		go p.acceptTCP()
	} else {
		p.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		require.NoError(t, err)
		p.wg.Add(1)
		go p.readUDP()
	}
	p.rtp, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	require.NoError(t, err)
	p.wg.Add(1)
	go p.readRTP()
	t.Cleanup(p.close)
	return p
}

func (p *peer) close() {
	if p.udp != nil {
		p.udp.Close()
	}
	if p.tcp != nil {
		p.tcp.Close()
	}
	p.mu.Lock()
	if p.conn != nil {
		p.conn.Close()
	}
	p.mu.Unlock()
	p.rtp.Close()
	p.wg.Wait()
}

func (p *peer) addr() string {
	if p.tcp != nil {
		return p.tcp.Addr().String()
	}
	return p.udp.LocalAddr().String()
}

func (p *peer) uri() string {
	uri := "sip:*97@" + p.addr()
	if p.tcp != nil {
		uri += ";transport=tcp"
	}
	return uri
}

func (p *peer) acceptTCP() {
	defer p.wg.Done()
	for {
		conn, err := p.tcp.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conn = conn
		p.mu.Unlock()
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			parser := sip.NewParser().NewSIPStream()
			buf := make([]byte, 4096)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				_ = parser.ParseSIPStream(buf[:n], p.take)
			}
		}()
	}
}

func (p *peer) readUDP() {
	defer p.wg.Done()
	buf := make([]byte, 65536)
	for {
		n, from, err := p.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.far = from
		p.mu.Unlock()
		msg, err := sip.ParseMessage(append([]byte(nil), buf[:n]...))
		if err != nil {
			p.t.Errorf("the telephone sent what is no SIP: %v", err)
			continue
		}
		p.take(msg)
	}
}

func (p *peer) take(msg sip.Message) {
	req, ok := msg.(*sip.Request)
	p.mu.Lock()
	if !ok {
		p.answers = append(p.answers, msg.(*sip.Response))
		p.mu.Unlock()
		return
	}
	act := p.on[req.Method]
	p.mu.Unlock()
	if act != nil {
		act(req)
	}
	p.mu.Lock() // after act: the parser fills in headers as they are asked for
	defer p.mu.Unlock()
	for _, old := range p.requests {
		if old.Method == req.Method && old.String() == req.String() {
			p.repeats[req.Method]++
			return
		}
	}
	p.requests = append(p.requests, req)
}

func (p *peer) readRTP() {
	defer p.wg.Done()
	buf := make([]byte, 2048)
	for {
		n, from, err := p.rtp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var packet rtp.Packet
		if packet.Unmarshal(append([]byte(nil), buf[:n]...)) != nil {
			continue
		}
		p.mu.Lock()
		p.packets = append(p.packets, packet)
		p.froms = append(p.froms, from)
		p.mu.Unlock()
	}
}

func (p *peer) write(raw []byte) {
	p.mu.Lock()
	far, conn := p.far, p.conn
	p.mu.Unlock()
	if conn != nil {
		_, _ = conn.Write(raw)
		return
	}
	_, _ = p.udp.WriteToUDPAddrPort(raw, far)
}

// reply answers a request; lines are header lines, sdp is a body or empty.
func (p *peer) reply(req *sip.Request, status int, lines, sdp string) {
	var content *body
	if sdp != "" {
		content = sdpBody([]byte(sdp))
	}
	p.write(reply(req, status, "Test", peerTag, strings.TrimSuffix(lines, "\r\n"), content))
}

func (p *peer) contact() string {
	c := "Contact: <sip:star97@" + p.addr()
	if p.tcp != nil {
		c += ";transport=tcp"
	}
	return c + ">\r\n"
}

// when says what the peer does with a method's requests, on its reading goroutine.
func (p *peer) when(method sip.RequestMethod, act func(req *sip.Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on[method] = act
}

// answering makes the peer answer INVITE and UPDATE with 200 and its description,
// and BYE, INFO and CANCEL with 200.
func (p *peer) answering() *peer {
	describe := func(req *sip.Request) { p.reply(req, 200, p.contact(), p.description("sendrecv")) }
	ok := func(req *sip.Request) { p.reply(req, 200, "", "") }
	p.when(sip.INVITE, describe)
	p.when(sip.UPDATE, describe)
	p.when(sip.BYE, ok)
	p.when(sip.INFO, ok)
	p.when(sip.CANCEL, ok)
	return p
}

func (p *peer) description(direction string) string {
	a := p.rtp.LocalAddr().(*net.UDPAddr)
	kind := "IP4"
	if a.IP.To4() == nil {
		kind = "IP6"
	}
	return fmt.Sprintf("v=0\r\no=peer 1 1 IN %[1]s %[2]s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\nm=audio %[3]d RTP/AVP 0 101\r\n"+
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=%[4]s\r\n", kind, a.IP, a.Port, direction)
}

// ask sends a request inside the dialog that invite began.
func (p *peer) ask(invite *sip.Request, method string, cseq int, sdp string, headers ...Header) {
	r := request{method: method, uri: invite.Contact().Address.String(), via: "UDP " + p.addr(), branch: sip.GenerateBranch(),
		from: strings.TrimSuffix(invite.To().Value(), ";") + ";tag=" + peerTag, to: invite.From().Value(),
		callID: invite.CallID().Value(), cseq: uint32(cseq), contact: "<sip:star97@" + p.addr() + ">", headers: headers}
	if sdp != "" {
		r.body = sdpBody([]byte(sdp))
	}
	p.write(r.bytes())
}

// patience is how long something is waited for that comes at once unless the machine
// is busy.
const patience = 30 * time.Second

// got waits for the n-th request of a method.
func (p *peer) got(method sip.RequestMethod, n int) *sip.Request {
	p.t.Helper()
	var found *sip.Request
	require.Eventually(p.t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		count := 0
		for _, r := range p.requests {
			if r.Method == method {
				if count++; count == n {
					found = r
					return true
				}
			}
		}
		return false
	}, patience, 5*time.Millisecond, "%s number %d never came", method, n)
	return found
}

func (p *peer) count(method sip.RequestMethod) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		if r.Method == method {
			n++
		}
	}
	return n
}

// repeated is how often a request of a method came once more.
func (p *peer) repeated(method sip.RequestMethod) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.repeats[method]
}

// answered waits for the n-th response.
func (p *peer) answered(n int) *sip.Response {
	p.t.Helper()
	var found *sip.Response
	require.Eventually(p.t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.answers) >= n {
			found = p.answers[n-1]
		}
		return found != nil
	}, patience, 5*time.Millisecond, "answer %d never came", n)
	return found
}

func (p *peer) rtpSoFar() []rtp.Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]rtp.Packet(nil), p.packets...)
}

// sendRTP sends one packet of PCMU to where the telephone's description said.
func (p *peer) sendRTP(to netip.AddrPort, payload []byte, marker bool) {
	p.seq++
	packet := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: p.seq, Timestamp: p.ts, SSRC: 7, Marker: marker}, Payload: payload}
	p.ts += uint32(len(payload))
	raw, err := packet.Marshal()
	require.NoError(p.t, err)
	_, _ = p.rtp.WriteToUDPAddrPort(raw, to)
}

// heardKeys waits until these keys and no others have gone down.
func (p *peer) heardKeys(keys string) {
	p.t.Helper()
	eventually(func() bool { return p.presses() == keys }, patience)
	require.Equal(p.t, keys, p.presses())
}

// presses decodes the telephone-events that came, one per key-down.
func (p *peer) presses() (keys string) {
	seen := map[uint32]bool{}
	for _, packet := range p.rtpSoFar() {
		if packet.PayloadType == 101 && len(packet.Payload) == 4 && !seen[packet.Timestamp] {
			seen[packet.Timestamp] = true
			keys += string(dtmf.Digit(packet.Payload[0]).Char())
		}
	}
	return keys
}
