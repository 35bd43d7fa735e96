package media

import (
	"time"

	"star97/internal/codec"
)

const comfort = 13 // payload type of comfort noise, RFC 3389

// types are the payload types of a stream; 0 is no event type.
type types struct {
	codec             codec.ID
	audio, event, red uint8
}

func typesOf(s *Stream) types { return types{s.Codec, s.PT, s.EventPT, s.RedPT} }

// meaning is what a payload type stands for.
type meaning uint8

const (
	notAgreed meaning = iota
	isAudio           // in the codec that is told with it
	isComfort
	isEvent
	isRED
)

// meaning is what pt stands for now, or did until a little while ago: what was sent before
// the far end knew of a change comes after it.
func (s *session) meaning(pt uint8, now time.Duration) (meaning, codec.ID) {
	m, id := typesOf(&s.stream).meaning(pt)
	if m == notAgreed && now < s.until {
		return s.former.meaning(pt)
	}
	return m, id
}

func (t types) meaning(pt uint8) (meaning, codec.ID) {
	if _, ok := codec.ByID(t.codec); ok && pt == t.audio {
		return isAudio, t.codec
	}
	switch {
	case pt == comfort:
		return isComfort, 0
	case pt == 0, pt == t.audio:
	case pt == t.event:
		return isEvent, 0
	case pt == t.red:
		return isRED, 0
	}
	return notAgreed, 0
}
