package cue

import (
	"testing"
	"time"

	"star97/internal/backend/conformance"
	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// What is told of a change is true whatever the line does to it.
func TestFaultRun(t *testing.T) {
	t.Parallel()
	conformance.FaultRun(t, func(t *testing.T, through conformance.Through) conformance.Harness {
		f := fake.New(t, fake.Settings{})
		o := settings(t, f)
		o.Address, o.Timeout, o.Connect, o.MissPause = through(f.Addr, nil), 1500*time.Millisecond, 1500*time.Millisecond, time.Hour
		return conformance.Harness{
			Store: openStore(t, o),
			Put: func(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				return put(f, a, digitsOf(code))
			},
			Has: func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, digitsOf(code)) },
		}
	}, 97, conformance.Changes())
}
