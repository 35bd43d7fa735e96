package app

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/codec"
	"star97/internal/mailbox"
	"star97/internal/prompt"
	"star97/internal/script/stage"
)

// Each way alone and all of them at once: one press is one key.
func TestACodeIsChangedByEachWayOfKeys(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		caller.Keys
		codec codec.ID
	}{{caller.Events, codec.PCMA}, {caller.Info, codec.PCMU}, {caller.Both, codec.PCMU}, {caller.All, codec.PCMU}, {caller.All, codec.G722}} {
		t.Run(way.Keys.String()+", "+way.codec.String(), func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				h := newHouse(t)
				a := h.add("4001", "112211", mailbox.Flags{})
				o := h.phone("*97", "4001")
				o.Keys, o.Codecs = way.Keys, []codec.ID{way.codec}
				p := dial(t, o)
				p.Press("112211#") // twice the same: none is swallowed
				p.Hear(prompt.MainMenu)
				p.Press("2")
				p.Hear("enter-new-code-6-10")
				p.Press("7755335#")
				p.Hear(prompt.RepeatNewCode)
				p.Press("7755335#")
				p.Hear(prompt.Changed)
				p.Hangup()
				require.True(t, h.inForce(a, "7755335"))
			})
		})
	}
}

// A code is changed by tones alone, in each codec, from telephones with and without
// telephone-event, and where the network loses packets.
func TestACodeIsChangedByTones(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		codec    codec.ID
		loss     float64 // of the packets of keys
		noEvents bool
	}{
		"PCMU":                     {codec.PCMU, 0, true},
		"PCMA, events were agreed": {codec.PCMA, 0, false},
		"PCMU, a twentieth lost":   {codec.PCMU, 0.05, true},
		"PCMA, a twentieth lost":   {codec.PCMA, 0.05, true},
		"G722":                     {codec.G722, 0, true},
		"G722, a twentieth lost":   {codec.G722, 0.05, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				h := newHouse(t)
				a := h.add("4001", codes["old"], mailbox.Flags{})
				o := h.phone("*97", "4001")
				o.Codecs, o.Keys, o.NoEvents = []codec.ID{c.codec}, caller.Inband, c.noEvents
				o.Press = caller.Press{Length: 100 * time.Millisecond, Gap: 80 * time.Millisecond}
				network := rand.New(rand.NewPCG(1, uint64(c.codec)))
				o.Press.Lose = func(int, bool) bool { return network.Float64() < c.loss }
				defer occupy()()
				p, err := caller.Dial(t.Context(), o)
				require.NoError(t, err)
				defer p.Close()
				require.Equal(t, c.codec, p.Agreed().Codec)
				line := new(strings.Builder)
				player := &caller.Player{Call: p, Patience: callertest.Patience, Value: stage.Value("4001"), Timeline: &caller.Timeline{W: line}}
				err = player.Change(t.Context())
				require.NoError(t, err, "%s", line)
				require.NoError(t, p.Hangup(t.Context()))
				require.True(t, h.inForce(a, codes["new"]))
				record, ended := h.log.end(p.CallID(), patience)
				require.True(t, ended)
				require.Equal(t, "tone", record["keys"])
			})
		})
	}
}
