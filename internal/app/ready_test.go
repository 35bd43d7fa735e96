package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

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
