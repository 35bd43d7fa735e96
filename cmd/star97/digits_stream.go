package main

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"

	"star97/internal/codec"
	"star97/internal/dtmf"
)

// stream is one direction of a call's RTP.
type stream struct {
	id      streamID
	hearing *hearing
	gaps    gaps
	early   []rtp.Packet // until it is sure that this is RTP
	came    []time.Duration
	secret  bool // SRTP, says SDP
	doubted bool // packets of the type of events are none, and no SDP is known
	events  dtmf.EventDecoder
	tone    dtmf.ToneStream
	format  *codec.Format // of decoder
	decoder codec.Decoder
	aside   *stream // what of it is of types that were not agreed, if there is any
	breach  breach  // of the latest packet, in such a stream
}

// heardPacket is a packet of a stream.
type heardPacket struct {
	dtmf.Packet
	id streamID
	pt uint8
	at time.Duration
}

// play hands a packet of a stream to its decoders.
func (c *capture) play(s *stream, id streamID, p *rtp.Packet, now time.Duration) {
	c.latest[id.from.Addr()], c.reached[id.to] = s.hearing, s.hearing
	s.expire(now)
	s.gaps.add(p.SSRC, p.SequenceNumber)
	if s.secret = c.secret(id); s.secret {
		return
	}
	packet := heardPacket{dtmf.Packet{SSRC: p.SSRC, Seq: p.SequenceNumber, TS: p.Timestamp, Marker: p.Marker, Payload: p.Payload}, id, p.PayloadType, now}
	var kind payload
	if agreed := c.pactOf(id); agreed == nil {
		kind = c.guess(id, p.PayloadType)
	} else if known, ok := agreed.meaning(p.PayloadType, now); ok {
		kind = known
	} else {
		c.stray(s, packet, agreed)
		return
	}
	if !s.take(packet, kind) {
		c.passOver(unheard{p.PayloadType, kind.name, c.said(id, p.PayloadType)})
	}
}

// expire ends the keys that are no longer down.
func (s *stream) expire(now time.Duration) {
	h := s.hearing
	h.accept(s.events.Expire(now, h.out[:0]), 0)
	h.accept(s.tone.Expire(now, h.out[:0]), 0)
	if s.aside != nil {
		s.aside.expire(now)
	}
}

// take decodes a packet; false if it is of a kind that is not heard.
func (s *stream) take(packet heardPacket, kind payload) bool {
	format, isAudio := codec.ByID(kind.audio)
	switch {
	case kind.event:
		s.event(packet.Packet, kind, packet.at)
	case isAudio:
		s.audio(packet.Packet, format, packet.at)
	case packet.pt == comfortNoise:
		s.tone.Other(packet.Packet)
	default:
		return false
	}
	return true
}

// passOver counts a packet that is not heard.
func (c *capture) passOver(u unheard) {
	if c.unheard[u] > 0 || len(c.unheard) < maxUnheard {
		c.unheard[u]++
	}
}

// event takes a packet of the type of telephone events.
func (s *stream) event(packet dtmf.Packet, kind payload, now time.Duration) {
	h := s.hearing
	s.doubted = s.doubted || kind.guessed && !kind.packed && !isEvents(packet.Payload)
	if s.doubted {
		return
	}
	s.events.Set(kind.rate, 20*time.Millisecond)
	s.tone.Other(packet)
	if kind.packed {
		h.accept(s.events.DecodeRED(packet, kind.inside, 0, now, h.out[:0]), 0)
	} else {
		h.accept(s.events.Decode(packet, now, h.out[:0]), 0)
	}
}

// isEvents tells whether a payload is one of keys and flashes; one that is encrypted is not.
func isEvents(data []byte) bool {
	for ; len(data) >= 4; data = data[4:] {
		if binary.BigEndian.Uint32(data)>>24 > 16 {
			return false
		}
	}
	return len(data) == 0
}

// audio takes a packet of audio, in which tones may be.
func (s *stream) audio(packet dtmf.Packet, format *codec.Format, now time.Duration) {
	h := s.hearing
	if s.format != format {
		s.format, s.decoder = format, format.NewNarrow()
	}
	s.tone.Set(codec.NarrowRate, format.ClockRate, format.Settles)
	pcm := make([]int16, len(packet.Payload)*codec.NarrowRate/1000/format.BytesPerMs)
	reports, heard := s.tone.Next(packet, len(pcm), now, h.out[:0])
	h.accept(reports, 0)
	if heard {
		h.hear(&s.tone, pcm[:s.decoder.Decode(pcm, packet.Payload)], now)
	}
}
