package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However long others take each time, a slot a minute is what they delay.
func TestCourtesyRestsOnABusyMachine(t *testing.T) {
	var c courtesy
	now, given := time.Duration(0), 0
	for now < 10*time.Minute {
		if now >= c.until {
			given++
			c.took(now, now+30*time.Millisecond)
		}
		now += 30 * time.Millisecond
	}
	require.LessOrEqual(t, given, 16)
	require.Equal(t, mostRest, c.rest)
}

func TestCourtesyForgetsABusyTime(t *testing.T) {
	c := courtesy{rest: mostRest}
	for now := time.Duration(0); now < 6*time.Minute; now += slot {
		c.took(now, now+brief/2)
	}
	require.Zero(t, c.rest)
	require.Zero(t, c.until)
	c.took(time.Hour, time.Hour+2*brief)
	require.Equal(t, firstRest, c.rest)
}
