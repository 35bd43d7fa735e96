package call

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/mailbox"
)

// What one call's steps were done with goes to the next call: no code may be left in it,
// not even where a program error ended the step.
func TestWhatAStepIsDoneWithHoldsNoCodeAfterwards(t *testing.T) {
	for _, broken := range []bool{false, true} {
		in(t, mailbox.OwnDoor, func(g *rig) {
			var made []*flow.Effects
			g.service.spare.New = func() any {
				e := new(flow.Effects)
				made = append(made, e)
				return e
			}
			r := newRun(g.service, g.site, newLeg(), newSession(), &Arrival{Door: mailbox.OwnDoor, Layout: "default", Number: "4001"})
			step := func(e flow.Event) {
				r.step(e)
				for synctest.Wait(); len(r.answers) > 0; synctest.Wait() {
					r.answer(<-r.answers)
				}
				for _, e := range made {
					require.Zero(t, *e)
				}
			}
			press := func(keys string) {
				for i := range len(keys) {
					d, _ := dtmf.DigitOf(keys[i])
					step(flow.Event{Kind: flow.Key, Digit: d})
				}
			}
			step(flow.Event{Kind: flow.Answered})
			press("482915")
			if !broken {
				press("#2739164#739164#")
				require.Equal(t, mailbox.Done.String(), r.change, "the code was verified and changed")
			} else {
				r.account = nil
				require.Panics(t, func() { press("#") })
				n := len(made)
				require.Zero(t, *r.spare.Get().(*flow.Effects))
				require.Len(t, made, n+1, "and it is nobody's any more")
				for _, e := range made {
					require.Zero(t, *e)
				}
			}
			r.close()
		})
	}
}
