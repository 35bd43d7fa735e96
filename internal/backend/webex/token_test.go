package webex

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/webex/fake"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

func TestARefreshTokenThatIsReplacedIsKeptInItsFile(t *testing.T) {
	t.Parallel()
	var o Options
	b := makeBed(t, func(of *Options, f *fake.Server) { f.Rotates = true; o = *of })
	file := o.RefreshToken.File
	for range 3 {
		b.lookup(t, "4001")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, b.fake.Renewal()+"\n", string(text))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		b.fake.Expire()
	}
	require.NotEqual(t, fake.RefreshToken, b.fake.Renewal())
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1, "no half file is left")
	again := bed{openOn(t, o), b.fake}
	again.lookup(t, "4001") // a restart goes on with the last one
}

// A file that is a link, as in a container's secrets, is replaced where it really is.
func TestALinkedFileStaysALink(t *testing.T) {
	t.Parallel()
	var link string
	b := makeBed(t, func(o *Options, f *fake.Server) {
		f.Rotates = true
		link = filepath.Join(t.TempDir(), "link")
		require.NoError(t, os.Symlink(o.RefreshToken.File, link))
		o.RefreshToken.File = link
	})
	b.lookup(t, "4001")
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	text, err := os.ReadFile(link)
	require.NoError(t, err)
	require.Equal(t, b.fake.Renewal()+"\n", string(text))
}

func TestARefreshTokenThatCannotBeWrittenIsKeptInMemoryAndSaid(t *testing.T) {
	t.Parallel()
	var file string
	b := makeBed(t, func(o *Options, f *fake.Server) { f.Rotates = true; file = o.RefreshToken.File })
	require.NoError(t, os.RemoveAll(filepath.Dir(file))) // as a folder that star97's user may not write
	for range 2 {
		told, err := b.Probe(t.Context())
		require.NoError(t, err)
		require.Contains(t, told, "could not be written to "+file)
		require.NotContains(t, told, "refresh-token-")
		b.fake.Expire()
	}
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	told, err := b.Probe(t.Context())
	require.NoError(t, err)
	require.Equal(t, "signed in as star97 Admin", told)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, b.fake.Renewal()+"\n", string(text))
}

func TestARefreshTokenFromTheEnvironmentStaysInMemory(t *testing.T) {
	t.Setenv("WEBEX_REFRESH", fake.RefreshToken)
	b := makeBed(t, func(o *Options, f *fake.Server) {
		f.Rotates, o.RefreshToken = true, secret.Source{Env: "WEBEX_REFRESH"}
	})
	for range 3 {
		b.lookup(t, "4001")
		b.fake.Expire()
	}
	require.NoError(t, b.session.unkept())
	require.Equal(t, 3, b.fake.Orders().Seen(fake.OpToken))
}

func TestARefusedRefreshTokenIsNotTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.RefreshToken = conformance.Secret(t, "another-token") })
	for range 3 {
		_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
		require.ErrorContains(t, err, "consent anew")
	}
	require.Equal(t, 1, b.fake.Orders().Seen(fake.OpToken))
	b.session.mu.Lock()
	b.session.refused = time.Now().Add(-sulk)
	b.session.mu.Unlock()
	_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.Error(t, err)
	require.Equal(t, 2, b.fake.Orders().Seen(fake.OpToken))
}

// Callers who find the token ended wait for one sign-in.
func TestManyCallersSignInOnce(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(_ *Options, f *fake.Server) { f.Rotates = true })
	b.withRules(t, mailbox.Account{Extension: "4001"})
	b.fake.Orders().Give(fake.OpToken, trouble.Order{Kind: trouble.Slow, Delay: 100 * time.Millisecond})
	var all sync.WaitGroup
	for range 8 {
		// One caller: started here; stops when the look-up is answered.
		all.Go(func() {
			_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, b.fake.Orders().Seen(fake.OpToken))
}
