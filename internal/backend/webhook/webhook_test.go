package webhook

import (
	"os"
	"strings"
	"testing"
	"time"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/secret"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// optionsFor are those of a store on a fake.
func optionsFor(f *fake.Server) Options {
	o := DefaultOptions()
	o.API.URL, o.API.TLS.CAFile = f.URL, f.CAFile
	o.API.Retries, o.API.Timeout = 1, 10*time.Second // busy machines are no trouble
	o.Keys = []Key{{ID: fake.KeyID, Secret: secret.Source{File: f.KeyFile}}}
	o.Repeat, o.Lag = 10*time.Second, 100*time.Millisecond
	return o
}

func openOn(t testing.TB, o Options) *Store { return conformance.Opened[*Store](t, o) }

func harness(s *Store, f *fake.Server) conformance.Harness {
	return conformance.Harness{
		Store: s, OtherDomain: fake.OtherDomain, Doubles: true,
		Put:    func(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account { return f.Put(a, code) },
		Has:    func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, code) },
		Orders: f.Orders(),
		Ops:    conformance.Ops{Lookup: fake.OpFind, Verify: fake.OpVerify, Change: fake.OpSet},
		Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
			return openOn(t, optionsFor(fake.NewWith(t, trouble.NewCert(t, k))))
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("with verify", withVerify)
	t.Run("without verify", withoutVerify)
}

func withVerify(t *testing.T) {
	t.Parallel()
	good := trouble.NewCert(t, trouble.Good) // one for all: keys take their time
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		f, said := fake.NewWith(t, good), &conformance.Log{}
		f.Limit = 5
		o := optionsFor(f)
		o.Limit, o.Window = f.Limit, 10*time.Minute
		o.LogTo(said.Logger())
		h := harness(openOn(t, o), f)
		h.Said = said.String
		h.Forgive = func(_ *testing.T, a mailbox.Account) { f.Forgive(a.ID) }
		return h
	})
}

// withoutVerify is a service that tells rules and cannot verify codes.
func withoutVerify(t *testing.T) {
	t.Parallel()
	good := trouble.NewCert(t, trouble.Good)
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		f, said := fake.NewWith(t, good), &conformance.Log{}
		f.Blind, f.Rules = true, map[string]any{"min_length": 4, "max_length": 30, "own_number": "equal"}
		o := optionsFor(f)
		o.NoVerify, o.Paths.Policy = true, "/policy"
		o.LogTo(said.Logger())
		h := harness(openOn(t, o), f)
		h.Said = said.String
		h.Ops.Verify, h.NoCode = "", true
		h.Put = func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
			if code.Empty() {
				t.Skip("who checks codes in front knows no mailbox without one")
			}
			a = f.Put(a, code)
			a.Rules = &pin.Policy{MinLen: 4, MaxLen: 30, OwnNumber: pin.NotEqual}
			return a
		}
		return h
	})
}

func TestFaultRun(t *testing.T) {
	t.Parallel()
	conformance.FaultRun(t, func(t *testing.T, through conformance.Through) conformance.Harness {
		f := fake.New(t)
		o := optionsFor(f)
		o.API.URL = strings.Replace(o.API.URL, f.Addr, through(f.Addr, f.Cert), 1)
		o.API.Timeout, o.API.BreakAfter, o.API.BreakPause = 1500*time.Millisecond, 100, time.Second
		return harness(openOn(t, o), f)
	}, 97, conformance.Changes())
}
