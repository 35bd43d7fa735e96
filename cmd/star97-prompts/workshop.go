package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"star97/internal/prompt"
)

// workshop makes the masters of a prompts folder.
type workshop struct {
	folder  string
	engines map[string]engine
	fresh   bool // speak what is up to date, too
	out     io.Writer
}

func (w *workshop) run(ctx context.Context, languages []string) error {
	if len(languages) == 0 {
		var err error
		if languages, err = w.languages(); err != nil {
			return err
		}
	}
	for _, lang := range languages {
		if err := w.language(ctx, lang); err != nil {
			return err
		}
	}
	return nil
}

func (w *workshop) languages() ([]string, error) {
	manifests, err := filepath.Glob(filepath.Join(w.folder, "*", prompt.ManifestName))
	if err != nil {
		return nil, err
	}
	if len(manifests) == 0 {
		return nil, fmt.Errorf("no language in %s has a %s: name the folder with --prompts", w.folder, prompt.ManifestName)
	}
	languages := make([]string, len(manifests))
	for i, m := range manifests {
		languages[i] = filepath.Base(filepath.Dir(m))
	}
	return languages, nil
}

// language speaks what has changed and writes the manifest. What was spoken before
// an error is kept.
func (w *workshop) language(ctx context.Context, lang string) error {
	m, problems := prompt.ReadManifest(os.DirFS(w.folder), lang)
	if len(problems) > 0 {
		var all []error
		for _, p := range problems {
			p.File = filepath.Join(w.folder, p.File)
			all = append(all, p)
		}
		return errors.Join(all...)
	}
	ids := make([]prompt.ID, 0, len(m.Sentences))
	for id := range m.Sentences {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	spoken := map[prompt.ID]prompt.Sentence{}
	var failure error
	for _, id := range ids {
		made, err := w.sentence(ctx, m, id)
		if err != nil {
			failure = fmt.Errorf("%s, sentence %q: %w", filepath.Join(w.folder, lang, prompt.ManifestName), id, err)
			break
		}
		if made != nil {
			spoken[id] = *made
		}
	}
	if err := w.writeManifest(lang, spoken); err != nil {
		return errors.Join(failure, err)
	}
	fmt.Fprintf(w.out, "%s: %d of %d sentences spoken\n", lang, len(spoken), len(ids))
	return failure
}

// sentence speaks one sentence if need be, writes its master and returns what the
// manifest must say of it; nil if it is up to date.
func (w *workshop) sentence(ctx context.Context, m *prompt.Manifest, id prompt.ID) (*prompt.Sentence, error) {
	s := m.Sentences[id]
	if s.Human {
		return nil, nil
	}
	file := filepath.Join(w.folder, m.Language, m.FileOf(id))
	name, missing := w.voice(m)
	if !w.fresh && w.upToDate(m, s, file, name) {
		return nil, nil
	}
	if name == "" {
		return nil, missing
	}
	v := m.Voices[name]
	raw, err := w.engines[v.Engine].speak(ctx, v, words(s))
	if err != nil {
		return nil, err
	}
	pcm, err := polish(raw)
	if err != nil {
		return nil, err
	}
	got := prompt.Measure(pcm, masterRate)
	if got.Length > prompt.MaxLength {
		return nil, fmt.Errorf("it lasts %.1f s, at most %.0f s are allowed: say it in fewer words", got.Length.Seconds(), prompt.MaxLength.Seconds())
	}
	wav := prompt.WriteWAV(masterRate, pcm)
	if err := replace(file, wav); err != nil {
		return nil, err
	}
	fmt.Fprintf(w.out, "%s/%s  %.2f s  level %.1f dBov  peak %.1f dB  %s\n", m.Language, id, got.Length.Seconds(), got.Level, got.Peak, name)
	s.Voice, s.Recipe, s.SHA256 = name, recipe(v, words(s)), hash(wav)
	return &s, nil
}

// voice is the first preferred voice that can speak here, else why none can.
func (w *workshop) voice(m *prompt.Manifest) (string, error) {
	var missing []error
	for _, name := range m.Prefer {
		v := m.Voices[name]
		e, ok := w.engines[v.Engine]
		if !ok {
			missing = append(missing, fmt.Errorf("the engine %q of voice %q is not known here", v.Engine, name))
			continue
		}
		err := e.ready(v)
		if err == nil {
			return name, nil
		}
		missing = append(missing, err)
	}
	if len(missing) == 0 {
		return "", errors.New("the manifest prefers no voice: name one under prefer")
	}
	return "", errors.Join(missing...)
}

// upToDate tells whether the master is what the manifest says, made from this text
// by a voice that is not worse than the best one available.
func (w *workshop) upToDate(m *prompt.Manifest, s prompt.Sentence, file, best string) bool {
	v, ok := m.Voices[s.Voice]
	if !ok || s.Recipe != recipe(v, words(s)) {
		return false
	}
	if best != "" && slices.Index(m.Prefer, best) < slices.Index(m.Prefer, s.Voice) {
		return false
	}
	data, err := os.ReadFile(file)
	return err == nil && hash(data) == s.SHA256
}

// words are what the synthesiser is given.
func words(s prompt.Sentence) string { return cmp.Or(s.Spoken, s.Text) }

// recipe names all that a synthesised master depends on.
func recipe(v prompt.Voice, text string) string {
	all := strings.Join([]string{v.Engine, v.Version, v.Voice, v.Options, polishing, text}, "\n")
	return hash([]byte(all))[:16]
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// replace writes a file whole or not at all.
func replace(file string, data []byte) error {
	temporary := file + ".new"
	if err := os.WriteFile(temporary, data, 0o644); err != nil {
		return err
	}
	if err := os.Rename(temporary, file); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(temporary)))
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
