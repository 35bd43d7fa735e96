package uas

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// A request that was read while the sockets closed: sipgo would make a new socket to
// answer from and keep it.
func TestRequestsThatCrossTheEndLeaveNoSocket(t *testing.T) {
	for n := range 20 {
		before := goleak.IgnoreCurrent()
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			h := newHouse(t, setting{})
			conn, err := net.Dial("udp", h.at(0))
			require.NoError(t, err)
			defer conn.Close()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for n := range 300 {
					fmt.Fprintf(conn, "OPTIONS sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK-%[3]d\r\nMax-Forwards: 70\r\n"+
						"From: <sip:a@%[2]s>;tag=1\r\nTo: <sip:%[1]s>\r\nCall-ID: %[3]d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
						h.at(0), conn.LocalAddr(), n)
				}
			}()
			time.Sleep(time.Duration(n) * 100 * time.Microsecond)
			require.NoError(t, h.Close())
			<-sent
		})
		require.NoError(t, goleak.Find(before))
	}
}

// Our own BYEs, too, would make sipgo open a socket if they came after the end.
func TestHangingUpAtTheEndUnderLoadLeavesNoSocket(t *testing.T) {
	for range 10 {
		h := newHouse(t, setting{})
		p := h.udp(t)
		begun(t, h, p)
		stop := make(chan struct{})
		var sender sync.WaitGroup
		sender.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = p.conn.Write([]byte(strings.ReplaceAll(strings.ReplaceAll(plain("OPTIONS"), "BRANCH", fmt.Sprint(i)), "CALLID", "load")))
			}
		})
		time.Sleep(20 * time.Millisecond)
		h.dialogs.each(func(d *dialog) { d.Hangup(); d.abandon() })
		require.NoError(t, h.Close())
		require.Zero(t, h.transport.Pool("udp").Size())
		close(stop)
		sender.Wait()
	}
}
