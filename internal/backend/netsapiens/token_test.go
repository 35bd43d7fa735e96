package netsapiens

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/netsapiens/fake"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

func TestOneLoginServesAllCallers(t *testing.T) {
	for name, options := range map[string]func(testing.TB, *fake.Server) Options{v2: loggedIn, v1: overV1} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{})
			s := openStore(t, options(t, f))
			a := f.Put(mailbox.Account{Extension: "4001"}, first)
			f.Orders().Give(fake.OpToken, trouble.Order{Kind: trouble.Slow, Delay: 50 * time.Millisecond})
			verifyTogether(t, s, a)
			require.Equal(t, 1, f.Orders().Seen(fake.OpToken))

			f.Expire(false)
			verifyTogether(t, s, a)
			require.Equal(t, 2, f.Orders().Seen(fake.OpToken), "a token that is not known any more is renewed once")

			f.Expire(true)
			verifyTogether(t, s, a)
			require.Equal(t, 4, f.Orders().Seen(fake.OpToken), "refused with the refresh token, let in with the password")
		})
	}
}

func verifyTogether(t *testing.T, s *Store, a mailbox.Account) {
	t.Helper()
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		// One caller: started here; stops when it is answered.
		all.Go(func() { errs[i] = s.Verify(t.Context(), a, code(t, first), nobodyTries) })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	f := fake.New(t, fake.Settings{TokenLife: time.Second})
	s := openStore(t, loggedIn(t, f))
	a := f.Put(mailbox.Account{Extension: "4001"}, first)
	require.Eventually(t, func() bool {
		require.NoError(t, s.Verify(t.Context(), a, code(t, first), nobodyTries))
		return f.Orders().Seen(fake.OpToken) >= 2
	}, 20*time.Second, 50*time.Millisecond)
}

func TestAServerWithoutRefreshTokens(t *testing.T) {
	f := fake.New(t, fake.Settings{NoRefresh: true})
	s := openStore(t, loggedIn(t, f))
	a := f.Put(mailbox.Account{Extension: "4001"}, first)
	for range 2 {
		require.NoError(t, s.Verify(t.Context(), a, code(t, first), nobodyTries))
		f.Expire(true)
	}
	require.Equal(t, 2, f.Orders().Seen(fake.OpToken))
}

// A change whose token ends under it is sent again: a 401 was not carried out.
func TestATokenThatEndsUnderAChange(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	s := openStore(t, loggedIn(t, f))
	a := f.Put(mailbox.Account{Extension: "4001"}, first)
	f.Orders().Give(fake.OpWrite, trouble.Order{Kind: trouble.Expired})
	require.Equal(t, mailbox.Proved(), change(t, s, a, first, second))
	require.Equal(t, 1, f.Writes())
}

// A wrong password must not be tried until the system locks star97's account.
func TestARefusedLoginIsNotTriedAgainAtOnce(t *testing.T) {
	for name, alter := range map[string]func(*Options){
		"password":      func(o *Options) { o.Login.Password = conformance.Secret(t, "wrong") },
		"client secret": func(o *Options) { o.Login.ClientSecret = conformance.Secret(t, "wrong") },
		"user":          func(o *Options) { o.Login.User = "nobody@example.test" },
	} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{})
			o := loggedIn(t, f)
			alter(&o)
			s := openStore(t, o)
			a := f.Put(mailbox.Account{Extension: "4001"}, first)
			for range 3 {
				err := s.Verify(t.Context(), a, code(t, first), nobodyTries)
				require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
				require.NotContains(t, err.Error(), fake.Password)
				require.NotContains(t, err.Error(), fake.ClientSecret)
			}
			require.Equal(t, 1, f.Orders().Seen(fake.OpToken))
		})
	}
}

func TestTroubleWithTheLogin(t *testing.T) {
	for name, c := range map[string]struct {
		order trouble.Order
		want  mailbox.Code
	}{
		"invalid_grant by 400": {trouble.Order{Kind: trouble.Status, Status: http.StatusBadRequest}, mailbox.ServiceRefused},
		"no server":            {trouble.Order{Kind: trouble.CutBefore, Times: trouble.Always}, mailbox.Unavailable},
		"an answer lost":       {trouble.Order{Kind: trouble.CutAfter, Times: trouble.Always}, mailbox.Unavailable},
		"500":                  {trouble.Order{Kind: trouble.Status, Times: trouble.Always}, mailbox.Unavailable},
		"429":                  {trouble.Order{Kind: trouble.Status, Status: http.StatusTooManyRequests, Times: trouble.Always}, mailbox.Throttled},
		"a page":               {trouble.Order{Kind: trouble.HTML}, mailbox.Unavailable},
		"nothing":              {trouble.Order{Kind: trouble.Empty}, mailbox.Unavailable},
		"no token":             {trouble.Order{Kind: trouble.Status, Status: http.StatusOK, Body: `{"expires_in":3600}`}, mailbox.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{})
			s := openStore(t, loggedIn(t, f))
			a := f.Put(mailbox.Account{Extension: "4001"}, first)
			f.Orders().Give(fake.OpToken, c.order)
			r := change(t, s, a, first, second)
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, c.want, r.Reason, "%v", r.Err)
			require.True(t, f.Has(a.ID, first))
		})
	}
}

func TestWhatKeysMayDo(t *testing.T) {
	const domainKey, readKey = "nsd_tests1111111111111111", "nsr_tests2222222222222222"
	open := func(t *testing.T, f *fake.Server, key string) *Store {
		f.AddKey(domainKey, fake.Rights{Domain: fake.Domain})
		f.AddKey(readKey, fake.Rights{ReadOnly: true})
		o := keyed(t, f)
		o.Key, o.Domains = conformance.Secret(t, key), nil
		return openStore(t, o)
	}
	t.Run("a key of the domain", func(t *testing.T) {
		f := fake.New(t, fake.Settings{})
		s := open(t, f, domainKey)
		a := f.Put(mailbox.Account{Extension: "4001"}, first)
		require.Equal(t, mailbox.Proved(), change(t, s, a, first, second))
		said, err := s.Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, "NetSapiens API v2, version 45.0.1 at core1.example.test, domain example.test with 1 users, key with scope Office Manager", said)
	})
	t.Run("a key that reads only", func(t *testing.T) {
		f := fake.New(t, fake.Settings{})
		s := open(t, f, readKey)
		a := f.Put(mailbox.Account{Extension: "4001"}, first)
		require.NoError(t, s.Verify(t.Context(), a, code(t, first), nobodyTries))
		r := change(t, s, a, first, second)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.ServiceRefused, r.Reason)
		_, err := s.Probe(t.Context())
		require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
		require.ErrorContains(t, err, "read only")
	})
	t.Run("a key that is not known", func(t *testing.T) {
		s := open(t, fake.New(t, fake.Settings{}), "nss_tests3333333333333333")
		_, err := s.Probe(t.Context())
		require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
		require.NotContains(t, err.Error(), "tests3333")
	})
	t.Run("a key of one domain does not serve two", func(t *testing.T) {
		o := keyed(t, fake.New(t, fake.Settings{}))
		o.Key = conformance.Secret(t, domainKey)
		_, err := o.Open(t.Context())
		require.ErrorContains(t, err, "one domain only")
		require.NotContains(t, err.Error(), "tests1111")
	})
}

func TestProbeOverV1(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	f.Put(mailbox.Account{Extension: "4001"}, first)
	said, err := openStore(t, overV1(t, f)).Probe(t.Context())
	require.NoError(t, err)
	require.Equal(t, "NetSapiens API v1, domain example.test with 1 users", said)
}

func TestOpenNeedsItsSecretsAndNoServer(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	o := loggedIn(t, f)
	f.Close()
	s := openStore(t, o)
	_, err := s.Probe(t.Context())
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))

	o.Login.Password = secret.Source{File: t.TempDir() + "/none"}
	opened, err := o.Open(t.Context())
	require.Nil(t, opened)
	require.ErrorContains(t, err, "login.password: ")
}
