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

	"star97/internal/backend"
	axlfake "star97/internal/backend/axl/fake"
	broadworksfake "star97/internal/backend/broadworks/fake"
	"star97/internal/backend/conformance/trouble"
	cuefake "star97/internal/backend/cue/fake"
	netsapiensfake "star97/internal/backend/netsapiens/fake"
	unityfake "star97/internal/backend/unity/fake"
	webexfake "star97/internal/backend/webex/fake"
	"star97/internal/backend/webhook"
	webhookfake "star97/internal/backend/webhook/fake"
	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/prompt"
	"star97/internal/script"
	"star97/internal/script/stage"
	"star97/internal/secret"
)

// system is a voicemail system with the mailbox 4001, for a house that changes codes there.
type system struct {
	configure func(*config.Config)
	has       func(code string) bool // what is in its memory
	orders    *trouble.Orders
	noHistory bool // it takes a code of before
}

// systems open one of each kind; flags are those of its mailbox.
var systems = map[string]func(t testing.TB, f mailbox.Flags) system{
	"unity, codes checked by axl": openUnity,
	"axl":                         openAXL,
	"cue, codes checked by axl":   openCUE,
	"netsapiens":                  openNetSapiens,
	"broadworks":                  openBroadWorks,
	"webex, codes checked by axl": openWebex,
	"webhook":                     openWebhook,
}

const oldCode = "739152" // {old} of the scripts

func openAXL(t testing.TB, f mailbox.Flags) system {
	server := axlfake.New(t)
	id := server.Put(axlfake.Person{Extension: "4001", Status: 1, CantChange: f.CannotChange}, code(t, oldCode))
	return system{
		configure: func(c *config.Config) { c.Store.Driver = "axl"; reachAXL(&c.Store, server) },
		has:       func(digits string) bool { return server.Has(id, code(t, digits)) },
		orders:    server.Orders(),
	}
}

func reachAXL(o *backend.Options, server *axlfake.Server) {
	o.AXL.API.URL, o.AXL.API.TLS.CAFile = server.URL, server.CAFile
	o.AXL.User, o.AXL.Password = axlfake.User, secret.Source{File: server.LoginFile}
	o.AXL.Lag = 0 // it has no cache
}

// checkedByAXL has the codes of a user checked by another system, as where codes are kept
// in step.
func checkedByAXL(t testing.TB, user string, configure func(*config.Config)) func(*config.Config) {
	checker := axlfake.New(t)
	checker.Put(axlfake.Person{Extension: "4001", Status: 1, ID: user}, code(t, oldCode))
	return func(c *config.Config) {
		cucm := backend.DefaultOptions()
		cucm.Driver = "axl"
		reachAXL(&cucm, checker)
		c.Stores = map[string]backend.Options{"cucm": cucm}
		c.Store.Verify = backend.Verify{By: "store", Name: "cucm"}
		configure(c)
	}
}

func openUnity(t testing.TB, f mailbox.Flags) system {
	server := unityfake.New(t)
	id := server.Put(unityfake.Mailbox{Extension: "4001", Alias: "ann", CantChange: f.CannotChange}, code(t, oldCode))
	return system{
		configure: checkedByAXL(t, "ann", func(c *config.Config) {
			c.Store.Driver = "unity"
			o := &c.Store.Unity
			o.API.URL, o.API.TLS.CAFile = server.URL, server.CAFile
			o.User, o.Password = unityfake.User, secret.Source{File: server.LoginFile}
			o.TimeZone = "UTC"
		}),
		has:       func(digits string) bool { return server.Has(id, code(t, digits)) },
		orders:    server.Orders(),
		noHistory: true, // the checker has the code of before, which is not what this is about
	}
}

func openCUE(t testing.TB, f mailbox.Flags) system {
	noFlag(t, f)
	server := cuefake.New(t, cuefake.Settings{})
	a := server.Put(mailbox.Account{Extension: "4001", User: "ann"}, oldCode)
	return system{
		configure: checkedByAXL(t, "ann", func(c *config.Config) {
			c.Store.Driver = "cue"
			o := &c.Store.CUE
			o.Address, o.HostKey = server.Addr, server.HostKey
			o.User, o.Password = cuefake.User, kept(t, cuefake.Password)
		}),
		has:       func(digits string) bool { return server.Has(a.ID, digits) },
		orders:    server.Orders(),
		noHistory: true,
	}
}

func openWebex(t testing.TB, f mailbox.Flags) system {
	noFlag(t, f)
	server := webexfake.New(t)
	a := server.Put(mailbox.Account{Extension: "4001"}, code(t, oldCode))
	return system{
		configure: checkedByAXL(t, a.User, func(c *config.Config) {
			c.Store.Driver = "webex"
			o := &c.Store.Webex
			o.API.URL, o.API.TLS.CAFile = server.Base(), server.CAFile
			o.ClientID, o.ClientSecret, o.RefreshToken = webexfake.ClientID, kept(t, webexfake.ClientSecret), kept(t, webexfake.RefreshToken)
		}),
		has:       func(digits string) bool { return server.Has(a.ID, code(t, digits)) },
		orders:    server.Orders(),
		noHistory: true,
	}
}

func openBroadWorks(t testing.TB, f mailbox.Flags) system {
	noFlag(t, f)
	server := broadworksfake.New(t, broadworksfake.Settings{}, trouble.NewCert(t, trouble.Good))
	a := server.Put(mailbox.Account{Extension: "4001"}, codeBefore(f))
	return system{
		configure: func(c *config.Config) {
			c.Store.Driver = "broadworks"
			o := &c.Store.BroadWorks
			o.Line.Server, o.Line.TLS.CAFile = server.Addr, server.CAFile
			o.User, o.Password = broadworksfake.User, kept(t, broadworksfake.Password)
			o.ServiceProvider, o.Group = broadworksfake.ServiceProvider, broadworksfake.Group
		},
		has:       func(digits string) bool { return server.Has(a.ID, digits) },
		orders:    server.Orders(),
		noHistory: true,
	}
}

func openWebhook(t testing.TB, f mailbox.Flags) system {
	server := webhookfake.New(t)
	a := server.Put(mailbox.Account{Extension: "4001", Flags: f}, code(t, codeBefore(f)))
	return system{
		configure: func(c *config.Config) {
			c.Store.Driver = "webhook"
			o := &c.Store.Webhook
			o.API.URL, o.API.TLS.CAFile = server.URL, server.CAFile
			o.Keys = []webhook.Key{{ID: webhookfake.KeyID, Secret: secret.Source{File: server.KeyFile}}}
		},
		has:       func(digits string) bool { return server.Has(a.ID, code(t, digits)) },
		orders:    server.Orders(),
		noHistory: true,
	}
}

// noFlag skips what is about a mailbox whose code cannot be changed.
func noFlag(t testing.TB, f mailbox.Flags) {
	if f.CannotChange {
		t.Skip("the system has no such flag")
	}
}

// codeBefore is the mailbox's, which has none if its flags say so.
func codeBefore(f mailbox.Flags) string {
	if f.NoCode {
		return ""
	}
	return oldCode
}

// kept is where a secret is.
func kept(t testing.TB, text string) secret.Source {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return secret.Source{File: name}
}

func openNetSapiens(t testing.TB, f mailbox.Flags) system {
	noFlag(t, f)
	server, configure := reachNetSapiens(t)
	a := server.Put(mailbox.Account{Extension: "4001", Domain: "north.example"}, codeBefore(f))
	return system{
		configure: configure,
		has:       func(digits string) bool { return server.Has(a.ID, digits) },
		orders:    server.Orders(),
		noHistory: true,
	}
}

func reachNetSapiens(t testing.TB) (*netsapiensfake.Server, func(*config.Config)) {
	server := netsapiensfake.New(t, netsapiensfake.Settings{})
	key := kept(t, netsapiensfake.Key)
	return server, func(c *config.Config) {
		c.Store.Driver = "netsapiens"
		o := &c.Store.NetSapiens
		o.API.URL, o.API.TLS.CAFile = server.Base(), server.CAFile
		o.Domain, o.Key = "north.example", key
	}
}

// play makes a call to a house with the system, by the lines of a script.
func (s system) play(t testing.TB, text string) {
	t.Helper()
	call := newScenario(t)
	call.open = func(alter func(*config.Config)) *house {
		return openHouse(t, func(c *config.Config) { alter(c); s.configure(c) })
	}
	require.NoError(t, call.run(stage.Lines(t, text)), "the call was:\n%s", call.timeline)
	call.stop()
}

// eachSystem runs a test with every kind of system.
func eachSystem(t *testing.T, f mailbox.Flags, run func(t testing.TB, s system)) {
	t.Parallel()
	earOf(tagsOf([]script.Line{}))
	for name, open := range systems {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) { run(t, open(t, f)) })
		})
	}
}

func TestACodeIsChangedInEverySystem(t *testing.T) {
	eachSystem(t, mailbox.Flags{}, func(t testing.TB, s system) {
		s.play(t, "press {old}#2{new}#{new}#\nhear changed option-change-2\npress *\nend goodbye")
		require.True(t, s.has("482915"), "the new code")
		require.False(t, s.has(oldCode))
	})
}

func TestAWrongCodeIsWrongInEverySystem(t *testing.T) {
	eachSystem(t, mailbox.Flags{}, func(t testing.TB, s system) {
		s.play(t, "press {wrong}#\nhear wrong-code\npress {old}#\nhear option-change-2\npress *\nend goodbye")
		require.True(t, s.has(oldCode))
	})
}

// A system with a history refuses the code of before, and the caller hears why.
func TestWhatASystemRefusesIsSaidWithItsReason(t *testing.T) {
	eachSystem(t, mailbox.Flags{}, func(t testing.TB, s system) {
		if s.noHistory {
			t.Skip("it takes a code of before")
		}
		s.play(t, "press {old}#2{new}#{new}#\nhear changed option-change-2\npress 2{old}#{old}#\n"+
			"hear refused-history old-code-works enter-new-code-6-10\npress * *\nend goodbye")
		require.True(t, s.has("482915"), "the change before that")
	})
}

func TestWhoCannotChangeHearsIt(t *testing.T) {
	eachSystem(t, mailbox.Flags{CannotChange: true}, func(t testing.TB, s system) {
		s.play(t, "press {old}#\nhear option-change-2\npress 2\nhear cannot-change option-change-2\npress *\nend goodbye")
		require.True(t, s.has(oldCode))
	})
}

// A first code is set where the system has mailboxes without one, though it cannot be asked
// to change what is not there.
func TestAFirstCodeIsSetInEverySystemThatHasNone(t *testing.T) {
	t.Parallel()
	earOf(tagsOf([]script.Line{}))
	for _, name := range []string{"netsapiens", "broadworks", "webhook"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				s := systems[name](t, mailbox.Flags{NoCode: true})
				s.play(t, "given first-use\nhear first-use enter-new-code-6-10\npress {new}#\nhear repeat-new-code\npress {new}#\n"+
					"hear changed option-change-2\npress *\nend goodbye")
				require.True(t, s.has("482915"))
			})
		})
	}
}

// Nothing is known of a system that does not answer, and nothing is claimed.
func TestADeadSystemIsToldHonestly(t *testing.T) {
	eachSystem(t, mailbox.Flags{}, func(t testing.TB, s system) {
		s.orders.Give(trouble.Any, trouble.Order{Kind: trouble.CutBefore, Times: trouble.Always})
		s.play(t, "hear unavailable goodbye\nhear-not changed\nend unavailable")
		require.True(t, s.has(oldCode))
	})
}

// Callers who wait for a system that takes two seconds for each answer hear "one moment"
// and then their menu; nobody misses a packet. Ten in a hundred are listened to: what all
// hear is the same, and listening costs more than speaking.
func TestASlowSystemDisturbsNobodysAudio(t *testing.T) {
	t.Parallel()
	const callers = 4 * alike
	callertest.InTime(t, func(t testing.TB) {
		server, configure := reachNetSapiens(t)
		for i := range callers {
			server.Put(mailbox.Account{Extension: fmt.Sprint(4001 + i), Domain: "north.example"}, oldCode)
		}
		server.Orders().Give(netsapiensfake.OpRead, trouble.Order{Kind: trouble.Slow, Delay: 2 * time.Second, Times: trouble.Always})
		h := openHouse(t, func(c *config.Config) {
			configure(c)
			c.Store.NetSapiens.API.Concurrent = callers
			c.Media.PortMin, c.Media.PortMax = reserve(callers + portPairs)
		})
		waited := make([]error, callers)
		var all sync.WaitGroup
		for i := range callers {
			o := h.phone("*97", fmt.Sprint(4001+i))
			if i%10 > 0 {
				o.Ear = nil
			}
			time.Sleep(apart / 2)
			// One caller: started here; stops when the call has ended.
			all.Go(func() { waited[i] = waitPatiently(t, o) })
		}
		all.Wait()
		require.NoError(t, errors.Join(waited...))
	})
}

// waitPatiently is a caller who gives the right code and hangs up in the menu.
func waitPatiently(t testing.TB, o caller.Options) error {
	c, err := caller.Dial(t.Context(), o)
	if err != nil {
		return err
	}
	defer c.Close()
	callertest.Heed(t, c)
	if err := c.Press(t.Context(), oldCode+"#"); err != nil {
		return err
	}
	if o.Ear == nil {
		time.Sleep(10 * time.Second) // as long as the others take to hear their menu
	} else {
		p := &caller.Player{Call: c, Patience: patience}
		p.Begin()
		defer p.Finish()
		if err := p.Do(t.Context(), stage.Lines(t, "hear option-change-2")[0]); err != nil {
			return err
		}
		// The answer may come while "one moment" is spoken, and cuts it.
		if !slices.ContainsFunc(c.Media().Heard(), func(h caller.Heard) bool { return h.ID == prompt.PleaseWait }) {
			return errors.New("the caller was kept waiting without a word")
		}
	}
	if err := c.Hangup(t.Context()); err != nil {
		return err
	}
	if s := c.Media().Stats(); s.Lost > 0 || s.BeforeAck > 0 || s.Received < 50*4 {
		return fmt.Errorf("the audio was not whole: %+v", s)
	}
	return nil
}
