package webhook

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

func keyFile(t testing.TB, key string) secret.Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(key+"\n"), 0o600))
	return secret.Source{File: file}
}

// A key is replaced while both sides run: nobody is refused at any step.
func TestKeysAreReplacedWithoutARefusal(t *testing.T) {
	t.Parallel()
	const next = "another-key-for-next-year"
	f := fake.New(t)
	both, fresh := optionsFor(f), optionsFor(f)
	fresh.Keys = []Key{{ID: "k2", Secret: keyFile(t, next)}}
	both.Keys = append(both.Keys, fresh.Keys...)
	ask := func(o Options) error {
		_, err := openOn(t, o).Lookup(t.Context(), mailbox.Query{Number: "4001"})
		return err
	}
	require.NoError(t, ask(optionsFor(f)), "the old key alone")
	require.NoError(t, ask(both), "both here, the old one there")
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(ask(fresh)), "too early")
	f.SetKeys(map[string]string{fake.KeyID: fake.Key, "k2": next})
	require.NoError(t, ask(both))
	f.SetKeys(map[string]string{"k2": next})
	require.NoError(t, ask(both), "both here, the new one there")
	require.NoError(t, ask(fresh), "the new key alone")
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(ask(optionsFor(f))), "the old key is worth nothing")
}

func TestARefusedSignatureSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for skew, want := range map[time.Duration]string{
		0: "compare the keys", 4 * time.Minute: "compare the keys", 6 * time.Minute: "set both clocks", -time.Hour: "set both clocks",
	} {
		f := fake.New(t)
		f.Skew = skew
		f.SetKeys(map[string]string{fake.KeyID: "a key that is not the same one"})
		_, err := openOn(t, optionsFor(f)).Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
		require.ErrorContains(t, err, want, "%v", skew)
	}
}

// The fake's clock decides: what was signed long ago, or will be, is not let in.
func TestOldSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	for off, want := range map[time.Duration]mailbox.Code{
		0: mailbox.OK, 4 * time.Minute: mailbox.OK, -4 * time.Minute: mailbox.OK,
		6 * time.Minute: mailbox.ServiceRefused, -6 * time.Minute: mailbox.ServiceRefused,
	} {
		f := fake.New(t)
		s := openOn(t, optionsFor(f))
		s.now = func() time.Time { return time.Now().Add(off) }
		_, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.Equal(t, want, mailbox.CodeOf(err), "%v", off)
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	f := fake.New(t)
	for want, source := range map[string]secret.Source{
		"keys[0].secret has fewer than 16 bytes": keyFile(t, "short"),
		"keys[0].secret: the secret's file":      {File: filepath.Join(t.TempDir(), "none")},
	} {
		o := optionsFor(f)
		o.Keys = []Key{{ID: "k1", Secret: source}}
		b, err := o.Open(t.Context())
		require.ErrorContains(t, err, want)
		require.True(t, b == nil, "no Backend that is there and is none")
	}
}
