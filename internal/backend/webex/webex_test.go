package webex

import (
	"os"
	"strings"
	"testing"
	"time"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/webex/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// optionsFor are those of a store on a fake.
func optionsFor(t testing.TB, f *fake.Server) Options {
	o := DefaultOptions()
	o.API.URL, o.API.TLS.CAFile = f.Base(), f.CAFile
	o.API.Retries, o.API.Timeout = 1, 10*time.Second // busy machines are no trouble
	o.ClientID, o.ClientSecret, o.RefreshToken = fake.ClientID, conformance.Secret(t, fake.ClientSecret), conformance.Secret(t, fake.RefreshToken)
	o.Lag = 100 * time.Millisecond
	return o
}

func openOn(t testing.TB, o Options) *Store { return conformance.Opened[*Store](t, o) }

// bed is a store on a fake.
type bed struct {
	*Store
	fake *fake.Server
}

// makeBed alters the options of a store on a new fake, and the fake, before both run.
func makeBed(t testing.TB, alter func(*Options, *fake.Server)) bed {
	f := fake.New(t)
	o := optionsFor(t, f)
	if alter != nil {
		alter(&o, f)
	}
	return bed{openOn(t, o), f}
}

// put makes a mailbox and tells how Lookup shall show it, without asking Lookup.
func (b bed) put(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
	if a.Domain != b.o.Domain || code.Empty() || a.Flags.MustChange || a.Flags.CannotChange {
		t.Skip("the system has one domain, every mailbox a code, and tells of its states only that it is off")
	}
	a = b.fake.Put(a, code)
	b.people.set(nil)
	if b.o.Rules != rulesOff {
		a.Rules = &pin.Policy{MinLen: 6, MaxLen: 30}
	}
	return a
}

func (b bed) harness(t *testing.T, said *conformance.Log) conformance.Harness {
	return conformance.Harness{
		Store: b.Store, Put: b.put, NoCode: true, Doubles: true, Said: said.String,
		Has:    func(a mailbox.Account, code pin.PIN) bool { return b.fake.Has(a.ID, code) },
		Orders: b.fake.Orders(),
		Ops:    conformance.Ops{Lookup: fake.OpNumbers, Change: fake.OpWrite, Login: fake.OpToken},
		Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
			return openOn(t, optionsFor(t, fake.NewWith(t, trouble.NewCert(t, k))))
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("by search", bySearch)
	t.Run("by list", byList)
}

func bySearch(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		said := &conformance.Log{}
		return makeBed(t, func(o *Options, _ *fake.Server) {
			o.LogTo(said.Logger())
		}).harness(t, said)
	})
}

func byList(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		said := &conformance.Log{}
		h := makeBed(t, func(o *Options, f *fake.Server) {
			o.Find, o.Rules, f.PageSize = byPeople, rulesLocation, 3
			o.LogTo(said.Logger())
		}).harness(t, said)
		h.Ops.Lookup = fake.OpPeople
		return h
	})
}

func TestFaultRun(t *testing.T) {
	t.Parallel()
	conformance.FaultRun(t, func(t *testing.T, through conformance.Through) conformance.Harness {
		return makeBed(t, func(o *Options, f *fake.Server) {
			o.API.URL = strings.Replace(o.API.URL, f.Addr, through(f.Addr, f.Cert), 1)
			o.API.Timeout, o.API.BreakAfter, o.API.BreakPause = 1500*time.Millisecond, 100, time.Second
		}).harness(t, &conformance.Log{})
	}, 4, conformance.Changes())
}
