package media

import (
	"time"

	"github.com/pion/rtp"

	"star97/internal/codec"
	"star97/internal/dtmf"
)

// Inband says when the caller's audio is listened to for keys (ITU-T Q.23).
type Inband uint8

// The ways of listening.
const (
	InbandAuto   Inband = iota // until an event came, or TonesOff; again after each Set
	InbandNever                // not at all
	InbandAlways               // beside events and INFO too
)

// toneSamples is what is decoded at once: 60 ms, a packet of any telephone.
const toneSamples = 60 * codec.NarrowRate / 1000

// tones is the in-band half of a receiver, made when it is first needed: 10 kB that a
// call with events does without. The session's lock guards it.
type tones struct {
	stream dtmf.ToneStream
	now    ear
	before ear // of the codec before the last change
	pcm    [toneSamples]int16
}

// ear decodes one codec.
type ear struct {
	format  *codec.Format
	decoder codec.Decoder
}

// ear is the one for a codec; nil: nobody has listened to it.
func (t *tones) ear(id codec.ID) *ear {
	f, _ := codec.ByID(id)
	switch f {
	case t.now.format:
		return &t.now
	case t.before.format:
		return &t.before
	}
	return nil
}

// setTones begins or ends listening as the stream says.
func (s *session) setTones(now time.Duration) {
	f, _ := codec.ByID(s.stream.Codec)
	if s.stream.Inband == InbandNever || f == nil {
		s.endTones(now)
		return
	}
	if s.tones == nil {
		s.tones = new(tones)
	}
	if t := s.tones; t.now.format != f {
		t.now, t.before = ear{f, f.NewNarrow()}, t.now
	}
	s.tones.stream.Set(codec.NarrowRate, f.ClockRate, f.Settles)
}

// TonesOff implements Session.
func (s *session) TonesOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && s.stream.Inband == InbandAuto {
		s.endTones(s.engine.now())
	}
}

// endTones stops listening; a key that sounds is let go.
func (s *session) endTones(now time.Duration) {
	if s.tones == nil {
		return
	}
	s.reports = s.tones.stream.End(now-s.base, s.reports[:0])
	s.toneStats = addTones(s.toneStats, s.tones.stream.Stats())
	s.tones = nil
	s.tellKeys(now)
}

// tone listens to the parsed packet of audio in a codec.
func (s *session) tone(p *rtp.Packet, id codec.ID, now time.Duration) {
	t := s.tones
	if t == nil {
		return
	}
	e := t.ear(id)
	if e == nil {
		t.stream.Other(eventPacket(p))
		return
	}
	payload, at := p.Payload, now-s.base
	const perMs = codec.NarrowRate / 1000
	samples := len(payload) * perMs / e.format.BytesPerMs
	reports, heard := t.stream.Next(eventPacket(p), samples, at, s.reports[:0])
	for heard && len(payload) > 0 {
		part := payload[:min(len(payload), len(t.pcm)/perMs*e.format.BytesPerMs)]
		payload = payload[len(part):]
		reports = t.stream.Decode(t.pcm[:e.decoder.Decode(t.pcm[:], part)], at, reports)
	}
	if s.reports = reports; len(reports) > 0 {
		s.tellKeys(now)
	}
}

// addTones adds up what several detectors met.
func addTones(a, b dtmf.ToneStats) dtmf.ToneStats {
	return dtmf.ToneStats{Keys: a.Keys + b.Keys, Short: a.Short + b.Short, Untuned: a.Untuned + b.Untuned, Twisted: a.Twisted + b.Twisted,
		Impure: a.Impure + b.Impure, Lost: a.Lost + b.Lost, ForcedEnd: a.ForcedEnd + b.ForcedEnd}
}
