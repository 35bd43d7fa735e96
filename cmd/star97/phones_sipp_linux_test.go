package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller/callertest"
	"star97/internal/prompt"
	"star97/internal/prompt/ear"
)

func TestSIPpChangesACode(t *testing.T) {
	t.Parallel()
	for _, set := range []struct {
		name string
		call sippCall
		tcp  bool
		door door
		way  string
	}{
		{"own door, keys as RFC 4733 events", sippCall{Scenario: "phone.xml"}, false, ownDoor, "events"},
		{"own door, keys as SIP INFO, TCP", sippCall{Scenario: "phone.xml", Info: true}, true, ownDoor, "info"},
		{"transferred by an attendant, delayed offer", sippCall{Scenario: "transfer.xml", Info: true}, false, door{"9700", anyDoor.keys}, "info"},
	} {
		t.Run(set.name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				v := startService(t, setup{Codes: map[string]string{extension: oldCode}})
				s := newSIPp(t, v, set.call, set.tcp)
				sippChangesTheCode(t, s, set.door)
				requireUnseen(t, v)
				require.Equal(t, set.way, keysIn(s.trace.String()))
				require.Empty(t, offeredElsewhere(s.trace.String()))
			})
		})
	}
}

// sippChangesTheCode makes the three calls. SIPp cannot listen, so each call runs
// to its end first: it waits as long as the sentences last, and a little more.
func sippChangesTheCode(t testing.TB, s *sipp, d door) {
	c := s.run(t, d, // the code is changed
		pressAfter{sentences: []prompt.ID{prompt.EnterCode}, keys: oldCode + "#"},
		pressAfter{sentences: []prompt.ID{prompt.MainMenu}, keys: "2"},
		pressAfter{sentences: []prompt.ID{s.ask()}, keys: newCode + "#"},
		pressAfter{sentences: []prompt.ID{prompt.RepeatNewCode}, keys: newCode + "#"},
		pressAfter{sentences: []prompt.ID{prompt.Changed, prompt.MainMenu}, keys: ""})
	c.hears(append(opening(d), prompt.EnterCode)...)
	c.hears(prompt.MainMenu, prompt.EnterNewCode, prompt.RepeatNewCode, prompt.Changed, prompt.MainMenu)

	c = s.run(t, d, // the new code reaches the menu
		pressAfter{sentences: []prompt.ID{prompt.EnterCode}, keys: newCode + "#"},
		pressAfter{sentences: []prompt.ID{prompt.MainMenu}, keys: ""})
	c.hears(append(opening(d), prompt.EnterCode)...)
	c.hears(prompt.MainMenu)
	c.neverHeard(prompt.WrongCode)

	c = s.run(t, d, // the old code does not
		pressAfter{sentences: []prompt.ID{prompt.EnterCode}, keys: oldCode + "#"},
		pressAfter{sentences: []prompt.ID{prompt.WrongCode, prompt.EnterCode}, keys: ""})
	c.hears(append(opening(d), prompt.EnterCode)...)
	c.hears(prompt.WrongCode, prompt.EnterCode)
	c.neverHeard(prompt.MainMenu)
}

const (
	// thinking is what a SIPp call waits beside the sentences: for lead, gaps between
	// sentences and the store. Together with what it is not used for it has to stay
	// below the time for a first key.
	thinking = 3500 * time.Millisecond
	// lastWait is waited besides before the call is left.
	lastWait = 3 * time.Second
	// SIPp plays a key as an event in keyTime, after firstKey.
	keyTime  = 400 * time.Millisecond
	firstKey = 600 * time.Millisecond
)

// pressAfter presses keys when sentences are over.
type pressAfter struct {
	sentences []prompt.ID
	keys      string
	act       string // of neighbour.xml, before the keys; empty: none
}

// sippCall is what a scenario's template is filled with.
type sippCall struct {
	Scenario          string // file in testdata/phones
	Info              bool   // keys by SIP INFO; else SIPp's own RFC 4733 events
	Number, Extension string
	From              string
	Port              string // where audio is received
	Steps             []sippStep
	LastCSeq          int
	neighbour         // what neighbour.xml alone looks at
}

type sippStep struct {
	Wait int64 // ms
	Act  string
	Keys []sippKey
}

type sippKey struct {
	Key  string
	CSeq int
}

// sipp makes calls with SIPp, one process each.
type sipp struct {
	path      string
	call      sippCall
	to        string
	transport string
	trace     *transcript
}

func newSIPp(t testing.TB, v *service, call sippCall, tcp bool) *sipp {
	t.Helper()
	s := &sipp{
		path: requireProgram(t, "sipp", "sip-tester"), call: call,
		to: v.UDP.String(), transport: "u1", trace: new(transcript),
	}
	if tcp {
		s.to, s.transport = v.TCP.String(), "t1"
	}
	return s
}

// ask is the sentence that asks for a new code under the default rules.
func (s *sipp) ask() prompt.ID { id, _ := prompt.NewCodeAsk(6, 10); return id }

// opening is what is said before a door asks for the code.
func opening(d door) []prompt.ID {
	if d.keys == "" {
		return []prompt.ID{prompt.Welcome}
	}
	return []prompt.ID{prompt.Welcome, prompt.EnterExtension}
}

// run makes one call and returns what was heard in it.
func (s *sipp) run(t testing.TB, d door, steps ...pressAfter) *conversation {
	t.Helper()
	if d.keys != "" {
		steps = append([]pressAfter{{sentences: opening(d), keys: d.keys}}, steps...)
	} else {
		steps[0].sentences = append(opening(d), steps[0].sentences...)
	}
	audio := s.listen(t)
	call := s.fill(t, d, steps)
	mediaPort := audio.port
	if call.Info {
		call.Port = strconv.Itoa(audio.port)
		mediaPort = freeUDPPort(t) // SIPp opens one in any case
	} else {
		call.Port = "[media_port]" // SIPp sends from the port that this word names
	}
	s.execute(t, call, mediaPort)
	c := &conversation{t: t, ear: known().Listen(), over: true}
	c.heard = append([]ear.Sound(nil), c.ear.Feed(audio.take(t))...)
	return c
}

// fill works out pauses and request numbers.
func (s *sipp) fill(t testing.TB, d door, steps []pressAfter) sippCall {
	t.Helper()
	call := s.call
	call.Number, call.Extension = d.number, extension
	call.From, call.LastCSeq = `"Desk" <sip:`+extension+`@[local_ip]>`, 1
	if call.Scenario == "transfer.xml" {
		call.From, call.LastCSeq = `"Auto Attendant" <sip:5000@[local_ip]>`, 101
	}
	var playing time.Duration // of the keys pressed before
	for _, step := range steps {
		wait := playing + thinking
		for _, id := range step.sentences {
			a, ok := recordings().Audio(prompt.DefaultOptions().Language, id, prompt.Words{})
			require.True(t, ok, "no sentence %s", id)
			wait += a.Duration()
		}
		filled := sippStep{Wait: wait.Milliseconds(), Act: step.act}
		for _, key := range step.keys {
			call.LastCSeq++
			filled.Keys = append(filled.Keys, sippKey{string(key), call.LastCSeq})
		}
		playing = 0
		if !call.Info && step.keys != "" {
			playing = firstKey + time.Duration(len(step.keys))*keyTime
		}
		call.Steps = append(call.Steps, filled)
	}
	call.Steps[len(call.Steps)-1].Wait += lastWait.Milliseconds()
	call.LastCSeq++
	call.Seq = new(sequence)
	return call
}

// listen opens the ear of a call: on the port that SIPp sends events from the
// packets are captured, since SIPp throws them away; else the port is our own.
func (s *sipp) listen(t testing.TB) *rtpAudio {
	t.Helper()
	if s.call.Info {
		return receiveRTP(t)
	}
	return captureRTP(t, freeUDPPort(t))
}

// freeUDPPort finds an even port, as RTP wants it (RFC 3550 section 11) and SIPp takes it.
func freeUDPPort(t testing.TB) int {
	t.Helper()
	for {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		port := c.LocalAddr().(*net.UDPAddr).Port
		c.Close()
		if port%2 == 0 && allFree(port, port+3) {
			return port
		}
	}
}

func (s *sipp) execute(t testing.TB, call sippCall, mediaPort int) {
	t.Helper()
	dir := t.TempDir()
	scenario, messages := filepath.Join(dir, "scenario.xml"), filepath.Join(dir, "messages.log")
	all, err := template.ParseGlob(filepath.Join("..", "..", "testdata", "phones", "*.xml"))
	require.NoError(t, err)
	file, err := os.OpenFile(scenario, os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	require.NoError(t, all.ExecuteTemplate(file, call.Scenario, call))
	require.NoError(t, file.Close())
	ctx, stop := context.WithTimeout(t.Context(), commandFor)
	defer stop()
	cmd := exec.CommandContext(ctx, s.path, "-sf", scenario, "-m", "1", "-t", s.transport,
		"-i", "127.0.0.1", "-p", strconv.Itoa(freeUDPPort(t)), "-mi", "127.0.0.1", "-mp", strconv.Itoa(mediaPort),
		"-nostdin", "-recv_timeout", "60000", "-trace_msg", "-message_file", messages,
		"-trace_err", "-error_file", filepath.Join(dir, "errors.log"), s.to)
	cmd.Dir = dir
	screen, err := cmd.CombinedOutput()
	trace, _ := os.ReadFile(messages) // missing if SIPp sent nothing, which err tells
	_, _ = s.trace.Write(trace)
	errors, _ := os.ReadFile(filepath.Join(dir, "errors.log"))
	require.NoError(t, err, "SIPp's call failed: %s\n%s\n%s", errors, trace, screen)
}
