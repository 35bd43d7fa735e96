package netsapiens

import (
	"strings"
	"testing"
	"time"

	"star97/internal/backend/conformance"
	"star97/internal/backend/netsapiens/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// What is told of a change is true whatever the line does to it. Some changes show late.
func TestFaultRun(t *testing.T) {
	t.Parallel()
	conformance.FaultRun(t, func(t *testing.T, through conformance.Through) conformance.Harness {
		f := fake.New(t, fake.Settings{Delay: 20 * time.Millisecond})
		o := loggedIn(t, f)
		o.API.URL = strings.Replace(o.API.URL, f.Addr, through(f.Addr, f.Cert), 1)
		o.API.Timeout, o.API.Retries, o.API.BreakAfter, o.API.BreakPause = 500*time.Millisecond, 1, 100, time.Second
		o.ReadBack, o.Lag = 500*time.Millisecond, 500*time.Millisecond
		return conformance.Harness{
			Store: openStore(t, o),
			Put: func(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				return f.Put(a, conformance.Digits(code))
			},
			Has: func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, conformance.Digits(code)) },
		}
	}, 97, conformance.Changes())
}
