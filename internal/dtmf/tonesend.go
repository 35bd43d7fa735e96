package dtmf

import "math"

// ToneSound makes the sound of a key (ITU-T Q.23) in pieces.
type ToneSound struct{ low, high oscillator }

// NewToneSound begins the sound of d at a sample rate; each of its two tones is so many
// dB under 0 dBm0.
func NewToneSound(d Digit, attenuation uint8, rate int) *ToneSound {
	s := &ToneSound{}
	for row, keys := range toneKeys {
		for column, k := range keys {
			if k == d {
				s.low = newOscillator(toneHz[row], attenuation, rate)
				s.high = newOscillator(toneHz[4+column], attenuation, rate)
			}
		}
	}
	return s
}

// Fill writes the next samples, cut off at full scale.
func (s *ToneSound) Fill(pcm []int16) {
	for i := range pcm {
		v := s.low.next() + s.high.next()
		pcm[i] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(v))))
	}
}

// oscillator is a sine, made by turning a pointer.
type oscillator struct{ re, im, cos, sin float64 }

func newOscillator(hz float64, attenuation uint8, rate int) oscillator {
	sin, cos := math.Sincos(2 * math.Pi * hz / float64(rate))
	return oscillator{re: math.Sqrt2 * math.Sqrt(float64(dBm0(-float64(attenuation)))), sin: sin, cos: cos}
}

func (o *oscillator) next() float64 {
	v := o.im
	o.re, o.im = o.re*o.cos-o.im*o.sin, o.re*o.sin+o.im*o.cos
	return v
}
