package prompt

import (
	"math"
	"time"
)

// QuietPeak bounds quiet: samples within it, 0.5 % of full scale, are not heard as
// sound beside speech at the level of a master.
const QuietPeak = 164

// Measured is what can be said of a master without listening.
type Measured struct {
	Length  time.Duration
	Level   float64       // active speech level, dBov (ITU-T P.56, method B)
	Peak    float64       // dB below full scale
	Clipped int           // samples at full scale
	Lead    time.Duration // quiet before the first sound
	Tail    time.Duration // quiet after the last
	Pause   time.Duration // longest quiet between
}

// Measure examines a master. A master without sound has a Level and Peak of -Inf.
func Measure(pcm []int16, rate int) Measured {
	span := func(samples int) time.Duration { return time.Duration(samples) * time.Second / time.Duration(rate) }
	m := Measured{Length: span(len(pcm)), Level: ActiveLevel(pcm, rate)}
	first, last, pause, peak := -1, -1, 0, 0
	for i, v := range pcm {
		a := magnitude(v)
		peak = max(peak, a)
		if a >= math.MaxInt16 {
			m.Clipped++
		}
		if a <= QuietPeak {
			continue
		}
		if first < 0 {
			first = i
		} else {
			pause = max(pause, i-last-1)
		}
		last = i
	}
	m.Peak = 20 * math.Log10(float64(peak)/(1<<15))
	if first < 0 {
		m.Lead = m.Length
		return m
	}
	m.Lead, m.Tail, m.Pause = span(first), span(len(pcm)-1-last), span(pause)
	return m
}

func magnitude(v int16) int {
	if v < 0 {
		return -int(v)
	}
	return int(v)
}

// ActiveLevel is the active speech level of ITU-T P.56 (2011) section 5, method B,
// in dB relative to the RMS of a full-scale square wave; -Inf if nothing is active.
func ActiveLevel(pcm []int16, rate int) float64 {
	const (
		smoothing  = 0.03 // s, time constant of both stages
		hangover   = 0.2  // s, gaps that still count as speech
		margin     = 15.9 // dB between the level and its threshold
		thresholds = 15   // at 2^0 ... 2^14
	)
	g := math.Exp(-1 / (float64(rate) * smoothing))
	hang := int(math.Ceil(hangover * float64(rate)))
	var active, idle [thresholds]int
	for j := range idle {
		idle[j] = hang // nothing was active before the first sample
	}
	var energy, p, q float64
	for _, v := range pcm {
		x := float64(v)
		energy += x * x
		p = g*p + (1-g)*math.Abs(x)
		q = g*q + (1-g)*p
		for j := range thresholds {
			if q >= float64(int(1)<<j) {
				idle[j] = 0
			} else if idle[j]++; idle[j] > hang {
				continue
			}
			active[j]++
		}
	}
	const fullScale = 90.308998699 // 20*log10(2^15)
	var above, level float64       // of the threshold before
	for j, n := range active {
		if n == 0 {
			break
		}
		levelHere := 10 * math.Log10(energy/float64(n))
		aboveHere := levelHere - 20*math.Log10(float64(int(1)<<j))
		if aboveHere <= margin {
			if j > 0 {
				share := (above - margin) / (above - aboveHere)
				levelHere = level + share*(levelHere-level)
			}
			return levelHere - fullScale
		}
		above, level = aboveHere, levelHere
	}
	return math.Inf(-1)
}
