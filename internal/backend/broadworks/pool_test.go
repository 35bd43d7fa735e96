package broadworks

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/broadworks/fake"
	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

func TestEveryTransportAndLogin(t *testing.T) {
	t.Parallel()
	good := trouble.NewCert(t, trouble.Good)
	for name, c := range map[string]struct {
		settings fake.Settings
		cert     *trouble.Cert
		alter    func(*Options)
	}{
		"tcp, signed":         {cert: nil},
		"tls, signed":         {cert: good},
		"tls, the password":   {cert: good, alter: func(o *Options) { o.Login = PlainLogin }},
		"tls by its sum":      {cert: good, alter: func(o *Options) { o.Line.TLS.CAFile, o.Line.TLS.Fingerprint = "", good.Fingerprint }},
		"soap, signed":        {settings: fake.Settings{SOAP: true}, cert: good},
		"soap, the password":  {settings: fake.Settings{SOAP: true}, cert: good, alter: func(o *Options) { o.Login = PlainLogin }},
		"soap with its path":  {settings: fake.Settings{SOAP: true}, cert: good, alter: func(o *Options) { o.API.URL += soapPath }},
		"soap of older names": {settings: fake.Settings{SOAP: true, Parameter: "in0"}, cert: good, alter: func(o *Options) { o.Parameter = "in0" }},
		"a nonce of a vector": {settings: fake.Settings{Nonce: "1700000000123"}},
		"without a group":     {alter: func(o *Options) { o.Group, o.Tenants = "", nil }},
		"of the whole system": {alter: func(o *Options) { o.Group, o.ServiceProvider, o.Tenants = "", "", nil }},
		"a group's account":   {settings: fake.Settings{Group: true}, alter: func(o *Options) { o.Tenants = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake.New(t, c.settings, c.cert)
			o := optionsFor(t, f, c.settings)
			if c.alter != nil {
				c.alter(&o)
			}
			s := openStore(t, o)
			a := f.Put(mailbox.Account{Extension: "2041", Name: "Zoë O’Hara <&>"}, hers)
			found := lookup(t, s, "2041")
			require.Len(t, found, 1)
			require.Equal(t, a.ID, found[0].ID)
			if c.settings.SOAP {
				require.Equal(t, "Zoë O’Hara <&>", found[0].Name)
			} else {
				require.Equal(t, "Zoë O?Hara <&>", found[0].Name, "the fake knows no more than ISO 8859-1")
			}
			require.Equal(t, mailbox.OK, verify(t, s, a, hers))
			require.Equal(t, mailbox.WrongPIN, verify(t, s, a, fresh))
			require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
			require.True(t, f.Has(a.ID, fresh))
		})
	}
}

// star97's own account: a wrong password is told, and not tried again and again.
func TestALoginThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings fake.Settings
		alter    func(*Options)
		says     string
		code     mailbox.Code
		again    int // documents of the login at a second try
	}{
		"by a wrong password": {alter: func(o *Options) { o.Password = conformance.Secret(t, "another") }, says: "check user, password and login (the system answers with error 4962)", code: mailbox.ServiceRefused},
		"by another name":     {alter: func(o *Options) { o.User = "nobody" }, says: "refuses star97's own account", code: mailbox.ServiceRefused},
		"by a wrong nonce":    {settings: fake.Settings{WrongNonce: true}, says: "error 4962", code: mailbox.ServiceRefused},
		"by another signing":  {settings: fake.Settings{Algorithm: "SHA-3"}, says: "set login to 22V5", code: mailbox.Unavailable, again: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := start(t, c.settings, c.alter)
			a := f.Put(mailbox.Account{Extension: "2041"}, hers)
			_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.code, mailbox.CodeOf(err))
			before := f.Orders().Seen(fake.OpLogin)
			r := change(t, s, a, hers, fresh)
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, c.code, r.Reason)
			require.Equal(t, before+c.again, f.Orders().Seen(fake.OpLogin))
			require.Zero(t, f.Orders().Seen(fake.OpFind))
		})
	}
}

func TestAFurtherRefusalRestsLonger(t *testing.T) {
	r := rest{after: 2, pause: time.Minute}
	left := func() time.Duration { return time.Until(r.until).Round(time.Second) }
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, longestRest, longestRest} {
		r.refused(errLogin)
		require.Equal(t, want, left())
		require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(r.check("lookup")))
	}
	r.welcomed()
	r.refused(errLogin)
	require.Equal(t, time.Minute, left())

	r = rest{after: 2, pause: time.Minute}
	r.failed(errEnded)
	r.worked()
	r.failed(errEnded)
	require.NoError(t, r.check("lookup"), "not in a row")
	r.failed(errEnded)
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(r.check("lookup")))
	require.Regexp(t, `the system is left alone for (1m0s|59\.\d+s): the server ended the connection`, r.check("lookup").Error())
	r = rest{}
	for range 100 {
		r.failed(errEnded)
	}
	require.NoError(t, r.check("lookup"), "somebody else counts")
}

func TestASystemThatIsDownIsLeftAlone(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, func(o *Options) { o.Line.BreakAfter, o.Line.Retries = 3, 5 })
	f.Close()
	_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, f.Addr+" cannot be reached")
	s.pool.connect = func(context.Context) (carrier, error) { panic("it is left alone") }
	_, err = s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
	require.ErrorContains(t, err, "the system is left alone")
	require.ErrorContains(t, err, f.Addr)
}

func TestASessionThatHasEndedIsRenewedOnce(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	require.Len(t, lookup(t, s, "2041"), 1)
	logins := func() int { return f.Orders().Seen(fake.OpLogin) / 2 }
	require.Equal(t, 1, logins())
	f.Expire()
	require.Equal(t, mailbox.OK, verify(t, s, a, hers))
	require.Equal(t, 2, logins())
	f.Expire()
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
	require.Equal(t, 3, logins())

	// Who lacks a right has a session, and a new one does not help.
	f.Set(func(s *fake.Settings, _ *fake.Rules) { s.NoStates = true })
	_, err := s.info(t.Context(), "lookup", a.ID)
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "may not do this: give it the right")
	require.Equal(t, 4, logins())
}

// When a server starts anew, every idle session has ended.
func TestSessionsThatHaveAllEnded(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	for range 2 {
		var taken []*dialogue
		for range 6 {
			d, _, err := s.pool.take(t.Context(), "test")
			require.NoError(t, err)
			taken = append(taken, d)
		}
		for _, d := range taken {
			s.pool.give(d, true)
		}
		f.Expire()
		require.Equal(t, mailbox.OK, verify(t, s, a, hers))
	}
}

// What could not be sent is no try.
func TestACheckIsSentWhenTheSystemCanBeReachedAgain(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, func(o *Options) { o.Line.Retries = 2 })
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	connect, tries := s.pool.connect, 0
	s.pool.connect = func(ctx context.Context) (carrier, error) {
		if tries++; tries < 3 {
			return nil, errEnded
		}
		return connect(ctx)
	}
	s.people.Set(a.ID, person{id: a.ID, extension: "2041", dn: "+" + a.Numbers[0]})
	require.Equal(t, mailbox.OK, verify(t, s, a, hers))
	require.Equal(t, 1, f.Orders().Seen(fake.OpVerify))
}

// A connection that the server has ended while nobody used it is not asked; so a code
// that is checked is not in doubt for that.
func TestAConnectionThatHasEndedIsNotUsed(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{}, nil)
	p := trouble.NewProxy(t, f.Addr, nil)
	o := optionsFor(t, f, fake.Settings{})
	o.Line.Server = p.Addr
	s := openStore(t, o)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	require.Len(t, lookup(t, s, "2041"), 1)
	p.Hang()
	require.Eventually(t, func() bool {
		s.pool.mu.Lock()
		defer s.pool.mu.Unlock()
		return len(s.pool.idle) == 1 && !s.pool.idle[0].alive()
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, mailbox.OK, verify(t, s, a, hers))
	require.Equal(t, 2, p.Conns())
}

func TestASessionThatNobodyUsedIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	f.Put(mailbox.Account{Extension: "2041"}, hers)
	require.Len(t, lookup(t, s, "2041"), 1)
	require.Len(t, lookup(t, s, "2041"), 1)
	require.Equal(t, 2, f.Orders().Seen(fake.OpLogin))
	s.pool.mu.Lock()
	s.pool.idle[0].idle = time.Now().Add(-s.o.Idle)
	s.pool.mu.Unlock()
	require.Len(t, lookup(t, s, "2041"), 1)
	require.Equal(t, 4, f.Orders().Seen(fake.OpLogin))
}

func TestNoMoreSessionsThanTheOptionsSay(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, func(o *Options) { o.Sessions = 1 })
	f.Put(mailbox.Account{Extension: "2041"}, hers)
	s.pool.wait = 20 * time.Millisecond
	d, _, err := s.pool.take(t.Context(), "test")
	require.NoError(t, err)
	_, err = s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
	require.Equal(t, mailbox.Busy, mailbox.CodeOf(err))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = s.Lookup(ctx, mailbox.Query{Number: "2041"})
	require.Contains(t, []mailbox.Code{mailbox.Unavailable, mailbox.Busy}, mailbox.CodeOf(err))
	s.pool.waiting.Store(crowd)
	_, err = s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
	require.Equal(t, mailbox.Busy, mailbox.CodeOf(err))
	s.pool.waiting.Store(0)
	s.pool.give(d, true)
	require.Len(t, lookup(t, s, "2041"), 1)
	require.Equal(t, 1, f.Sessions())
}

func TestCloseSignsOut(t *testing.T) {
	t.Parallel()
	for _, settings := range []fake.Settings{{}, {SOAP: true}} {
		f := fake.New(t, settings, nil)
		s := openStore(t, optionsFor(t, f, settings))
		f.Put(mailbox.Account{Extension: "2041"}, hers)
		require.Len(t, lookup(t, s, "2041"), 1)
		require.Equal(t, 1, f.Sessions())
		s.pool.farewell = 30 * time.Second // a busy machine is no trouble
		require.NoError(t, s.Close())
		require.Zero(t, f.Sessions())
		require.Equal(t, 1, f.Orders().Seen(fake.OpLogout))
		_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
		require.ErrorIs(t, err, errClosed)
	}
}

// Answers that are none: nobody waits for their end, and a write is in doubt.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]trouble.Order{
		"a page":   {Kind: trouble.HTML, Applied: true},
		"a word":   {Kind: trouble.Status, Applied: true},
		"a half":   {Kind: trouble.Malformed, Applied: true},
		"an error": {Kind: trouble.Status, Applied: true, Body: docHead + refusalOf("another session") + docTail},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := start(t, fake.Settings{}, func(o *Options) { o.Line.Timeout = 30 * time.Second })
			a := f.Put(mailbox.Account{Extension: "2041"}, hers)
			f.Orders().Give(fake.OpWrite, order)
			r := change(t, s, a, hers, fresh)
			require.Equal(t, mailbox.Unknown, r.Outcome)
			require.ErrorIs(t, r.Err, errShape)
			require.True(t, f.Has(a.ID, fresh))
			f.Orders().Give(fake.OpFind, order)
			_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
			require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
		})
	}
}

func refusalOf(words string) string {
	return `<command type="Error" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">` + english(words) + `</command>`
}

func TestASafeRequestIsSentAgain(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, func(o *Options) { o.Line.Retries = 1 })
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	f.Orders().Give(fake.OpFind, trouble.Order{Kind: trouble.CutBefore})
	require.Len(t, lookup(t, s, "2041"), 1)
	f.Orders().Give(fake.OpVerify, trouble.Order{Kind: trouble.CutBefore})
	require.Equal(t, mailbox.OutcomeUnknown, verify(t, s, a, hers), "one try is one try")
	require.Equal(t, 1, f.Orders().Seen(fake.OpVerify))
}

func TestProbeTellsWhatTheSystemIs(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		settings fake.Settings
		alter    func(*Options)
	}{
		"BroadWorks 22, signed in as System; the password of star97's own account expires in 40 days": {settings: fake.Settings{Version: "22"}},
		"BroadWorks of unknown version, signed in as Group; the password of star97's own account expires in 40 days": {
			settings: fake.Settings{Version: "22", Group: true}, alter: func(o *Options) { o.Tenants = nil },
		},
	} {
		_, s := start(t, c.settings, c.alter)
		said, err := s.Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, said)
	}
	for says, alter := range map[string]func(*Options){
		`error 4005`:         func(o *Options) { o.Group = "no such group" },
		`error 4003`:         func(o *Options) { o.ServiceProvider = "nobody" },
		`own account`:        func(o *Options) { o.Password = conformance.Secret(t, "another") },
		`domain "t.example"`: func(o *Options) { o.Tenants = []Tenant{{"t.example", fake.ServiceProvider, "no such group"}} },
	} {
		_, s := start(t, fake.Settings{}, alter)
		_, err := s.Probe(t.Context())
		require.ErrorContains(t, err, says)
	}
}

func TestASecretThatCannotBeReadIsToldAtTheStart(t *testing.T) {
	f := fake.New(t, fake.Settings{}, nil)
	o := optionsFor(t, f, fake.Settings{})
	o.Password = secret.Source{File: "/nowhere/password"}
	b, err := o.Open(t.Context())
	require.ErrorContains(t, err, "password: the secret's file /nowhere/password is missing")
	require.True(t, b == nil)
	o = optionsFor(t, f, fake.Settings{})
	o.Transport, o.Line.TLS.CAFile = OverTLS, "/nowhere/ca.pem"
	_, err = o.Open(t.Context())
	require.ErrorContains(t, err, "line.tls.ca_file: there is no file")
}
