package prompt

import (
	"math"
	"slices"
)

// What is left out before the first sound of a recording: a caller who has pressed a key
// hears at once that it was taken.
const (
	heardPeak = 256  // -42 dBFS: a sample beyond it is heard
	faintMs   = 40   // at most so much is left out of what is no more than faint
	onsetUs   = 1500 // this much before the first sound stays, faded in
)

// sounding is pcm as callers hear it: without its head if it can be the first that they
// hear after a key. What never is stays whole, as it was recorded: no caller waits for
// it, and in a digit the faint hiss of an s tells a six from another one. The samples
// are those of pcm, not a copy.
func (e *entry) sounding(pcm []int16, rate int) []int16 {
	if e.inner {
		return pcm
	}
	return fadedIn(pcm, rate)
}

// head is how many samples at the beginning of pcm are left out: all of the quiet and
// some of what is faint, such as the breath of a p or the hiss of an s in a narrow band,
// up to the onset of what is heard. Zero: there is no sound, or it begins at once. It is
// a whole number of samples of Rate: both bands stay in step.
func head(pcm []int16, rate int) int {
	beyond := func(peak int) func(int16) bool { return func(v int16) bool { return magnitude(v) > peak } }
	faint := slices.IndexFunc(pcm, beyond(QuietPeak))
	if faint < 0 {
		return 0
	}
	sound := faint + rate/1000*faintMs
	if n := slices.IndexFunc(pcm[faint:min(sound, len(pcm))], beyond(heardPeak)); n >= 0 {
		sound = faint + n
	}
	cut := max(0, min(sound, len(pcm))-onset(rate))
	return cut - cut%(rate/Rate)
}

// onset is onsetUs in samples.
func onset(rate int) int { return rate * onsetUs / 1e6 }

// fadedIn is pcm without its head, faded in where that was cut off: nothing that is heard
// is changed.
func fadedIn(pcm []int16, rate int) []int16 {
	cut := head(pcm, rate)
	if cut == 0 {
		return pcm
	}
	pcm = pcm[cut:]
	n := onset(rate)
	for i := range pcm[:n] {
		pcm[i] = int16(float64(pcm[i]) * (0.5 - 0.5*math.Cos(math.Pi*float64(i)/float64(n))))
	}
	return pcm
}
