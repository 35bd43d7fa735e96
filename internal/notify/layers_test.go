package notify

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func codeOf(t testing.TB, digits string) pin.PIN {
	t.Helper()
	code, err := pin.Parse(digits)
	require.NoError(t, err)
	return code
}

// From the call to the mail, through everything that stands between: a change, a lock by
// wrong codes, a reset.
func TestFromTheCallToTheMail(t *testing.T) {
	t.Parallel()
	ctx, o := t.Context(), backend.DefaultOptions()
	o.SQLite.Rehearsal, o.SQLite.Cost.Memory, o.SQLite.Cost.Passes = true, 8, 1
	router, err := backend.OpenAll(ctx, o.In(t.TempDir()), nil, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, router.Close()) })
	own := router.Default().(*sqldb.Store)
	chain, err := ledger.New(ctx, own.DB(), ledger.DefaultOptions(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, chain.Close()) })
	own.Keep(chain)
	guard, err := lockout.New(router, chain, lockout.DefaultOptions(), nil)
	require.NoError(t, err)
	trail, err := audit.New(guard, chain, audit.DefaultOptions(), nil)
	require.NoError(t, err)
	guard.Tell(trail)
	office := officeOn(t, kindOfOffice{})
	n, err := New(ctx, own.DB(), chain, router, mailOnly(office), slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	running, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(running) }()
	t.Cleanup(func() { stop(); <-done })

	first, second := codeOf(t, "482915"), codeOf(t, "739164")
	a, err := router.Add(ctx, mailbox.Account{Extension: "4001", Language: "fr-CA", Mail: "ada@example.test"}, first, "test")
	require.NoError(t, err)
	at := mailbox.Attempt{Door: mailbox.OwnDoor, Peer: "trunk", Source: "192.0.2.7", Caller: "4001"}
	require.Equal(t, mailbox.Proved(), trail.Change(ctx, a, first, second, at))
	n.Wake()
	in := office.mail(1)
	require.Equal(t, "ada@example.test", in.to)
	require.Contains(t, in.body(t), "le code d'accès de votre boîte vocale 4001 a été modifié.")
	require.Contains(t, in.body(t), "votre propre téléphone (trunk 192.0.2.7 4001)")

	at.Door, at.Caller = mailbox.AnyDoor, "12015550143"
	at.Withheld = true
	require.Equal(t, mailbox.Proved(), trail.Change(ctx, a, second, first, at))
	n.Wake()
	in = office.mail(2)
	require.Contains(t, in.body(t), "un autre téléphone (trunk 192.0.2.7)")
	require.NotContains(t, in.body(t), "12015550143")
	at.Withheld = false

	for range 8 {
		require.Error(t, trail.Verify(ctx, a, second, at))
	}
	n.Wake()
	in = office.mail(3)
	require.Contains(t, in.body(t), "trop de mauvais codes d'accès")
	require.Contains(t, in.body(t), "un autre téléphone (trunk 192.0.2.7 12015550143)")

	require.NoError(t, trail.Administer(ctx, audit.Reset, a, "eve", "forgotten", func(ctx context.Context) error {
		return router.Reset(ctx, a, first, true, "eve", "forgotten").Failed("reset")
	}))
	n.Wake()
	require.Contains(t, office.mail(4).body(t), "un administrateur (eve)")
	require.Len(t, office.got(), 4)
}
