package dtmf

import (
	"time"
)

const (
	// toneGuard is how many measurements without a key end its press: after a shorter
	// pause it goes on. Q.24 has 10 ms and 40 ms; a lost packet is 20 ms.
	toneGuard = 12
	// toneHold is how many measurements nothing may be known of during a press.
	toneHold = int(60 * time.Millisecond / toneStep)
	// toneExpiry is the time without any packet that ends a press.
	toneExpiry = 150 * time.Millisecond
	// toneLongest bounds the lost samples that are filled in; behind more nothing goes on.
	toneLongest = toneRate / 4
)

// ToneDetector hears keys in the sound of a call: both tones of a key, in tune, as
// loud as one another, for long enough, and little else (ITU-T Q.24). A key-down is
// told with the packet in which it becomes certain, about 28 ms after it began. The zero value is
// ready for 8000 Hz; a detector belongs to one goroutine and allocates nothing.
//
// Each 2 ms it measures the complex amplitudes of both tone groups in the last 10 ms.
// How far their phases advance from one measurement to the next tells the
// frequencies much finer than the spectrum of 10 ms could.
type ToneDetector struct {
	wide   bool
	settle int // samples at 8000 Hz behind lost ones whose levels are bent
	halver halver
	ear    ear
	tail   time.Duration // from the sample at hand to the end of its packet
	heard  time.Duration // when the latest packet came

	run toneRun

	open    bool
	key     toneKey
	ref     [2]float32 // powers of the open press
	missed  int        // measurements without it
	unknown int        // measurements that lost samples spoil
	sounded int64      // sample at which it was heard last
	forced  bool       // its key-up was concluded because nothing came
	told    bool       // it has gone on since then: its key-up was told before

	stats ToneStats
}

// ToneStats counts what a ToneDetector met.
type ToneStats struct {
	Keys      uint64 // presses told
	Short     uint64 // runs of a key's tones that were too short for a press
	Untuned   uint64 // runs that were out of tune, or did not keep their tune
	Twisted   uint64 // runs with one tone much louder than the other
	Impure    uint64 // runs with too much else
	Lost      uint64 // lost samples, at 8000 Hz
	ForcedEnd uint64 // key-ups concluded because nothing came any more
}

// Set gives the sample rate in Hz: 16000, or else 8000. What is known of a press stays.
func (d *ToneDetector) Set(rate int) { d.wide = rate == 2*toneRate }

// Stats returns the counters.
func (d *ToneDetector) Stats() ToneStats { return d.stats }

// Deadline is when Expire has to be called if no packet comes before; false while
// no key is down.
func (d *ToneDetector) Deadline() (time.Duration, bool) { return d.heard + toneExpiry, d.open }

// Expire appends the key-up of a press after which nothing came any more. The key-up is
// told at the deadline, however late the call is.
func (d *ToneDetector) Expire(now time.Duration, out []Report) []Report {
	at, open := d.Deadline()
	if !open || now < at {
		return out
	}
	if !d.told {
		d.stats.ForcedEnd++
	}
	d.forced = true
	return d.release(at, out)
}

// resume takes back a key-up that was concluded only because packets were late: if the
// key goes on to sound it is no second press.
func (d *ToneDetector) resume() {
	if d.forced {
		d.open, d.forced, d.told = true, false, true
	}
}

// end appends the key-up of the open press, if there is one, and begins anew.
func (d *ToneDetector) end(now time.Duration, out []Report) []Report {
	d.run.clear()
	d.forced = false
	return d.release(now, out)
}

// Decode appends what the samples of a packet that came at now tell. Held is how long
// before now the key of a Down went down, and that of an Up came up.
func (d *ToneDetector) Decode(pcm []int16, now time.Duration, out []Report) []Report {
	d.heard = now
	for len(pcm) > 0 {
		pcm = pcm[d.take(pcm):]
		if d.ear.room() == 0 {
			d.tail = d.span(len(pcm))
			out = d.hop(now, out)
		}
	}
	return out
}

// take hears samples until the next measurement is due, and returns how many.
func (d *ToneDetector) take(pcm []int16) int {
	var x [toneHop]float32
	room := d.ear.room()
	if d.wide {
		read, made := d.halver.take(pcm, x[:room])
		d.ear.filter(x[:made])
		return read
	}
	n := min(len(pcm), room)
	for i, v := range pcm[:n] {
		x[i] = float32(v)
	}
	d.ear.filter(x[:n])
	return n
}

// span is the time of n samples as they come in.
func (d *ToneDetector) span(n int) time.Duration {
	if d.wide {
		return span8k(n) / 2
	}
	return span8k(n)
}

// Lose says that so many samples, at the rate of Set, are lost before the next ones:
// they end no press and count for none.
func (d *ToneDetector) Lose(samples int, now time.Duration, out []Report) []Report {
	if d.wide {
		samples /= 2
	}
	d.stats.Lost += uint64(max(samples, 0))
	for n := min(samples, toneLongest); n > 0; n-- {
		d.ear.lose()
		if d.ear.room() == 0 {
			d.tail = span8k(n - 1)
			out = d.hop(now, out)
		}
	}
	if samples > 0 {
		d.ear.bent = d.settle
	}
	return out
}

// span8k is the time of n samples.
func span8k(n int) time.Duration { return time.Duration(n) * time.Second / toneRate }

// hop measures and tells what follows from it.
func (d *ToneDetector) hop(now time.Duration, out []Report) []Report {
	measured := d.ear.measure(!d.open && d.run.length == 0)
	for i := range measured {
		out = d.weigh(&measured[i], now, out)
	}
	return out
}

// weigh tells what follows from a measurement.
func (d *ToneDetector) weigh(m *measure, now time.Duration, out []Report) []Report {
	if !d.open && !m.good && !m.spoiled {
		d.ear.remember(m)
	}
	if d.open {
		out = d.follow(m, now, out)
	}
	if d.open && d.missed == 0 {
		d.run.clear()
		return out
	}
	if !d.run.add(m, &d.stats) || !d.run.judge(&d.ear) {
		return out
	}
	out = d.release(now, out)
	d.open, d.key, d.ref, d.forced = true, m.key, m.powers(), false
	d.missed, d.unknown, d.sounded = 0, 0, d.ear.pos
	d.stats.Keys++
	held := d.tail + span8k(int(d.ear.pos-d.run.begun))
	d.run.clear()
	return append(out, Report{Kind: Down, Source: FromTone, Digit: d.key.digit(), At: now, Held: min(held, heldMost)})
}

// follow holds the open press against a measurement.
func (d *ToneDetector) follow(m *measure, now time.Duration, out []Report) []Report {
	switch {
	case d.goesOn(m):
		d.missed, d.unknown, d.sounded = 0, 0, d.ear.pos
		for i, p := range m.powers() {
			d.ref[i] += (p - d.ref[i]) / 16
		}
		return out
	case m.spoiled && d.unknown < toneHold:
		d.unknown++
		return out
	}
	if !m.spoiled {
		d.unknown = 0
	}
	if d.missed++; d.missed < toneGuard {
		return out
	}
	return d.release(now, out)
}

// goesOn says whether m has the tones of the open press: as a measurement of its own, or
// both at half the amplitude of before at least and in tune.
func (d *ToneDetector) goesOn(m *measure) bool {
	if m.good && m.key == d.key {
		return true
	}
	p := m.powers()
	return m.follows && p[0] >= d.ref[0]/4 && p[1] >= d.ref[1]/4 && m.tunedTo(d.key)
}

// release ends the open press, if there is one.
func (d *ToneDetector) release(now time.Duration, out []Report) []Report {
	if !d.open {
		return out
	}
	d.open = false
	if d.told {
		d.told = false
		return out
	}
	held := d.tail + span8k(int(d.ear.pos-d.sounded)+toneTaps/2)
	return append(out, Report{Kind: Up, Source: FromTone, Digit: d.key.digit(), At: now, Held: min(held, heldMost)})
}
