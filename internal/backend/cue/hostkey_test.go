package cue

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"star97/internal/backend/conformance"
	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// A server is known by its key and by nothing else, and a key is not trusted because it
// is the first one.
func TestHostKeys(t *testing.T) {
	t.Parallel()
	three := []string{ssh.KeyAlgoRSA, ssh.KeyAlgoECDSA256, ssh.KeyAlgoED25519}
	other := fake.New(t, fake.Settings{})
	known := func(lines string) func(*Options, *fake.Server) {
		return func(o *Options, _ *fake.Server) {
			o.HostKey, o.KnownHosts = "", filepath.Join(t.TempDir(), "known_hosts")
			require.NoError(t, os.WriteFile(o.KnownHosts, []byte(lines), 0o600))
		}
	}
	theirs, err := os.ReadFile(other.KnownHosts)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		keys  []string
		alter func(*Options, *fake.Server)
		says  string // empty: it is trusted
	}{
		"the pinned one":                  {},
		"the pinned one of several":       {keys: three},
		"the pinned one of RSA":           {keys: three[:1]},
		"one of a known_hosts file":       {alter: func(o *Options, f *fake.Server) { o.HostKey, o.KnownHosts = "", f.KnownHosts }},
		"one of several in a known_hosts": {keys: three, alter: func(o *Options, f *fake.Server) { o.HostKey, o.KnownHosts = "", f.KnownHosts }},
		"another one than pinned":         {alter: func(o *Options, _ *fake.Server) { o.HostKey = other.HostKey }, says: "which is not host_key"},
		"three others than pinned":        {keys: three, alter: func(o *Options, _ *fake.Server) { o.HostKey = other.HostKey }, says: "which is not host_key"},
		"one that known_hosts lacks":      {alter: known(string(theirs)), says: "has none for it"},
		"an empty known_hosts":            {alter: known(""), says: "has none for it"},
		"another one in known_hosts":      {alter: func(o *Options, f *fake.Server) { known(lineFor(t, f, other))(o, f) }, says: "has another one for it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake.New(t, fake.Settings{Keys: c.keys})
			o := settings(t, f)
			if c.alter != nil {
				c.alter(&o, f)
			}
			s := openStore(t, o)
			for range 2 { // the second connection knows which type it was
				_, err := s.Probe(patient(t))
				if c.says == "" {
					require.NoError(t, err)
					s.pool.flush()
					continue
				}
				require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
				require.ErrorContains(t, err, c.says)
				require.ErrorContains(t, err, f.Addr+" shows the host key SHA256:")
				if len(c.keys) < 2 {
					require.ErrorContains(t, err, f.HostKey, "the sentence says which key was seen")
				}
				require.Zero(t, f.Logins())
			}
		})
	}
}

// lineFor says in a known_hosts file that f's address has the key of another server.
func lineFor(t *testing.T, f, other *fake.Server) string {
	text, err := os.ReadFile(other.KnownHosts)
	require.NoError(t, err)
	_, _, key, _, _, err := ssh.ParseKnownHosts(text)
	require.NoError(t, err)
	return knownhosts.Line([]string{f.Addr}, key) + "\n"
}

func TestAnAccountMayHaveAKey(t *testing.T) {
	t.Parallel()
	f, other := fake.New(t, fake.Settings{}), fake.New(t, fake.Settings{})
	o := settings(t, f)
	o.Password, o.Key = secret.Source{}, secret.Source{File: f.ClientKey}
	_, err := openStore(t, o).Probe(patient(t))
	require.NoError(t, err)

	o.Key.File = other.ClientKey
	_, err = openStore(t, o).Probe(patient(t))
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))

	o.Password = conformance.Secret(t, fake.Password)
	_, err = openStore(t, o).Probe(patient(t))
	require.NoError(t, err, "the password where the key does not open")

	o.Key = conformance.Secret(t, "no key at all")
	_, err = o.Open(t.Context())
	require.ErrorContains(t, err, "key: it is no private key")
	require.NotContains(t, err.Error(), "no key at all")
}

func TestWithoutLegacyNothingOldIsOffered(t *testing.T) {
	for legacy, want := range map[bool]bool{false: false, true: true} {
		c := algorithms(legacy)
		for _, old := range []string{ssh.InsecureKeyExchangeDH1SHA1, ssh.InsecureKeyExchangeDH14SHA1, ssh.InsecureKeyExchangeDHGEXSHA1} {
			require.Equal(t, want, slices.Contains(c.KeyExchanges, old), old)
		}
		for _, old := range []string{ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC} {
			require.Equal(t, want, slices.Contains(c.Ciphers, old), old)
		}
		require.Equal(t, want, slices.Contains(c.MACs, ssh.InsecureHMACSHA196))
		require.Equal(t, want, slices.Contains(keyAlgorithms(legacy), ssh.KeyAlgoRSA))
		for _, never := range []string{ssh.InsecureCipherRC4, ssh.InsecureCipherRC4128, ssh.InsecureCipherRC4256, "ssh-dss"} {
			require.False(t, slices.Contains(c.Ciphers, never) || slices.Contains(keyAlgorithms(legacy), never), never)
		}
	}
}
