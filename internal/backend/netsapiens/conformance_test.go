package netsapiens

import (
	"testing"
	"time"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/netsapiens/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Other kinds of server than API v2 with a login are run through the suite in the
// folder of the fake.
func TestConformance(t *testing.T) {
	t.Parallel()
	settings := fake.Settings{ClearStatus: true}
	good := trouble.NewCert(t, trouble.Good) // one for all: keys take their time
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		f, said := fake.NewWith(t, settings, good), &conformance.Log{}
		o := quick(t, f)
		o.LogTo(said.Logger())
		return conformance.Harness{
			Store: openStore(t, o), OtherDomain: otherDomain, Orders: f.Orders(),
			Ops:   conformance.Ops{Lookup: fake.OpRead, Verify: fake.OpRead, Change: fake.OpWrite, Login: fake.OpToken},
			Lacks: map[string]string{"Change refused by the mailbox's state": "the system cannot forbid a change"},
			Said:  said.String,
			Put: func(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				a.Numbers = nil // the other runs look for them
				return f.Put(a, conformance.Digits(code))
			},
			Has: func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, conformance.Digits(code)) },
			Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
				return openStore(t, quick(t, fake.NewWith(t, settings, trouble.NewCert(t, k))))
			},
		}
	})
}

// quick are options for a suite of troubles that do not last.
func quick(t *testing.T, f *fake.Server) Options {
	o := loggedIn(t, f)
	o.MustChange = []string{"new"}
	o.API.Retries, o.API.Timeout = 0, 10*time.Second
	o.ReadBack, o.Lag = 100*time.Millisecond, 300*time.Millisecond
	return o
}
