package probe

import (
	"math"
	"math/cmplx"
)

// The picture of a sound: every 10 ms, how loud it is in each of 20 bands.
const (
	rate     = 8000       // samples a second, of all audio here
	hop      = rate / 100 // samples from one frame to the next
	window   = 256        // samples that a frame looks at: 32 ms
	bands    = 20         // of a frame
	lowest   = 200.0      // Hz; below it lines hum
	highest  = 3400.0     // Hz; above it telephones hear nothing
	perSec   = rate / hop // frames a second
	exponent = 1.0 / 4    // of the power: loudness, with less weight on what noise hides
	evened   = 0.7        // of a frame's mean is taken out: the colour of a sound tells more than its strength
	soundRMS = 200.0      // of a frame that is sound: -44 dBov
	sound    = soundRMS * soundRMS
)

// frame is the loudness in each band. Any power of the energy serves: what is compared
// is shape, and a level only scales it.
type frame [bands]float32

// tables are what every frame needs.
var tables = func() (t struct {
	taper [window]float64
	turn  [window / 2]complex128
	edge  [bands + 1]int // of a band: its first bin
}) {
	for i := range t.taper {
		t.taper[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/window)
	}
	for i := range t.turn {
		t.turn[i] = cmplx.Rect(1, -2*math.Pi*float64(i)/window)
	}
	// The bands are equally wide to the ear (mel scale), at least one bin each.
	mel := func(hz float64) float64 { return math.Log1p(hz / 700) }
	for i := range t.edge {
		m := mel(lowest) + (mel(highest)-mel(lowest))*float64(i)/bands
		t.edge[i] = int(math.Round(700 * math.Expm1(m) * window / rate))
		if i > 0 {
			t.edge[i] = max(t.edge[i], t.edge[i-1]+1)
		}
	}
	return t
}()

// picture makes frames of audio that is fed in pieces. The zero value is ready.
type picture struct {
	frames []frame
	loud   []bool // whether a frame's newest samples are sound

	last [window]float64
	fill int // of the newest hop
}

// feed adds 16-bit PCM at 8000 Hz.
//
//go:norace
func (p *picture) feed(pcm []int16) {
	for _, v := range pcm {
		p.last[window-hop+p.fill] = float64(v)
		if p.fill++; p.fill == hop {
			p.take()
			copy(p.last[:], p.last[hop:])
			p.fill = 0
		}
	}
}

//go:norace
func (p *picture) take() {
	var x [window]complex128
	energy := 0.0
	for i, v := range p.last {
		x[i] = complex(v*tables.taper[i], 0)
		if i >= window-hop {
			energy += v * v
		}
	}
	transform(&x)
	var f frame
	for b := range f {
		sum := 0.0
		for _, c := range x[tables.edge[b]:tables.edge[b+1]] {
			sum += real(c)*real(c) + imag(c)*imag(c)
		}
		f[b] = float32(math.Pow(sum, exponent))
	}
	f.even()
	p.frames = append(p.frames, f)
	p.loud = append(p.loud, energy >= hop*sound)
}

//go:norace
func (f *frame) even() {
	var mean float32
	for _, v := range f {
		mean += v / bands
	}
	for b := range f {
		f[b] -= evened * mean
	}
}

// transform is the discrete Fourier transform in place, by halves.
//
//go:norace
func transform(x *[window]complex128) {
	for i, j := 1, 0; i < window; i++ {
		bit := window >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		j |= bit
		if i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= window; size *= 2 {
		half, step := size/2, window/size
		for at := 0; at < window; at += size {
			for k := range half {
				a, b := x[at+k], x[at+k+half]*tables.turn[k*step]
				x[at+k], x[at+k+half] = a+b, a-b
			}
		}
	}
}

// centred takes from each band its mean, so that the tone of a line, which is the same all
// the time, counts for nothing, and returns what is left with length 1; false if
// nothing much is left, as of a tone or of silence.
//
//go:norace
func centred(to, frames []frame) bool {
	var mean [bands]float64
	var all float64
	for i := range frames {
		for b, v := range frames[i] {
			mean[b] += float64(v)
			all += float64(v) * float64(v)
		}
	}
	var left float64
	for i := range frames {
		for b, v := range frames[i] {
			d := float64(v) - mean[b]/float64(len(frames))
			to[i][b] = float32(d)
			left += d * d
		}
	}
	if left < leastLeft*all || left == 0 {
		return false
	}
	scale := float32(1 / math.Sqrt(left))
	for i := range frames {
		for b := range to[i] {
			to[i][b] *= scale
		}
	}
	return true
}

// leastLeft is the share that varies of what can be told apart.
const leastLeft = 0.01

// alike is the correlation of a centred picture with as many frames of another one.
//
//go:norace
func alike(known, heard []frame) float64 {
	var sum, squares [bands]float64
	var dot float64
	for i := range known {
		for b, v := range heard[i] {
			x := float64(v)
			sum[b] += x
			squares[b] += x * x
			dot += float64(known[i][b]) * x
		}
	}
	var left float64
	for b := range sum {
		left += squares[b] - sum[b]*sum[b]/float64(len(known))
	}
	if left <= 0 {
		return 0
	}
	return dot / math.Sqrt(left)
}
