package prompt

import "math"

// Rate is the sample rate of telephone speech.
const Rate = 8000

// The low-pass before decimation: telephone speech ends at 3.4 kHz (ITU-T G.712),
// and what lies above 4.2 kHz would fold back under 3.8 kHz.
const (
	passEdge  = 3400.0 // Hz
	stopEdge  = 4200.0 // Hz
	stopDepth = 60.0   // dB
)

// decimator brings masters of one sample rate down to Rate. It is read-only.
type decimator struct {
	factor int
	half   []float32 // symmetric FIR: half[0] is the centre tap
}

// newDecimator designs a Kaiser-windowed sinc (Oppenheim and Schafer, Discrete-Time
// Signal Processing, section 7.5.3). rate is a multiple of Rate; Rate itself needs no filter.
func newDecimator(rate int) *decimator {
	if rate == Rate {
		return &decimator{factor: 1, half: []float32{1}}
	}
	width := 2 * math.Pi * (stopEdge - passEdge) / float64(rate)
	reach := int(math.Ceil((stopDepth - 8) / (2.285 * width) / 2))
	beta := 0.1102 * (stopDepth - 8.7)
	cut := (passEdge + stopEdge) / float64(rate) // twice the middle of the transition, over the rate

	taps := make([]float64, reach+1)
	var sum float64
	for k := range taps {
		x := float64(k) / float64(reach)
		taps[k] = cut * sinc(cut*float64(k)) * bessel0(beta*math.Sqrt(1-x*x)) / bessel0(beta)
		sum += taps[k]
		if k > 0 {
			sum += taps[k]
		}
	}
	d := &decimator{factor: rate / Rate, half: make([]float32, reach+1)}
	for k := range taps {
		d.half[k] = float32(taps[k] / sum)
	}
	return d
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of order zero.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}

// scratch are the buffers of down-sampling, kept from master to master.
type scratch struct {
	padded []float32
	out    []int16
}

// decimate returns pcm at Rate, in time with the input: sample i is input sample
// i*factor, filtered. The result is valid until the next call with s.
func (d *decimator) decimate(pcm []int16, s *scratch) []int16 {
	reach := len(d.half) - 1
	n := len(pcm) + 2*reach
	if cap(s.padded) < n {
		s.padded = make([]float32, n)
	}
	s.padded = s.padded[:n]
	clear(s.padded[:reach])
	clear(s.padded[n-reach:])
	for i, v := range pcm {
		s.padded[reach+i] = float32(v)
	}
	s.out = s.out[:0]
	for c := reach; c < n-reach; c += d.factor {
		s.out = append(s.out, clamp16(convolve(s.padded[c-reach:c+reach+1], d.half)))
	}
	return s.out
}

// Narrow is pcm as a telephone of 8000 Hz hears it; rate is one of WAVRates.
func Narrow(pcm []int16, rate int) []int16 {
	return newDecimator(rate).decimate(pcm, &scratch{})
}

// convolve is the symmetric filter at the middle of x, which has 2*len(half)-1 samples.
// The race detector would spend most of a start here, on two slices that nobody else
// has.
//
//go:norace
func convolve(x, half []float32) float32 {
	reach := len(half) - 1
	before, after := x[:reach], x[reach+1:]
	after = after[:reach]
	sum := x[reach] * half[0]
	half = half[1:]
	half = half[:reach]
	for k, h := range half {
		sum += h * (before[reach-1-k] + after[k])
	}
	return sum
}

func clamp16(v float32) int16 {
	return int16(math.RoundToEven(float64(min(max(v, math.MinInt16), math.MaxInt16))))
}
