package prompt

import "math"

// Rate is the sample rate of telephone speech, WideRate that of wideband telephones.
const (
	Rate     = 8000
	WideRate = 16000
)

// The low-pass of a change of rate: telephone speech ends at 3.4 kHz (ITU-T G.712),
// and what lies above 4.2 kHz would fold back under 3.8 kHz. Of wideband speech (ITU-T
// G.722) it is twice as much, about.
const (
	passEdge  = 3400.0 // Hz
	stopEdge  = 4200.0 // Hz
	wideFrom  = 7000.0
	wideTo    = 8400.0
	stopDepth = 60.0 // dB
)

// decimator brings masters of one sample rate to another one. It is read-only.
type decimator struct {
	stuff  int       // samples for each of the input: itself and zeros
	factor int       // samples for each of the output
	half   []float32 // symmetric FIR: half[0] is the centre tap
}

// newDecimator designs a Kaiser-windowed sinc (Oppenheim and Schafer, Discrete-Time
// Signal Processing, section 7.5.3). Both rates are multiples of Rate; equal ones need no filter.
func newDecimator(from, to int) *decimator {
	if from == to {
		return &decimator{stuff: 1, factor: 1, half: []float32{1}}
	}
	stuff := 1
	for from*stuff%to != 0 {
		stuff++
	}
	pass, stop := passEdge, stopEdge
	if min(from, to) > Rate {
		pass, stop = wideFrom, wideTo
	}
	rate := float64(from * stuff)
	width := 2 * math.Pi * (stop - pass) / rate
	reach := int(math.Ceil((stopDepth - 8) / (2.285 * width) / 2))
	beta := 0.1102 * (stopDepth - 8.7)
	cut := (pass + stop) / rate // twice the middle of the transition, over the rate

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
	d := &decimator{stuff: stuff, factor: from * stuff / to, half: make([]float32, reach+1)}
	for k := range taps {
		d.half[k] = float32(taps[k] / sum * float64(stuff))
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

// decimate returns pcm at the other rate, in time with the input: sample i is input
// sample i*factor/stuff, filtered. The result is valid until the next call with s.
func (d *decimator) decimate(pcm []int16, s *scratch) []int16 {
	reach := len(d.half) - 1
	n := len(pcm)*d.stuff + 2*reach
	if cap(s.padded) < n {
		s.padded = make([]float32, n)
	}
	s.padded = s.padded[:n]
	clear(s.padded)
	for i, v := range pcm {
		s.padded[reach+i*d.stuff] = float32(v)
	}
	s.out = s.out[:0]
	for c := reach; c < n-reach; c += d.factor {
		s.out = append(s.out, clamp16(convolve(s.padded[c-reach:c+reach+1], d.half)))
	}
	return s.out
}

// Narrow is pcm as a telephone of 8000 Hz hears it; rate is one of WAVRates.
func Narrow(pcm []int16, rate int) []int16 {
	return newDecimator(rate, Rate).decimate(pcm, &scratch{})
}

// wide is pcm as a wideband telephone hears it: itself at WideRate.
func wide(pcm []int16, rate int) []int16 {
	if rate == WideRate {
		return pcm
	}
	return newDecimator(rate, WideRate).decimate(pcm, &scratch{})
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

// Narrower brings sound of WideRate that comes in pieces to Rate. It lags by some 2 ms, a
// whole number of samples of Rate.
type Narrower struct {
	half []float32
	x    []float32 // the latest samples
}

// NewNarrower begins in silence.
func NewNarrower() *Narrower {
	d := newDecimator(WideRate, Rate)
	reach := len(d.half) - 1
	return &Narrower{half: d.half, x: make([]float32, 2*reach+reach%2)}
}

// Take writes half as many samples as pcm has, an even number, to out.
func (n *Narrower) Take(out, pcm []int16) int {
	kept := len(n.x)
	for _, v := range pcm {
		n.x = append(n.x, float32(v))
	}
	made := 0
	for at := 0; at+kept < len(n.x) && made < len(out); at += WideRate / Rate {
		out[made] = clamp16(convolve(n.x[at:at+2*len(n.half)-1], n.half))
		made++
	}
	n.x = n.x[:copy(n.x, n.x[len(n.x)-kept:])]
	return made
}
