package unity

import (
	"os"
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

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// optionsFor are those of a store on a fake.
func optionsFor(f *fake.Server) Options {
	o := DefaultOptions()
	o.API.URL, o.API.TLS.CAFile = f.URL, f.CAFile
	o.User, o.Password.File = fake.User, f.LoginFile
	o.TimeZone = "UTC"                               // as the fake's clock
	o.Lag = 0                                        // nothing is kept in step with it
	o.API.Retries, o.API.Timeout = 1, 10*time.Second // busy machines are no trouble
	return o
}

// openOn opens a store on a fake that reads no alternate extensions by itself.
func openOn(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// bed is a store on a fake.
type bed struct {
	*Store
	fake *fake.Server
}

// makeBed alters the options of a store on a new fake, and the fake, before both run.
func makeBed(t testing.TB, alter func(*Options, *fake.Server)) bed {
	f := fake.New(t)
	o := optionsFor(f)
	if alter != nil {
		alter(&o, f)
	}
	return bed{openOn(t, o), f}
}

func (b bed) harness(t *testing.T, said *conformance.Log) conformance.Harness {
	return conformance.Harness{
		Store:   b.Store,
		Put:     b.put,
		NoCode:  true,
		Doubles: true,
		Has:     func(a mailbox.Account, code pin.PIN) bool { return b.fake.Has(a.ID, code) },
		Forgive: func(t *testing.T, a mailbox.Account) { b.fake.Forgive(a.ID) },
		Orders:  b.fake.Orders(),
		Ops:     conformance.Ops{Lookup: fake.OpLookup, Change: fake.OpWrite},
		Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
			return openOn(t, optionsFor(fake.NewWith(t, trouble.NewCert(t, k))))
		},
		Said: said.String,
		Lacks: map[string]string{
			"Change in trouble: 401":            againWithPassword,
			"Change in trouble is settled: 401": againWithPassword,
			"Reset in trouble: 401":             againWithPassword,
		},
	}
}

// againWithPassword is why one 401 is no refusal; TestARefusalWithoutSessionIsSentOnce
// has the case without a session.
const againWithPassword = "what a session is refused is asked again with the password"

// put makes a mailbox and tells how Lookup shall show it, without asking Lookup.
func (b bed) put(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
	if a.Domain != b.o.Domain || a.Flags.NoCode || code.Empty() {
		t.Skip("the system has one domain, and every mailbox a code")
	}
	m := fake.Mailbox{
		Extension: a.Extension, Name: a.Name, Mail: a.Mail, Alias: a.User, Alternates: a.Numbers, Inactive: a.Flags.Disabled,
		CantChange: a.Flags.CannotChange, MustChange: a.Flags.MustChange,
	}
	if m.Alias == "" {
		m.Alias = "user-" + a.Extension
	}
	a.ID, a.Backend, a.User, a.Language = b.fake.Put(m, code), Name, m.Alias, "en-US"
	rules := adapter.Trivial(pin.Policy{MinLen: 6, Current: true, History: 5})
	a.Rules = &rules
	if b.o.Alternates == Find {
		require.NoError(t, b.readAlternates(t.Context(), 0))
	}
	return a
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		said := &conformance.Log{}
		return makeBed(t, func(o *Options, _ *fake.Server) {
			o.Alternates = Find
			o.LogTo(said.Logger())
		}).harness(t, said)
	})
}

func TestFaultRun(t *testing.T) {
	t.Parallel()
	conformance.FaultRun(t, func(t *testing.T, through conformance.Through) conformance.Harness {
		return makeBed(t, func(o *Options, f *fake.Server) {
			o.API.URL = "https://" + through(f.Front().Addr, f.Front().Cert)
			o.API.Timeout, o.API.BreakAfter, o.API.BreakPause = 1500*time.Millisecond, 100, time.Second
			o.Alternates, o.Lag = Off, 100*time.Millisecond
		}).harness(t, &conformance.Log{})
	}, 4, conformance.Changes())
}
