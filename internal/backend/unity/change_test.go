package unity

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/unity/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

const (
	first  = "482915"
	second = "739164"
	third  = "60617238"
)

var at = mailbox.Attempt{Door: mailbox.OwnDoor}

// lookUp is the one mailbox of an extension.
func (b bed) lookUp(t testing.TB, extension string) mailbox.Account {
	t.Helper()
	found, err := b.Lookup(t.Context(), mailbox.Query{Number: extension})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// Whatever form the server and the settings have, all that is asked and written works.
func TestEveryFormOfTheInterface(t *testing.T) {
	for name, alter := range map[string]func(*Options, *fake.Server){
		"JSON":                       nil,
		"JSON in the other wrapper":  func(_ *Options, f *fake.Server) { f.OtherWrapper = true },
		"JSON with numbers":          func(_ *Options, f *fake.Server) { f.Typed = true },
		"XML":                        func(o *Options, _ *fake.Server) { o.Format = XML },
		"without cookies":            func(o *Options, _ *fake.Server) { o.Cookies = false },
		"an address with its prefix": func(o *Options, _ *fake.Server) { o.API.URL += "/vmrest/" },
		"by fingerprint": func(o *Options, f *fake.Server) {
			o.API.TLS.CAFile, o.API.TLS.Fingerprint = "", f.Front().Fingerprint
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := makeBed(t, alter)
			id := b.fake.Put(fake.Mailbox{
				Extension: "4001", Alias: "ada", LDAPUser: "aexample", First: "Ada", Last: "Example", Language: 1031,
				Alternates: []string{"+12015550143", "4901", "4001", "x12"}, MustChange: true,
			}, conformance.Code(t, first))
			b.fake.Put(fake.Mailbox{Extension: "4002", Name: "Bob"}, conformance.Code(t, second))
			a, rules := b.lookUp(t, "4001"), adapter.Trivial(pin.Policy{MinLen: 6, Current: true, History: 5})
			require.Equal(t, mailbox.Account{
				ID: id, Backend: Name, Extension: "4001", Name: "Ada Example", User: "aexample", Language: "de-DE",
				Numbers: []string{"12015550143", "4901"}, Flags: mailbox.Flags{MustChange: true},
				Rules: &rules,
			}, a)
			require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, second), at))
			require.True(t, b.fake.Has(id, conformance.Code(t, second)))
			require.False(t, b.lookUp(t, "4001").Flags.MustChange, "the system would make the owner choose again")

			require.Equal(t, mailbox.Proved(), b.Reset(t.Context(), a, conformance.Code(t, third), true, "admin", "lost"))
			require.True(t, b.fake.Has(id, conformance.Code(t, third)))
			require.True(t, b.lookUp(t, "4001").Flags.MustChange)
			yes := true
			edited, err := b.SetFlags(t.Context(), a, mailbox.FlagEdit{CannotChange: &yes}, "admin", "shared")
			require.NoError(t, err)
			require.Equal(t, mailbox.Flags{CannotChange: true, MustChange: true}, edited.Flags)
			list, err := b.List(t.Context(), mailbox.Page{})
			require.NoError(t, err)
			require.Len(t, list, 2)
			require.Equal(t, edited, list[0])
		})
	}
}

func TestOwnRulesAreKeptBeforeTheWrite(t *testing.T) {
	b := makeBed(t, func(_ *Options, f *fake.Server) { f.Lenient = true })
	id := b.fake.Put(fake.Mailbox{Extension: "4001", Alternates: []string{"5550143"}, First: "Maryann", Last: "Poe"}, conformance.Code(t, first))
	a := b.lookUp(t, "4001")
	for next, want := range map[string]mailbox.Code{
		"73916": mailbox.TooShort, "739111": mailbox.Trivial, "740015": mailbox.Trivial, "100457": mailbox.Trivial,
		"550143": mailbox.Trivial, "6279266": mailbox.Trivial, "789456": mailbox.Trivial, "408408": mailbox.Trivial,
		first: mailbox.InHistory, "": mailbox.TooShort,
	} {
		r := b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, next), at)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, want, r.Reason)
	}
	require.Zero(t, b.fake.Orders().Seen(fake.OpWrite), "the system was not asked")
	require.True(t, b.fake.Has(id, conformance.Code(t, first)))
}

// What only the system knows comes back as its reason.
func TestTheSystemsOwnRefusals(t *testing.T) {
	for _, format := range []Format{JSON, XML} {
		b := makeBed(t, func(o *Options, f *fake.Server) {
			o.Format = format
			f.SetRule(fake.PhoneRule, func(r *fake.Rule) { r.PrevCredCount = 2 })
		})
		id := b.fake.Put(fake.Mailbox{Extension: "4001", First: "Mary-Ann", Last: "Go"}, conformance.Code(t, first))
		a := b.lookUp(t, "4001")
		require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, second), at))
		for next, want := range map[string]mailbox.Code{first: mailbox.InHistory, "6279266": mailbox.Trivial, "789456": mailbox.Trivial} {
			r := b.Reset(t.Context(), a, conformance.Code(t, next), false, "admin", "lost") // what it knows itself star97 does not ask here
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, want, r.Reason, "%v", r.Err)
			require.NotContains(t, r.Err.Error(), next)
		}
		require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, conformance.Code(t, second), conformance.Code(t, third), at))
		require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, conformance.Code(t, third), conformance.Code(t, first), at), "the history is over")
		require.True(t, b.fake.Has(id, conformance.Code(t, first)))
	}
}

func TestAMailboxsStatesRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		mailbox fake.Mailbox
		want    mailbox.Code
	}{
		"cannot change":                {fake.Mailbox{CantChange: true}, mailbox.CannotChange},
		"locked":                       {fake.Mailbox{Locked: true}, mailbox.Locked},
		"locked by wrong codes":        {fake.Mailbox{Hacked: time.Now().Add(-time.Minute)}, mailbox.Locked},
		"that lock is over":            {fake.Mailbox{Hacked: time.Now().Add(-time.Hour)}, mailbox.OK},
		"not active":                   {fake.Mailbox{Inactive: true}, mailbox.Disabled},
		"an administrator of the site": {fake.Mailbox{Administrator: true}, mailbox.ServiceRefused},
	} {
		t.Run(name, func(t *testing.T) {
			b := makeBed(t, nil)
			c.mailbox.Extension = "4001"
			id := b.fake.Put(c.mailbox, conformance.Code(t, first))
			r := b.Change(t.Context(), b.lookUp(t, "4001"), conformance.Code(t, first), conformance.Code(t, second), at)
			require.Equal(t, c.want, r.Reason, "%v", r.Err)
			require.Equal(t, c.want == mailbox.OK, b.fake.Has(id, conformance.Code(t, second)))
		})
	}
}

// A state that came after Lookup counts: the caller may have talked for minutes.
func TestStatesAreReadAnew(t *testing.T) {
	b := makeBed(t, nil)
	id := b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	a := b.lookUp(t, "4001")
	b.fake.Edit(id, func(m *fake.Mailbox) { m.CantChange = true })
	r := b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, second), at)
	require.Equal(t, mailbox.CannotChange, r.Reason)
	b.fake.Remove(id)
	require.Equal(t, mailbox.NotFound, b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, second), at).Reason)
	require.Zero(t, b.fake.Orders().Seen(fake.OpWrite))
}

// One mailbox that the account has no right to is no outage.
func TestARefusalForOneMailboxDisturbsNoOther(t *testing.T) {
	for name, cookies := range map[string]bool{"with sessions": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			b := makeBed(t, func(o *Options, _ *fake.Server) { o.Cookies = cookies })
			b.fake.Put(fake.Mailbox{Extension: "4001", Administrator: true}, conformance.Code(t, first))
			other := b.fake.Put(fake.Mailbox{Extension: "4002"}, conformance.Code(t, first))
			admin, plain := b.lookUp(t, "4001"), b.lookUp(t, "4002")
			for range 3 * b.o.API.BreakAfter {
				r := b.Change(t.Context(), admin, conformance.Code(t, first), conformance.Code(t, second), at)
				require.Equal(t, mailbox.ServiceRefused, r.Reason)
				require.ErrorContains(t, r.Err, "the account "+fake.User)
				require.Equal(t, mailbox.ServiceRefused, b.Reset(t.Context(), admin, conformance.Code(t, second), false, "", "").Reason)
			}
			require.Equal(t, mailbox.Proved(), b.Change(t.Context(), plain, conformance.Code(t, first), conformance.Code(t, second), at))
			require.True(t, b.fake.Has(other, conformance.Code(t, second)))
		})
	}
}

func TestARefusalWithoutSessionIsSentOnce(t *testing.T) {
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.Cookies = false })
	id := b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	a := b.lookUp(t, "4001")
	b.fake.Orders().Give(fake.OpWrite, trouble.Order{Kind: trouble.Status, Status: 401})
	r := b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, second), at)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.ServiceRefused, r.Reason)
	require.Equal(t, 1, b.fake.Orders().Seen(fake.OpWrite))
	require.True(t, b.fake.Has(id, conformance.Code(t, first)))
}

func TestSessionsSaveLogins(t *testing.T) {
	b := makeBed(t, nil)
	b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	a := b.lookUp(t, "4001")
	codes := []string{first, second, third}
	for i := range 2 {
		require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, conformance.Code(t, codes[i]), conformance.Code(t, codes[i+1]), at))
	}
	require.Equal(t, 1, b.fake.Logins())
	for _, op := range []string{fake.OpLookup, fake.OpCredential, fake.OpWrite} {
		b.fake.Orders().Give(op, trouble.Order{Kind: trouble.Expired})
	}
	b.lookUp(t, "4001")
	require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, conformance.Code(t, third), conformance.Code(t, "593827"), at))
	require.Zero(t, b.fake.Orders().Due())
	require.LessOrEqual(t, b.fake.Logins(), 4, "one for each session that ran out")

	b = makeBed(t, func(o *Options, _ *fake.Server) { o.Cookies = false })
	b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	b.lookUp(t, "4001")
	require.Equal(t, b.fake.Orders().Seen(trouble.Any), b.fake.Logins())
}

func TestABusyServer(t *testing.T) {
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.API.Retries = 2 })
	id := b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	busy := trouble.Order{Kind: trouble.Status, Status: 503, Times: 2}
	b.fake.Orders().Give(fake.OpLookup, busy)
	a := b.lookUp(t, "4001")
	require.Equal(t, 3, b.fake.Orders().Seen(fake.OpLookup), "what changes nothing is asked again")
	busy.Times = 1
	b.fake.Orders().Give(fake.OpWrite, busy)
	r := b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, second), at)
	require.Equal(t, mailbox.Unknown, r.Outcome, "who answered cannot be told")
	require.Equal(t, 1, b.fake.Orders().Seen(fake.OpWrite), "a write is not")
	busy.RetryAfter = "1"
	b.fake.Orders().Give(fake.OpWrite, busy)
	r = b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, second), at)
	require.Equal(t, mailbox.Throttled, r.Reason)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.True(t, b.fake.Has(id, conformance.Code(t, first)))
}

func TestUnlockOpensWhatWrongCodesClosed(t *testing.T) {
	b := makeBed(t, nil)
	id := b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	a := b.lookUp(t, "4001")
	tr := b.Traits(a)
	require.Equal(t, 3, tr.Limit)
	require.Equal(t, 30*time.Minute, tr.Window)
	for range tr.Limit {
		require.Equal(t, fake.Wrong, b.fake.Dial(id, conformance.Code(t, second)))
	}
	require.Equal(t, fake.Closed, b.fake.Dial(id, conformance.Code(t, first)))
	require.Equal(t, mailbox.Locked, b.Change(t.Context(), a, conformance.Code(t, first), conformance.Code(t, second), at).Reason)
	require.NoError(t, b.Unlock(t.Context(), a, "admin", "asked"))
	require.Equal(t, fake.Right, b.fake.Dial(id, conformance.Code(t, first)))

	b.fake.Edit(id, func(m *fake.Mailbox) { m.Locked = true })
	require.NoError(t, b.Unlock(t.Context(), a, "admin", "asked"))
	require.Equal(t, fake.Closed, b.fake.Dial(id, conformance.Code(t, first)), "an administrator's lock is not ours to open")
}

func TestTraitsFollowTheRule(t *testing.T) {
	b := makeBed(t, func(_ *Options, f *fake.Server) {
		f.SetRule(fake.PhoneRule, func(r *fake.Rule) { r.MaxHacks, r.HackResetTime = 7, time.Hour })
	})
	b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	unknown := b.Traits(mailbox.Account{})
	require.Equal(t, Options{}.Declared(), unknown)
	a := b.lookUp(t, "4001")
	known := b.Traits(a)
	require.Equal(t, 7, known.Limit)
	require.Equal(t, time.Hour, known.Window)
	known.Limit, known.Window = unknown.Limit, unknown.Window
	require.Equal(t, unknown, known)
}

func TestRulesAreReadOnce(t *testing.T) {
	b := makeBed(t, nil)
	for _, extension := range []string{"4001", "4002", "4003"} {
		b.fake.Put(fake.Mailbox{Extension: extension}, conformance.Code(t, first))
		require.NotNil(t, b.lookUp(t, extension).Rules)
	}
	require.Equal(t, 1, b.fake.Orders().Seen(fake.OpRules))
	b.rules.Keep = 0
	b.lookUp(t, "4001")
	require.Equal(t, 2, b.fake.Orders().Seen(fake.OpRules), "their time is over")
}

func TestFlagsThatCannotBeReadAgainAreSet(t *testing.T) {
	b := makeBed(t, nil)
	id := b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	a := b.lookUp(t, "4001")
	b.fake.Orders().Give(fake.OpUser, trouble.Order{Kind: trouble.CutBefore, Times: trouble.Always})
	yes := true
	want := a
	want.Flags = mailbox.Flags{CannotChange: true, MustChange: true}
	got, err := b.SetFlags(t.Context(), a, mailbox.FlagEdit{CannotChange: &yes, MustChange: &yes}, "admin", "shared")
	require.NoError(t, err)
	require.Equal(t, want, got)
	m, _ := b.fake.Mailbox(id)
	require.True(t, m.CantChange && m.MustChange)
}
