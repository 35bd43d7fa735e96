package caller

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/prompt"
	"star97/internal/prompt/ear"
	"star97/internal/script"
	"star97/internal/strictyaml"
	"star97/prompts"
)

const language = "en-US"

// masters are the program's own sentences.
var masters = sync.OnceValue(func() *prompt.Catalogue {
	c, _ := prompt.Load(prompts.FS)
	c.Prepare(language)
	return c
})

var knowing = sync.OnceValue(func() *ear.Ear { return ear.Of(masters(), language) })

// say plays sentences to a telephone, faster than they were spoken: the ear counts
// samples, not seconds.
func (p *peer) say(to netip.AddrPort, ids ...prompt.ID) {
	for _, id := range ids {
		audio, ok := masters().Audio(language, id, prompt.Words{})
		if !ok {
			p.t.Errorf("there is no sentence %s", id)
			return
		}
		p.play(to, audio.Payload(codec.PCMU))
	}
	p.play(to, bytes.Repeat([]byte{0xFF}, 8000))
}

func (p *peer) play(to netip.AddrPort, payload []byte) {
	for n := 0; len(payload) >= 160; n++ {
		p.sendRTP(to, payload[:160], n == 0)
		payload = payload[160:]
		p.rest(n)
	}
}

// rest lets the telephone's ears keep up.
func (p *peer) rest(n int) {
	if n%4 == 0 {
		time.Sleep(time.Millisecond)
	}
	for p.ears != nil && len(p.ears.frames) > 50 {
		time.Sleep(time.Millisecond)
	}
}

// typed waits until so many presses came in all.
func (p *peer) typed(n int) bool {
	return eventually(func() bool { return len(p.presses()) >= n }, patience)
}

func eventually(is func() bool, within time.Duration) bool {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if is() {
			return true
		}
	}
	return false
}

// listening dials a peer with an ear.
func listening(t *testing.T) (*peer, *Call, *Player, *bytes.Buffer) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{Ear: knowing(), Press: Press{Length: 40 * time.Millisecond, Gap: 20 * time.Millisecond}})
	p.ears = c.media.ears
	var out bytes.Buffer
	return p, c, &Player{Call: c, Timeline: &Timeline{W: &out}, Patience: patience}, &out
}

func lines(t *testing.T, text string) []script.Line {
	l, err := script.Parse("test", []byte(text))
	require.NoError(t, err)
	return l
}

const secretCode = "8305917264"

func TestScriptIsPlayedAndNoKeyIsTold(t *testing.T) {
	p, c, play, out := listening(t)
	codes, err := ReadCodes("codes", []byte("# mine\nold: "+secretCode+"\next: \"4001\"\n"))
	require.NoError(t, err)
	play.Value = codes.Value
	play.Timer = func(name string) (time.Duration, bool) { return time.Millisecond, name == "menu" }
	up := make(chan struct{})
	play.Other = func(context.Context, script.Line) error { close(up); return nil }
	go func() {
		p.say(c.Media().LocalAddr(), prompt.Welcome, prompt.EnterCode)
		p.typed(len(secretCode) + 1)
		p.say(c.Media().LocalAddr(), prompt.Changed)
		<-up // the last key
		p.ask(p.got(sip.INVITE, 1), "BYE", 9, "")
	}()
	err = play.Run(within(t, 3*patience), lines(t, `
		hear welcome enter-code
		press {old}#
		hear changed
		hear-not wrong-code
		wait menu
		press {ext}#
		store verify dead
		end done`))
	require.NoError(t, err, out.String())
	require.Equal(t, secretCode+"#4001#", p.presses())

	text := out.String()
	for _, want := range []string{"answered", "heard welcome (complete)", "heard enter-code (complete)", "pressed a code", "heard changed (complete)", "pressed 5 keys", "far end hung up"} {
		require.Contains(t, text, want)
		_, text, _ = strings.Cut(text, want)
	}
	require.NotContains(t, out.String(), secretCode)
	raw, err := json.Marshal(play.Timeline.Entries())
	require.NoError(t, err)
	require.NotContains(t, string(raw), secretCode)
	require.NotContains(t, string(raw), `"keys":11`, "the length of a code is a secret, too")
	require.NotContains(t, out.String(), "4001")
}

func TestScriptThatGoesWrong(t *testing.T) {
	noise := func(p *peer, to netip.AddrPort) {
		rng := rand.New(rand.NewPCG(1, 1))
		hiss := make([]byte, 16000)
		for i := range hiss {
			hiss[i] = byte(rng.Uint32())
		}
		p.play(to, hiss)
	}
	// What the far end does is over before the script begins, or goes on beside it.
	type act func(p *peer, to netip.AddrPort)
	type farEnd func(p *peer, c *Call) (wait func())
	before := func(do act) farEnd {
		return func(p *peer, c *Call) func() {
			do(p, c.Media().LocalAddr())
			eventually(func() bool { return c.Media().Stats().Received >= uint64(p.seq) && len(p.ears.frames) == 0 }, patience)
			return func() {}
		}
	}
	beside := func(do act) farEnd {
		return func(p *peer, c *Call) func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				do(p, c.Media().LocalAddr())
			}()
			return func() { <-done }
		}
	}
	nothing := before(func(*peer, netip.AddrPort) {})
	for name, road := range map[string]struct {
		script  string
		far     farEnd
		outcome Outcome
		says    string
	}{
		"another sentence": {"hear changed", before(func(p *peer, to netip.AddrPort) { p.say(to, prompt.WrongCode) }), Unheard,
			"line 1: changed was not heard to its end; heard instead: wrong-code"},
		"only its beginning": {"hear changed", before(func(p *peer, to netip.AddrPort) {
			audio, _ := masters().Audio(language, prompt.Changed, prompt.Words{})
			p.play(to, audio.Payload(codec.PCMU)[:8000])
			p.play(to, bytes.Repeat([]byte{0xFF}, 8000))
		}), Unheard, "heard instead: changed (cut)"},
		"order": {"hear enter-code\nhear welcome", before(func(p *peer, to netip.AddrPort) { p.say(to, prompt.Welcome, prompt.EnterCode) }), Unheard, "line 2: welcome was not heard"},
		"noise": {"hear changed", before(noise), Unheard, "something that is no sentence of ours"},
		"silent audio": {"hear changed", before(func(p *peer, to netip.AddrPort) { p.play(to, bytes.Repeat([]byte{0xFF}, 1600)) }), Unheard,
			"the audio was silent all the time"},
		"no packet": {"hear changed", nothing, Mute, "no audio came"},
		"hung up early": {"hear changed", before(func(p *peer, to netip.AddrPort) {
			p.say(to, prompt.Goodbye)
			p.ask(p.got(sip.INVITE, 1), "BYE", 9, "")
		}), EndedEarly, "line 1: the far end hung up before changed was heard"},
		"hung up in a wait": {"wait 5s", beside(func(p *peer, _ netip.AddrPort) { p.ask(p.got(sip.INVITE, 1), "BYE", 9, "") }), EndedEarly, "line 1: the far end hung up early"},
		"hung up in a press": {"press " + strings.Repeat("1234567890", 6), beside(func(p *peer, _ netip.AddrPort) {
			p.typed(1)
			p.ask(p.got(sip.INVITE, 1), "BYE", 9, "")
		}), EndedEarly, "line 1: the far end hung up early"},
		"what must not come": {"hear goodbye\nhear-not wrong-code", before(func(p *peer, to netip.AddrPort) { p.say(to, prompt.WrongCode, prompt.Goodbye) }), Unheard,
			"line 2: wrong-code was heard and must not be"},
		"speech in a silence": {"silence 3s", beside(func(p *peer, to netip.AddrPort) {
			time.Sleep(300 * time.Millisecond) // into the silence
			p.say(to, prompt.Goodbye)
		}), Unheard,
			"line 1: silence was expected, but goodbye was heard"},
		"a code that nobody spelled": {"press {chosen}#", before(func(p *peer, to netip.AddrPort) { p.say(to, prompt.Welcome) }), Unheard,
			"line 1: chosen-code was not heard to its end; heard instead: welcome"},
		"nobody hangs up":     {"end done", nothing, Unheard, "the far end did not hang up"},
		"unknown placeholder": {"press {new}#", nothing, BadScript, "nobody said what {new} is"},
		"unknown timer":       {"wait menu", nothing, BadScript, `there is no timer "menu"`},
		"a scenario's line":   {"store verify dead", nothing, BadScript, `"store" is for the scenario tests`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c, play, out := listening(t)
			play.Patience = 1500 * time.Millisecond
			wait := road.far(p, c)
			err := play.Run(within(t, 2*patience), lines(t, road.script))
			wait()
			require.ErrorContains(t, err, road.says, out.String())
			require.Equal(t, road.outcome, OutcomeOf(err))
		})
	}
}

func TestBuiltInChange(t *testing.T) {
	codes, err := ReadCodes("codes", []byte("old: 482915\nnew: 739164\next: 4001"))
	require.NoError(t, err)
	for name, road := range map[string]struct {
		far  func(p *peer, to netip.AddrPort)
		keys string
		says string
	}{
		"own door": {func(p *peer, to netip.AddrPort) {
			p.say(to, prompt.Welcome, prompt.EnterCode)
			p.typed(7)
			p.say(to, prompt.PleaseWait, prompt.MainMenu)
			p.typed(8)
			p.say(to, "enter-new-code-6-10")
			p.typed(15)
			p.say(to, prompt.RepeatNewCode)
			p.typed(22)
			p.say(to, prompt.Changed)
		}, "482915#2739164#739164#", ""},
		"behind an attendant, other keys, another word": {func(p *peer, to netip.AddrPort) {
			p.say(to, prompt.AttendantWelcome, "option-sign-in-5")
			p.typed(1)
			p.say(to, prompt.Welcome, "enter-extension@mailbox")
			p.typed(6)
			p.say(to, "enter-code@pin")
			p.typed(13)
			p.say(to, "option-messages-1", "option-change-6")
			p.typed(14)
			p.say(to, "enter-new-code-6-10")
			p.typed(21)
			p.say(to, prompt.RepeatNewCode)
			p.typed(28)
			p.say(to, prompt.Changed)
		}, "54001#482915#6739164#739164#", ""},
		"any door, code must be changed": {func(p *peer, to netip.AddrPort) {
			p.say(to, prompt.EnterExtension)
			p.typed(5)
			p.say(to, prompt.EnterCode)
			p.typed(12)
			p.say(to, prompt.MustChange, prompt.EnterNewCode)
			p.typed(19)
			p.say(to, prompt.RepeatNewCode)
			p.typed(26)
			p.say(to, prompt.Changed)
		}, "4001#482915#739164#739164#", ""},
		"wrong code": {func(p *peer, to netip.AddrPort) {
			p.say(to, prompt.EnterCode)
			p.typed(7)
			p.say(to, prompt.WrongCode)
		}, "482915#", "option-change or enter-new-code was not heard to its end; heard instead: wrong-code"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c, play, out := listening(t)
			play.Value = codes.Value
			go road.far(p, c.Media().LocalAddr())
			begin := time.Now()
			err := play.Change(within(t, 6*patience))
			require.Equal(t, road.keys, p.presses(), out.String())
			if road.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, road.says)
			require.Less(t, time.Since(begin), patience, "a sentence that leaves the road is not waited out")
		})
	}
}

func TestCodesFile(t *testing.T) {
	codes, err := ReadCodes("codes.yaml", []byte("---\nold: 007\n\nnew: '08' # octal for some\nwrong: \"1\"\r\n"))
	require.NoError(t, err)
	for name, want := range map[string]string{"old": "007", "new": "08", "wrong": "1"} {
		got, ok := codes.Value(name)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	_, ok := codes.Value("ext")
	require.False(t, ok)
	for name, bad := range map[string]string{
		"unknown name": "pin: 1234567", "no colon": "1234567", "letters": "old: 12345x7", "empty": "old:", "twice": "old: 1\nold: 1234567",
		"too long": "old: " + strings.Repeat("1234567", 5), "too large": strings.Repeat("#1234567\n", 1000),
	} {
		_, err := ReadCodes("codes.yaml", []byte(bad))
		var problem strictyaml.Problem
		require.ErrorAs(t, err, &problem, name)
		require.NotContains(t, err.Error(), "1234567", name)
		require.NotContains(t, err.Error(), "12345x7", name)
	}
}

func TestTimelineOfEveryKind(t *testing.T) {
	var out bytes.Buffer
	l := &Timeline{W: &out, JSON: true}
	zero := time.Unix(1000, 0)
	l.Begin(zero)
	l.Pressed(zero.Add(1500*time.Millisecond), 0)
	l.Pressed(zero.Add(2*time.Second), 1)
	l.Heard(Heard{At: zero.Add(time.Second), Sound: ear.Sound{Ended: true, Heard: 800 * time.Millisecond, Among: []prompt.ID{"a", "b"}}})
	l.Heard(Heard{At: zero.Add(time.Second), Sound: ear.Sound{ID: "a", Ended: true, Heard: 800 * time.Millisecond}})
	require.Equal(t, `{"t":1.5,"event":"pressed"}
{"t":2,"event":"pressed","keys":1}
{"t":2,"event":"heard-other","text":"heard the beginning of a or b"}
{"t":2,"begin":1,"event":"heard","id":"a","complete":false,"seconds":0.8}
`, out.String())
	var texts []string
	for _, e := range l.Entries() {
		texts = append(texts, e.String())
	}
	require.Equal(t, []string{"t=1.500s pressed a code", "t=2.000s pressed 1 key", "t=2.000s heard the beginning of a or b", "t=2.000s heard a (cut at 0.8 s)"}, texts)
}
