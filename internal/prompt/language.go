package prompt

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"star97/internal/strictyaml"
)

// MaxLength is how long a sentence may be.
const MaxLength = 8 * time.Second

// entry is a sentence as its manifest describes it, and its recording once it was
// encoded.
type entry struct {
	id       ID
	manifest *Manifest
	source   *source
	inner    bool // it is never what a caller hears first

	audio    atomic.Pointer[Audio]
	tried    bool // under the language's mutex
	problems []strictyaml.Problem
}

// problem names the line of the sentence's field, or that of the sentence.
func (e *entry) problem(field, text, remedy string) strictyaml.Problem {
	p := e.manifest.file.Problem(sentencePath(e.id, field), text, remedy)
	if p.Line == 0 {
		p.Line = e.manifest.Line(e.id, "")
	}
	p.File = path.Join(e.source.prefix, p.File)
	return p
}

func (e *entry) tooLong(field string, is time.Duration) strictyaml.Problem {
	return e.problem(field, fmt.Sprintf("The sentence %q lasts %.1f s; at most %.0f s are allowed.", e.id, is.Seconds(), MaxLength.Seconds()),
		"Say it in fewer words.")
}

// language is one tag's sentences.
type language struct {
	tag      string
	overlaid bool
	entries  map[ID]*entry
	variants map[variant]*entry // of the ids with a word

	mu      sync.Mutex // for encoding
	encoder encoder

	prepared atomic.Bool // all of it was encoded
}

// variant names a recording id@word.
type variant struct {
	id   ID
	word string
}

func newLanguage(tag string) *language {
	return &language{tag: tag, entries: map[ID]*entry{}, variants: map[variant]*entry{}, encoder: newEncoder()}
}

// add takes in the sentences of a manifest; the last source wins.
func (l *language) add(m *Manifest, s *source) {
	l.overlaid = l.overlaid || s.overlay
	for id := range m.Sentences {
		e := &entry{id: id, manifest: m, source: s}
		l.entries[id] = e
		if plain, word, ok := strings.Cut(string(id), "@"); ok {
			l.variants[variant{ID(plain), word}] = e
		}
	}
}

// missing lists the required sentences that no source of the language has.
func (l *language) missing() []strictyaml.Problem {
	var problems []strictyaml.Problem
	for _, id := range Required() {
		if _, ok := l.entries[id]; !ok {
			problems = append(problems, strictyaml.Problem{File: path.Join(l.tag, ManifestName),
				Text:   fmt.Sprintf("The sentence %q is missing.", id),
				Remedy: "Add it under sentences, with its text and its master."})
		}
	}
	return problems
}

// markInner marks the recordings that others always come before: the digits of a chosen
// code, and what follows in the same breath.
func (l *language) markInner() {
	for id, e := range l.entries {
		plain, _, _ := strings.Cut(string(id), "@")
		e.inner = e.inner || slices.Contains(digits[:], ID(plain))
		if next := l.entries[e.manifest.Sentences[id].Then]; next != nil {
			next.inner = true
		}
	}
}

// ids are the sentences that can be said, sorted: without those that only follow.
func (l *language) ids() []ID {
	follows := map[ID]bool{}
	for id, e := range l.entries {
		follows[e.manifest.Sentences[id].Then] = true
	}
	return slices.DeleteFunc(sorted(l.entries), func(id ID) bool { return follows[id] })
}

func (l *language) audio(id ID, words Words) (*Audio, bool) {
	for _, word := range [...]string{words.Code, words.Extension} {
		if a := l.recording(l.variants[variant{id, word}]); a != nil {
			return a, true
		}
	}
	a := l.recording(l.entries[id])
	return a, a != nil
}

// recording encodes a sentence at its first use. Nil: it is not there, or broken.
func (l *language) recording(e *entry) *Audio {
	if e == nil {
		return nil
	}
	if a := e.audio.Load(); a != nil {
		return a
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.encode(e)
}

// encode is recording under the mutex. What is broken is tried once.
func (l *language) encode(e *entry) *Audio {
	if e.tried {
		return e.audio.Load()
	}
	e.tried = true
	a, problem := l.encoder.encode(e)
	if problem != nil {
		e.problems = append(e.problems, *problem)
		return nil
	}
	a.language = l.tag
	if then := e.manifest.Sentences[e.id].Then; then != "" && !l.goOn(e, a, then) {
		return nil
	}
	e.audio.Store(a)
	return a
}

// goOn adds to a what follows it; false if that is not possible.
func (l *language) goOn(e *entry, a *Audio, then ID) bool {
	var next *Audio
	if follower := l.entries[then]; follower != nil {
		next = l.encode(follower)
	}
	if next == nil {
		e.problems = append(e.problems, e.problem("then", fmt.Sprintf("The sentence %q goes on with %q, which cannot be said.", e.id, then),
			"Record that one, too, or take then away."))
		return false
	}
	a.goOn(next)
	if is := a.Duration(); is > MaxLength {
		e.problems = append(e.problems, e.tooLong("then", is))
		return false
	}
	return true
}

// prepare encodes every sentence and returns the problems of all that were not
// returned before, by id. A call that needs one meanwhile waits for one at most.
func (l *language) prepare() (problems []strictyaml.Problem) {
	if l.prepared.Load() {
		return nil
	}
	for _, id := range sorted(l.entries) {
		problems = append(problems, l.ready(l.entries[id])...)
	}
	l.tidy()
	l.prepared.Store(true)
	return problems
}

// tidy drops what served to encode: the buffers, and the recordings that only follow
// others and are part of them now. Who asks for one all the same has it encoded again.
func (l *language) tidy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.encoder = newEncoder()
	for _, e := range l.entries {
		follower := l.entries[e.manifest.Sentences[e.id].Then]
		if follower != nil && follower.audio.Load() != nil {
			follower.audio.Store(nil)
			follower.tried = false
		}
	}
}

// ready encodes one sentence.
func (l *language) ready(e *entry) []strictyaml.Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.encode(e)
	problems := e.problems
	e.problems = nil
	return problems
}
