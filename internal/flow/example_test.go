package flow_test

import (
	"fmt"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// The shell delivers what happens and performs what Step asks for.
func ExampleStep() {
	layout, _ := flow.NewLayout(dialplan.Default(), dialplan.DefaultLayout, pin.DefaultPolicy())
	call := flow.New(layout, flow.Start{Door: mailbox.AnyDoor})
	for _, e := range []flow.Event{
		{Kind: flow.Answered},
		{Kind: flow.Key, Digit: 4},
		{Kind: flow.Key, Digit: 1},
		{Kind: flow.Key, Digit: dtmf.Pound},
	} {
		var effects flow.Effects
		call, effects = flow.Step(call, e)
		for _, fx := range effects.List[:effects.N] {
			switch fx.Kind {
			case flow.Say:
				fmt.Println(call.At(), "say", fx.Phrase)
			case flow.Hush:
				fmt.Println(call.At(), "hush")
			case flow.Timer:
				fmt.Println(call.At(), "timer", fx.After)
			case flow.Lookup:
				fmt.Println(call.At(), "lookup")
			}
		}
		effects.Wipe()
	}
	// Output:
	// extension say welcome enter-extension
	// extension hush
	// extension timer 4s
	// extension timer 4s
	// access-code say enter-code
	// access-code timer 0s
	// access-code lookup
}
