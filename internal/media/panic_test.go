package media_test

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/media"
)

// mine is a socket that panics at its next write once it is armed.
type mine struct {
	media.PacketConn
	armed atomic.Bool
}

func (m *mine) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if m.armed.CompareAndSwap(true, false) {
		panic("a write failed on the way to " + to.String())
	}
	return m.PacketConn.WriteToUDPAddrPort(b, to)
}

// A program error in a goroutine of the engine ends the call that met it, which is
// told by the end of its events. Its neighbour and the engine go on.
func TestAPanicEndsOneSession(t *testing.T) {
	for _, row := range []struct {
		name string
		port int // 0 RTP, 1 RTCP
		meet func(media.Session, *phone)
	}{
		{"in a frame", 0, func(media.Session, *phone) {}},
		{"in a report", 1, func(media.Session, *phone) {}},
		{"in a packet of the caller", 1, func(_ media.Session, p *phone) {
			p.header.SSRC = p.hear().SSRC // a collision, which sends a BYE
			p.talk(p.rtp, 1)
			p.talk(p.rtp, 1)
		}},
		{"in the farewell", 1, func(s media.Session, _ *phone) { s.Close() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := memory()
				o := w.options()
				listen, mines := o.Listen, []*mine(nil)
				o.Listen = func(at netip.AddrPort) (media.PacketConn, error) {
					c, err := listen(at)
					mines = append(mines, &mine{PacketConn: c})
					return mines[len(mines)-1], err
				}
				causes := make(chan any, 9)
				o.OnPanic = func(cause any) { causes <- cause }
				e := w.engine(t, o)
				s, p := w.callOn(t, e)
				armed := mines[row.port]
				neighbour, other := w.callOn(t, e)
				s.Set(p.stream())
				s.Start(0)
				neighbour.Set(other.stream())
				neighbour.Start(0)

				armed.armed.Store(true)
				row.meet(s, p)
				time.Sleep(10 * time.Second)
				require.Contains(t, <-causes, "a write failed")
				require.Empty(t, causes)
				_, open := <-s.Events()
				require.False(t, open, "the call is not told")
				p.quiet(time.Second)

				other.press(other.rtp, 3)
				want(t, neighbour, media.Pressed, media.Pressed)
				other.forget()
				other.hear()
				again, later := w.callOn(t, e)
				again.Set(later.stream())
				again.Start(0)
				later.hear()
			})
		})
	}
}
