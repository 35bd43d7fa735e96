package dtmf

import (
	"math"
	"time"

	"star97/internal/dtmf/tonetest"
)

// anchor is the detector that most telephone systems have, as a measure for ours: eight
// Goertzel filters over blocks of 102 samples, two blocks that agree begin a digit
// and two that do not end it (libspandsp, dtmf_rx).
type anchor struct {
	s1, s2 [8]float64
	energy float64
	n      int
	last   byte
	digit  byte
}

const (
	anchorBlock   = 102
	anchorPeak    = 6.309 // 8 dB over the other tones of the group
	anchorNormal  = 6.309 // 8 dB: the low tone over the high one
	anchorReverse = 2.512 // 4 dB: the high tone over the low one
	anchorPure    = 83.868
	anchorLeast   = 171032462.0 // -42 dBm0
)

// feed returns the digits that begin with these samples.
func (a *anchor) feed(pcm []int16, now time.Duration, out []Report) []Report {
	for _, v := range pcm {
		x := float64(v)
		for i, hz := range toneHz {
			a.s1[i], a.s2[i] = x+2*math.Cos(2*math.Pi*hz/toneRate)*a.s1[i]-a.s2[i], a.s1[i]
		}
		a.energy += x * x
		if a.n++; a.n < anchorBlock {
			continue
		}
		hit := a.block()
		if hit != a.digit && a.last != a.digit {
			if hit != a.last {
				hit = 0
			}
			if hit != 0 {
				d, _ := DigitOf(hit)
				out = append(out, Report{Kind: Down, Source: FromTone, Digit: d, At: now, Held: 20 * time.Millisecond})
			}
			a.digit, a.last = hit, hit
			continue
		}
		a.last = hit
	}
	return out
}

func (a *anchor) block() byte {
	var power [8]float64
	for i, hz := range toneHz {
		c := 2 * math.Cos(2*math.Pi*hz/toneRate)
		power[i] = 2 * (a.s1[i]*a.s1[i] + a.s2[i]*a.s2[i] - c*a.s1[i]*a.s2[i]) // 102 times the energy if it is all there is
	}
	energy := a.energy
	last, digit := a.last, a.digit
	*a = anchor{last: last, digit: digit}
	row, col := 0, 4
	for i := range 4 {
		if power[i] > power[row] {
			row = i
		}
		if power[4+i] > power[col] {
			col = 4 + i
		}
	}
	low, high := power[row], power[col]
	if low < anchorLeast || high < anchorLeast || high > low*anchorReverse || low > high*anchorNormal {
		return 0
	}
	for i := range 4 {
		if i != row && power[i]*anchorPeak > low || 4+i != col && power[4+i]*anchorPeak > high {
			return 0
		}
	}
	if low+high < anchorPure*energy {
		return 0
	}
	return tonetest.Keys[4*row+col-4]
}
