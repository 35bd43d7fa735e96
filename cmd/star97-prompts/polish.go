package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"star97/internal/prompt"
)

// The shape of a master. polishing is part of every recipe: raise it when the same
// text would come out differently.
const (
	polishing  = "1"
	level      = -20.0                  // dBov, active
	peak       = -3.2                   // dB below full scale; the rule is -3
	lead       = 8 * time.Millisecond   // quiet before the first sound; the rule is 10 ms
	tail       = 120 * time.Millisecond // quiet after the last
	longest    = 450 * time.Millisecond // pause inside; the rule is under 650 ms
	shortened  = 400 * time.Millisecond // what a longer one becomes
	fadeIn     = 5 * time.Millisecond
	fadeOut    = 20 * time.Millisecond
	lookAhead  = 4 * time.Millisecond // of the limiter
	tolerance  = 0.05                 // dB off the level
	maxRounds  = 8                    // of levelling and limiting
	fullScale  = 1 << 15
	samplesPer = masterRate / int(time.Second/time.Millisecond) // per millisecond
)

func samples(d time.Duration) int { return int(d.Milliseconds()) * samplesPer }

// polish makes a master of what a synthesiser spoke: level, trimmed ends, short
// pauses, fades and no peak above the limit.
func polish(spoken []int16) ([]int16, error) {
	x := make([]float64, len(spoken))
	for i, v := range spoken {
		x[i] = float64(v)
	}
	if !levelled(x) {
		return nil, errors.New("nothing is heard in what was spoken")
	}
	x = trim(x)
	x = shortenPauses(x)
	fade(x)
	for range maxRounds {
		limit(x)
		if math.Abs(prompt.ActiveLevel(round(x), masterRate)-level) < tolerance {
			return round(x), nil
		}
		levelled(x)
	}
	return nil, fmt.Errorf("the level of %.0f dBov cannot be reached with peaks under %.1f dB", level, peak)
}

// levelled brings x to the level; false if there is nothing to hear.
func levelled(x []float64) bool {
	now := prompt.ActiveLevel(round(x), masterRate)
	if math.IsInf(now, -1) {
		return false
	}
	gain := math.Pow(10, (level-now)/20)
	for i := range x {
		x[i] *= gain
	}
	return true
}

func round(x []float64) []int16 {
	pcm := make([]int16, len(x))
	for i, v := range x {
		pcm[i] = int16(math.RoundToEven(min(max(v, math.MinInt16), math.MaxInt16)))
	}
	return pcm
}

func quiet(v float64) bool { return math.Abs(v) <= prompt.QuietPeak }

// trim cuts x to lead before its first sound and tail after its last.
func trim(x []float64) []float64 {
	first, last := 0, len(x)-1
	for first < last && quiet(x[first]) {
		first++
	}
	for last > first && quiet(x[last]) {
		last--
	}
	from := max(0, first-samples(lead))
	x = x[from:min(len(x), last+1+samples(tail))]
	if short := last + 1 + samples(tail) - from - len(x); short > 0 {
		x = append(x[:len(x):len(x)], make([]float64, short)...)
	}
	return x
}

// shortenPauses takes the middle out of quiet that lasts too long. Both edges are
// quiet, so they are joined without a fade.
func shortenPauses(x []float64) []float64 {
	var out []float64
	start := 0 // of the quiet that ends at i
	for i, v := range x {
		if quiet(v) {
			continue
		}
		if i-start > samples(longest) {
			half := samples(shortened) / 2
			out = append(out, x[start:start+half]...)
			out = append(out, x[i-half:i]...)
		} else {
			out = append(out, x[start:i]...)
		}
		out = append(out, v)
		start = i + 1
	}
	return append(out, x[start:]...)
}

// fade raises the beginning from zero and lowers the end to zero, along a cosine.
func fade(x []float64) {
	ramp := func(i, n int) float64 { return 0.5 - 0.5*math.Cos(math.Pi*float64(i)/float64(n)) }
	for i, n := 0, samples(fadeIn); i < n; i++ {
		x[i] *= ramp(i, n)
	}
	for i, n := 0, samples(fadeOut); i < n; i++ {
		x[len(x)-1-i] *= ramp(i, n)
	}
}

// limit keeps peaks under the limit by turning the gain down smoothly around them:
// the least gain needed within reach of each sample, averaged over the same reach,
// is never more than the gain needed at the sample.
func limit(x []float64) {
	ceiling := fullScale * math.Pow(10, peak/20)
	reach := samples(lookAhead)
	least := make([]float64, len(x))
	for i := range least {
		least[i] = 1
	}
	loud := false
	for i, v := range x {
		if a := math.Abs(v); a > ceiling {
			loud = true
			for k := max(0, i-reach); k <= min(len(x)-1, i+reach); k++ {
				least[k] = min(least[k], ceiling/a)
			}
		}
	}
	if !loud {
		return
	}
	for i := range x {
		var sum float64
		for k := i - reach; k <= i+reach; k++ {
			sum += least[min(max(k, 0), len(x)-1)]
		}
		x[i] *= sum / float64(2*reach+1)
	}
}
