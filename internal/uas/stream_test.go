package uas

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
	c := &gatedStream{Conn: conn, gate: g, from: conn.RemoteAddr().(*net.TCPAddr).AddrPort(), leave: func() {}}
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
	c := &gatedStream{gate: newTestGate(t), from: someone}
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
	c := &gatedStream{Conn: &chunks{data: []byte("4829"), size: 2}, gate: newTestGate(t), from: someone}
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
		o.Limits.Connections = 4
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
