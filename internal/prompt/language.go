package prompt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"star97/internal/codec"
	"star97/internal/strictyaml"
)

// How long a sentence may be, and a menu: the sentences of its options together.
const (
	MaxLength     = 8 * time.Second
	MaxMenuLength = 12 * time.Second
)

// frame is what payloads are padded to: 20 ms.
const frame = Rate / 50

// entry is a sentence as its manifest describes it, not yet read.
type entry struct {
	manifest *Manifest
	source   *source
}

// problem names the line of the sentence's field, or that of the sentence.
func (e entry) problem(id ID, field, text, remedy string) strictyaml.Problem {
	p := e.manifest.file.Problem(sentencePath(id, field), text, remedy)
	if p.Line == 0 {
		p.Line = e.manifest.Line(id, "")
	}
	p.File = path.Join(e.source.prefix, p.File)
	return p
}

func (e entry) tooLong(id ID, field string, is time.Duration) strictyaml.Problem {
	return e.problem(id, field, fmt.Sprintf("The sentence %q lasts %.1f s; at most %.0f s are allowed.", id, is.Seconds(), MaxLength.Seconds()),
		"Say it in fewer words.")
}

// language is one tag's sentences: entries before, sentences after prepare.
type language struct {
	tag      string
	overlaid bool
	entries  map[ID]entry

	once      sync.Once
	ready     atomic.Bool // sentences and problems may be read
	sentences map[ID]*Audio
	variants  map[variant]*Audio
	problems  []strictyaml.Problem
}

// variant names a recording id@word.
type variant struct {
	id   ID
	word string
}

// add takes in the sentences of a manifest; the last source wins.
func (l *language) add(m *Manifest, s *source) {
	l.overlaid = l.overlaid || s.overlay
	for id := range m.Sentences {
		l.entries[id] = entry{manifest: m, source: s}
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

// ids are the sentences that can be said, sorted: without those that only follow.
func (l *language) ids() []ID {
	follows := map[ID]bool{}
	for id, e := range l.entries {
		follows[e.manifest.Sentences[id].Then] = true
	}
	return slices.DeleteFunc(sorted(l.entries), func(id ID) bool { return follows[id] })
}

func (l *language) audio(id ID, words Words) (*Audio, bool) {
	if !l.ready.Load() {
		l.prepare()
	}
	for _, word := range [...]string{words.Code, words.Extension} {
		if a, ok := l.variants[variant{id, word}]; ok {
			return a, true
		}
	}
	a, ok := l.sentences[id]
	return a, ok
}

// prepare reads and encodes every master, once.
func (l *language) prepare() {
	l.once.Do(func() {
		l.sentences = make(map[ID]*Audio, len(l.entries))
		l.variants = map[variant]*Audio{}
		e := encoder{decimators: map[int]*decimator{}}
		for _, id := range sorted(l.entries) {
			a, problem := e.encode(id, l.entries[id])
			if problem != nil {
				l.problems = append(l.problems, *problem)
				continue
			}
			a.language = l.tag
			l.sentences[id] = a
			if plain, word, ok := strings.Cut(string(id), "@"); ok {
				l.variants[variant{ID(plain), word}] = a
			}
		}
		l.goOn()
		l.ready.Store(true)
	})
}

// breath is the pause before what a sentence goes on with.
const breath = 10 * frame

// goOn adds to each sentence what follows it in the same breath.
func (l *language) goOn() {
	for id, from := range l.entries {
		then := from.manifest.Sentences[id].Then
		a, next := l.sentences[id], l.sentences[then]
		switch {
		case then == "" || a == nil:
			continue
		case next == nil:
			l.problems = append(l.problems, from.problem(id, "then", fmt.Sprintf("The sentence %q goes on with %q, which cannot be said.", id, then),
				"Record that one, too, or take then away."))
			continue
		}
		a.text += " " + next.text
		for c := range a.payload {
			if f, ok := codec.ByID(codec.ID(c)); ok {
				pause := bytes.Repeat([]byte{f.Silence}, breath/frame*20*f.BytesPerMs)
				a.payload[c] = slices.Concat(a.payload[c], pause, next.payload[c])
			}
		}
		if a.Duration() > MaxLength {
			l.problems = append(l.problems, from.tooLong(id, "then", a.Duration()))
		}
	}
}

// encoder turns masters into payloads, with buffers that serve one after the other.
type encoder struct {
	file       []byte
	pcm        []int16
	scratch    scratch
	decimators map[int]*decimator
}

func (e *encoder) encode(id ID, from entry) (*Audio, *strictyaml.Problem) {
	m := from.manifest
	sentence := m.Sentences[id]
	fail := func(field, text, remedy string) (*Audio, *strictyaml.Problem) {
		p := from.problem(id, field, text, remedy)
		return nil, &p
	}
	file := m.FileOf(id)
	if err := e.read(from.source.fsys, path.Join(m.Language, file)); err != nil {
		return fail("file", fmt.Sprintf("The master %s of %q cannot be read: %s.", file, id, plain(err)),
			"Put it beside the manifest; `make prompts` makes what a synthesiser speaks.")
	}
	if !from.source.trusts(sentence, e.file) {
		return fail("sha256", fmt.Sprintf("The master %s is not the one that the manifest of %q means: its hash differs.", file, id),
			"Restore the file, or write its hash as sha256sum prints it.")
	}
	rate, pcm, err := ReadWAV(e.file, e.pcm)
	if err != nil {
		return fail("file", fmt.Sprintf("The master %s of %q cannot be used: %s.", file, id, err),
			"Save it as WAV, 16-bit mono PCM, 16000 or 8000 Hz: sox IN -r 16000 -c 1 -b 16 OUT.wav")
	}
	e.pcm = pcm
	length := time.Duration(len(pcm)) * time.Second / time.Duration(rate)
	switch {
	case len(pcm) < rate/50:
		return fail("file", fmt.Sprintf("The master %s of %q is empty.", file, id), "Record at least 20 ms.")
	case length > MaxLength:
		p := from.tooLong(id, "text", length)
		return nil, &p
	}
	a := &Audio{id: id, text: sentence.Text}
	e.payloads(a, e.down(rate, pcm))
	return a, nil
}

// trusts compares the hash; a site's own folder may leave it out.
func (s *source) trusts(sentence Sentence, file []byte) bool {
	if s.overlay && sentence.SHA256 == "" {
		return true
	}
	sum := sha256.Sum256(file)
	return sentence.SHA256 == hex.EncodeToString(sum[:])
}

// read fills e.file, without a fresh buffer for every master.
func (e *encoder) read(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	const largest = 4 << 20 // far beyond MaxMenuLength at 48 kHz
	size := info.Size()
	if size > largest {
		return fmt.Errorf("it has %d bytes, at most %d are read", size, int64(largest))
	}
	if int64(cap(e.file)) < size {
		e.file = make([]byte, size)
	}
	e.file = e.file[:size]
	_, err = io.ReadFull(f, e.file)
	return err
}

func (e *encoder) down(rate int, pcm []int16) []int16 {
	d, ok := e.decimators[rate]
	if !ok {
		d = newDecimator(rate)
		e.decimators[rate] = d
	}
	return d.decimate(pcm, &e.scratch)
}

func (e *encoder) payloads(a *Audio, pcm []int16) {
	frames := (len(pcm) + frame - 1) / frame
	for id := codec.None + 1; id < codec.Count; id++ {
		f, _ := codec.ByID(id)
		p := make([]byte, frames*20*f.BytesPerMs)
		for i := f.Encode(p, pcm); i < len(p); i++ {
			p[i] = f.Silence
		}
		a.payload[id] = p
	}
}
