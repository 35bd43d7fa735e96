package dtmf

import "math"

// The front of ToneDetector: what each sample and each hop goes through.

const (
	toneRate = 8000 // samples per second that the detector works at
	toneHop  = 16   // samples from one measurement to the next: 2 ms
	toneTaps = 80   // samples under one measurement: 10 ms
	hopWidth = float64(toneRate) / toneHop
)

// ITU-T Q.23: the tones of the keys, rows first.
var toneHz = [8]float64{697, 770, 852, 941, 1209, 1336, 1477, 1633}

// toneKeys are the keys by row and column.
var toneKeys = [4][4]Digit{{1, 2, 3, 12}, {4, 5, 6, 13}, {7, 8, 9, 14}, {Star, 0, Pound, 15}}

// The two dial tones of the world lie from 330 to 480 Hz: two wide notches take
// them away, and a zero at 0 Hz what a line adds (hum by half).
const (
	dcPole      = 0.90
	notchRadius = 0.90
)

var (
	notchLow  = newNotch(350)
	notchHigh = newNotch(434)
)

// notch has its zeros on the unit circle and its poles at the same angle, at
// notchRadius.
type notch struct{ b1, a1, a2 float32 }

func newNotch(hz float64) notch {
	c := 2 * math.Cos(2*math.Pi*hz/toneRate)
	return notch{b1: float32(-c), a1: float32(-c * notchRadius), a2: notchRadius * notchRadius}
}

// gain is the power gain of a notch at hz.
func (n notch) gain(hz float64) float64 {
	w := 2 * math.Pi * hz / toneRate
	at := func(b0, b1, b2 float64) float64 {
		re := b0 + b1*math.Cos(w) + b2*math.Cos(2*w)
		im := b1*math.Sin(w) + b2*math.Sin(2*w)
		return re*re + im*im
	}
	return at(1, float64(n.b1), 1) / at(1, float64(n.a1), float64(n.a2))
}

// frontGain is the power gain of both notches at hz; the DC filter has none at the tones.
func frontGain(hz float64) float64 { return notchLow.gain(hz) * notchHigh.gain(hz) }

// The two groups are measured by a low-pass each that is moved to the middle of the
// group: flat over its tones and 3.5 % around them, 40 dB down at the other group.
const (
	lowMiddle  = 819.0
	lowEdge    = 240.0 // Hz from the middle, 6 dB down
	highMiddle = 1424.0
	highEdge   = 320.0
	bandBeta   = 2.8 // of the Kaiser window
)

// bandShape is one half of a symmetric low-pass; all of it adds up to 1.
type bandShape [toneTaps / 2]float64

func newBandShape(edge float64) (h bandShape) {
	var sum float64
	for k := range h {
		x := float64(k) + 0.5
		r := x / (toneTaps / 2)
		h[k] = math.Sin(2*math.Pi*edge*x/toneRate) / x * bessel0(bandBeta*math.Sqrt(1-r*r))
		sum += 2 * h[k]
	}
	for k := range h {
		h[k] /= sum
	}
	return h
}

// gain is the power gain so many Hz from the middle.
func (h *bandShape) gain(hz float64) float64 {
	var g float64
	for k, v := range h {
		g += 2 * v * math.Cos(2*math.Pi*hz/toneRate*(float64(k)+0.5))
	}
	return g * g
}

var (
	lowShape  = newBandShape(lowEdge)
	highShape = newBandShape(highEdge)
)

// bandGain is the power gain of the filter of tone i at its frequency.
func bandGain(i int) float64 {
	if i < 4 {
		return lowShape.gain(toneHz[i] - lowMiddle)
	}
	return highShape.gain(toneHz[i] - highMiddle)
}

// bandTap is the pair of taps at the same distance on both sides of the middle: the
// cosines weigh their sum, the sines their difference.
type bandTap struct{ lowCos, lowSin, highCos, highSin float32 }

var bandTaps = newBandTaps()

func newBandTaps() *[toneTaps / 2]bandTap {
	t := new([toneTaps / 2]bandTap)
	for k := range t {
		x := 2 * math.Pi * (float64(k) + 0.5) / toneRate
		low, high := math.Sqrt2*lowShape[k], math.Sqrt2*highShape[k] // so that the square is the mean power of a sine
		t[k] = bandTap{
			lowCos: float32(low * math.Cos(lowMiddle*x)), lowSin: float32(low * math.Sin(lowMiddle*x)),
			highCos: float32(high * math.Cos(highMiddle*x)), highSin: float32(high * math.Sin(highMiddle*x)),
		}
	}
	return t
}

// bessel0 is the modified Bessel function of order zero.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-9*sum; k++ {
		term *= x * x / (4 * k * k)
		sum += term
	}
	return sum
}

// bands returns the complex amplitudes of both groups in 80 samples, with the phase
// in the middle; the square of each is the mean power of a tone in it.
func bands(y *[toneTaps]float32) (low, high phasor) {
	taps := bandTaps
	for k := range taps {
		t := &taps[k]
		a, b := y[toneTaps/2+k], y[toneTaps/2-1-k]
		s, d := a+b, a-b
		low.re += s * t.lowCos
		low.im -= d * t.lowSin
		high.re += s * t.highCos
		high.im -= d * t.highSin
	}
	return low, high
}

// phasor is a complex number.
type phasor struct{ re, im float32 }

func (p phasor) power() float32 { return p.re*p.re + p.im*p.im }

// since is the product of p and the conjugate of q: how far the phase has gone.
func (p phasor) since(q phasor) phasor {
	return phasor{p.re*q.re + p.im*q.im, p.im*q.re - p.re*q.im}
}

func (p phasor) plus(q phasor) phasor { return phasor{p.re + q.re, p.im + q.im} }

// halver brings 16 kHz to 8 kHz by a half-band filter of 15 taps, 40 dB down from 5.5 kHz
// on: what it lets through above 4 kHz folds back to over 2.5 kHz, away from the tones.
type halver struct {
	buf [halfTaps + 2*toneHop]float32
	n   int
}

const halfTaps = 15

var halfShape = newHalfShape()

// newHalfShape holds the taps at the odd distances 1, 3, 5, 7 from the middle, whose own is
// 1/2; those at the even ones are 0.
func newHalfShape() (t [4]float32) {
	for i := range t {
		x := float64(2*i + 1)
		r := x / 8
		t[i] = float32(math.Sin(math.Pi*x/2) / (math.Pi * x) * bessel0(3.4*math.Sqrt(1-r*r)) / bessel0(3.4))
	}
	return t
}

// take reads samples, 2*len(out) at most, and returns how many it has read and made.
func (h *halver) take(pcm []int16, out []float32) (read, made int) {
	h.n = max(h.n, halfTaps-2) // silence before the first one
	read = min(len(pcm), 2*len(out))
	more := h.buf[h.n:][:read]
	for i, v := range pcm[:read] {
		more[i] = float32(v)
	}
	h.n += read
	at := 0
	for ; at+halfTaps <= h.n; at += 2 {
		v := (*[halfTaps]float32)(h.buf[at:])
		out[made] = v[7]/2 + halfShape[0]*(v[6]+v[8]) + halfShape[1]*(v[4]+v[10]) +
			halfShape[2]*(v[2]+v[12]) + halfShape[3]*(v[0]+v[14])
		made++
	}
	h.n = copy(h.buf[:], h.buf[at:h.n])
	return read, made
}
