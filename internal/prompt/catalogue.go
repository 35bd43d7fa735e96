package prompt

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"star97/internal/codec"
	"star97/internal/strictyaml"
)

// Audio is one sentence, encoded whole in every codec. It is read-only and safe
// for concurrent use.
type Audio struct {
	id       ID
	text     string
	language string
	payload  [codec.Count][]byte  // of the formats of Rate
	left     int                  // samples of Rate that were left out before them
	wide     func() ([]byte, int) // the same of WideRate
}

// ID is the sentence's name.
func (a *Audio) ID() ID { return a.id }

// Text is what is heard, in words.
func (a *Audio) Text() string { return a.text }

// Language is the tag of the folder that the sentence came from.
func (a *Audio) Language() string { return a.language }

// Payload is the whole sentence in the codec's payload format, padded with the
// codec's silence to whole frames of 20 ms; nil for codec.None. Read-only. That of
// G.722 is made when it is first asked for, which takes some 3 ms for each second of it,
// unless Catalogue.Warm has made it.
func (a *Audio) Payload(id codec.ID) []byte {
	switch {
	case id >= codec.Count:
		return nil
	case id == codec.G722:
		payload, _ := a.wide()
		return payload
	}
	return a.payload[id]
}

// Duration is how long the payload plays.
func (a *Audio) Duration() time.Duration {
	return time.Duration(len(a.payload[codec.PCMU])) * time.Second / Rate
}

// PCM8k returns a fresh copy of the sentence as a telephone hears it: 16-bit mono
// at Rate, through mu-law.
func (a *Audio) PCM8k() []int16 {
	pcm := make([]int16, len(a.payload[codec.PCMU]))
	if f, ok := codec.ByID(codec.PCMU); ok {
		f.Decode(pcm, a.payload[codec.PCMU])
	}
	return pcm
}

// Catalogue holds the sentences of every language. It is safe for concurrent use.
// Load encodes the default language and those of overlays, and Prepare another one,
// which takes some 300 ms. A sentence of the others is encoded when it is first asked
// for, in about the time of a packet. Warm makes what wideband telephones hear.
type Catalogue struct {
	languages []*language // sorted by tag
	fallback  *language
	cold      chan struct{} // holds one when a language was prepared
}

// Load reads every folder of base that has a manifest.yaml. Overlays hold a site's
// own folders of the same shape: their sentences replace those of the same language
// and id, and may add languages. The problems are those of the manifests and of the
// masters that were encoded; a sentence with a problem is not in the catalogue. A
// catalogue with problems is not fit to serve.
func Load(base fs.FS, overlays ...fs.FS) (*Catalogue, []strictyaml.Problem) {
	sources := []source{{fsys: base}}
	for _, o := range overlays {
		sources = append(sources, source{fsys: o, overlay: true})
	}
	return load(DefaultOptions().Language, sources)
}

// source is one tree of language folders. Its problems name files under prefix.
type source struct {
	fsys    fs.FS
	prefix  string
	overlay bool
}

func load(fallback string, sources []source) (*Catalogue, []strictyaml.Problem) {
	c := &Catalogue{cold: make(chan struct{}, 1)}
	var problems []strictyaml.Problem
	for i := range sources {
		problems = append(problems, c.addSource(&sources[i])...)
	}
	slices.SortFunc(c.languages, func(a, b *language) int { return strings.Compare(a.tag, b.tag) })
	for _, l := range c.languages {
		l.markInner()
		problems = append(problems, l.missing()...)
		if l.tag == fallback {
			c.fallback = l
		}
	}
	if c.fallback == nil && len(problems) == 0 {
		problems = append(problems, strictyaml.Problem{File: path.Join(fallback, ManifestName),
			Text:   fmt.Sprintf("The default language has no manifest: nothing is recorded in %q.", fallback),
			Remedy: "Set prompts.language to one of " + strings.Join(c.Languages(), ", ") + ", or add its folder to prompts.folder."})
	}
	for _, l := range c.languages {
		if l == c.fallback || l.overlaid {
			problems = append(problems, l.prepare()...)
		}
	}
	return c, problems
}

// addSource takes in every language folder of s.
func (c *Catalogue) addSource(s *source) []strictyaml.Problem {
	entries, err := fs.ReadDir(s.fsys, ".")
	if err != nil {
		return []strictyaml.Problem{{File: path.Join(s.prefix, "."), Text: "The folder of prompts cannot be listed: " + plain(err) + ".",
			Remedy: "Set prompts.folder to one that holds one sub-folder per language."}}
	}
	var problems []strictyaml.Problem
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if _, err := fs.Stat(s.fsys, path.Join(e.Name(), ManifestName)); err != nil && !s.overlay {
			continue // prompts.go and the like stand beside the languages
		}
		m, found := ReadManifest(s.fsys, e.Name())
		if m != nil {
			if !s.overlay { // a sound pack has more files than its manifest names
				found = append(found, m.orphans(s.fsys, e.Name())...)
			}
			c.at(e.Name()).add(m, s)
		}
		problems = append(problems, s.prefixed(found)...)
	}
	return problems
}

func (s *source) prefixed(problems []strictyaml.Problem) []strictyaml.Problem {
	for i := range problems {
		problems[i].File = path.Join(s.prefix, problems[i].File)
	}
	return problems
}

// at is the language of a tag, made if need be.
func (c *Catalogue) at(tag string) *language {
	for _, l := range c.languages {
		if l.tag == tag {
			return l
		}
	}
	l := newLanguage(tag)
	c.languages = append(c.languages, l)
	return l
}

// Audio finds a sentence in the language that fits lang best: the same tag, else
// the same primary language (RFC 5646 section 2.2.1), else the default. Of a sentence
// with variants it is that of the route's words. What the language lacks comes from
// the default language; not so a qualified id, TAG/id, which names its language.
// False: nobody has it.
func (c *Catalogue) Audio(lang string, id ID, words Words) (*Audio, bool) {
	if tag, plain, qualified := strings.Cut(string(id), "/"); qualified {
		l := c.speaks(tag)
		if l == nil {
			return nil, false
		}
		return l.audio(ID(plain), words)
	}
	if l := c.fit(lang); l != nil {
		if a, ok := l.audio(id, words); ok {
			return a, true
		}
	}
	if c.fallback == nil {
		return nil, false
	}
	return c.fallback.audio(id, words)
}

// fit is the language for a tag, the default one if none speaks it.
func (c *Catalogue) fit(lang string) *language {
	if l := c.speaks(lang); l != nil {
		return l
	}
	return c.fallback
}

// speaks compares tags without regard to case (RFC 5646 section 2.1.1). Of several
// languages with the same primary one the default is taken, else the first. Nil: none.
func (c *Catalogue) speaks(lang string) *language {
	for _, l := range c.languages {
		if strings.EqualFold(l.tag, lang) {
			return l
		}
	}
	if c.fallback != nil && strings.EqualFold(primary(c.fallback.tag), primary(lang)) {
		return c.fallback
	}
	for _, l := range c.languages {
		if strings.EqualFold(primary(l.tag), primary(lang)) {
			return l
		}
	}
	return nil
}

func primary(tag string) string {
	if i := strings.IndexByte(tag, '-'); i >= 0 {
		return tag[:i]
	}
	return tag
}

// Prepare encodes a language now, so that no call waits for it, and returns those
// problems of its masters that were not returned before. An unknown tag prepares what
// Audio would use. It may be called at any time: what is ready costs nothing more, and
// calls wait for one sentence at most.
func (c *Catalogue) Prepare(lang string) []strictyaml.Problem {
	l := c.fit(lang)
	if l == nil || l.prepared.Load() {
		return nil
	}
	problems := l.prepare()
	select {
	case c.cold <- struct{}{}:
	default:
	}
	return problems
}

// Languages are the tags of the catalogue, sorted.
func (c *Catalogue) Languages() []string {
	tags := make([]string, len(c.languages))
	for i, l := range c.languages {
		tags[i] = l.tag
	}
	return tags
}

// IDs are the sentences that can be said in the language with exactly this tag,
// variants among them, sorted.
func (c *Catalogue) IDs(lang string) []ID {
	for _, l := range c.languages {
		if l.tag == lang {
			return l.ids()
		}
	}
	return nil
}
