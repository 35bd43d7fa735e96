package app

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/script/stage"
	"star97/internal/uas"
)

// A service that gives up while a change is in flight ends only when the change and
// its record are made: whoever runs it closes the stores next.
func TestAChangeInFlightIsFinishedHoweverTheServiceEnds(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		c := config.Default()
		c.SIP.Listen = []uas.Listen{{Network: "udp", Address: "127.0.0.1:0"}}
		c.Media.PortMin, c.Media.PortMax = reserve(portPairs)
		c.Store = rehearsed()
		c.Plan = dialplan.Default()
		f := new(stage.Answers)
		s := openFaulty(t, c, furnished(t), f, nil)
		a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001"}, code(t, "482915"), "test")
		require.NoError(t, err)
		f.Queue("change", "slow", "2s")
		failed := errors.New("the ready line cannot be written")
		voice, known := sounds()
		err = newService(c, s, Options{Voice: voice, Log: slog.New(slog.DiscardHandler), Ready: func(r Ready) error {
			p := dial(t, caller.Options{
				URI: fmt.Sprintf("sip:*97@%s", r.Listening[0].Addr), From: "4001", Listen: "127.0.0.1", Ear: known,
				Press: caller.Press{Length: 60 * time.Millisecond, Gap: 60 * time.Millisecond},
			})
			p.Press("482915#2739164#739164#")
			require.Eventually(t, func() bool { return f.Count("change") == 1 }, patience, 10*time.Millisecond)
			return failed
		}}).serve(t.Context())
		require.ErrorIs(t, err, failed)
		require.True(t, f.Idle())
		require.NoError(t, s.Backend.Verify(t.Context(), a, code(t, "739164"), mailbox.Attempt{}))
		all := records(t, s)
		last := all[len(all)-1]
		require.Equal(t, audit.Change, last.Action)
		require.Equal(t, audit.Ended, last.Stage)
		require.Equal(t, mailbox.Done, last.Outcome)
		require.NoError(t, s.Close())
	})
}
