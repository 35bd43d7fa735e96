package prompt

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"star97/internal/strictyaml"
)

// ManifestName is the file that makes a folder a language.
const ManifestName = "manifest.yaml"

// Manifest is manifest.yaml of one language folder: the single source of what is
// said and of how each master was made.
type Manifest struct {
	Language  string           `yaml:"language"`         // BCP 47 tag, the folder's name
	Prefer    []string         `yaml:"prefer,omitempty"` // voices to synthesise with, best first
	Voices    map[string]Voice `yaml:"voices"`
	Sentences map[ID]Sentence  `yaml:"sentences"`

	file *strictyaml.File
}

// Voice says how the masters that name it were made.
type Voice struct {
	Engine  string `yaml:"engine"`
	Version string `yaml:"version,omitempty"`
	Voice   string `yaml:"voice,omitempty"`
	Options string `yaml:"options,omitempty"`
	Licence string `yaml:"licence"`
}

// Sentence is one master.
type Sentence struct {
	Text   string `yaml:"text"`
	Spoken string `yaml:"spoken,omitempty"` // for the synthesiser, where it reads the text wrongly
	Then   ID     `yaml:"then,omitempty"`   // what follows in the same breath; it is never said alone
	Voice  string `yaml:"voice,omitempty"`  // the row of Voices that made it
	Human  bool   `yaml:"human,omitempty"`  // a recording: no synthesiser overwrites it
	File   string `yaml:"file,omitempty"`   // default: the id + ".wav"
	Recipe string `yaml:"recipe,omitempty"` // what a synthesised master was made from, hashed
	SHA256 string `yaml:"sha256,omitempty"` // of the file, hexadecimal
}

// FileOf is the name of the sentence's master within the language folder.
func (m *Manifest) FileOf(id ID) string {
	if f := m.Sentences[id].File; f != "" {
		return f
	}
	return string(id) + ".wav"
}

// Line is where a sentence's field stands in the manifest, 0 if it is not there.
func (m *Manifest) Line(id ID, field string) int {
	return m.file.Line(sentencePath(id, field))
}

func sentencePath(id ID, field string) string {
	if field == "" {
		return fmt.Sprintf("$.sentences.'%s'", id)
	}
	return fmt.Sprintf("$.sentences.'%s'.%s", id, field)
}

var (
	idShape  = regexp.MustCompile(`^[a-z][a-z0-9-]*(@[a-z][a-z-]*)?$`) // id or id@WORD
	shaShape = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ReadManifest reads folder/manifest.yaml and checks all that can be known without
// opening a master. Problems name their file as seen from fsys. A nil manifest
// means that the file could not be read at all.
func ReadManifest(fsys fs.FS, folder string) (*Manifest, []strictyaml.Problem) {
	name := path.Join(folder, ManifestName)
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, []strictyaml.Problem{{File: name, Text: "The manifest cannot be read: " + plain(err) + ".",
			Remedy: "Put a readable manifest.yaml into the folder, or remove the folder."}}
	}
	return ParseManifest(folder, data)
}

// ParseManifest is ReadManifest for a manifest that is not in a file system.
func ParseManifest(folder string, data []byte) (*Manifest, []strictyaml.Problem) {
	name := path.Join(folder, ManifestName)
	m := &Manifest{}
	file, problem := strictyaml.Decode(name, data, m)
	if problem != nil {
		return nil, []strictyaml.Problem{*problem}
	}
	m.file = file
	return m, m.check(folder)
}

func (m *Manifest) check(folder string) []strictyaml.Problem {
	var found []strictyaml.Problem
	report := func(path, text, remedy string) { found = append(found, m.file.Problem(path, text, remedy)) }
	if m.Language != folder {
		report("$.language", fmt.Sprintf("The language is %q, but the folder is %q.", m.Language, folder),
			"Make both the same BCP 47 tag, such as en-US.")
	}
	for _, v := range m.Prefer {
		if _, ok := m.Voices[v]; !ok {
			report("$.prefer", fmt.Sprintf("The voice %q is not described.", v), "Add it under voices, or take it out.")
		}
	}
	for _, name := range sorted(m.Voices) {
		if v := m.Voices[name]; v.Engine == "" || v.Licence == "" {
			report(fmt.Sprintf("$.voices.'%s'", name), fmt.Sprintf("The voice %q has no engine or no licence.", name),
				"Give both; for a recording the engine is \"human\".")
		}
	}
	if len(m.Sentences) == 0 {
		report("$", "There are no sentences.", "Add them under sentences: an id, its text and its voice.")
	}
	owner := map[string]ID{}
	for _, id := range sorted(m.Sentences) {
		m.checkSentence(id, owner, report)
	}
	return found
}

func (m *Manifest) checkSentence(id ID, owner map[string]ID, report func(path, text, remedy string)) {
	s := m.Sentences[id]
	at := sentencePath(id, "")
	if !idShape.MatchString(string(id)) {
		report(at, fmt.Sprintf("%q is no sentence id.", id), "Use small letters, digits and hyphens; a variant is id@word.")
		return
	}
	if strings.TrimSpace(s.Text) == "" {
		report(at, fmt.Sprintf("The sentence %q has no text.", id), "Write the words that are heard.")
	}
	if _, ok := m.Voices[s.Voice]; !ok && s.Voice != "" {
		report(sentencePath(id, "voice"), fmt.Sprintf("The sentence %q names the voice %q, which is not described.", id, s.Voice),
			"Add the voice under voices.")
	}
	if next, known := m.Sentences[s.Then]; known && next.Then != "" {
		report(sentencePath(id, "then"), fmt.Sprintf("The sentence %q goes on with %q, which goes on itself.", id, s.Then),
			"Let only one other sentence follow.")
	}
	if s.SHA256 != "" && !shaShape.MatchString(s.SHA256) {
		report(sentencePath(id, "sha256"), fmt.Sprintf("The hash of %q is not 64 hexadecimal digits.", id),
			"Copy the first word that sha256sum prints.")
	}
	file := m.FileOf(id)
	if path.Base(file) != file || path.Ext(file) != ".wav" {
		report(sentencePath(id, "file"), fmt.Sprintf("The file of %q is not the name of a .wav file in this folder.", id),
			"Keep the masters beside the manifest, as WAV; sox turns other formats into it.")
	}
	if other, twice := owner[file]; twice {
		report(at, fmt.Sprintf("The sentences %q and %q name the same file %s.", other, id, file), "Give each its own.")
	}
	owner[file] = id
}

// orphans finds WAV files that no sentence names.
func (m *Manifest) orphans(fsys fs.FS, folder string) []strictyaml.Problem {
	named := map[string]bool{}
	for id := range m.Sentences {
		named[m.FileOf(id)] = true
	}
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil {
		return []strictyaml.Problem{{File: folder, Text: "The folder cannot be listed: " + plain(err) + "."}}
	}
	var found []strictyaml.Problem
	for _, e := range entries {
		if path.Ext(e.Name()) == ".wav" && !named[e.Name()] {
			found = append(found, strictyaml.Problem{File: path.Join(folder, e.Name()),
				Text: "No sentence of the manifest names this file.", Remedy: "Add its sentence, or remove the file."})
		}
	}
	return found
}

// plain is the bare reason of a file error, for a sentence that names the file itself.
func plain(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

func sorted[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
