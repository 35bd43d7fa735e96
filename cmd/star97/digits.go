package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"star97/internal/dtmf"
	"star97/internal/prompt"
)

// maxRecording bounds a recording: hours of calls.
const maxRecording = 512 << 20

func digitsCommand() *cobra.Command {
	var show, asJSON bool
	cmd := &cobra.Command{
		Use:   "digits FILE...",
		Short: "Find the keys pressed in a recording, and why some were not counted",
		Long: "Reads WAV files (16-bit PCM, mono, 8000 or 16000 Hz) and captures of calls (pcap, pcapng)\n" +
			"and hears every kind of key as the calls of the service do: RTP telephone events, SIP\n" +
			"INFO and in-band tones, of which one press counts once. In a capture the streams are\n" +
			"found by themselves; audio is heard in PCMU, PCMA and G.722, SIP is read where it is not\n" +
			"encrypted. IP fragments and TCP segments are put together. Where SIP has an offer and its\n" +
			"answer a key counts only by what they agreed, an INFO that was refused does not; else\n" +
			"types are guessed. What is encrypted, lost, damaged, cut short or of a type that nothing\n" +
			"explains is not heard, and is told below the keys (with --json on stderr).\n\n" +
			"Which keys they were is shown with --show only: they can be an access code. Without it\n" +
			"times of tones are rounded to 50 ms, as finer ones differ from key to key.",
		Example: "  star97 digits call.pcap\n" +
			"  star97 digits --show --json test.wav",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			var damaged []error
			for _, file := range files {
				heard, damage := readKeys(file, show)
				write := heard.write
				if asJSON {
					write = func(w io.Writer, file string) error { return heard.writeJSON(w, cmd.ErrOrStderr(), file) }
				}
				if damage == nil || heard.any() {
					if err := write(cmd.OutOrStdout(), file); err != nil {
						return err
					}
				}
				if damage != nil {
					damaged = append(damaged, fmt.Errorf("%s: %w", file, damage))
				}
			}
			if len(damaged) > 0 {
				return failed("%v", errors.Join(damaged...))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&show, "show", false, "show which keys were pressed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON for each key that counted")
	return cmd
}

// keyTold is one line of the answer. Key is "key" unless keys are to be shown.
type keyTold struct {
	key              string
	from             string // the sender, in a capture
	source           dtmf.Source
	start, end, emit time.Duration
	refused          string // why it was not counted
	apart            bool   // of a type that was not agreed
}

// keysHeard is what was heard in one file.
type keysHeard struct {
	show bool
	told []keyTold
	note []string
}

// remark adds a line about the whole file.
func (r *keysHeard) remark(format string, a ...any) {
	r.note = append(r.note, fmt.Sprintf(format, a...))
}

// any says whether anything was heard: of a damaged file too it is told.
func (r *keysHeard) any() bool { return r != nil && len(r.told) > 0 }

// unreadRecording leaves the file's name to who tells of it.
func unreadRecording(err error) error {
	var unread *fs.PathError
	if errors.As(err, &unread) {
		err = unread.Err
	}
	return fmt.Errorf("the file cannot be read: %w; check its name and mode", err)
}

func readKeys(file string, show bool) (*keysHeard, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, unreadRecording(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecording+1))
	switch {
	case err != nil:
		return nil, unreadRecording(err)
	case len(data) > maxRecording:
		return nil, fmt.Errorf("the file is larger than %d MB: cut out the call", maxRecording>>20)
	}
	r := &keysHeard{show: show}
	return r, r.read(data)
}

// read hears the keys of a file, in the order in which they became known.
func (r *keysHeard) read(data []byte) (err error) {
	if bytes.HasPrefix(data, []byte("RIFF")) {
		err = r.readWAV(data)
	} else {
		err = r.readCapture(data)
	}
	slices.SortStableFunc(r.told, func(a, b keyTold) int { return cmp.Compare(a.emit, b.emit) })
	if !r.show {
		r.blur()
	}
	return err
}

// blurred is how finely the times of tones are told where keys are hidden: those of some
// keys are found a few milliseconds sooner, and end later, than those of others.
const blurred = 50 * time.Millisecond

func (r *keysHeard) blur() {
	for i := range r.told {
		if k := &r.told[i]; k.source == dtmf.FromTone {
			k.start, k.end, k.emit = k.start.Round(blurred), k.end.Round(blurred), k.emit.Round(blurred)
		}
	}
}

// readWAV hears the tones of a WAV file.
func (r *keysHeard) readWAV(data []byte) error {
	rate, pcm, whole, err := prompt.ReadRecording(data)
	if err != nil {
		return err
	}
	if rate != 8000 && rate != 16000 {
		return fmt.Errorf("the sample rate is %d Hz, not 8000 or 16000: sox in.wav -r 8000 out.wav", rate)
	}
	if !whole {
		r.remark("the file's header is not finished, or its end is missing: %.3f s of sound are there", float64(len(pcm))/float64(rate))
	}
	h := hearing{to: r}
	var tone dtmf.ToneDetector
	tone.Set(rate)
	frame := rate / 50
	pcm = append(pcm, make([]int16, 10*frame)...) // so that a last key comes up
	for at := 0; at+frame <= len(pcm); at += frame {
		now := time.Duration(at+frame) * time.Second / time.Duration(rate)
		h.hear(&tone, pcm[at:at+frame], now)
	}
	return nil
}

// hearing follows the keys of one sender.
type hearing struct {
	to    *keysHeard
	from  string
	merge dtmf.Merge
	out   []dtmf.Report

	refusal string // why nothing of it counts, "" if it does
}

// toneHearer is a detector, or one behind a stream of packets.
type toneHearer interface {
	Decode(pcm []int16, now time.Duration, out []dtmf.Report) []dtmf.Report
	Stats() dtmf.ToneStats
}

// hear takes samples that came at now, and tells of what was nearly a key.
func (h *hearing) hear(tone toneHearer, pcm []int16, now time.Duration) {
	before := tone.Stats()
	h.accept(tone.Decode(pcm, now, h.out[:0]), 0)
	after := tone.Stats()
	if h.refusal != "" {
		return
	}
	for _, fault := range []struct {
		more bool
		why  string
	}{
		{after.Short > before.Short, "tones of a key, but for less than 25 ms"},
		{after.Untuned > before.Untuned, "tones near those of a key, but out of tune"},
		{after.Twisted > before.Twisted, "tones of a key, but one is much louder than the other"},
		{after.Impure > before.Impure, "tones of a key, but with too much else"},
	} {
		if fault.more {
			h.to.told = append(h.to.told, keyTold{from: h.from, source: dtmf.FromTone, emit: now, start: now, end: now, refused: fault.why})
		}
	}
}

// accept takes reports as a call takes them; length is how long a key of an INFO was down.
func (h *hearing) accept(reports []dtmf.Report, length time.Duration) {
	for _, rep := range reports {
		switch rep.Kind {
		case dtmf.Up:
			h.merge.Accept(rep)
			h.lift(rep)
		case dtmf.Lost:
			h.to.told = append(h.to.told, keyTold{from: h.from, source: rep.Source, start: rep.At, end: rep.At, emit: rep.At,
				refused: "a key whose packets came behind those of a later one"})
		case dtmf.Down:
			refused := h.refusal
			if refused == "" {
				refused = h.weigh(rep)
			}
			h.tell(rep, length, refused)
		}
	}
	clear(reports)
}

// weigh says why a press does not count, "" if it does.
func (h *hearing) weigh(rep dtmf.Report) string {
	before := h.merge.Stats()
	_, counted := h.merge.Accept(rep)
	after := h.merge.Stats()
	switch {
	case counted:
		return ""
	case after.LeakSuppressed > before.LeakSuppressed:
		return "the same press by another way"
	case after.Muted > before.Muted:
		return "a tone, but the telephone sends its keys by " + h.merge.Source().String()
	}
	return "not a key of its own"
}

// tell notes a press.
func (h *hearing) tell(rep dtmf.Report, length time.Duration, refused string) {
	k := keyTold{key: rep.Digit.String(), from: h.from, source: rep.Source, emit: rep.At, start: max(0, rep.At-rep.Held), end: rep.At + length,
		refused: refused, apart: h.refusal != ""}
	if h.to.show {
		k.key = string(rep.Digit.Char())
	}
	h.to.told = append(h.to.told, k)
}

// lift notes the end of the latest press of a source.
func (h *hearing) lift(rep dtmf.Report) {
	for i := len(h.to.told) - 1; i >= 0; i-- {
		if k := &h.to.told[i]; k.from == h.from && k.source == rep.Source && k.key != "" && k.apart == (h.refusal != "") {
			k.end = max(rep.At-rep.Held, k.start)
			return
		}
	}
}

func (r *keysHeard) write(w io.Writer, file string) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, file)
	counted := 0
	for _, k := range r.told {
		from := ""
		if k.from != "" {
			from = "  " + k.from
		}
		if k.refused != "" {
			fmt.Fprintf(&b, "  %9.3f s  %-5s  %-5s  not counted: %s%s\n", k.start.Seconds(), dash(k.key), k.source, k.refused, from)
			continue
		}
		counted++
		fmt.Fprintf(&b, "  %9.3f s  %-5s  %-5s  for %d ms, known after %d ms%s\n", k.start.Seconds(), k.key, k.source,
			(k.end - k.start).Milliseconds(), (k.emit - k.start).Milliseconds(), from)
	}
	fmt.Fprintf(&b, "  %d keys counted, %d not\n", counted, len(r.told)-counted)
	for _, n := range r.note {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// keyLine is a key as programs read it. Times are milliseconds from the beginning of the file.
type keyLine struct {
	File   string `json:"file"`
	Key    string `json:"digit"`
	Start  int64  `json:"start_ms"`
	End    int64  `json:"end_ms"`
	Emit   int64  `json:"emit_ms"`
	Source string `json:"source"`
}

// writeJSON leaves what is no key to stderr.
func (r *keysHeard) writeJSON(w, stderr io.Writer, file string) error {
	e := json.NewEncoder(w)
	for _, k := range r.told {
		if k.refused != "" {
			continue
		}
		if err := e.Encode(keyLine{file, k.key, k.start.Milliseconds(), k.end.Milliseconds(), k.emit.Milliseconds(), k.source.String()}); err != nil {
			return err
		}
	}
	for _, n := range r.note {
		if _, err := fmt.Fprintf(stderr, "%s: %s\n", file, n); err != nil {
			return err
		}
	}
	return nil
}
