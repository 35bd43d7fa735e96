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
	"time"

	"star97/internal/codec"
	"star97/internal/strictyaml"
)

// frame is what payloads are padded to: 20 ms.
const frame = Rate / 50

// breath is the pause before what a sentence goes on with.
const breath = 10 * frame

// encoder turns masters into payloads, with buffers that serve one after the other.
type encoder struct {
	file       []byte
	pcm        []int16
	scratch    scratch
	decimators map[int]*decimator
}

func (e *encoder) encode(from *entry) (*Audio, *strictyaml.Problem) {
	id, m := from.id, from.manifest
	sentence := m.Sentences[id]
	fail := func(field, text, remedy string) (*Audio, *strictyaml.Problem) {
		p := from.problem(field, text, remedy)
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
		p := from.tooLong("text", length)
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
	const largest = 4 << 20 // far beyond MaxLength at 48 kHz
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

// goOn adds to a sentence what follows it in the same breath.
func (a *Audio) goOn(next *Audio) {
	a.text += " " + next.text
	for id := codec.None + 1; id < codec.Count; id++ {
		f, _ := codec.ByID(id)
		pause := bytes.Repeat([]byte{f.Silence}, breath/frame*20*f.BytesPerMs)
		a.payload[id] = slices.Concat(a.payload[id], pause, next.payload[id])
	}
}
