// Package tonetest makes the sound that tests of in-band digits (ITU-T Q.23 and Q.24)
// listen to: presses as senders and lines bend them, and what only sounds like
// presses. Everything comes from a seed. Only tests import it; it judges nothing.
package tonetest

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Rate is the sample rate of all sound made here.
const Rate = 8000

// fullScale is the level in dBm0 of a sine that fills int16 (ITU-T G.711).
const fullScale = 3.14

// Keys are the 16 keys, row by row.
const Keys = "123A456B789C*0#D"

var (
	rows    = [4]float64{697, 770, 852, 941}
	columns = [4]float64{1209, 1336, 1477, 1633}
)

// Press is one press as it is sent.
type Press struct {
	Key   byte
	On    time.Duration // length of the tone
	Off   time.Duration // pause after it
	Level float64       // dBm0 of the louder tone
	Twist float64       // dB of the high tone over the low one
	Low   float64       // how far the low tone is out of tune: 0.01 is 1 % up
	High  float64       // the same of the high one
	Ramp  time.Duration // time to rise and to fall
	Mute  int           // 1: no low tone, 2: no high one
	Cuts  []Cut         // interruptions
}

// Cut is silence within a press.
type Cut struct{ At, For time.Duration }

// Mark is where a press lies in a Take: samples.
type Mark struct {
	Key        byte
	Begin, End int
}

// Take is a piece of a call. A sample of 1 is full scale of int16.
type Take struct {
	Sound []float64
	Marks []Mark
}

// Amplitude is that of a sine at a level in dBm0.
func Amplitude(level float64) float64 { return math.Pow(10, (level-fullScale)/20) }

// Samples is the number of samples in d.
func Samples(d time.Duration) int { return int(math.Round(d.Seconds() * Rate)) }

// Press adds a press, its phases by chance.
func (t *Take) Press(r *rand.Rand, p Press) {
	i := strings.IndexByte(Keys, p.Key)
	low, high := p.Level, p.Level
	if p.Twist > 0 {
		low -= p.Twist
	} else {
		high += p.Twist
	}
	a := newWave(rows[i/4]*(1+p.Low), Amplitude(low), r.Float64())
	b := newWave(columns[i%4]*(1+p.High), Amplitude(high), r.Float64())
	if p.Mute == 1 {
		a = newWave(0, 0, 0)
	}
	if p.Mute == 2 {
		b = newWave(0, 0, 0)
	}
	begin, n, ramp := len(t.Sound), Samples(p.On), Samples(p.Ramp)
	t.Marks = append(t.Marks, Mark{Key: p.Key, Begin: begin, End: begin + n})
	for k := range n {
		v := a.next() + b.next()
		if edge := min(k, n-1-k); edge < ramp {
			v *= float64(edge) / float64(ramp)
		}
		t.Sound = append(t.Sound, v)
	}
	for _, c := range p.Cuts {
		from := begin + Samples(c.At)
		clear(t.Sound[min(from, begin+n):min(from+Samples(c.For), begin+n)])
	}
	t.Pause(p.Off)
}

// Pause adds silence.
func (t *Take) Pause(d time.Duration) { t.Sound = append(t.Sound, make([]float64, Samples(d))...) }

// PCM is the take as 16-bit samples, cut off at full scale.
func (t *Take) PCM() []int16 {
	out := make([]int16, len(t.Sound))
	for i, v := range t.Sound {
		out[i] = int16(max(-32768, min(32767, math.Round(v*32768))))
	}
	return out
}

// wave is a sine made by turning a phasor.
type wave struct{ re, im, cos, sin float64 }

func newWave(hz, amplitude, phase float64) wave {
	sin, cos := math.Sincos(2 * math.Pi * hz / Rate)
	im, re := math.Sincos(2 * math.Pi * phase)
	return wave{re: amplitude * re, im: amplitude * im, cos: cos, sin: sin}
}

func (w *wave) next() float64 {
	v := w.im
	w.re, w.im = w.re*w.cos-w.im*w.sin, w.re*w.sin+w.im*w.cos
	return v
}
