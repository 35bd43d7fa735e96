package media_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/media"
)

func protected() world {
	w := memory(media.NewPortable)
	w.protected = true
	return w
}

// Whoever has the key is the caller, from whatever host; who has not is nobody, even at
// the caller's own address.
func TestKeysProveWhoseAPacketIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := protected()
		s, p := w.call(t)
		s.Set(p.stream())
		s.Start(0)
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
		wantKey(t, s, dtmf.Down, 3)
		wantKey(t, s, dtmf.Up, 3)
		require.Equal(t, dropped+2, s.Stats().Dropped, "its first two packets are too few in a row")
	})
}

// What was recorded on the way is not heard again.
func TestAPressIsNotPlayedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := protected()
		s, p := w.call(t)
		s.Set(p.stream())
		s.Start(0)
		tap := &tapped{PacketConn: p.rtp}
		p.press(tap, 4)
		wantKey(t, s, dtmf.Down, 4)
		wantKey(t, s, dtmf.Up, 4)
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
		w := protected()
		s, p := w.call(t)
		s.Set(p.stream())
		s.Start(0)
		p.press(p.rtp, 1)
		wantKey(t, s, dtmf.Down, 1)
		wantKey(t, s, dtmf.Up, 1)
		s.Set(p.stream())
		p.press(p.rtp, 2)
		wantKey(t, s, dtmf.Down, 2)
		wantKey(t, s, dtmf.Up, 2)
		p.hear()

		p.keys.init(t)
		s.Set(p.stream())
		p.press(p.rtp, 3)
		wantKey(t, s, dtmf.Down, 3)
		wantKey(t, s, dtmf.Up, 3)
		p.forget()
		p.hear()
	})
}
