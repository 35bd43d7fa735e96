package uas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/dtmf"
)

func TestINFOKeysComeOutInTheOrderOfTheirCSeq(t *testing.T) {
	patient(t, func(t *testing.T, h *house, p *phone) {
		c := begun(t, h, p)
		keys := "0123456789*#ABCD"
		for burst := range 300 {
			var want []dtmf.Digit
			for i := range 6 {
				k := keys[(burst*7+i*5)%len(keys)]
				d, _ := dtmf.DigitOf(k)
				want = append(want, d)
				body, kind := "Signal="+string(k)+"\r\nDuration=160\r\n", "application/dtmf-relay"
				if i%2 == 1 {
					body, kind = string(k), "application/dtmf"
				}
				p.send("INFO", body, kind)
			}
			var got []dtmf.Digit
			for range 6 {
				p.expect(200)
				s := c.hear(t)
				require.Equal(t, call.InfoKey, s.Kind)
				require.Equal(t, dtmf.Down, s.Report.Kind)
				require.Equal(t, dtmf.FromInfo, s.Report.Source)
				got = append(got, s.Report.Digit)
			}
			for i := range want {
				require.True(t, want[i] == got[i], "burst %d: key %d of 6 came out of order", burst, i)
			}
		}
	})
}

func TestAGapInTheCSeqIsWaitedForAndThenPassedOver(t *testing.T) {
	t.Parallel()
	info := func(p *phone, seq int, key string) {
		p.write(p.buildAs("INFO", seq, fmt.Sprint("z9hG4bK-gap-", seq), key, "application/dtmf"))
	}
	t.Run("filled in time", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{options: waitsLong})
		p := h.udp(t)
		c := begun(t, h, p)
		h.idle(t)
		info(p, 4, "4")
		info(p, 3, "3")
		soon(t, func() bool { return h.serving.Load() == 2 }, "both wait")
		info(p, 2, "2")
		for want := dtmf.Digit(2); want <= 4; want++ {
			require.True(t, want == c.hear(t).Report.Digit)
			p.expect(200)
		}
	})
	t.Run("filled too late: 500, and the call hears of a lost key", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{})
		p := h.udp(t)
		c := begun(t, h, p)
		info(p, 4, "4")
		require.True(t, dtmf.Digit(4) == c.hear(t).Report.Digit)
		p.expect(200)
		info(p, 2, "2")
		p.expect(500)
		require.Equal(t, dtmf.Lost, c.hear(t).Report.Kind)
		info(p, 5, "5")
		p.expect(200)
		require.True(t, dtmf.Digit(5) == c.hear(t).Report.Digit)
	})
	t.Run("a CSeq that was served already is 500 and no key", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{})
		p := h.udp(t)
		c := begun(t, h, p)
		info(p, 2, "2")
		c.hear(t)
		p.expect(200)
		p.write(p.buildAs("INFO", 2, "z9hG4bK-other", "9", "application/dtmf"))
		p.expect(500)
		p.cseq = 2
		c.hearsNext(p)
	})
	t.Run("a refused request takes its place in the order", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{options: waitsLong})
		p := h.udp(t)
		c := begun(t, h, p)
		p.send("REFER", "", "")
		p.expect(405)
		begin := time.Now()
		info(p, 3, "3")
		require.True(t, dtmf.Digit(3) == c.hear(t).Report.Digit)
		require.Less(t, time.Since(begin), 7*time.Second, "no gap was seen")
	})
}

func TestKeysBeforeTheACKAreKeptUntilIt(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = time.Second, time.Second }})
	p := h.udp(t)
	p.send("INVITE", offerText, "application/sdp")
	p.learn(p.expect(200))
	c := h.calls.next(t)
	for range keysMax + 5 {
		p.send("INFO", "7", "application/dtmf")
		p.expect(200)
	}
	require.Zero(t, c.session.(*spy).started())
	p.write(p.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	for range keysMax {
		require.Equal(t, dtmf.Down, c.hear(t).Report.Kind)
	}
	require.Equal(t, dtmf.Lost, c.hear(t).Report.Kind)
	c.hearsNext(p)
}

func TestACallThatReadsNoSignalsLosesKeysAndLearnsOfIt(t *testing.T) {
	stop := make(chan struct{})
	h := newHouse(t, setting{act: func(_ context.Context, c *taken) {
		<-stop
		for s := range c.leg.Signals() {
			if s.Kind != call.Stirred {
				c.heard <- *s
			}
		}
		close(c.heard)
	}})
	p := h.udp(t)
	p.dial()
	c := h.calls.next(t)
	for range 3 * keysMax {
		p.send("INFO", "7", "application/dtmf")
		p.expect(200)
	}
	close(stop)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	kinds := map[dtmf.Kind]int{}
	for range keysMax {
		kinds[c.hear(t).Report.Kind]++
	}
	require.Equal(t, map[dtmf.Kind]int{dtmf.Down: keysMax - 1, dtmf.Lost: 1}, kinds)
	p.send("BYE", "", "")
	p.expect(200)
	require.Equal(t, call.Gone, c.hear(t).Kind)
}

func TestINFOBodies(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	for name, row := range map[string]struct {
		body, kind string
		status     int
	}{
		"nothing asks whether the call is alive": {"", "", 200},
		"another type":                           {"x", "application/media_control+xml", 415},
		"no single key":                          {"Signal=\r\n", "application/dtmf-relay", 400},
		"two keys":                               {"Signal=1\r\nSignal=2\r\n", "application/dtmf-relay", 400},
		"no telephone key":                       {"Q", "application/dtmf", 400},
	} {
		p.send("INFO", row.body, row.kind)
		m := p.expect(row.status)
		if row.status == 415 {
			require.Equal(t, "application/dtmf-relay, application/dtmf", m.get("Accept"), name)
		}
	}
	p.send("INFO", "Signal=8\r\nDuration=100\r\n", "Application/DTMF-Relay; x=y")
	p.expect(200)
	require.True(t, dtmf.Digit(8) == c.hear(t).Report.Digit)
}

func TestNoKeyOfAnINFOReachesTheLog(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	for _, body := range []string{"Signal=QZQ73951\r\n", "Signal: QZQ73951\r\n\r\n", "QZQ73951"} {
		for _, kind := range []string{"application/dtmf-relay", "application/dtmf", "text/QZQ"} {
			p.send("INFO", body, kind)
			require.GreaterOrEqual(t, p.fresh().status(), 400)
		}
	}
	good := p.build("INFO", "QZQ73951", "application/dtmf")
	p.write(strings.Replace(good, "CSeq:", "CSeq", 1)) // a parse error quotes its line
	p.expect(400)
	tcp := h.tcp(t)
	tcp.write(strings.Replace(good, "Content-Length: 8", "Content-Length: 2", 1)) // the rest is taken for a message
	_, _ = tcp.conn.Write([]byte("QZQ73951\r\n\r\n"))
	require.NoError(t, tcp.conn.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, tcp.conn)
	if !errors.Is(err, syscall.ECONNRESET) {
		require.NoError(t, err, "closed by the far end")
	}
	c.hearsNext(p) // the copy by TCP took its place in the order
	require.NotContains(t, h.log.String(), "73951")
}
