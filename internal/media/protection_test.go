package media_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"star97/internal/media"
)

func protected() world {
	w := memory()
	w.protected = true
	return w
}

// begun is a protected call that is up.
func begun(t *testing.T) (world, media.Session, *phone) {
	w := protected()
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	return w, s, p
}

// Whoever has the key is the caller, from whatever host; who has not is nobody, even at
// the caller's own address.
func TestKeysProveWhoseAPacketIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s, p := begun(t)
		p.hear()

		forger := w.phone(t, home)
		forger.to = s.LocalAddr()
		for range 5 {
			forger.press(p.rtp, 1) // under another key, from the caller's address
		}
		forger.keys.out = nil
		for range 5 {
			forger.press(p.rtp, 2) // under none
		}
		synctest.Wait()
		require.Empty(t, s.Events())
		dropped := s.Stats().Dropped
		require.NotZero(t, dropped)

		far, _ := w.socket(t, netip.MustParseAddr("203.0.113.7"))
		p.press(far, 3)
		wantPress(t, s, 3)
		require.Equal(t, dropped+2, s.Stats().Dropped, "its first two packets are too few in a row")
	})
}

// What was recorded on the way is not heard again.
func TestAPressIsNotPlayedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, p := begun(t)
		tap := &tapped{PacketConn: p.rtp}
		p.press(tap, 4)
		wantPress(t, s, 4)
		time.Sleep(time.Minute / 2)
		heard := s.Stats().PacketsIn
		for _, data := range tap.sent {
			_, err := p.rtp.WriteToUDPAddrPort(data, p.to)
			require.NoError(t, err)
		}
		synctest.Wait()
		require.Empty(t, s.Events())
		require.Equal(t, heard, s.Stats().PacketsIn)
	})
}

// tapped keeps what was sent.
type tapped struct {
	media.PacketConn
	sent [][]byte
}

func (t *tapped) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	t.sent = append(t.sent, append([]byte(nil), b...))
	return t.PacketConn.WriteToUDPAddrPort(b, to)
}

// A re-negotiation with the same keys goes on where the packets were; one with other keys
// begins anew.
func TestKeysOfARenegotiation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, p := begun(t)
		p.press(p.rtp, 1)
		wantPress(t, s, 1)
		s.Set(p.stream())
		p.press(p.rtp, 2)
		wantPress(t, s, 2)
		p.hear()

		old, oldControl := p.keys.out, p.keys.outControl
		p.keys.init(t)
		s.Set(p.stream())
		current := p.keys.out
		p.keys.out, p.keys.outControl = old, oldControl // it has not seen our answer yet
		p.press(p.rtp, 4)
		wantPress(t, s, 4)
		time.Sleep(3 * time.Second)
		dropped := s.Stats().Dropped
		p.report(p.rtcp, &rtcp.ReceiverReport{SSRC: 1})
		synctest.Wait()
		require.Equal(t, dropped+1, s.Stats().Dropped, "by now it has")
		p.press(p.rtp, 5)
		synctest.Wait()
		require.Empty(t, s.Events())
		p.keys.out = current
		p.press(p.rtp, 3)
		wantPress(t, s, 3)
		p.forget()
		p.hear()
	})
}

// A packet of which one bit is another was sent by nobody, and neither was one that is cut
// short; what came is heard all the same, once.
func TestADamagedPacketIsNobodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, p := begun(t)
		p.press(p.rtp, 4)
		wantPress(t, s, 4)
		synctest.Wait() // the end of a key is said three times
		before := s.Stats()
		tap := &tapped{PacketConn: nowhere{}}
		p.press(tap, 5)
		forged := uint64(0)
		for _, data := range tap.sent {
			for bit := range 8 * len(data) {
				damaged := append([]byte(nil), data...)
				damaged[bit/8] ^= 1 << (bit % 8)
				_, err := p.rtp.WriteToUDPAddrPort(damaged, p.to)
				require.NoError(t, err)
				forged++
			}
			_, err := p.rtp.WriteToUDPAddrPort(data[:len(data)-1], p.to)
			require.NoError(t, err)
			forged++
			synctest.Wait()
		}
		require.Empty(t, s.Events())
		after := s.Stats()
		require.Equal(t, before.PacketsIn, after.PacketsIn)
		require.Equal(t, before.Dropped+forged, after.Dropped)
		for _, data := range tap.sent {
			_, err := p.rtp.WriteToUDPAddrPort(data, p.to)
			require.NoError(t, err)
		}
		wantPress(t, s, 5)
		t.Logf("%d damaged packets, none was heard", forged)
	})
}

// nowhere takes what is sent.
type nowhere struct{ media.PacketConn }

func (nowhere) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }
