package app

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend"
	"star97/internal/backend/unity/fake"
	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/probe"
	"star97/internal/prompt"
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
		free := occupy()
		known, apart, err := probe.Learn(t.Context(), o, probe.Lesson{Extension: "4001", Times: 2, Tell: func(s string) { t.Log(s) }},
			code(t, codes["old"]), code(t, codes["wrong"]))
		free()
		require.NoError(t, err, "%v", apart)
		require.Equal(t, []string{"code", "greeting", "right", "wrong"}, known.Names())
		require.NoError(t, known.Write(o.Fingerprints))

		p, err := probe.Open("pilot", o)
		require.NoError(t, err)
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
			require.Equal(t, one.says, mailbox.CodeOf(err), "%v", err)
		}
		require.NoError(t, p.Close())

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
		call := dial(t, near.phone("*97", "4001"))
		call.Press(codes["wrong"] + "#")
		call.Hear(prompt.WrongCode)
		call.Hangup()
		require.True(t, system.Has(id, code(t, codes["old"])))

		second, err := caller.Dial(t.Context(), near.phone("*97", "4001"))
		require.NoError(t, err)
		t.Cleanup(second.Close)
		player := &caller.Player{Call: second, Patience: callertest.Patience, Value: stage.Value("4001")}
		require.NoError(t, player.Change(t.Context()))
		require.True(t, system.Has(id, code(t, codes["new"])))
	})
}
