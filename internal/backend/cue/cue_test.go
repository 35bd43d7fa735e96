package cue

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(relayTo); addr != "" {
		os.Exit(relay(addr))
	}
	os.Exit(conformance.Main(m))
}

// settings are options for the fake that see at once what is altered there.
func settings(t testing.TB, f *fake.Server) Options {
	o := DefaultOptions()
	o.Address, o.HostKey = f.Addr, f.HostKey
	o.User, o.Password = fake.User, conformance.Secret(t, fake.Password)
	o.MissPause, o.BreakAfter = 0, 100
	o.Timeout, o.Connect = 30*time.Second, time.Minute // a busy machine is no trouble
	return o
}

// openStore opens a store that does not read the users before it is asked to.
func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := open(o)
	require.NoError(t, err)
	s.pace = pace{calm: 10 * time.Millisecond, renamed: 100 * time.Millisecond, nudge: 200 * time.Millisecond}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func code(t testing.TB, digits string) pin.PIN { return conformance.Code(t, digits) }

// patient is a context that a busy machine can keep to.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func find(t testing.TB, s *Store, number string) []mailbox.Account {
	t.Helper()
	found, err := s.Lookup(patient(t), mailbox.Query{Number: number})
	require.NoError(t, err)
	return found
}

const first, second = "482915", "739164"

func change(t testing.TB, s *Store, a mailbox.Account, next string) mailbox.Result {
	t.Helper()
	return s.Change(patient(t), a, code(t, first), code(t, next), mailbox.Attempt{})
}
