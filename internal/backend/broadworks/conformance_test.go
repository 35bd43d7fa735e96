package broadworks

import (
	"strings"
	"testing"
	"time"

	"star97/internal/backend/broadworks/fake"
	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// In one run the system checks codes by telephone number, in the other the codes that it
// shows are compared.
func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("over TLS", func(t *testing.T) {
		t.Parallel()
		suite(t, fake.Settings{}, ByDN, map[string]string{"Verify of a disabled mailbox": "a disabled login is told as a lock"})
	})
	t.Run("comparing over SOAP", func(t *testing.T) {
		t.Parallel()
		suite(t, fake.Settings{SOAP: true}, Compare, nil)
	})
}

func suite(t *testing.T, settings fake.Settings, way Verify, lacks map[string]string) {
	good := trouble.NewCert(t, trouble.Good) // one for all: keys take their time
	all := map[string]string{"Change refused by the mailbox's state": "the system cannot forbid a change"}
	for name, why := range lacks {
		all[name] = why
	}
	quick := func(t *testing.T, f *fake.Server) Options {
		o := optionsFor(t, f, settings)
		o.Verify = way
		if way == Compare {
			o.LoginDisabled = mailbox.Disabled.String()
		}
		return o
	}
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		f, said := fake.New(t, settings, good), &conformance.Log{}
		rules, o := mapped(), quick(t, f)
		o.LogTo(said.Logger())
		h := conformance.Harness{
			Store: openStore(t, o), Said: said.String, OtherDomain: fake.OtherDomain, Orders: f.Orders(), NoHTTP: !settings.SOAP,
			Ops:     conformance.Ops{Lookup: fake.OpFind, Verify: fake.OpVerify, Change: fake.OpWrite, Login: fake.OpLogin},
			Lacks:   all,
			Doubles: true,
			Put: func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				a.Language = ""
				switch {
				case way == Compare:
					a.Numbers = []string{"-"}
				case len(a.Numbers) > 0 && f.Taken(a.Numbers[0]):
					t.Skip("a telephone number is one user's")
				}
				a = f.Put(a, conformance.Digits(code))
				a.Rules = &rules
				return a
			},
			Has: func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, conformance.Digits(code)) },
			Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
				return openStore(t, quick(t, fake.New(t, settings, trouble.NewCert(t, k))))
			},
		}
		if way == Compare {
			h.Ops.Verify = fake.OpInfo
		} else {
			h.Forgive = func(_ *testing.T, a mailbox.Account) { f.Forgive(a.ID) }
		}
		return h
	})
}

// mapped are fake.DefaultRules as a policy.
func mapped() pin.Policy {
	return pin.Policy{MinLen: 4, MaxLen: 30, OwnNumber: pin.NotEqual, Current: true, History: 1}
}

// What is told of a change is true whatever the line does to it.
func TestFaultRun(t *testing.T) {
	t.Parallel()
	t.Run("over TLS", func(t *testing.T) {
		t.Parallel()
		conformance.FaultRun(t, faulty(fake.Settings{}), 97, conformance.Changes())
	})
	t.Run("over SOAP", func(t *testing.T) { // on a connection that the other adapters have tried
		t.Parallel()
		conformance.FaultRun(t, faulty(fake.Settings{SOAP: true}), 97, conformance.Changes()/4)
	})
}

func faulty(settings fake.Settings) func(*testing.T, conformance.Through) conformance.Harness {
	return func(t *testing.T, through conformance.Through) conformance.Harness {
		f := fake.New(t, settings, trouble.NewCert(t, trouble.Good))
		o := optionsFor(t, f, settings)
		addr := through(f.Addr, f.Cert)
		if settings.SOAP {
			o.API.URL = strings.Replace(o.API.URL, f.Addr, addr, 1)
		} else {
			o.Line.Server = addr
		}
		o.Line.Timeout, o.Line.Retries, o.Line.BreakAfter, o.Line.BreakPause = 1500*time.Millisecond, 1, 100, time.Second
		o.API.Timeout, o.API.Retries, o.API.BreakAfter, o.API.BreakPause = 1500*time.Millisecond, 1, 100, time.Second
		o.Lag = 100 * time.Millisecond
		return conformance.Harness{
			Store: openStore(t, o),
			Put: func(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				return f.Put(a, conformance.Digits(code))
			},
			Has:     func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, conformance.Digits(code)) },
			Forgive: func(_ *testing.T, a mailbox.Account) { f.Forgive(a.ID) },
		}
	}
}
