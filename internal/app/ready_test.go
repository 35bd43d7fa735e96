package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/console"
	"star97/internal/mailbox"
	"star97/internal/uas"
)

// What a voicemail system says in its errors, addresses and accounts among it, is for
// the log and not for whoever may ask for /readyz.
func TestReadinessShowsTheKindOfATroubleAndTheLogTheRest(t *testing.T) {
	var log bytes.Buffer // written before the answer that it is about
	r := &readiness{log: slog.New(slog.NewTextHandler(&log, nil))}
	r.server.Store(new(uas.Server))
	var trouble error
	r.store = console.NewProbe(probeWithin, 0, r.told("store", func(context.Context) error { return trouble }))
	r.ledger = console.NewProbe(probeWithin, 0, r.told("ledger", func(context.Context) error { return trouble }))
	require.Empty(t, r.reasons(t.Context()))

	trouble = mailbox.Fail("lookup", mailbox.Throttled, errors.New("https://admin:pass@pbx.example answered 429"))
	for range 2 {
		require.Equal(t, []console.Reason{
			{Word: "store", Class: "throttled", Text: "The voicemail system cannot be asked; the log says why."},
			{Word: "ledger", Class: "throttled", Text: "Tries cannot be counted, so no code is looked at; the log says why."},
		}, r.reasons(t.Context()))
	}
	require.Equal(t, 2, strings.Count(log.String(), "star97 is not ready"), log.String())
	require.Equal(t, 2, strings.Count(log.String(), "pbx.example answered 429"), log.String())
	trouble = nil
	require.Empty(t, r.reasons(t.Context()))
	require.Equal(t, 2, strings.Count(log.String(), "star97 is ready again"), log.String())
}

// The question of a peer asks nobody: what is known is told, and that is looked after behind.
func TestHealthIsLostAfterAWhileAndFoundAgainByItself(t *testing.T) {
	var trouble atomic.Pointer[error]
	var asked atomic.Int64
	ask := func(context.Context) error {
		asked.Add(1)
		if err := trouble.Load(); err != nil {
			return *err
		}
		return nil
	}
	r := &readiness{every: time.Millisecond, doubted: make(chan struct{}, 1)}
	r.store, r.ledger = console.NewProbe(probeWithin, 0, ask), console.NewProbe(probeWithin, time.Hour, ask)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	const long = time.Hour
	require.True(t, r.healthy(0), "nothing is known yet")
	require.Eventually(t, func() bool { return asked.Load() >= 2 }, patience, time.Millisecond)
	away := errors.New("away")
	trouble.Store(&away)
	require.Eventually(t, func() bool { return !r.healthy(0) }, patience, time.Millisecond)
	require.True(t, r.healthy(long), "not for so long yet")
	trouble.Store(nil)
	require.Eventually(t, func() bool { return r.down.Load() == 0 }, patience, time.Millisecond, "without being asked for it")
	require.True(t, r.healthy(0))
}
