package uas

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// front is a server whose front is fuzzed, with a call up.
type front struct {
	*house
	wire  *wire
	look  *gate // like the server's, to ask what it lets in
	idle  int   // goroutines while nothing happens
	talk  int   // those of the call more
	turn  int
	call  *dialog
	told  *taken             // the same call, as its far end sees it
	names *strings.Replacer  // of the call that is up
	heard [2]map[string]bool // what was sent before, lately and earlier
	aged  time.Time          // when the lately began
}

const frontCaller = "127.0.0.1:5070"

func newFront(f *testing.F) *front {
	w := newWire()
	x := &front{wire: w, look: newTestGate(f), heard: [2]map[string]bool{{}, {}}, aged: time.Now()}
	x.house = newHouse(f, setting{
		options: func(o *Options) {
			o.Listen = []Listen{{Network: "udp", Address: "127.0.0.1:5060"}, {Network: "tcp", Address: "127.0.0.1:0"}}
			o.Peers[0].Addresses = []string{"127.0.0.1"}
			o.T1, o.T2 = 5*time.Millisecond, 5*time.Millisecond // what waits for T1 soon ends
			o.Limits.Rate, o.Limits.Burst = 1000000, 1000000
		},
		server: func(s *Server) {
			untroubled(s)
			s.gate.strangers, s.gate.crowd = newBuckets(1e9, 1e9), oneBucket(1e9, 1e9)
		},
		wire: w,
	})
	for idle := steady(); x.talk == 0; {
		x.clear(f)
		x.begin(f)
		if n := steady(); !x.ended() {
			x.talk = n - idle
		}
	}
	return x
}

// up makes sure that the call is up, and nothing else. A machine that has no time for the
// ACK lets it end, and then another one begins.
func (x *front) up(t testing.TB) {
	t.Helper()
	for x.ended() || x.Calls() != 1 {
		x.clear(t)
		x.begin(t)
	}
	if x.idle == 0 { // counted here: a fuzzed function has goroutines around it that f has not
		x.idle = steady() - x.talk
	}
}

// begin makes the call.
func (x *front) begin(t testing.TB) {
	t.Helper()
	x.turn++
	id := fmt.Sprintf("front-%d", x.turn)
	text := strings.NewReplacer("CALLID", id, "BRANCH", id).Replace(invite(offerText))
	at := netip.MustParseAddrPort(frontCaller)
	x.wire.arrive(at, []byte(text))
	x.told = x.calls.next(t)
	x.call = x.told.leg.(*dialog)
	var answer message
	soon(t, func() bool {
		for _, p := range x.fresh() {
			if bytes.Contains(p.text, []byte(" 200 OK")) && bytes.Contains(p.text, []byte("Call-ID: "+id+"\r\n")) {
				answer, _ = readMessage(p.text)
			}
		}
		return answer.start != ""
	})
	_, tag, _ := strings.Cut(answer.get("To"), ";tag=")
	ack := strings.NewReplacer("CALLID", id, "BRANCH", id+"a", "example.org>\r\nCall", "example.org>;tag="+tag+"\r\nCall").Replace(plain("ACK"))
	x.wire.arrive(at, []byte(ack))
	soon(t, func() bool { return !x.dialogs.unconfirmed(x.call) || x.ended() })
	x.names = strings.NewReplacer("TOTAG", tag, "FROMTAG", "f1", "CALLID", id)
}

// ended says whether the call is over, be it that its goroutines have yet to end.
func (x *front) ended() bool {
	if x.call == nil || x.dialogs.find(x.call.id) != x.call {
		return true
	}
	for {
		select {
		case _, more := <-x.told.heard:
			if !more {
				return true
			}
		default:
			return false
		}
	}
}

// goroutines is how many there are. runtime.NumGoroutine adds up what changes meanwhile, and
// may be some too low; this stops the world.
func goroutines() int {
	var few [1]runtime.StackRecord // an empty slice would have NumGoroutine's
	n, _ := runtime.GoroutineProfile(few[:])
	return n
}

// steady is how many goroutines there are once nothing begins or ends any more. Where others
// have the machine, one that is about to end may be seen first, however long the wait before:
// each of many short ones gives it another turn. A fuzzed function has ten seconds.
func steady() int {
	least := goroutines()
	for row := 0; row < 20; row++ {
		time.Sleep(10 * time.Millisecond)
		if n := goroutines(); n < least {
			least, row = n, 0
		}
	}
	return least
}

// fresh takes what was sent and was not before: an INVITE that is refused has its answer
// repeated until its ACK, or until Timer H (RFC 3261 section 17.2.1).
func (x *front) fresh() (all []parcel) {
	if time.Since(x.aged) > sip.Timer_H+patience {
		x.heard, x.aged = [2]map[string]bool{{}, x.heard[0]}, time.Now()
	}
	for _, p := range x.wire.sent() {
		if text := string(p.text); !x.heard[0][text] && !x.heard[1][text] {
			x.heard[0][text] = true
			all = append(all, p)
		}
	}
	return all
}

// clear ends all calls.
func (x *front) clear(t testing.TB) {
	x.dialogs.each(func(d *dialog) { d.abandon() })
	soon(t, func() bool { return x.Calls() == 0 })
	for len(x.calls.calls) > 0 {
		<-x.calls.calls
	}
}

// settled ends the calls that a message began, and waits until all that it made run has
// ended.
func (x *front) settled(t testing.TB) {
	for begin := time.Now(); ; runtime.Gosched() {
		over := x.ended()
		x.dialogs.each(func(d *dialog) {
			if over || d != x.call {
				d.abandon()
			}
		})
		for len(x.calls.calls) > 0 {
			<-x.calls.calls
		}
		if runtime.NumGoroutine() <= x.idle+x.talk && len(x.connections) == 0 {
			n, most := goroutines(), x.idle
			if !x.ended() { // asked after they were counted: they were among them
				most += x.talk
			}
			if n <= most {
				return
			}
		}
		if time.Since(begin) > patience {
			all := make([]byte, 1<<20)
			require.FailNow(t, "a goroutine or a connection is left", string(all[:runtime.Stack(all, true)]))
		}
	}
}

func readMessage(text []byte) (message, error) {
	return parseMessage(bufio.NewReader(bytes.NewReader(text)))
}

// frontSeeds are messages of every kind, in a call and outside.
func frontSeeds() (all []string) {
	within := strings.NewReplacer("example.org>\r\nCall", "example.org>;tag=TOTAG\r\nCall", "CSeq: 1", "CSeq: 2")
	for _, method := range append(scanMethods, "ACK") {
		all = append(all, plain(method), within.Replace(plain(method)))
	}
	info := strings.Replace(within.Replace(plain("INFO")), "Content-Length: 0\r\n\r\n", "Content-Type: application/dtmf\r\nContent-Length: 1\r\n\r\n5", 1)
	notify := strings.Replace(within.Replace(plain("NOTIFY")), "Content-Length: 0\r\n\r\n",
		"Event: refer\r\nSubscription-State: terminated\r\nContent-Type: message/sipfrag\r\nContent-Length: 14\r\n\r\nSIP/2.0 200 OK", 1)
	return append(all, info, notify, invite(offerText), within.Replace(invite(offerText)), "\r\n\r\n",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-x\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n",
		strings.Replace(plain("INVITE"), "Contact", "Replaces: CALLID;to-tag=TOTAG;from-tag=FROMTAG\r\nContact", 1),
		strings.Replace(plain("OPTIONS"), "Via: SIP/2.0/UDP ", "v: SIP/2.0/UDP [::1]:5, SIP/2.0/TCP ", 1))
}

// FuzzUDPFront: whatever comes in a datagram, from a peer or a stranger, in a call or not,
// has at most one final answer, and exactly one if it is a request with a branch of its own
// that the gate lets in, and no ACK; none goes to another host, or is much larger; strangers
// hear nothing but the fixed one; no goroutine and no call stays.
func FuzzUDPFront(f *testing.F) {
	for _, text := range frontSeeds() {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	for _, text := range tortureFiles(f) {
		f.Add(text, true)
	}
	x := newFront(f)
	f.Fuzz(func(t *testing.T, data []byte, listed bool) {
		if len(data) > x.look.limit {
			return
		}
		x.up(t)
		x.turn++
		branch := fmt.Sprintf("BR%d", x.turn)
		msg := []byte(x.names.Replace(strings.ReplaceAll(string(data), "BRANCH", branch)))
		from := netip.MustParseAddrPort(frontCaller)
		if !listed {
			from = netip.MustParseAddrPort("127.0.0.9:5070")
		}
		x.settled(t)
		x.fresh() // for messages before
		x.wire.arrive(from, bytes.Clone(msg))
		x.settled(t)
		sent := x.fresh()
		if slices.ContainsFunc(sent, alters) { // another one for the next message
			x.clear(t)
		}
		x.judge(t, msg, branch, from, listed, sent)
		require.NotContains(t, x.log.cut(), "please report it")
	})
}

// alters says whether what is sent tells that the call is not as it was: an INVITE is
// answered by 2xx, or we hang up.
func alters(p parcel) bool {
	raw, isRequest := scanRequest(p.text)
	return isRequest || p.text[8] == '2' && strings.HasSuffix(raw.cseq, "INVITE")
}

// anyMessage is one that slips no line into another.
var anyMessage = regexp.MustCompile(`^(SIP/2\.0 [1-6]\d\d [^\r\n]+|[A-Z]+ [^\r\n ]+ SIP/2\.0)\r\n([A-Za-z-]+: [^\r\n]*\r\n)+\r\n`)

var fixedAnswer = regexp.MustCompile(`^SIP/2\.0 403 Forbidden\r\n(Via: [^\r\n]*\r\n)+(From: [^\r\n]*\r\n)?(To: [^\r\n]*\r\n)?(Call-ID: [^\r\n]*\r\n)?(CSeq: [^\r\n]*\r\n)?Content-Length: 0\r\n\r\n$`)

// judge looks at what was sent after one datagram.
func (x *front) judge(t *testing.T, msg []byte, branch string, from netip.AddrPort, listed bool, sent []parcel) {
	finals := map[string]bool{}
	for _, p := range sent {
		require.Equal(t, from.Addr().String(), p.at.Addr().Unmap().String(), "to nobody else: %q", p.text)
		require.Regexp(t, anyMessage, string(p.text), "one message, whole")
		isAnswer := bytes.HasPrefix(p.text, []byte("SIP/2.0 "))
		switch {
		case !isAnswer:
			require.True(t, listed)
		case !listed:
			require.Regexp(t, fixedAnswer, string(p.text))
			require.LessOrEqual(t, len(p.text), answerMost*len(msg))
			finals[string(p.text)] = true
		case p.text[8] != '1':
			require.LessOrEqual(t, len(p.text), answerMost*len(msg)+1500)
			finals[string(p.text)] = true
		}
	}
	raw, isRequest := scanRequest(msg)
	if !isRequest || raw.method == "ACK" {
		require.Empty(t, finals, "it asks for no answer")
		return
	}
	most := 1
	if raw.method == "CANCEL" {
		most = 2 // its own, and that of its INVITE
	}
	require.LessOrEqual(t, len(finals), most, "%q", finals)
	if !listed || len(raw.vias) == 0 || raw.vias[0] != "SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-"+branch+";rport" {
		return
	}
	if pass, _, _ := x.look.admit("udp", from, bytes.Clone(msg), time.Now()); pass != nil {
		require.NotEmpty(t, finals, "nobody answers %q", msg)
	}
}

// FuzzTCPFront: however a stream is cut, each message in it has at most one final answer,
// all answers are whole, the connection ends soon after its far end closed its side, and
// nothing stays of it.
func FuzzTCPFront(f *testing.F) {
	for i, text := range frontSeeds() {
		f.Add([]byte(strings.ReplaceAll(text, "/UDP", "/TCP")), 1+i)
	}
	f.Add([]byte(plain("OPTIONS")+"\r\n\r\n"+invite(offerText)+plain("BYE")), 7)
	for _, text := range tortureFiles(f) {
		f.Add(text, 100)
	}
	x := newFront(f)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		if size < 1 || len(data)/size > 200 || len(data) > 2*x.look.limit {
			return
		}
		x.up(t)
		x.turn++
		msg := []byte(x.names.Replace(strings.ReplaceAll(string(data), "BRANCH", fmt.Sprintf("BR%d", x.turn))))
		conn := x.streamed(t, msg, size)
		text, err := io.ReadAll(conn)
		if err != nil {
			require.NotContains(t, err.Error(), "timeout", "the connection is held")
		}
		require.NoError(t, conn.Close())
		finals := map[string]bool{}
		for rest := text; len(rest) > 0; {
			if n := len(rest) - len(bytes.TrimLeft(rest, "\r\n")); n > 0 {
				rest = rest[n:]
				continue
			}
			end := headerEnd(rest)
			if end < 0 {
				require.Error(t, err, "a part of an answer")
				break
			}
			raw, isRequest := scanRequest(rest[:end])
			body, fault := raw.length()
			require.NoError(t, fault)
			if !isRequest && rest[8] != '1' {
				finals[string(rest[:min(len(rest), end+body)])] = true
			}
			rest = rest[min(len(rest), end+body):]
		}
		require.LessOrEqual(t, len(finals), 1+2*bytes.Count(msg, []byte("\r\n\r\n")))
		require.LessOrEqual(t, len(text), (1+len(finals))*(2*len(msg)+1500))
		x.settled(t)
		require.NotContains(t, x.log.cut(), "please report it")
	})
}

// streamed sends a stream in pieces and closes that side.
func (x *front) streamed(t testing.TB, msg []byte, size int) net.Conn {
	conn, err := net.Dial("tcp", x.at(1))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	for rest := msg; len(rest) > 0 && err == nil; rest = rest[min(size, len(rest)):] {
		_, err = conn.Write(rest[:min(size, len(rest))])
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	return conn
}
