package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"star97/internal/prompt"
)

// writeManifest puts voice, recipe and hash of the spoken sentences into the
// manifest, line by line, so that comments, order and texts stay as they were
// written.
func (w *workshop) writeManifest(lang string, spoken map[prompt.ID]prompt.Sentence) error {
	if len(spoken) == 0 {
		return nil
	}
	file := filepath.Join(w.folder, lang, prompt.ManifestName)
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	next, err := rewrite(data, spoken)
	if err != nil || bytes.Equal(next, data) {
		return err
	}
	return replace(file, next)
}

// rewrite returns the manifest with the fields of the spoken sentences, proved by
// reading it again.
func rewrite(data []byte, spoken map[prompt.ID]prompt.Sentence) ([]byte, error) {
	lines := strings.Split(string(data), "\n")
	for id, s := range spoken {
		from, to := entry(lines, id)
		if from < 0 {
			return nil, fmt.Errorf("the sentence %q must stand as a line of its own, `%s:`, under sentences", id, id)
		}
		for _, f := range []struct{ key, value string }{{"voice", s.Voice}, {"recipe", s.Recipe}, {"sha256", s.SHA256}} {
			lines, to = set(lines, from, to, f.key, f.value)
		}
	}
	next := []byte(strings.Join(lines, "\n"))
	return next, prove(next, spoken)
}

// entry finds a sentence: the index of its key line and the index after its last
// field. -1: not found.
func entry(lines []string, id prompt.ID) (from, to int) {
	sentences := slices.Index(lines, "sentences:")
	key := regexp.MustCompile(`^( +)` + regexp.QuoteMeta(string(id)) + `:\s*$`)
	for i := sentences + 1; sentences >= 0 && i < len(lines); i++ {
		m := key.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		to = i + 1
		for to < len(lines) && strings.HasPrefix(lines[to], m[1]+" ") {
			to++
		}
		return i, to
	}
	return -1, -1
}

// set gives a field of the entry its value, in its line or in a new last line.
func set(lines []string, from, to int, key, value string) ([]string, int) {
	indent := strings.Repeat(" ", 2*(len(lines[from])-len(strings.TrimLeft(lines[from], " "))))
	if to > from+1 {
		indent = lines[from+1][:len(lines[from+1])-len(strings.TrimLeft(lines[from+1], " "))]
	}
	line := fmt.Sprintf("%s%s: %q", indent, key, value)
	for i := from + 1; i < to; i++ {
		if strings.HasPrefix(lines[i], indent+key+":") {
			lines[i] = line
			return lines, to
		}
	}
	return slices.Insert(lines, to, line), to + 1
}

// prove reads the new manifest and compares: a mistake of rewrite must not reach
// the file.
func prove(data []byte, spoken map[prompt.ID]prompt.Sentence) error {
	m, problems := prompt.ParseManifest("the new manifest", data)
	if m == nil {
		return fmt.Errorf("the manifest could not be rewritten: %w", problems[0])
	}
	for id, s := range spoken {
		if m.Sentences[id] != s {
			return fmt.Errorf("the fields of %q could not be rewritten: write voice, recipe and sha256 as one line each", id)
		}
	}
	return nil
}
