package tonetest

import (
	"math"
	"math/rand/v2"
	"time"
)

// What a line does to a take.

// Noise adds white noise so many dB under the power of two tones at a level in dBm0 each.
func (t *Take) Noise(r *rand.Rand, level, ratio float64) {
	sigma := Amplitude(level) * math.Pow(10, -ratio/20)
	for i := range t.Sound {
		t.Sound[i] += sigma * r.NormFloat64()
	}
}

// Hum adds steady tones, each at a level in dBm0: a dial tone, mains.
func (t *Take) Hum(r *rand.Rand, level float64, hz ...float64) {
	for _, f := range hz {
		w := newWave(f, Amplitude(level), r.Float64())
		for i := range t.Sound {
			t.Sound[i] += w.next()
		}
	}
}

// Offset adds a constant in units of int16.
func (t *Take) Offset(units float64) {
	for i := range t.Sound {
		t.Sound[i] += units / 32768
	}
}

// Clip cuts off what two tones at a level in dBm0 have above so many dB under their peak.
func (t *Take) Clip(level, dB float64) {
	most := 2 * Amplitude(level) * math.Pow(10, -dB/20)
	for i, v := range t.Sound {
		t.Sound[i] = max(-most, min(most, v))
	}
}

// Slip leaves out a sample, or repeats one, every so often.
func (t *Take) Slip(r *rand.Rand, every time.Duration) {
	step := Samples(every)
	next := r.IntN(step)
	out := make([]float64, 0, len(t.Sound)+len(t.Sound)/step+1)
	for i, v := range t.Sound {
		if i == next {
			next += step/2 + r.IntN(step)
			if r.IntN(2) == 0 {
				continue
			}
			out = append(out, v)
		}
		out = append(out, v)
	}
	t.Sound = out
}

// Echo adds other sound, so many dB under its own level and from anywhere in it on.
func (t *Take) Echo(r *rand.Rand, other []int16, loss float64) {
	g := math.Pow(10, -loss/20) / 32768
	at := r.IntN(len(other))
	for i := range t.Sound {
		t.Sound[i] += g * float64(other[(at+i)%len(other)])
	}
}

// Losses says of each frame of so many samples whether it is lost.
func (t *Take) Losses(r *rand.Rand, frame int, share float64) []bool {
	lost := make([]bool, (len(t.Sound)+frame-1)/frame)
	for i := range lost {
		lost[i] = r.Float64() < share
	}
	return lost
}

// Conceal puts silence, or the frame before, in the place of lost frames.
func Conceal(pcm []int16, lost []bool, frame int, repeat bool) {
	for i, gone := range lost {
		if !gone {
			continue
		}
		to := pcm[i*frame : min((i+1)*frame, len(pcm))]
		if repeat && i > 0 {
			copy(to, pcm[(i-1)*frame:i*frame])
			continue
		}
		clear(to)
	}
}
