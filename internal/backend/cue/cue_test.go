package cue

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/backend/cue/fake"
	"star97/internal/pin"
	"star97/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sourceOf(t testing.TB, value string) secret.Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(value+"\n"), 0o600))
	return secret.Source{File: file}
}

// settings are options for the fake that see at once what is altered there.
func settings(t testing.TB, f *fake.Server) Options {
	o := DefaultOptions()
	o.Address, o.HostKey = f.Addr, f.HostKey
	o.User, o.Password = fake.User, sourceOf(t, fake.Password)
	o.MissPause, o.Timeout, o.BreakAfter = 0, 10*time.Second, 100
	return o
}

// openStore opens a store that does not read the users before it is asked to.
func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func digitsOf(code pin.PIN) (digits string) {
	code.Reveal(func(d []byte) { digits = string(d) })
	return digits
}
