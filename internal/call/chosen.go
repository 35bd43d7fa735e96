package call

import (
	"crypto/rand"

	"star97/internal/codec"
	"star97/internal/flow"
	"star97/internal/media"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// choose draws a code for the caller. Rules that leave none, or a system without
// random numbers, are the same to the caller; the log tells them apart.
func (r *run) choose(e *flow.Effect) {
	code, err := r.state.Choose(rand.Reader)
	if err != nil {
		r.deps.Log.Warn("no code could be chosen for a caller", "call", r.arrival.CallID, "error", err)
	}
	r.next = flow.Event{Kind: flow.Chosen, Step: e.Step, Choice: code}
}

// spelled is a sentence with the code behind it. Its digits stay sealed until their
// sound is needed; a digit without a recording would be a code that is not the one
// spelled, so then there is the sentence alone, and the log has an error.
func (r *run) spelled(sentence media.Clip, e *flow.Effect) media.Clip {
	s := &spelling{sentence: sentence, code: e.Spell}
	for d := range s.digits {
		clip, ok := r.site.Voice.Clip(e.Language, r.arrival.Words, prompt.Digit('0'+byte(d)))
		if !ok {
			r.deps.Log.Error("the digits have no recordings; run `star97 check`", "language", e.Language)
			return sentence
		}
		s.digits[d] = clip
	}
	return s
}

// spelling is a media.Clip: a sentence, and a code digit by digit.
type spelling struct {
	sentence media.Clip
	digits   [10]media.Clip
	code     pin.PIN
}

// Payload joins the recordings. What it returns says the code: it is made for one
// call and goes with it.
func (s *spelling) Payload(id codec.ID) []byte {
	all := append([]byte(nil), s.sentence.Payload(id)...)
	s.code.Reveal(func(code []byte) {
		for _, d := range code {
			all = append(all, s.digits[d-'0'].Payload(id)...)
		}
	})
	return all
}
