package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"star97/internal/codec"
	"star97/internal/prompt"
)

// The shape of a master. polishing is part of every recipe: raise it when the same
// text would come out differently, here or in brighten.
const (
	polishing  = "2"
	level      = -20.0                  // dBov, active
	peak       = -3.2                   // dB below full scale; the rule is -3
	lead       = 8 * time.Millisecond   // quiet before the first sound; the rule is 10 ms
	hiss       = 30 * time.Millisecond  // sound above the telephone's band before the first one in it
	tail       = 120 * time.Millisecond // quiet after the last
	longest    = 450 * time.Millisecond // pause inside; the rule is under 650 ms
	shortened  = 400 * time.Millisecond // what a longer one becomes
	clearSound = 4 * prompt.QuietPeak   // no noise is this loud
	click      = 50 * time.Millisecond  // sound this short,
	clickAfter = 250 * time.Millisecond // after so much quiet
	fadeIn     = 5 * time.Millisecond
	fadeOut    = 20 * time.Millisecond
	lookAhead  = 4 * time.Millisecond // of the limiter
	tolerance  = 0.05                 // dB off the level
	maxRounds  = 40                   // of levelling and limiting
	fullScale  = 1 << 15
	samplesPer = masterRate / int(time.Second/time.Millisecond) // per millisecond
)

func samples(d time.Duration) int { return int(d.Milliseconds()) * samplesPer }

// polish makes a master of what a synthesiser spoke: level, no peak above the limit,
// trimmed ends, short pauses, fades. What is cut off changes the level and the level
// decides what is quiet, so the gain is found by trying.
func polish(spoken []int16) ([]int16, error) {
	now := prompt.ActiveLevel(spoken, masterRate)
	if math.IsInf(now, -1) {
		return nil, errors.New("nothing is heard in what was spoken")
	}
	gain := 1.0
	for range maxRounds {
		gain *= math.Pow(10, (level-now)/20)
		x := shortenPauses(trim(limited(spoken, gain)))
		now = prompt.ActiveLevel(round(x), masterRate)
		if math.Abs(now-level) < tolerance {
			return prompted(x), nil
		}
	}
	return nil, fmt.Errorf("the level of %.0f dBov cannot be reached with peaks under %.1f dB", level, peak)
}

// prompted fades x and cuts off what is still too late a beginning: the fade, and what
// a telephone does not carry, can hide its first sound.
func prompted(x []float64) []int16 {
	for {
		faded := slices.Clone(x)
		fade(faded)
		pcm := round(faded)
		late := max(prompt.Measure(pcm, masterRate).Lead-lead, prompt.Measure(heard(pcm), prompt.Rate).Lead-hiss)
		if late < time.Millisecond {
			return pcm
		}
		x = x[samples(late):]
	}
}

// heard is a master as a telephone hears it.
func heard(pcm []int16) []int16 {
	narrow := prompt.Narrow(pcm, masterRate)
	f, _ := codec.ByID(codec.PCMU)
	payload := make([]byte, len(narrow))
	f.Encode(payload, narrow)
	f.Decode(narrow, payload)
	return narrow
}

// limited is pcm with a gain and no peak above the limit.
func limited(pcm []int16, gain float64) []float64 {
	x := make([]float64, len(pcm))
	for i, v := range pcm {
		x[i] = gain * float64(v)
	}
	limit(x)
	return x
}

func round(x []float64) []int16 {
	pcm := make([]int16, len(x))
	for i, v := range x {
		pcm[i] = int16(math.RoundToEven(min(max(v, math.MinInt16), math.MaxInt16)))
	}
	return pcm
}

func quiet(v float64) bool { return math.Abs(math.RoundToEven(v)) <= prompt.QuietPeak }

// trim cuts x to lead before its first sound and tail after its last. Of sound that a
// telephone does not carry, such as the s of "sorry", it leaves no more than hiss.
func trim(x []float64) []float64 {
	last := lastSound(x)
	from := max(0, firstSound(round(x))-samples(lead))
	narrow := prompt.Narrow(round(x), masterRate)
	from = max(from, firstSound(narrow)*masterRate/prompt.Rate-samples(hiss))
	x = x[from:min(len(x), last+1+samples(tail))]
	if short := last + 1 + samples(tail) - from - len(x); short > 0 {
		x = append(x[:len(x):len(x)], make([]float64, short)...)
	}
	return x
}

// lastSound is where the sentence ends. Faint sound long after it, and a click, are
// not part of it: SVOX Pico clicks half a second after its last word.
func lastSound(x []float64) int {
	last := lastClear(x, len(x)-1)
	for {
		start := last // of the sound that ends here
		for i := last; i >= 0 && start-i <= samples(clickAfter); i-- {
			if math.Abs(x[i]) > clearSound {
				start = i
			}
		}
		if last-start > samples(click) || start <= samples(clickAfter) {
			break
		}
		last = lastClear(x, start-1)
	}
	for i := last; i < min(len(x), last+samples(shortened)/2); i++ {
		if !quiet(x[i]) {
			last = i
		}
	}
	return last
}

// lastClear is the last sample up to i that is sound without a doubt.
func lastClear(x []float64, i int) int {
	for i > 0 && math.Abs(x[i]) <= clearSound {
		i--
	}
	return i
}

func firstSound(pcm []int16) int {
	return max(0, slices.IndexFunc(pcm, func(v int16) bool { return !quiet(float64(v)) }))
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
