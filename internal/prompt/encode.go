package prompt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"sync"
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

func newEncoder() encoder { return encoder{decimators: map[int]*decimator{}} }

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
	a.encode(from, e.down(rate, pcm))
	a.wide = from.wide(a, rate, pcm)
	return a, nil
}

// wide is how the wideband payload of a is made. That takes ten times as long as all
// others: of the program's own masters, which are always there, it has time until the
// first use.
func (e *entry) wide(a *Audio, rate int, pcm []int16) func() ([]byte, int) {
	n := len(a.payload[codec.PCMU]) // before anything goes on behind it
	if e.source.overlay {
		payload, left := e.encodeWide(n, rate, pcm)
		return func() ([]byte, int) { return payload, left }
	}
	return sync.OnceValues(func() ([]byte, int) {
		data, err := fs.ReadFile(e.source.fsys, path.Join(e.manifest.Language, e.manifest.FileOf(e.id)))
		if err == nil {
			if rate, pcm, err := ReadWAV(data, nil); err == nil {
				return e.encodeWide(n, rate, pcm)
			}
		}
		return e.encodeWide(n, Rate, a.PCM8k()[:n])
	})
}

// encodeWide is the payload of WideRate, as long as that of so many samples of Rate, and
// how many of those were left out. It is long work: after each frame others have their
// turn. pcm may be changed.
func (e *entry) encodeWide(n, rate int, pcm []int16) (p []byte, left int) {
	f, _ := codec.ByID(codec.G722)
	encoder := f.NewEncoder()
	p = make([]byte, n/(Rate/1000)*f.BytesPerMs)
	const samples = WideRate / 50
	made, whole := 0, wide(pcm, rate)
	pcm = e.sounding(whole, WideRate)
	left = (len(whole) - len(pcm)) * Rate / WideRate
	for ; len(pcm) > 0; pcm = pcm[min(samples, len(pcm)):] {
		made += encoder.Encode(p[made:], pcm[:min(samples, len(pcm))])
		runtime.Gosched()
	}
	for i := made; i < len(p); i++ {
		p[i] = f.Silence
	}
	return p, left
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
		d = newDecimator(rate, Rate)
		e.decimators[rate] = d
	}
	return d.decimate(pcm, &e.scratch)
}

// narrow are the formats of Rate.
var narrow = [...]codec.ID{codec.PCMU, codec.PCMA}

// encode makes the payloads of Rate. What is left out before the first sound follows
// the last one as silence: length and pace stay those of the recording.
func (a *Audio) encode(from *entry, pcm []int16) {
	frames := (len(pcm) + frame - 1) / frame
	whole := len(pcm)
	pcm = from.sounding(pcm, Rate)
	a.left = whole - len(pcm)
	for _, id := range narrow {
		f, _ := codec.ByID(id)
		p := make([]byte, frames*20*f.BytesPerMs)
		for i := f.Encode(p, pcm); i < len(p); i++ {
			p[i] = f.Silence
		}
		a.payload[id] = p
	}
}

// goOn adds to a sentence what follows it in the same breath, at the pace of both
// recordings: the silence that makes up for what was left out is at the end.
func (a *Audio) goOn(next *Audio) {
	a.text += " " + next.text
	join := func(id codec.ID, own []byte, left int, next []byte) []byte {
		f, _ := codec.ByID(id)
		silence := func(samples int) []byte { return bytes.Repeat([]byte{f.Silence}, samples*f.BytesPerMs/(Rate/1000)) }
		end := silence(left)
		return slices.Concat(own[:len(own)-len(end)], silence(breath), next, end)
	}
	for _, id := range narrow {
		a.payload[id] = join(id, a.payload[id], a.left, next.payload[id])
	}
	own := a.wide
	a.wide = sync.OnceValues(func() ([]byte, int) {
		payload, left := own()
		rest, _ := next.wide() // whole
		return join(codec.G722, payload, left, rest), left
	})
}
