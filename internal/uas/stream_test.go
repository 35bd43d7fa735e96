package uas

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
)

// streamed is a gated connection and its far end.
func streamed(t *testing.T, set func(*gate)) (*gatedStream, net.Conn) {
	t.Helper()
	g := newTestGate(t)
	g.partWait, g.idleWait = 100*time.Millisecond, 50*time.Millisecond
	set(g)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	conn, err := ln.Accept()
	require.NoError(t, err)
	c := newStream(conn, "tcp", g, func() {})
	t.Cleanup(func() { _, _ = c.Close(), far.Close() })
	return c, far
}

func TestAMessageMustEndSoonHoweverSlowlyItsBytesCome(t *testing.T) {
	c, far := streamed(t, func(*gate) {})
	stop := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				_, _ = far.Write([]byte("O"))
			}
		}
	})
	begin := time.Now()
	_, err := c.Read(make([]byte, 100))
	close(stop)
	sender.Wait()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Less(t, time.Since(begin), patience)
}

func TestAnIdleConnectionIsKeptWhileACallCameByIt(t *testing.T) {
	var asked int
	c, far := streamed(t, func(g *gate) {
		g.inUse = func(string) bool { asked++; return asked < 3 }
	})
	_, err := c.Read(make([]byte, 100))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Equal(t, 3, asked)
	require.NoError(t, far.Close())
}

func TestAFarEndThatDoesNotReadLosesItsConnection(t *testing.T) {
	t.Parallel()
	c, far := streamed(t, func(*gate) {})
	begin := time.Now()
	_, err := c.Write(bytes.Repeat([]byte("x"), 64<<20)) // more than the sockets hold
	require.Error(t, err)
	require.Less(t, time.Since(begin), writeTimeout+patience)
	_, err = c.Write([]byte("next"))
	require.ErrorIs(t, err, net.ErrClosed, "the next message must not follow a part of one")
	_, err = io.Copy(io.Discard, far)
	_ = err // reset or end: it has no more than the part
}

// A far end may send byte by byte: what is known of a message is not found out again.
func TestTheFramingOfAMessageIsFoundOutOnce(t *testing.T) {
	text := invite(offerText)
	end := headerEnd([]byte(text))
	c := newStream(new(chunks), "tcp", newTestGate(t), func() {})
	frame := func(n int) bool {
		c.buf = append(c.buf[:0], text[:n]...)
		done, err := c.frame()
		require.NoError(t, err)
		return done
	}
	for n := 1; n < end; n++ {
		require.False(t, frame(n))
		require.Equal(t, n, c.looked)
	}
	require.False(t, frame(end))
	require.Equal(t, len(text), c.size)
	require.Zero(t, testing.AllocsPerRun(10, func() { frame(len(text) - 1) }), "the header section is read once")
	require.True(t, frame(len(text)))
	require.Equal(t, text, string(c.whole))
	require.Zero(t, c.size+c.looked, "the next one is measured anew")
}

// A body of a SIP INFO holds a key of a code.
func TestAStreamLeavesNothingInItsMemory(t *testing.T) {
	c := newStream(&chunks{data: []byte("4829"), size: 2}, "tcp", newTestGate(t), func() {})
	c.buf = append(make([]byte, 0, 4), "0715"...)
	small := c.buf
	require.NoError(t, c.fill())
	require.Equal(t, "071548", string(c.buf))
	require.Equal(t, make([]byte, 4), small, "outgrown")
	c.buf = append(c.buf[:0], "\r\n73"...)
	large := c.buf[:6]
	done, err := c.frame()
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, "73\x00\x0048", string(large), "what was moved")
	clear(large[2:])
	_, err = c.Read(make([]byte, 10)) // to the end
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, make([]byte, 6), large, "at the end")
}

func TestAPeerLeavesConnectionsToTheOthers(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Limits.Connections, o.Peers[0].Addresses = 4, []string{"127.0.0.1"}
		o.Peers = append(o.Peers, Peer{Name: "other", Addresses: []string{"127.0.0.9"}})
	}})
	for range 3 {
		p := h.tcp(t)
		p.send("OPTIONS", "", "")
		p.expect(200)
	}
	fourth := h.tcp(t)
	require.NoError(t, fourth.conn.SetReadDeadline(time.Now().Add(patience)))
	_, err := fourth.reader.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	conn, err := other.Dial("tcp", h.at(1))
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("\r\n\r\n"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = conn.Read(make([]byte, 2))
	require.NoError(t, err, "the pong")
}

// Who closes his side after the last question still hears the answer, as one does whose
// next bytes are no message, however many of them there are.
func TestAFarEndThatSendsNoMoreGetsItsAnswers(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, nil, func(s *Server) { s.gate.lingerWait = patience })
	for name, end := range map[string]func(*phone){
		"half-closed":       func(p *phone) { require.NoError(t, p.conn.(interface{ CloseWrite() error }).CloseWrite()) },
		"garbage after it":  func(p *phone) { p.write("x\r\n\r\n") },
		"a header too long": func(p *phone) { p.write(strings.Repeat("x", 8*DefaultOptions().Limits.MessageSize)) },
		"a refused one after it": func(p *phone) {
			p.write(strings.Replace(p.build("OPTIONS", "", ""), "Content-Length: 0", "Content-Length: -1", 1))
		},
	} {
		for i := range 20 {
			dial := h.tcp
			if i%2 > 0 {
				dial = func(t testing.TB) *phone { return h.tlsPhone(t, &tls.Config{RootCAs: a.pool()}) }
			}
			p := dial(t)
			p.write(p.build("OPTIONS", "", "") + p.build("OPTIONS", "", ""))
			end(p)
			answers := map[int]int{}
			var err error
			for err == nil {
				require.NoError(t, p.conn.SetReadDeadline(time.Now().Add(patience)))
				var m message
				if m, err = parseMessage(p.reader); err == nil {
					answers[m.status()]++
				}
			}
			require.ErrorIs(t, err, io.EOF, "%s: no reset, which would take answers with it", name)
			want := map[int]int{200: 2}
			if name == "a refused one after it" {
				want[400] = 1
			}
			require.Equal(t, want, answers, name)
			require.NoError(t, p.conn.Close())
		}
	}
	soon(t, func() bool { return len(h.connections) == 0 })
}

// An ACK is owed no answer, but the look of sipgo at the connection that it came by, without
// which it would be dropped: a far end may close its side right behind it.
func TestAnACKCountsWhoseConnectionEndsWithIt(t *testing.T) {
	h := newHouse(t, setting{server: func(s *Server) { s.gate.lingerWait = patience }})
	for range 50 {
		p := h.tcp(t)
		p.send("INVITE", offerText, "application/sdp")
		p.learn(p.expect(200))
		c := h.calls.next(t)
		p.send("ACK", "", "")
		require.NoError(t, p.conn.(*net.TCPConn).CloseWrite())
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		_, err := io.Copy(io.Discard, p.conn)
		require.NoError(t, err, "it is closed, since nothing is owed any more")
	}
}

// The ACK of a refusal is for the transaction, which needs no connection for it: who has
// his answers and closes his side is not kept waiting.
func TestTheACKOfARefusalKeepsNoConnection(t *testing.T) {
	h := newHouse(t, setting{server: func(s *Server) {
		s.gate.lingerWait = 10 * patience
		s.untold = 0 // as if all had been told that they are served
	}})
	for name, refused := range map[string]func(p *phone) message{
		"a call": func(p *phone) message {
			p.ruri = "sip:none@" + h.at(1)
			p.send("INVITE", offerText, "application/sdp")
			return p.expect(404)
		},
		"a call that is cancelled": func(p *phone) message {
			rings(p, offerText)
			p.write(cancelOf(p, p.branches))
			return expectOf(p, "INVITE", 487)
		},
		"another offer": func(p *phone) message {
			begun(t, h, p)
			p.send("INVITE", strings.ReplaceAll(offerText, "RTP/AVP 0 101", "RTP/AVP 18"), "application/sdp")
			return p.expect(488)
		},
	} {
		p := h.tcp(t)
		p.learn(refused(p))
		p.write(p.buildAs("ACK", p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), "", ""))
		require.NoError(t, p.conn.(*net.TCPConn).CloseWrite())
		require.NoError(t, p.conn.SetReadDeadline(time.Now().Add(patience)))
		_, err := io.Copy(io.Discard, p.conn)
		require.NoError(t, err, name)
	}
}

// A request with the branch of one that came by another connection is that one come again
// (RFC 3261 section 17.2.3): it is answered there, and owes nothing where it came by for long.
func TestARequestThatCameByAnotherConnectionIsAnsweredThere(t *testing.T) {
	asked, answer := make(chan struct{}, 2), make(chan struct{})
	h := newHouse(t, setting{server: func(s *Server) { s.gate.lingerWait = 50 * time.Millisecond }, healthy: func() bool {
		asked <- struct{}{}
		<-answer
		return true
	}})
	first, second := h.tcp(t), h.tcp(t)
	text := first.build("OPTIONS", "", "")
	first.write(text)
	<-asked
	second.write(text)
	require.NoError(t, second.conn.(*net.TCPConn).CloseWrite())
	_, err := parseMessage(second.reader)
	require.ErrorIs(t, err, io.EOF)
	close(answer)
	first.expect(200)
	require.Empty(t, asked)
}

// What stands in our buffers for a far end that reads slowly reaches it, although it went on
// sending what is no message.
func TestAnswersThatAreNotReadYetOutliveTheConnection(t *testing.T) {
	c, far := streamed(t, func(g *gate) { g.lingerWait = patience })
	_, err := far.Write([]byte(plain("OPTIONS") + "x\r\n\r\n" + strings.Repeat("x", 100<<10)))
	require.NoError(t, err)
	require.NoError(t, far.(*net.TCPConn).CloseWrite())
	_, err = c.Read(make([]byte, 4096))
	require.NoError(t, err)
	answer := "SIP/2.0 200 OK\r\n" + strings.Repeat("y", 200<<10) // more than the far end has room for
	_, err = c.Write([]byte(answer))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 4096))
	require.ErrorIs(t, err, errFraming)
	require.NoError(t, c.Close())
	require.NoError(t, far.SetReadDeadline(time.Now().Add(patience)))
	text, err := io.ReadAll(far)
	require.NoError(t, err)
	require.Equal(t, answer, string(text))
}

// A refusal of the gate's is none of the answers that sipgo still owes.
func TestARefusalIsNoOtherRequestsAnswer(t *testing.T) {
	c, far := streamed(t, func(g *gate) { g.lingerWait = patience })
	_, err := far.Write([]byte(plain("OPTIONS") + strings.Replace(plain("INFO"), "Content-Length: 0", "Content-Length: -1", 1)))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 4096))
	require.NoError(t, err)
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 4096))
		read <- err
	}()
	answers := bufio.NewReader(far)
	require.NoError(t, far.SetReadDeadline(time.Now().Add(patience)))
	m, err := parseMessage(answers)
	require.NoError(t, err)
	require.Equal(t, 400, m.status())
	require.EqualValues(t, 1, c.owed.Load())
	_, err = c.Write([]byte("SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"))
	require.NoError(t, err)
	m, err = parseMessage(answers)
	require.NoError(t, err)
	require.Equal(t, 200, m.status())
	require.NoError(t, far.Close())
	require.ErrorIs(t, <-read, errFraming)
}

func TestTheAnswersThatAStreamOwesAreCounted(t *testing.T) {
	c := newStream(&chunks{}, "tcp", newTestGate(t), func() {})
	for _, msg := range []string{plain("OPTIONS"), plain("ACK"), plain("INVITE"), "SIP/2.0 200 OK\r\n"} {
		c.owe([]byte(msg))
	}
	require.EqualValues(t, 2, c.owed.Load())
	c.acks.Add(1)
	for _, msg := range []string{"SIP/2.0 100 Trying\r\n", "SIP/2.0 ", plain("BYE"), "\r\n", "SIP/2.0 200 OK\r\n"} {
		c.settle([]byte(msg))
	}
	require.EqualValues(t, 1, c.owed.Load())
	for range 3 { // repeated
		c.settle([]byte("SIP/2.0 200 OK\r\n"))
	}
	require.Zero(t, c.owed.Load())
	require.EqualValues(t, 1, c.acks.Load(), "which no answer settles")
	go c.less(&c.acks)
	c.linger(io.EOF)
	c.owe([]byte(plain("OPTIONS")))
	go c.Close()
	c.linger(io.EOF) // nobody can answer any more
}
