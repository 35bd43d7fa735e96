package probe

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Fingerprints are the learned sentences of a voicemail system.
type Fingerprints struct{ all []print }

// Names are the sentences known, sorted.
func (f Fingerprints) Names() (names []string) {
	for _, p := range f.all {
		if !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return names
}

func (f Fingerprints) named(names ...string) (some []print) {
	for _, p := range f.all {
		if slices.Contains(names, p.name) {
			some = append(some, p)
		}
	}
	return some
}

const (
	fileFormat = "star fingerprints, mel, a" // another picture gets another name
	maxFile    = 1 << 20                     // bytes
	maxPrints  = maxSteps + 3
	letters    = 2 * bands // of a frame in a file
)

// A file of fingerprints holds loudnesses as letters and no digit, so that none in it
// can be one of a code.
type fileText struct {
	Format string      `json:"format"`
	Prints []printText `json:"prints"`
}

type printText struct {
	Name    string `json:"name"`
	Picture string `json:"picture"` // two letters a to p for each band of each frame
}

// Write makes the file, readable by its owner only, in place of the one before.
func (f Fingerprints) Write(name string) error {
	text := fileText{Format: fileFormat}
	for _, p := range f.all {
		text.Prints = append(text.Prints, printText{p.name, lettersOf(p.frames)})
	}
	data, err := json.MarshalIndent(text, "", " ")
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // gone if all went well
	_, err = fresh.Write(append(data, '\n'))
	if end := fresh.Close(); err == nil {
		err = end
	}
	if err != nil {
		return err
	}
	return os.Rename(fresh.Name(), name)
}

// Read reads what Write wrote. Errors are sentences with a remedy.
func Read(name string) (Fingerprints, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return Fingerprints{}, fmt.Errorf("the fingerprints %s cannot be read: %w; star97 probe learn writes them", name, err)
	}
	f, err := parse(data)
	if err != nil {
		return Fingerprints{}, fmt.Errorf("the fingerprints %s cannot be used: %w; let star97 probe learn write them anew", name, err)
	}
	return f, nil
}

func parse(data []byte) (f Fingerprints, err error) {
	var text fileText
	if json.Unmarshal(data, &text) != nil || text.Format != fileFormat {
		return f, fmt.Errorf("this is no file of fingerprints of this program")
	}
	if len(text.Prints) > maxPrints {
		return f, fmt.Errorf("there are more than %d in it", maxPrints)
	}
	for _, p := range text.Prints {
		frames, ok := framesOf(p.Picture)
		if !ok || !sentenceName.MatchString(p.Name) {
			return f, fmt.Errorf("one of them is damaged")
		}
		f.all = append(f.all, print{p.Name, frames})
	}
	return f, nil
}

func lettersOf(frames []frame) string {
	var top float32
	for i := range frames {
		for _, v := range frames[i] {
			top = max(top, v, -v)
		}
	}
	var b strings.Builder
	for i := range frames {
		for _, v := range frames[i] {
			n := byte(128 + int(math.Round(float64(v/top*127))))
			b.WriteByte('a' + n>>4)
			b.WriteByte('a' + n&15)
		}
	}
	return b.String()
}

func framesOf(text string) ([]frame, bool) {
	n := len(text) / letters
	if n < leastFrames || n > mostFrames || len(text)%letters != 0 || strings.Trim(text, "abcdefghijklmnop") != "" {
		return nil, false
	}
	frames := make([]frame, n)
	for i := range frames {
		for b := range frames[i] {
			at := i*letters + 2*b
			frames[i][b] = float32(int(text[at]-'a')<<4+int(text[at+1]-'a')) - 128
		}
	}
	return frames, centred(frames, frames)
}
