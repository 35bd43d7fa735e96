package cue

import (
	"fmt"
	"testing"
	"time"

	"star97/internal/backend/conformance"
	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// What is told of a change is true whatever the line does to it. On every second line the
// mailboxes are named in the configuration: to read them all teaches the run that a change
// takes many bytes, so that most changes meet no fault; without that most meet one while
// they sign in.
func TestFaultRun(t *testing.T) {
	t.Parallel()
	lines := 0
	conformance.FaultRun(t, func(t *testing.T, through conformance.Through) conformance.Harness {
		f := fake.New(t, fake.Settings{})
		o := settings(t, f)
		o.Address, o.Timeout, o.Connect, o.MissPause = through(f.Addr, nil), 1500*time.Millisecond, 1500*time.Millisecond, time.Hour
		lines++
		for _, block := range [][2]int{{3001, 3010}, {4001, 5000}} {
			for n := block[0]; n <= block[1] && lines%2 == 0; n++ {
				o.Users = append(o.Users, User{ID: fmt.Sprint("user", n), Extension: fmt.Sprint(n)})
			}
		}
		return conformance.Harness{
			Store: openStore(t, o),
			Put: func(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				return put(f, a, conformance.Digits(code))
			},
			Has: func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, conformance.Digits(code)) },
		}
	}, 97, conformance.Changes())
}
