package media

import (
	"time"

	"star97/internal/codec"
)

// player turns the current utterance into payload, byte by byte in the codec's
// format. It reads no clock and sends nothing; the session's lock guards it.
type player struct {
	format *codec.Format // nil before a stream was set
	lead   int           // milliseconds of silence still owed before the first utterance

	utter  Utterance
	saying bool // an utterance is loaded and not finished
	begun  bool // its Started was told
	audio  [MaxClips][]byte
	clip   int // the clip being played
	at     int // bytes of it already played
}

// payloads fetches the clips in one codec into audio. It may be slow when a clip is
// encoded at its first use, so it is called without the session's lock.
func payloads(audio *[MaxClips][]byte, u *Utterance, id codec.ID) {
	if _, ok := codec.ByID(id); !ok {
		return
	}
	for i, c := range &u.Clips {
		if c == nil {
			break
		}
		audio[i] = c.Payload(id)
	}
}

// say replaces what is being said.
func (p *player) say(u *Utterance, audio *[MaxClips][]byte) {
	p.utter, p.audio = *u, *audio
	p.saying, p.begun = true, false
	p.rewind()
}

// stop forgets the utterance.
func (p *player) stop() {
	p.saying, p.utter, p.audio = false, Utterance{}, [MaxClips][]byte{}
	p.rewind()
}

// rewind goes back to the beginning of the utterance.
func (p *player) rewind() { p.clip, p.at = 0, 0 }

// recode goes on at the same moment of the utterance in another codec.
func (p *player) recode(f *codec.Format, audio *[MaxClips][]byte) {
	if p.format != nil && f != nil && p.format != f {
		p.at = p.at / p.format.BytesPerMs * f.BytesPerMs
	}
	p.format, p.audio = f, *audio
}

// fill writes the next frame and tells whether the utterance's first or last
// byte is in it. Clips follow each other without a gap; what the utterance leaves
// of its last frame is silence.
func (p *player) fill(frame []byte) (started, finished bool) {
	rest := frame
	if p.lead > 0 {
		ms := min(p.lead, len(rest)/p.format.BytesPerMs)
		rest = p.silence(rest, ms*p.format.BytesPerMs)
		p.lead -= ms
		if len(rest) == 0 {
			return false, false
		}
	}
	if p.saying {
		started, p.begun = !p.begun, true
		for p.clip < MaxClips && len(rest) > 0 {
			n := copy(rest, p.audio[p.clip][min(p.at, len(p.audio[p.clip])):])
			rest, p.at = rest[n:], p.at+n
			p.skipPlayed()
		}
		if p.clip == MaxClips {
			finished, p.saying = true, false
		}
	}
	p.silence(rest, len(rest))
	return started, finished
}

// silent says whether the next frame is nothing but silence for lack of words.
func (p *player) silent() bool { return !p.saying && p.lead == 0 }

// skipPlayed moves to the next clip that has something left.
func (p *player) skipPlayed() {
	for p.clip < MaxClips && p.at >= len(p.audio[p.clip]) {
		p.clip, p.at = p.clip+1, 0
	}
}

func (p *player) silence(frame []byte, n int) []byte {
	for i := range frame[:n] {
		frame[i] = p.format.Silence
	}
	return frame[n:]
}

// frameTime fits a negotiated ptime to what we send: whole slots, 10 to 60 ms.
func frameTime(ptime time.Duration) time.Duration {
	if ptime <= 0 {
		ptime = 20 * time.Millisecond
	}
	return min(max(ptime.Truncate(slot), 10*time.Millisecond), 60*time.Millisecond)
}
