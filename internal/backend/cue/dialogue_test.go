package cue

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
)

// A system may differ from the next one in every way that nobody has written down.
func TestSystemsThatSpeakOtherwise(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fake  fake.Settings
		alter func(*Options)
	}{
		"a banner":                       {fake: fake.Settings{Banner: "se-1#\nPassword: none\n--More--\nAuthorized use only\n\n"}},
		"a page at a time":               {fake: fake.Settings{Page: 2, NoZero: true}},
		"a page at a time, wiped by \\b": {fake: fake.Settings{Page: 3, NoZero: true, Erase: strings.Repeat("\b \b", 8)}},
		"pages until they are off":       {fake: fake.Settings{Page: 2}},
		"another pager":                  {fake: fake.Settings{Page: 2, NoZero: true}},
		"a code echoed as stars":         {fake: fake.Settings{Stars: true}},
		"enable without a password":      {fake: fake.Settings{Enable: "-"}},
		"enable with a password":         {fake: fake.Settings{Enable: "open sesame"}, alter: func(o *Options) { o.Enable = conformance.Secret(t, "open sesame") }},
		"a password that is asked for":   {fake: fake.Settings{Ask: true}},
		"a name with every mark":         {fake: fake.Settings{Host: "uc500.site-2_a"}},
		"algorithms of long ago":         {fake: fake.Settings{Old: true, Keys: []string{"ssh-rsa"}}, alter: func(o *Options) { o.Legacy = true }},
		"a router":                       {fake: fake.Settings{Router: "uc500"}, alter: throughRouter(t)},
		"a router and a banner":          {fake: fake.Settings{Router: "uc500", Banner: "Welcome\n"}, alter: throughRouter(t)},
		"a router whose line is slow":    {fake: fake.Settings{Router: "uc500", Wakes: 500 * time.Millisecond}, alter: throughRouter(t)},
		"a line left in another mode":    {fake: fake.Settings{Router: "uc500", Left: true}, alter: throughRouter(t)},
		"a router, enable in the module": {fake: fake.Settings{Router: "uc500", Enable: "open"}, alter: func(o *Options) {
			throughRouter(t)(o)
			o.Module.Enable = conformance.Secret(t, "open")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake.New(t, c.fake)
			a := put(f, mailbox.Account{Extension: "4001", Name: "Ada Example"}, first)
			for _, extension := range []string{"4002", "4003", "4004", "4005"} {
				put(f, mailbox.Account{Extension: extension}, first)
			}
			o := settings(t, f)
			if c.alter != nil {
				c.alter(&o)
			}
			s := openStore(t, o)
			require.Equal(t, []mailbox.Account{a}, find(t, s, "4001"))
			require.Equal(t, mailbox.Proved(), change(t, s, a, second))
			require.True(t, f.Has(a.ID, second))
			r := change(t, s, a, second)
			require.Equal(t, mailbox.InHistory, r.Reason, "%v", r.Err)
			said, err := s.Probe(patient(t))
			require.NoError(t, err)
			require.Contains(t, said, "version (8.6.1)")
			require.Equal(t, 1, f.Logins(), "one connection serves them all")
		})
	}
}

// throughRouter makes options for a module behind its router.
func throughRouter(t testing.TB) func(*Options) {
	return func(o *Options) {
		o.Via, o.Module = fake.Via, Module{User: fake.ModuleUser, Password: conformance.Secret(t, fake.ModulePassword)}
	}
}

// The router's line to its module stays signed in for the next one unless it is left.
func TestTheModulesLineIsLeft(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{Router: "uc500"})
	put(f, mailbox.Account{Extension: "4001"}, first)
	o := settings(t, f)
	throughRouter(t)(&o)
	for range 2 {
		s := openStore(t, o)
		require.Len(t, find(t, s, "4001"), 1)
		require.NoError(t, s.Close())
		require.Eventually(t, func() bool { return f.Open() == 0 }, 30*time.Second, time.Millisecond)
		require.Equal(t, "exit", f.Commands()[len(f.Commands())-1])
	}

	// One that was cut off has left it signed in, and that is no trouble.
	s := openStore(t, o)
	f.Orders().Give(fake.OpUsers, trouble.Order{Kind: trouble.CutBefore})
	_, err := s.Lookup(patient(t), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	o.Module = Module{}
	require.Len(t, find(t, openStore(t, o), "4001"), 1)
}

// What star97 cannot do is told with the setting that is wrong.
func TestSignInsThatFail(t *testing.T) {
	t.Parallel()
	wrong := func(key string) func(*Options) {
		return func(o *Options) {
			throughRouter(t)(o)
			if key == "module.password" {
				o.Module.Password = conformance.Secret(t, "wrong")
			} else {
				o.Module = Module{User: fake.ModuleUser}
			}
		}
	}
	for name, c := range map[string]struct {
		fake  fake.Settings
		alter func(*Options)
		want  mailbox.Code
		says  string
	}{
		"a wrong password":                   {alter: func(o *Options) { o.Password = conformance.Secret(t, "wrong") }, want: mailbox.ServiceRefused, says: "did not accept user with password or key"},
		"a wrong password that is asked for": {fake: fake.Settings{Ask: true}, alter: func(o *Options) { o.Password = conformance.Secret(t, "wrong") }, want: mailbox.ServiceRefused, says: "did not accept user with password"},
		"a wrong name":                       {alter: func(o *Options) { o.User = "nobody" }, want: mailbox.ServiceRefused, says: "did not accept"},
		"a wrong password of enable":         {fake: fake.Settings{Enable: "a"}, alter: func(o *Options) { o.Enable = conformance.Secret(t, "b") }, want: mailbox.ServiceRefused, says: "check enable"},
		"no password of enable":              {fake: fake.Settings{Enable: "a"}, want: mailbox.ServiceRefused, says: "check enable"},
		"a wrong password of a module":       {fake: fake.Settings{Router: "uc500"}, alter: wrong("module.password"), want: mailbox.ServiceRefused, says: "did not accept module.user with module.password"},
		"no password of a module":            {fake: fake.Settings{Router: "uc500"}, alter: wrong("none"), want: mailbox.ServiceRefused, says: "fill in module.password"},
		"a command the router lacks":         {fake: fake.Settings{Router: "uc500"}, alter: func(o *Options) { o.Via = "session 1" }, want: mailbox.Unavailable, says: `via: it came back to the same prompt; it said "session … % Invalid input`},
		"a system that does not echo":        {fake: fake.Settings{Silent: true}, want: mailbox.Unavailable, says: "echo of the command"},
		"only algorithms of long ago":        {fake: fake.Settings{Old: true, Keys: []string{"ssh-rsa"}}, want: mailbox.Unavailable, says: "no common algorithm"},
		"a prompt of another shape":          {fake: fake.Settings{Host: "what do you want"}, alter: func(o *Options) { o.Connect = time.Second }, want: mailbox.Unavailable, says: "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake.New(t, c.fake)
			o := settings(t, f)
			if c.alter != nil {
				c.alter(&o)
			}
			s := openStore(t, o)
			_, err := s.Probe(patient(t))
			require.Equal(t, c.want, mailbox.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, f.Addr)
			require.NotContains(t, err.Error(), "wrong")
			r := change(t, s, mailbox.Account{ID: "ada", Extension: "4001"}, second)
			require.Equal(t, mailbox.Refused, r.Outcome, "nothing was sent")
			require.Equal(t, c.want, r.Reason)
		})
	}
}

// A module has one line to its router: whoever holds it keeps others out.
func TestTheModulesLineIsTaken(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{Router: "uc500"})
	put(f, mailbox.Account{Extension: "4001"}, first)
	o := settings(t, f)
	throughRouter(t)(&o)
	o.Sessions = 8
	s := openStore(t, o)
	require.Len(t, find(t, s, "4001"), 1)
	_, err := openStore(t, o).Probe(patient(t))
	require.ErrorContains(t, err, "Connection refused by remote host")
	require.Len(t, find(t, s, "4001"), 1)
}

// An administrator gives the host another name while star97 is signed in.
func TestTheHostIsRenamed(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	a := put(f, mailbox.Account{Extension: "4001"}, first)
	s := openStore(t, settings(t, f))
	require.Len(t, find(t, s, "4001"), 1)
	for _, name := range []string{"new-name", "se", "a-longer-name.example"} {
		f.Set(func(s *fake.Settings) { s.Host = name })
		next := second
		if f.Has(a.ID, second) {
			next = first
		}
		lines := f.Orders().Seen(fake.OpOther)
		r := s.Change(patient(t), a, code(t, "606172"), code(t, next), mailbox.Attempt{})
		require.Equal(t, mailbox.Proved(), r)
		require.Equal(t, lines+1, f.Orders().Seen(fake.OpOther), "one empty line, and the name is known")
		require.True(t, f.Has(a.ID, next))
	}
	r := s.Change(patient(t), a, code(t, "606172"), code(t, "12"), mailbox.Attempt{})
	require.Equal(t, mailbox.TooShort, r.Reason)
	require.Equal(t, 1, f.Logins())
	// And from now on another mode is no prompt.
	o := settings(t, f)
	o.Timeout = 500 * time.Millisecond
	hurried := openStore(t, o)
	require.Len(t, find(t, hurried, "4001"), 1)
	f.Set(func(s *fake.Settings) { s.Host = "se(config)" })
	_, err := hurried.Lookup(patient(t), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
}

// The connection ends after the code was sent: nobody knows, and it is not sent again.
func TestACutInMidCommandIsDoubt(t *testing.T) {
	t.Parallel()
	for kind, applied := range map[trouble.Kind]bool{trouble.CutBefore: false, trouble.CutAfter: true} {
		f := fake.New(t, fake.Settings{})
		a := put(f, mailbox.Account{Extension: "4001"}, first)
		s := openStore(t, settings(t, f))
		require.Len(t, find(t, s, "4001"), 1)
		f.Orders().Give(fake.OpPIN, trouble.Order{Kind: kind})
		r := change(t, s, a, second)
		require.Equal(t, mailbox.Unknown, r.Outcome)
		require.ErrorIs(t, r.Err, mailbox.OutcomeUnknown)
		require.ErrorContains(t, r.Err, "closed the connection")
		require.Equal(t, 1, f.Orders().Seen(fake.OpPIN))
		require.Equal(t, applied, f.Has(a.ID, second))
		require.Len(t, find(t, s, "4001"), 1, "and the next one is served")
	}
}

// A system that takes no more keys holds nobody longer than the caller's patience.
func TestASystemThatReadsNothing(t *testing.T) {
	t.Parallel()
	quiet, keys := io.Pipe()
	_, full := io.Pipe() // nobody reads it
	h := newShell(quiet, full, func() { keys.Close(); full.Close() }, complete(), pace{calm: time.Millisecond})
	defer h.close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	sent, err := h.run(ctx, []byte("show users"), len("show users"), nil)
	require.ErrorIs(t, err, errLate)
	require.True(t, sent)
	require.True(t, h.dead)
}
