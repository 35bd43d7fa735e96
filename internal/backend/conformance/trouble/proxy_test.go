package trouble

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// parrot sends every byte back.
func parrot(_ context.Context, c net.Conn) { _, _ = io.Copy(c, c) }

// through sends text through p and returns all that comes back until the end or, when
// as much has come back, the answer.
func through(t *testing.T, p *Proxy, text []byte) []byte {
	conn, err := net.Dial("tcp", p.Addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	if _, err := conn.Write(text); err != nil {
		return nil
	}
	back := make([]byte, len(text))
	n, _ := io.ReadFull(conn, back)
	return back[:n]
}

func TestProxyPassesOn(t *testing.T) {
	s := Listen(t, nil, parrot)
	p := NewProxy(t, s.Addr, nil)
	text := bytes.Repeat([]byte("hello "), 10_000)
	require.Equal(t, text, through(t, p, text))
	require.Equal(t, 1, p.Conns())
	require.Equal(t, 2*len(text), p.Bytes())
	s.Close()
	require.Empty(t, through(t, p, []byte("hello")), "a server that is down")
}

func TestProxyCutsAtTheSameByteForTheSameSeed(t *testing.T) {
	s := Listen(t, nil, parrot)
	text := bytes.Repeat([]byte("x"), 5000)
	cut := func(seed uint64) (lengths []int) {
		p := NewProxy(t, s.Addr, nil)
		p.Set(Faults{Seed: seed, Every: 500, Cut: 1})
		for range 20 {
			conn, err := net.Dial("tcp", p.Addr)
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			sent := make([]int, 0, 2)
			for n := 0; ; n++ { // byte by byte, so that nothing is lost on the way
				if _, err := conn.Write(text[:1]); err != nil {
					sent = append(sent, n)
					break
				}
				if _, err := conn.Read(make([]byte, 1)); err != nil {
					sent = append(sent, n)
					break
				}
			}
			conn.Close()
			lengths = append(lengths, sent[0])
		}
		cuts, _, _, _ := p.Made()
		require.Equal(t, 20, cuts)
		return lengths
	}
	a := cut(1)
	require.Equal(t, a, cut(1))
	require.NotEqual(t, a, cut(2))
}

func TestProxyDelays(t *testing.T) {
	s := Listen(t, nil, parrot)
	p := NewProxy(t, s.Addr, nil)
	p.Set(Faults{Seed: 1, Every: 1000, Delay: 1, MaxDelay: time.Millisecond})
	text := bytes.Repeat([]byte("x"), 10_000)
	require.Equal(t, text, through(t, p, text))
	_, _, delays, _ := p.Made()
	require.Greater(t, delays, 5)
}

func TestAStallKeepsTheConnectionUntilTheClientCloses(t *testing.T) {
	s := Listen(t, nil, parrot)
	p := NewProxy(t, s.Addr, nil)
	p.Set(Faults{Seed: 1, Every: 10, Stall: 1})
	conn, err := net.Dial("tcp", p.Addr)
	require.NoError(t, err)
	_, err = conn.Write(bytes.Repeat([]byte("x"), 1000))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = io.Copy(io.Discard, conn)
	var late net.Error
	require.ErrorAs(t, err, &late)
	require.True(t, late.Timeout())
	require.Eventually(t, func() bool { _, stalls, _, _ := p.Made(); return stalls > 0 }, 30*time.Second, time.Millisecond)
	p.Hang()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = io.Copy(io.Discard, conn)
	if err != nil { // an end or a reset, but no waiting
		require.False(t, errors.As(err, &late) && late.Timeout(), "%v", err)
	}
	conn.Close()
}

// Without protection only answers are corrupted, never to another digit.
func TestWhatProtectsNothingIsCorruptedInAnswersOnly(t *testing.T) {
	got := make(chan string, 100)
	s := Listen(t, nil, func(_ context.Context, c net.Conn) {
		text := make([]byte, 2000)
		_, _ = io.ReadFull(c, text)
		got <- string(text)
		_, _ = c.Write(text)
	})
	p := NewProxy(t, s.Addr, nil)
	p.Set(Faults{Seed: 3, Every: 100, Corrupt: 1})
	text := strings.Repeat("7", 2000)
	back := string(through(t, p, []byte(text)))
	require.Equal(t, text, <-got)
	require.Len(t, back, len(text))
	require.NotEqual(t, text, back)
	require.Equal(t, text, strings.ReplaceAll(back, "\x01", "7"))
}

func TestInsideOfTLSTheBodyOfAnAnswerIsCorrupted(t *testing.T) {
	var orders Orders
	var system counter
	s := Serve(t, Handler(&orders, opOf, &system), NewCert(t, Good))
	orders.Give(Any, Order{Kind: Status, Status: 200, Body: strings.Repeat("7", 3000), Times: Always})
	p := NewProxy(t, s.Addr, s.Cert)
	p.Set(Faults{Seed: 1, Every: 500, Corrupt: 1, End: 100})
	answer, err := client(t, s.Cert).Get("https://" + p.Addr + "/x")
	require.NoError(t, err, "the header is left alone")
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("7", 3000), strings.ReplaceAll(string(body), "\x01", "7"))
	require.Contains(t, string(body), "\x01")
}

func TestBelowTLSACorruptionBreaksTheConnection(t *testing.T) {
	var system counter
	s := Serve(t, &system, NewCert(t, Good))
	p := NewProxy(t, s.Addr, s.Cert)
	p.Set(Faults{Seed: 1, Every: 200, Corrupt: 1})
	failed := 0
	for range 5 {
		answer, err := client(t, s.Cert).Get("https://" + p.Addr + "/x")
		if err != nil {
			failed++
			continue
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			failed++
			continue
		}
		require.Contains(t, string(body), `{"done":`)
	}
	require.NotZero(t, failed)
}

func TestWhatProvesItsOwnIntegrity(t *testing.T) {
	for head, want := range map[string]bool{
		"\x16\x03\x01\x02": true, "\x15\x03\x03\x00": true, "SSH-2.0": true, "HTTP": false, "SSHX": false, "": false, "\x16": false, "<?xm": false,
	} {
		require.Equal(t, want, sealed([]byte(head)[:min(4, len(head))]), "%q", head)
	}
}
