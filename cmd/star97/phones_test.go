package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/prompt"
	"star97/internal/prompt/ear"
	"star97/prompts"
)

// Real telephones call the real program over loopback. What counts is the audio that
// the telephone itself says it received, recognised by ear: three calls each, one that
// changes the code, one with the new code and one with the old one.
//
// A telephone that is not installed is a failure. The environment variable
// STAR97_PHONES=optional makes it a skipped test.

const (
	extension = "4001"
	oldCode   = "739164"
	newCode   = "582907"

	soundPatience = 90 * time.Second // longest wait for one sentence
	lookAgain     = 10 * time.Millisecond
)

// telephone is a real one, driven by its own commands. Methods fail the test if the
// telephone does not do what they say.
type telephone interface {
	dial(t testing.TB, number string) // returns when the far end has answered
	press(t testing.TB, keys string)  // 0-9 * #
	received(t testing.TB) []int16    // samples at prompt.Rate that came in since it was asked last
	hangUp(t testing.TB)              // returns when the call is over
	farEndHungUp(t testing.TB) bool   // the call ended without hangUp
	trace(t testing.TB) string        // its own log, with every SIP message
}

// requireProgram finds a program that a Debian package brings.
func requireProgram(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("STAR97_PHONES") == "optional" {
		t.Skipf("%s is not installed", name)
	}
	require.NoError(t, err, "this test needs %s; install Debian's %s (make test does, as root) or leave real telephones out with STAR97_PHONES=optional",
		name, debianPackage)
	return path
}

// recordings are the sentences of the program.
var recordings = sync.OnceValue(func() *prompt.Catalogue {
	catalogue, problems := prompt.Open(prompt.DefaultOptions(), prompts.FS)
	if len(problems) > 0 {
		panic(problems[0])
	}
	return catalogue
})

// known hears every one of them.
var known = sync.OnceValue(func() *ear.Ear { return ear.Of(recordings(), prompt.DefaultOptions().Language) })

// conversation is one call, heard at the telephone.
type conversation struct {
	t     testing.TB
	phone telephone
	ear   *ear.Listener
	heard []ear.Sound
	next  int  // sounds before it were spoken for
	over  bool // all that was heard is in heard; there is no phone to listen at or to press
}

func call(t testing.TB, phone telephone, number string) *conversation {
	t.Helper()
	phone.dial(t, number)
	return &conversation{t: t, phone: phone, ear: known().Listen()}
}

func (c *conversation) listen() {
	c.heard = append(c.heard, c.ear.Feed(c.phone.received(c.t))...)
}

// hears waits until these sentences were heard, in this order and no other one
// between them but "one moment, please" and what a menu goes on to offer.
func (c *conversation) hears(ids ...prompt.ID) {
	c.t.Helper()
	for _, id := range ids {
		c.await(id, whole)
	}
}

// enough is how much of a sentence has to come when its last sound is missing: a
// telephone on a busy machine may lose a packet, and its recording with it.
const enough = 0.8

// whole tells that a sentence was heard to its end.
func whole(s ear.Sound) bool {
	a, ok := recordings().Audio(prompt.DefaultOptions().Language, s.ID, prompt.Words{})
	return s.Complete || ok && s.Ended && s.Heard.Seconds() >= enough*a.Duration().Seconds()
}

// begins waits until a sentence is recognised.
func (c *conversation) begins(id prompt.ID) {
	c.t.Helper()
	c.await(id, func(ear.Sound) bool { return true })
}

func (c *conversation) await(id prompt.ID, heard func(ear.Sound) bool) {
	c.t.Helper()
	for until := time.Now().Add(soundPatience); time.Now().Before(until); time.Sleep(lookAgain) {
		if !c.over {
			c.listen()
		}
		for ; c.next < len(c.heard); c.next++ {
			s := c.heard[c.next]
			switch {
			case is(s.ID, id) && heard(s):
				c.next++
				return
			case s.Ended || s.ID == "" || is(s.ID, id) || c.goesOn(s) || s.ID == prompt.PleaseWait || isOption(s.ID):
			default:
				require.FailNow(c.t, "another sentence came", "%s was due, %s was heard; all: %s", id, s.ID, c.story())
			}
		}
		if c.over {
			break
		}
	}
	require.FailNow(c.t, "a sentence did not come", "%s was due; heard: %s", id, c.story())
}

// isOption tells that a sentence is one of a menu's. A key may be pressed at the first
// one, and stops the others when it comes.
func isOption(id prompt.ID) bool { return strings.HasPrefix(string(id), "option-") }

// goesOn tells that a sentence which was heard already is still the last one: after
// a gap it is recognised again.
func (c *conversation) goesOn(s ear.Sound) bool {
	for i := c.next - 1; i >= 0; i-- {
		if before := c.heard[i]; before.ID != "" {
			return before.ID == s.ID && s.Start-before.Start < prompt.Rate
		}
	}
	return false
}

// is tells that a sentence is another or its variant with numbers.
func is(heard, id prompt.ID) bool {
	return heard == id || id == prompt.EnterNewCode && strings.HasPrefix(string(heard), string(id)+"-") &&
		!strings.HasPrefix(string(heard), string(prompt.EnterNewCodeLong))
}

func (c *conversation) story() string {
	var words []string
	for _, s := range c.heard {
		word := string(s.ID)
		if word == "" {
			word = fmt.Sprint("strange", s.Among)
		}
		switch {
		case s.Complete:
			word += " to its end"
		case s.Ended:
			word += fmt.Sprintf(" for %v", s.Heard)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func (c *conversation) neverHeard(id prompt.ID) {
	c.t.Helper()
	if !c.over {
		c.listen()
	}
	require.False(c.t, slices.ContainsFunc(c.heard, func(s ear.Sound) bool { return s.ID == id }), c.story())
}

// leave says goodbye with * and waits until the far end hangs up, which on a busy
// machine ends a telephone's recording early.
func (c *conversation) leave() {
	c.t.Helper()
	c.phone.press(c.t, "*")
	c.begins(prompt.Goodbye)
	require.Eventually(c.t, func() bool { return c.phone.farEndHungUp(c.t) }, soundPatience, lookAgain)
}

// door is a number and what has to be pressed there before the code is asked for.
type door struct{ number, keys string }

var (
	ownDoor = door{number: "*97"}
	anyDoor = door{number: "*98", keys: extension + "#"}
)

// enter listens to everything up to the question for the code.
func (c *conversation) enter(d door) {
	c.t.Helper()
	c.hears(prompt.Welcome)
	if d.keys != "" {
		c.hears(prompt.EnterExtension)
		c.phone.press(c.t, d.keys)
	}
	c.hears(prompt.EnterCode)
}

// changesTheCode is what each telephone has to show. way is how its keys have to be
// sent: "events" or "info".
func changesTheCode(t testing.TB, v *service, phone telephone, d door, way string) {
	c := call(t, phone, d.number) // the code is changed
	c.enter(d)
	phone.press(t, oldCode+"#")
	c.hears(prompt.MainMenu)
	phone.press(t, "2")
	c.hears(prompt.EnterNewCode)
	phone.press(t, newCode+"#")
	c.hears(prompt.RepeatNewCode)
	phone.press(t, newCode+"#")
	c.hears(prompt.Changed, prompt.MainMenu)
	phone.hangUp(t)

	c = call(t, phone, d.number) // the new code reaches the menu
	c.begins(prompt.Welcome)
	phone.press(t, d.keys+newCode+"#")
	c.next = len(c.heard) // the sentence that was interrupted
	c.reaches(prompt.MainMenu)
	c.neverHeard(prompt.WrongCode)
	c.leave()

	c = call(t, phone, d.number) // the old code does not
	c.begins(prompt.Welcome)
	phone.press(t, d.keys+oldCode+"#")
	c.reaches(prompt.WrongCode)
	c.hears(prompt.EnterCode)
	c.neverHeard(prompt.MainMenu)
	phone.hangUp(t)

	requireUnseen(t, v)
	trace := phone.trace(t)
	require.Equal(t, way, keysIn(trace))
	require.Contains(t, trace, "c=IN IP4 127.0.0.1", "the trace shows no offer")
	require.Empty(t, offeredElsewhere(trace))
}

// reaches waits for a sentence past those that the keys interrupt.
func (c *conversation) reaches(id prompt.ID) {
	c.t.Helper()
	for until := time.Now().Add(soundPatience); time.Now().Before(until); time.Sleep(lookAgain) {
		c.listen()
		if i := slices.IndexFunc(c.heard, func(s ear.Sound) bool { return s.ID == id && whole(s) }); i >= 0 {
			c.next = i + 1
			return
		}
	}
	require.FailNow(c.t, "a sentence did not come", "%s was due; heard: %s", id, c.story())
}

// requireUnseen looks for the codes, and for what a race would print, in everything
// that the service wrote.
func requireUnseen(t testing.TB, v *service) {
	t.Helper()
	calls := regexp.MustCompile(`call_id=\S+`) // numbers by lot, made by who called
	for _, text := range []string{v.Stdout.String(), v.Stderr.String()} {
		text = calls.ReplaceAllString(text, "")
		require.NotContains(t, text, oldCode)
		require.NotContains(t, text, newCode)
		require.NotContains(t, text, "DATA RACE")
	}
}

// recording reads a WAV file of 16-bit mono PCM at prompt.Rate or prompt.WideRate while a telephone
// writes it.
type recording struct {
	name string
	at   int64            // bytes used so far
	wide *prompt.Narrower // of prompt.WideRate
}

// take returns the samples that were added.
func (r *recording) take(t testing.TB) []int16 {
	t.Helper()
	f, err := os.Open(r.name)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	if info.Size() < wavHeader {
		return nil
	}
	if r.at == 0 {
		r.skipHeader(t, f)
	}
	data := make([]byte, (info.Size()-r.at)&^3)
	_, err = f.ReadAt(data, r.at)
	require.NoError(t, err)
	r.at += int64(len(data))
	samples := make([]int16, len(data)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
	}
	if r.wide == nil {
		return samples
	}
	narrow := make([]int16, len(samples)/2)
	return narrow[:r.wide.Take(narrow, samples)]
}

// wavHeader is the size of a WAV file without samples, in bytes.
const wavHeader = 44

// skipHeader checks the header, unless it is still all zero: linphonec writes it when
// the call is over.
func (r *recording) skipHeader(t testing.TB, f io.ReaderAt) {
	t.Helper()
	head := make([]byte, wavHeader)
	_, err := f.ReadAt(head, 0)
	require.NoError(t, err)
	r.at = wavHeader
	if bytes.Equal(head, make([]byte, wavHeader)) {
		return
	}
	require.Equal(t, "data", string(head[36:40]), "%s has an unexpected header", r.name)
	if rate := binary.LittleEndian.Uint32(head[24:]); rate == prompt.WideRate {
		r.wide = prompt.NewNarrower()
	} else {
		require.EqualValues(t, prompt.Rate, rate, "%s has another sample rate", r.name)
	}
}

// newFile waits for a file that fits a pattern and is not in seen.
func newFile(t testing.TB, pattern string, seen []string) string {
	t.Helper()
	var found string
	require.Eventually(t, func() bool {
		names, err := filepath.Glob(pattern)
		i := slices.IndexFunc(names, func(n string) bool { return !slices.Contains(seen, n) })
		if err != nil || i < 0 {
			return false
		}
		found = names[i]
		return true
	}, soundPatience, lookAgain, "no file %s", pattern)
	return found
}

// silence writes a WAV file of some seconds of nothing, for a telephone to play.
func silence(t testing.TB, name string, seconds, rate int) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, prompt.WriteWAV(rate, make([]int16, seconds*rate)), 0o600))
}

// offeredElsewhere returns the lines of a trace that name another address for media
// than loopback.
func offeredElsewhere(trace string) (lines []string) {
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "c=IN ") && line != "c=IN IP4 127.0.0.1" {
			lines = append(lines, line)
		}
	}
	return lines
}

// keysIn tells from a trace of SIP messages how keys were sent.
func keysIn(trace string) string {
	if strings.Contains(trace, "INFO sip:") {
		return "info"
	}
	return "events"
}
