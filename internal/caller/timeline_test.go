package caller

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What stands below came later, or at once: a reader goes by the order.
func TestATimeLineIsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := Timeline{W: &b}
		start := time.Now()
		l.Begin(start)
		heard := func(from, length time.Duration, complete bool) {
			h := Heard{At: start.Add(from)}
			h.ID, h.Complete, h.Sound.Heard = "welcome", complete, length
			l.Heard(h)
		}
		time.Sleep(2 * time.Second)
		heard(0, 2015*time.Millisecond, true) // its last packet plays on
		l.Pressed(time.Now(), 1)
		time.Sleep(time.Second)
		l.Pressed(time.Now(), 1)
		heard(2500*time.Millisecond, 490*time.Millisecond, false) // cut by that key
		time.Sleep(time.Second)
		heard(3200*time.Millisecond, 500*time.Millisecond, true)
		require.Equal(t, "t=2.000s heard welcome (complete)\nt=2.000s pressed 1 key\n"+
			"t=3.000s pressed 1 key\nt=3.000s heard welcome (cut at 0.5 s)\nt=3.700s heard welcome (complete)\n", b.String())
	})
}
