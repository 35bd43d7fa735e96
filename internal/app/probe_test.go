package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"star97/internal/backend"
	"star97/internal/backend/unity/fake"
	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/probe"
	"star97/internal/script"
	"star97/internal/script/stage"
	"star97/internal/secret"
)

// pilot asks a house that is somebody else's voicemail, where callers interrupt.
func pilot(t testing.TB, far *house) probe.Options {
	o := probe.DefaultOptions()
	o.URI, o.Local = "sip:*98@"+far.addr, "127.0.0.1"
	o.Script = []probe.Step{
		{Until: "greeting", AtMost: 2500 * time.Millisecond, Press: "{extension}#"},
		{Until: "code", AtMost: 2500 * time.Millisecond, Press: "{code}#"},
	}
	o.Key, o.Gap, o.Listen, o.Within = 60*time.Millisecond, 60*time.Millisecond, 3*time.Second, 20*time.Second
	o.Fingerprints = filepath.Join(t.TempDir(), "pilot.json")
	return o
}

// learn teaches a probe the sentences of the house that it calls.
func learn(t testing.TB, o probe.Options) {
	free := occupy()
	defer free()
	known, apart, err := probe.Learn(t.Context(), o, probe.Lesson{Extension: "4001", Times: 2, Tell: func(s string) { t.Log(s) }},
		code(t, codes["old"]), code(t, codes["wrong"]))
	require.NoError(t, err, "%v", apart)
	require.Equal(t, []string{"code", "greeting", "right", "wrong"}, known.Names())
	require.NoError(t, known.Write(o.Fingerprints))
}

// Another one's voicemail, whose own menu tells right from wrong, checks the codes of a
// store that cannot, and a caller changes one.
func TestAProbeChecksTheCodesOfAStoreThatCannot(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		far := newHouse(t)
		far.add("4001", codes["old"], mailbox.Flags{})
		far.add("4002", codes["old"], mailbox.Flags{})
		far.add("4003", codes["old"], mailbox.Flags{MustChange: true})
		o := pilot(t, far)
		var unsure error
		for range 3 { // a busy machine may spoil what is learned or heard
			learn(t, o)
			if unsure = checks(t, o); unsure == nil {
				break
			}
		}
		require.NoError(t, unsure)

		system := fake.New(t)
		id := system.Put(fake.Mailbox{Extension: "4001", Alias: "aexample"}, code(t, codes["old"]))
		near := openHouse(t, func(c *config.Config) {
			c.Probes["pilot"] = o
			c.Call.StoreDeadline = 30 * time.Second
			c.Store.Driver = "unity"
			c.Store.Unity.API.URL, c.Store.Unity.API.TLS.CAFile = system.URL, system.CAFile
			c.Store.Unity.User, c.Store.Unity.Password = fake.User, secret.Source{File: system.LoginFile}
			c.Store.Verify = backend.Verify{By: "probe", Name: "pilot"}
		})
		lines, err := script.Parse("wrong", []byte("press {wrong}#\nhear wrong-code\nhangup\n"))
		require.NoError(t, err)
		surely(t, near, func(p *caller.Player) error { return p.Run(t.Context(), lines) })
		require.True(t, system.Has(id, code(t, codes["old"])))
		surely(t, near, func(p *caller.Player) error { return p.Change(t.Context()) })
		require.True(t, system.Has(id, code(t, codes["new"])))
	})
}

// checks asks a probe of codes. The error is that of a verdict that was not sure.
func checks(t testing.TB, o probe.Options) error {
	p, err := probe.Open("pilot", o)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	for _, one := range []struct {
		extension, digits string
		says              mailbox.Code
	}{
		{"4002", codes["old"], mailbox.OK},
		{"4002", codes["wrong"], mailbox.WrongPIN},
		{"4003", codes["old"], mailbox.OutcomeUnknown}, // is told to choose a new code: nothing learned
	} {
		free := occupy()
		err := p.Verify(t.Context(), mailbox.Account{ID: "x", Extension: one.extension}, code(t, one.digits), mailbox.Attempt{})
		free()
		if got := mailbox.CodeOf(err); got != one.says {
			require.Equal(t, mailbox.OutcomeUnknown, got, "%v", err)
			return err
		}
	}
	return nil
}

// surely plays a call, and again where the probe behind it was not sure.
func surely(t testing.TB, near *house, play func(*caller.Player) error) {
	var err error
	for range 3 {
		free := occupy()
		t.Cleanup(free)
		call, failed := caller.Dial(t.Context(), near.phone("*97", "4001"))
		require.NoError(t, failed)
		t.Cleanup(call.Close)
		err = play(&caller.Player{Call: call, Patience: callertest.Patience, Value: stage.Value("4001")})
		free()
		if err == nil {
			return
		}
	}
	require.NoError(t, err)
}

// What the far end does that is no answer is never taken for one: a sentence of the way
// that does not come is told before the code is typed, and a hang-up after it leaves
// everything open.
func TestAProbeTakesNothingElseForAnAnswer(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		far := openHouse(t, func(c *config.Config) { c.Drain = time.Second })
		far.add("4001", codes["old"], mailbox.Flags{})
		o := pilot(t, far)
		learn(t, o)
		ask := func(o probe.Options) error {
			p, err := probe.Open("pilot", o)
			require.NoError(t, err)
			defer p.Close()
			defer occupy()()
			return p.Verify(t.Context(), mailbox.Account{ID: "x", Extension: "4001"}, code(t, codes["old"]), mailbox.Attempt{})
		}
		odd := o
		odd.Script = slices.Clone(o.Script)
		odd.Script[1].Until, odd.Script[1].AtMost = "greeting", time.Second
		err := ask(odd)
		require.ErrorIs(t, err, mailbox.Unavailable)
		require.ErrorContains(t, err, "the sentence greeting was not heard within 1s")

		asked := far.faults.Count("verify")
		far.faults.Queue("verify", "slow", "6s")
		o.Listen = 20 * time.Second
		answer := make(chan error, 1)
		// The call: started here; stops when the far end has hung up.
		go func() { answer <- ask(o) }()
		require.Eventually(t, func() bool { return far.faults.Count("verify") > asked }, patience, 10*time.Millisecond)
		far.stop()
		err = <-answer
		require.ErrorIs(t, err, mailbox.OutcomeUnknown)
		require.ErrorContains(t, err, "the voicemail system hung up")
	})
}

// Two hundred right codes, wrong ones and answers that are neither, and no verdict is
// wrong; STAR97_LONG alone has the time.
func TestAProbeIsNeverWrong(t *testing.T) {
	const tries = 200
	if os.Getenv("STAR97_LONG") == "" {
		t.Skip("it takes a quarter of an hour: set STAR97_LONG")
	}
	far := openHouse(t, func(c *config.Config) {
		c.Media.PortMin, c.Media.PortMax = reserve(16)
		l := &c.Lockout
		l.SourcePerHour, l.UnknownPerHour, l.SourceMailboxes, l.UnknownMailboxes, l.MailboxPerHour = 1000, 1000, 1000, 1000, 100
	})
	far.add("4001", codes["old"], mailbox.Flags{})
	const boxes = 20 // of each kind: a right code forgives the wrong ones before it
	for i := range boxes {
		far.add(fmt.Sprint(4100+i), codes["old"], mailbox.Flags{})
		far.add(fmt.Sprint(4200+i), codes["old"], mailbox.Flags{MustChange: true}) // whose answer nobody has learned
	}
	o := pilot(t, far)
	learn(t, o)
	p, err := probe.Open("pilot", o)
	require.NoError(t, err)
	var mu sync.Mutex
	heard := map[string]map[mailbox.Code]int{"right": {}, "wrong": {}, "unclear": {}}
	var all errgroup.Group
	all.SetLimit(o.Calls)
	for i := range tries {
		right, unclear := fmt.Sprint(4100+i%boxes), fmt.Sprint(4200+i%boxes)
		for _, c := range []struct{ kind, extension, digits string }{
			{"wrong", right, codes["wrong"]}, {"right", right, codes["old"]}, {"unclear", unclear, codes["old"]},
		} {
			// One call: started here; stops when it is answered.
			all.Go(func() error {
				err := p.Verify(t.Context(), mailbox.Account{ID: "x", Extension: c.extension}, code(t, c.digits), mailbox.Attempt{})
				for errors.Is(err, mailbox.Busy) { // a call before is still hanging up
					time.Sleep(200 * time.Millisecond)
					err = p.Verify(t.Context(), mailbox.Account{ID: "x", Extension: c.extension}, code(t, c.digits), mailbox.Attempt{})
				}
				mu.Lock()
				defer mu.Unlock()
				heard[c.kind][mailbox.CodeOf(err)]++
				return nil
			})
		}
	}
	require.NoError(t, all.Wait())
	require.NoError(t, p.Close())
	t.Log(heard)
	for kind, never := range map[string][]mailbox.Code{
		"right": {mailbox.WrongPIN, mailbox.Locked}, "wrong": {mailbox.OK, mailbox.Locked}, "unclear": {mailbox.OK, mailbox.WrongPIN, mailbox.Locked},
	} {
		for _, c := range never {
			require.Zero(t, heard[kind][c], "%s taken for %v", kind, c)
		}
	}
	require.GreaterOrEqual(t, heard["right"][mailbox.OK], tries*9/10)
	require.GreaterOrEqual(t, heard["wrong"][mailbox.WrongPIN], tries*9/10)
}
