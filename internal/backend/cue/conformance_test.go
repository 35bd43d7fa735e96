package cue

import (
	"testing"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		f := fake.New(t, fake.Settings{Banner: "Authorized use only\n"})
		o, said := settings(t, f), &conformance.Log{}
		o.LogTo(said.Logger())
		return conformance.Harness{
			Store: openStore(t, o), Said: said.String, Orders: f.Orders(), NoHTTP: true, NoCode: true,
			Ops: conformance.Ops{Lookup: fake.OpDetail, Change: fake.OpPIN, Login: fake.OpLogin},
			Lacks: map[string]string{
				"Verify of a disabled mailbox":          "the system tells no states of a mailbox",
				"Change refused by the mailbox's state": "the system tells no states of a mailbox",
			},
			Put: func(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				a.Numbers = nil // a test of its own looks for them
				return put(f, a, conformance.Digits(code))
			},
			Has: func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, conformance.Digits(code)) },
			Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
				o := settings(t, f)
				switch k {
				case trouble.Untrusted:
					o.HostKey = fake.New(t, fake.Settings{}).HostKey
				case trouble.OutOfDate, trouble.WrongName:
					return nil
				}
				return openStore(t, o)
			},
		}
	})
}

// put makes a mailbox as Lookup shall find it, with the rules of the settings.
func put(f *fake.Server, a mailbox.Account, digits string) mailbox.Account {
	a.Mail = "" // the system tells none
	a = f.Put(a, digits)
	policy := DefaultOptions().Rules.policy()
	a.Rules = &policy
	return a
}
