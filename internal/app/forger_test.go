package app

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"star97/internal/caller/callertest"
	"star97/internal/dtmf"
)

// dialogNames are what names a call, from the service's side.
type dialogNames struct{ callID, local, remote string }

// guessed is a dialog of which one tag is wrong.
func (d dialogNames) guessed(tag string) dialogNames {
	if tag == "local" {
		d.local = "0123456789abcdef0123"
	} else {
		d.remote = "guessed"
	}
	return d
}

// forger sends what is not the caller's, from an address of its own.
type forger struct {
	t       testing.TB
	sip     net.Conn
	rtp     *net.UDPConn
	id      dialogNames
	number  string // Request-URI
	service netip.AddrPort
	ssrc    uint32 // the caller's
	audioPT uint8
	eventPT uint8
	seq     uint16
	branch  int
}

func newForger(t testing.TB, h *house, c *callertest.Phone, from string) *forger {
	local := &net.UDPAddr{IP: net.ParseIP(from)}
	sip, err := (&net.Dialer{LocalAddr: local}).Dial("udp4", h.addr)
	require.NoError(t, err)
	rtp, err := net.ListenUDP("udp4", local)
	require.NoError(t, err)
	f := &forger{t: t, sip: sip, rtp: rtp, number: "sip:*97@" + h.addr}
	names := strings.FieldsFunc(c.Replaces(), func(r rune) bool { return r == ';' || r == '=' })
	f.id = dialogNames{callID: names[0], local: names[2], remote: names[4]}
	agreed := c.Agreed()
	f.service, f.audioPT, f.eventPT, f.ssrc = agreed.Remote, agreed.PT, agreed.EventPT, c.Media().SSRC()
	return f
}

func (f *forger) close() { f.sip.Close(); f.rtp.Close() }

// request writes a request of a dialog, as the caller would but for a branch of its own.
func (f *forger) request(method string, id dialogNames, cseq int) {
	body, kind, more := "", "", ""
	switch method {
	case "INVITE", "UPDATE": // the audio would come to the forger
		kind = "application/sdp"
		body = fmt.Sprintf("v=0\r\no=- 1 9 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
			f.host(), f.rtp.LocalAddr().(*net.UDPAddr).Port)
	case "INFO":
		kind, body = dtmf.InfoPlain, "5"
	case "REFER":
		more = "Refer-To: <sip:666@" + f.sip.LocalAddr().String() + ">\r\n"
	case "NOTIFY":
		kind, body, more = "message/sipfrag", "SIP/2.0 200 OK\r\n", "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n"
	}
	if kind != "" {
		more += "Content-Type: " + kind + "\r\n"
	}
	f.write(method, id.local, id, cseq, more, body)
}

// replace asks to take the place of the call.
func (f *forger) replace() {
	of := f.id
	id := dialogNames{callID: fmt.Sprint("forged-", f.branch, f.sip.LocalAddr()), remote: "forger"}
	f.write("INVITE", "", id, 1, fmt.Sprintf("Replaces: %s;to-tag=%s;from-tag=%s\r\n", of.callID, of.local, of.remote), "")
}

func (f *forger) write(method, toTag string, id dialogNames, cseq int, more, body string) {
	f.branch++
	if toTag != "" {
		toTag = ";tag=" + toTag
	}
	_, err := fmt.Fprintf(f.sip, "%[1]s %[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[3]s;branch=z9hG4bKforged%[4]d;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:4001@%[5]s>;tag=%[6]s\r\nTo: <%[2]s>%[7]s\r\nCall-ID: %[8]s\r\nCSeq: %[9]d %[1]s\r\nContact: <sip:4001@%[3]s>\r\n%[10]sContent-Length: %[11]d\r\n\r\n%[12]s",
		method, f.number, f.sip.LocalAddr(), f.branch, f.host(), id.remote, toTag, id.callID, cseq, more, len(body), body)
	require.NoError(f.t, err)
}

func (f *forger) host() string { return f.sip.LocalAddr().(*net.UDPAddr).IP.String() }

// answers waits until each request has its answer, where there are any, and requires that
// nothing but what may come does.
func (f *forger) answers(kind forgery) string {
	want := kind.times
	if kind.limited {
		want = 1
	}
	if kind.get == "" {
		want = 0
	}
	buf := make([]byte, 4096)
	for n := 0; ; {
		wait := patience
		if n >= want {
			wait = 10 * time.Millisecond // for one too many
		}
		require.NoError(f.t, f.sip.SetReadDeadline(time.Now().Add(wait)))
		size, err := f.sip.Read(buf)
		if err != nil {
			require.GreaterOrEqual(f.t, n, want, "%s from %s, who knows %s: answers", kind.what, kind.from, kind.knows)
			break
		}
		require.Equal(f.t, "SIP/2.0 "+kind.get, string(buf[:min(size, 11)]), "%s from %s, who knows %s", kind.what, kind.from, kind.knows)
		n++
	}
	if kind.get == "" {
		return "nothing"
	}
	return kind.get
}

// packet sends RTP to the call's port.
func (f *forger) packet(pt uint8, marker bool, ssrc, timestamp uint32, payload []byte) {
	f.seq++
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, pt // RFC 3550 section 5.1
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], f.seq)
	binary.BigEndian.PutUint32(b[4:], timestamp)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	_, err := f.rtp.WriteToUDPAddrPort(append(b, payload...), f.service)
	require.NoError(f.t, err)
}

func (f *forger) audio(ssrc uint32) {
	for n := range uint32(50) {
		f.packet(f.audioPT, n == 0, ssrc, 160*n, make([]byte, 160))
	}
}

// key is a press of 100 ms, all its packets at once.
func (f *forger) key(ssrc uint32) {
	for _, p := range dtmf.Encode(nil, dtmf.Press{Digit: 5, Length: 100 * time.Millisecond, Volume: 10}, 8000, 20*time.Millisecond) {
		f.packet(f.eventPT, p.Marker, ssrc, 160000*uint32(f.seq)+p.Offset, p.Payload[:])
	}
}

func (f *forger) control(packets ...rtcp.Packet) {
	data, err := rtcp.CompoundPacket(packets).Marshal()
	require.NoError(f.t, err)
	_, err = f.rtp.WriteToUDPAddrPort(data, netip.AddrPortFrom(f.service.Addr(), f.service.Port()+1))
	require.NoError(f.t, err)
}

func (f *forger) goodbye(ssrc uint32) {
	f.control(&rtcp.ReceiverReport{SSRC: ssrc}, rtcp.NewCNAMESourceDescription(ssrc, "forged"), &rtcp.Goodbye{Sources: []uint32{ssrc}})
}

// complaint reports that nothing of ours came.
func (f *forger) complaint(ssrc uint32) {
	f.control(&rtcp.ReceiverReport{SSRC: ssrc, Reports: []rtcp.ReceptionReport{{SSRC: ssrc, FractionLost: 255, TotalLost: 1 << 22}}},
		rtcp.NewCNAMESourceDescription(ssrc, "forged"))
}
