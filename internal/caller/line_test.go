package caller

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// secureLine is a TLS line that believes every far end.
func secureLine(t *testing.T) *Line {
	l, err := openLine(TLS, netip.MustParseAddrPort("127.0.0.1:0"), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// hanging is a far end that takes connections and never shakes hands. Each of them is
// told.
func hanging(t *testing.T) (far netip.AddrPort, taken <-chan net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	conns, ended := make(chan net.Conn, 100), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns <- conn
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
		for len(conns) > 0 {
			(<-conns).Close()
		}
	})
	return addrOf(ln), conns
}

func addrOf(ln net.Listener) netip.AddrPort { return ln.Addr().(*net.TCPAddr).AddrPort() }

// routed is what a route in the background comes to.
type routed struct {
	hop hop
	err error
}

func routing(ctx context.Context, l *Line, far netip.AddrPort) <-chan routed {
	done := make(chan routed, 1)
	go func() {
		h, err := l.route(ctx, far, far.Addr().String())
		done <- routed{h, err}
	}()
	return done
}

func soon(t *testing.T, done <-chan routed) routed {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-within(t, patience).Done():
	}
	require.FailNow(t, "still waiting for a connection")
	return routed{}
}

func TestAHangingFarEndHoldsUpNoCallToOthers(t *testing.T) {
	t.Parallel()
	l := secureLine(t)
	mute, taken := hanging(t)
	ctx, giveUp := context.WithCancel(context.Background())
	first := routing(ctx, l, mute)
	conn := <-taken
	defer conn.Close()

	far := httptest.NewTLSServer(nil)
	defer far.Close()
	other := soon(t, routing(within(t, patience), l, addrOf(far.Listener)))
	require.NoError(t, other.err)
	again := soon(t, routing(within(t, patience), l, addrOf(far.Listener)))
	require.Same(t, other.hop.stream, again.hop.stream, "one connection to one far end")

	select {
	case r := <-first:
		require.FailNow(t, "the far end never shook hands", "%v", r.err)
	default:
	}
	giveUp()
	require.ErrorIs(t, soon(t, first).err, context.Canceled)
}

func TestAGivenUpCallWaitsForNoConnection(t *testing.T) {
	t.Parallel()
	l := secureLine(t)
	mute, taken := hanging(t)
	making, stop := context.WithCancel(context.Background())
	defer stop()
	first := routing(making, l, mute)
	conn := <-taken
	defer conn.Close()

	waiting, giveUp := context.WithCancel(context.Background())
	giveUp()
	require.ErrorIs(t, soon(t, routing(waiting, l, mute)).err, context.Canceled, "of a call that waits for another's connection")
	require.Empty(t, taken, "which it did not make itself")

	second := routing(within(t, patience), l, mute)
	stop()
	require.ErrorIs(t, soon(t, first).err, context.Canceled)
	(<-taken).Close() // the second call now makes the connection itself
	require.ErrorIs(t, soon(t, second).err, ErrUnreachable)
}

// Whoever waits for a connection that cannot be made is told so with who tried.
func TestAFailedConnectionIsToldToAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := secureLine(t)
		far := netip.MustParseAddrPort("192.0.2.1:5061")
		_, _, ours := l.find(far)
		var all []<-chan routed
		for range 20 {
			all = append(all, routing(t.Context(), l, far))
		}
		synctest.Wait()
		l.settle(far, ours, fmt.Errorf("%w: %v", ErrUnreachable, context.DeadlineExceeded))
		for _, waited := range all {
			err := (<-waited).err
			require.ErrorIs(t, err, ErrUnreachable)
			require.Equal(t, Unreachable, OutcomeOf(err))
		}
	})
}
