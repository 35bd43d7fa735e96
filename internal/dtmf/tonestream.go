package dtmf

import (
	"math/bits"
	"time"
)

// tonePause is how much of a pause is heard: more than ends a press.
const tonePause = 64 * time.Millisecond

// ToneStream hears the in-band keys of one RTP stream: it puts the audio of each packet in
// its place on the line before a ToneDetector hears it. What is lost freezes the
// detector, what the sender left out is silence (RFC 3551 section 4.1), and what comes
// late or twice is not heard. The zero value is ready for 8000 Hz; a stream belongs to
// one goroutine and allocates nothing.
type ToneStream struct {
	detector ToneDetector
	rate     int // samples per second
	clock    int // timestamp units per second

	begun  bool // the fields below are valid
	torn   bool // what came before is of another stream
	ssrc   uint32
	seq    uint16        // of the latest audio
	next   uint32        // timestamp behind it
	came   time.Duration // when it came
	others silent        // packets behind it without audio
}

// silent counts the packets of a stream that have no audio, each once.
type silent struct {
	high  uint16 // the latest number
	seen  uint64 // bit n: the packet high-n
	count int
}

// add counts the packet of a number.
func (o *silent) add(seq uint16) {
	switch ahead := int(int16(seq - o.high)); {
	case ahead > 0:
		*o = silent{seq, o.seen<<ahead | 1, o.count + 1}
	case -ahead < 64 && o.seen>>-ahead&1 == 0:
		o.seen |= 1 << -ahead
		o.count++
	}
}

// take forgets the packets before a number, and returns how many they were.
func (o *silent) take(seq uint16) int {
	count, ahead := o.count, int(int16(o.high-seq))
	if ahead <= 0 {
		*o = silent{high: seq}
		return count
	}
	o.seen &= 1<<ahead - 1
	o.count = bits.OnesCount64(o.seen)
	return count - o.count
}

// Set gives the sample rate of the audio, 8000 or 16000, the clock rate of its
// timestamps, which may differ (RFC 3551 section 4.5.2), and how long after a loss its
// decoder bends levels. What is known of a press stays.
func (s *ToneStream) Set(rate, clock int, settles time.Duration) {
	s.detector.settle = int(settles * toneRate / time.Second)
	if rate == s.rate && clock == s.clock {
		return
	}
	s.rate, s.clock = rate, clock
	s.torn, s.begun = s.torn || s.begun, false
	s.detector.Set(rate)
}

// Stats returns the detector's counters.
func (s *ToneStream) Stats() ToneStats { return s.detector.Stats() }

// Deadline is when Expire has to be called if no packet comes before; false while no
// key is down.
func (s *ToneStream) Deadline() (time.Duration, bool) { return s.detector.Deadline() }

// Expire appends the key-up of a press after which nothing came any more.
func (s *ToneStream) Expire(now time.Duration, out []Report) []Report {
	return s.detector.Expire(now, out)
}

// End appends the key-up of the open press, if there is one: nobody listens on.
func (s *ToneStream) End(now time.Duration, out []Report) []Report {
	s.torn, s.begun = s.torn || s.begun, false
	return s.detector.end(now, out)
}

// Other notes a packet of the stream that has no audio: events and comfort noise are
// numbered together with it.
func (s *ToneStream) Other(p Packet) {
	if s.begun && p.SSRC == s.ssrc && int16(p.Seq-s.seq) > 0 {
		s.others.add(p.Seq)
	}
}

// Next puts p, which came at now with so many samples, in its place, and appends what
// follows from a gap before it. False: it has come late or twice and is not to be
// heard. Else its samples are due at Decode, in one piece or several.
func (s *ToneStream) Next(p Packet, samples int, now time.Duration, out []Report) ([]Report, bool) {
	step := int(int16(p.Seq - s.seq))
	switch {
	case !s.begun, p.SSRC != s.ssrc, step <= -maxMisorder, step <= 0 && now-s.came > forgetting:
		// Another stream, or the sender has begun anew. A key that is held goes on
		// through it, as through a loss: re-homed media are no second press.
		if s.begun || s.torn {
			out = s.detector.Lose(samples, now, out)
		}
		s.others = silent{high: p.Seq}
	case step <= 0:
		return out, false
	default:
		out = s.follow(p, step-1-s.others.take(p.Seq), samples, now, out)
	}
	s.begun, s.torn, s.ssrc, s.seq, s.came = true, false, p.SSRC, p.Seq, now
	s.next = p.TS + uint32(samples*s.ticks()/s.samples())
	return out, true
}

// follow hears what lies between the latest audio and p, so many lost packets among it.
func (s *ToneStream) follow(p Packet, lost, samples int, now time.Duration, out []Report) []Report {
	s.detector.resume()
	if lost > 0 {
		return s.detector.Lose(s.missing(p, lost*samples), now, out)
	}
	return s.pause(s.paused(p, samples, now), now, out)
}

// Decode hears samples of the packet that Next let in.
func (s *ToneStream) Decode(pcm []int16, now time.Duration, out []Report) []Report {
	return s.detector.Decode(pcm, now, out)
}

// gap is how many samples lie between the latest audio and p by the timestamps.
func (s *ToneStream) gap(p Packet) int {
	return int(int64(int32(p.TS-s.next)) * int64(s.samples()) / int64(s.ticks()))
}

// missing is how many samples lost packets had: by the timestamps if they tell, else as
// many as if they had been like p.
func (s *ToneStream) missing(p Packet, alike int) int {
	if gap := s.gap(p); gap > 0 {
		return gap
	}
	return alike
}

// paused is how many samples the sender left out. Some stamp by a wrong clock: without
// the marker of a new talkspurt no more is believed than the time that has gone by.
func (s *ToneStream) paused(p Packet, samples int, now time.Duration) int {
	gap := s.gap(p)
	if !p.Marker {
		gap = min(gap, int(int64(now-s.came)*int64(s.samples())/int64(time.Second))-samples)
	}
	return gap
}

// pause hears silence.
func (s *ToneStream) pause(samples int, now time.Duration, out []Report) []Report {
	var quiet [toneHop * 8]int16
	for n := min(samples, int(tonePause)*s.samples()/int(time.Second)); n > 0; n -= len(quiet) {
		out = s.detector.Decode(quiet[:min(n, len(quiet))], now, out)
	}
	return out
}

func (s *ToneStream) samples() int { return max(s.rate, toneRate) }

func (s *ToneStream) ticks() int {
	if s.clock <= 0 {
		return toneRate
	}
	return s.clock
}
