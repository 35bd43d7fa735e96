package tonetest

import (
	"math"
	"math/rand/v2"
)

// What is not a press and may sound like one. Each function makes so many seconds.

// voice is one range of a synthetic voice: a pulse train through resonances.
type voice struct {
	pitch    [2]float64    // Hz, least and most
	formants [3][2]float64 // Hz
	glide    float64       // how much the pitch moves in a syllable, as a share
	rough    float64       // how much it trembles
	breath   float64       // noise beside the harmonics
	width    float64       // Hz of the first formant, half
	tuned    bool          // the formants keep to harmonics, as in song
}

// Child sounds like a child of two that talks and sings: high, loud and steady.
func Child(r *rand.Rand, seconds float64) []int16 {
	return speak(r, seconds, voice{
		pitch:    [2]float64{230, 560},
		formants: [3][2]float64{{600, 1000}, {1100, 1900}, {3000, 3800}},
		glide:    0.03, rough: 0.0005, breath: 0.003, width: 30, tuned: true,
	})
}

// Grown sounds like grown-ups.
func Grown(r *rand.Rand, seconds float64) []int16 {
	return speak(r, seconds, voice{
		pitch:    [2]float64{85, 240},
		formants: [3][2]float64{{280, 850}, {800, 2300}, {2400, 3200}},
		glide:    0.2, rough: 0.015, breath: 0.15, width: 70,
	})
}

func speak(r *rand.Rand, seconds float64, v voice) []int16 {
	n := int(seconds * Rate)
	out := make([]int16, 0, n)
	for len(out) < n {
		out = append(out, syllable(r, v)...)
		out = append(out, make([]int16, between(r, 0, 0.12*Rate))...)
	}
	return out[:n]
}

// between is a whole number in [from, to).
func between(r *rand.Rand, from, to float64) int { return int(within(r, [2]float64{from, to})) }

func within(r *rand.Rand, span [2]float64) float64 { return span[0] + (span[1]-span[0])*r.Float64() }

// syllable adds up the harmonics of a voice, whose pitch and formants move evenly.
func syllable(r *rand.Rand, v voice) []int16 {
	n := between(r, 0.08*Rate, 0.40*Rate)
	from := v.pitch[0] * math.Pow(v.pitch[1]/v.pitch[0], r.Float64())
	to := from * (1 + v.glide*r.NormFloat64()*0.5)
	var formants [3][2]float64
	for i, f := range v.formants {
		formants[i] = [2]float64{within(r, f), within(r, f)}
		if r.IntN(2) == 0 {
			formants[i][1] = formants[i][0] // a vowel that is held
		}
		if v.tuned && i < 2 {
			f := from * math.Max(1, math.Round(formants[i][0]/from))
			formants[i] = [2]float64{f, f * to / from}
		}
	}
	peak := Amplitude(within(r, [2]float64{-18, -4}))
	pitch := make([]float64, n/pitchStep+1)
	tremble := 0.0
	for i := range pitch {
		tremble = 0.8*tremble + v.rough*r.NormFloat64()
		pitch[i] = (from + (to-from)*float64(i)/float64(len(pitch))) * (1 + tremble)
	}
	sum := make([]float64, n)
	for h := 1; float64(h)*max(from, to) < 3700; h++ {
		harmonic(sum, float64(h), pitch, formants, v.width, r.Float64())
	}
	past := 0.0
	for i := range sum {
		past = 0.5*past + v.breath*r.NormFloat64()
		sum[i] += past
	}
	return loud(sum, peak)
}

// pitchStep is how often pitch and formants move: each 4 ms.
const pitchStep = Rate / 250

// harmonic adds one harmonic of a pitch.
func harmonic(sum []float64, h float64, pitch []float64, formants [3][2]float64, width, phase float64) {
	for at := 0; at < len(sum); at += pitchStep {
		x := float64(at) / float64(len(sum))
		hz := h * pitch[at/pitchStep]
		gain := 0.0
		for i, f := range formants {
			off := (hz - f[0] - (f[1]-f[0])*x) / (width * (1 + 0.6*float64(i)))
			gain += 1 / (1 + off*off) / float64(1+i)
		}
		w := newWave(hz, gain/math.Sqrt(h), phase)
		for k := at; k < min(at+pitchStep, len(sum)); k++ {
			sum[k] += w.next()
		}
		phase += pitchStep * hz / Rate
	}
}

// loud brings a sound to a peak, with edges of 10 ms.
func loud(sum []float64, peak float64) []int16 {
	most := 1e-9
	for _, v := range sum {
		most = max(most, math.Abs(v))
	}
	out := make([]int16, len(sum))
	for i, v := range sum {
		edge := min(1, float64(min(i, len(sum)-1-i))/(0.01*Rate))
		out[i] = int16(32767 * min(1, peak) * edge * v / most)
	}
	return out
}

// Whistle is two partials that wander through the range of the tones, one above the
// other, and often keep still for a while.
func Whistle(r *rand.Rand, seconds float64) []int16 {
	n := int(seconds * Rate)
	out := make([]int16, 0, n)
	for len(out) < n {
		length := between(r, 0.06*Rate, 0.5*Rate)
		sum := make([]float64, length)
		high := math.Pow(10, within(r, [2]float64{-10, 6})/20)
		partial(r, sum, 1, [2]float64{600, 1050})
		partial(r, sum, high, [2]float64{1100, 1800})
		out = append(out, loud(sum, Amplitude(within(r, [2]float64{-20, -3})))...)
		out = append(out, make([]int16, between(r, 0, 0.2*Rate))...)
	}
	return out[:n]
}

// partial adds a sine that glides evenly from one frequency to another.
func partial(r *rand.Rand, sum []float64, gain float64, hz [2]float64) {
	from := within(r, hz)
	to := from * (1 + 0.04*r.NormFloat64())
	angle := 2 * math.Pi * r.Float64()
	for i := range sum {
		sum[i] += gain * math.Sin(angle)
		angle += 2 * math.Pi / Rate * (from + (to-from)*float64(i)/float64(len(sum)))
	}
}

// Music is chords and melodies of plucked and blown notes in equal temperament.
func Music(r *rand.Rand, seconds float64) []int16 {
	n := int(seconds * Rate)
	out := make([]int16, 0, n)
	for len(out) < n {
		sum := make([]float64, between(r, 0.1*Rate, 0.6*Rate))
		brightness := within(r, [2]float64{0.2, 0.9})
		for range 1 + r.IntN(4) {
			note(r, sum, 220*math.Pow(2, float64(r.IntN(30))/12), brightness)
		}
		out = append(out, loud(sum, Amplitude(within(r, [2]float64{-16, -3})))...)
	}
	return out[:n]
}

// note adds a note with its harmonics, each by so much quieter than the one before.
func note(r *rand.Rand, sum []float64, hz, brightness float64) {
	decay := math.Exp(-within(r, [2]float64{0, 8}) / Rate)
	gain := 1.0
	for h := 1.0; h*hz < 3600 && gain > 0.01; h++ {
		w := newWave(h*hz, gain, r.Float64())
		fade := 1.0
		for i := range sum {
			sum[i] += fade * w.next()
			fade *= decay
		}
		gain *= brightness
	}
}

// Noise is white or darker noise in bursts of all levels.
func Noise(r *rand.Rand, seconds float64) []int16 {
	n := int(seconds * Rate)
	out := make([]int16, 0, n)
	for len(out) < n {
		dark, past := within(r, [2]float64{0, 0.9}), 0.0
		sum := make([]float64, between(r, 0.05*Rate, 0.5*Rate))
		for i := range sum {
			past = dark*past + r.NormFloat64()
			sum[i] = past
		}
		out = append(out, loud(sum, Amplitude(within(r, [2]float64{-30, 3})))...)
	}
	return out[:n]
}
