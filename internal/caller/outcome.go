package caller

import (
	"context"
	"errors"
)

// Outcome is how a scripted call ended, and the exit code of star97 call. The
// numbers are kept: scripts of administrators branch on them.
type Outcome int

// The outcomes.
const (
	Completed   Outcome = 0 // the script ran to its end
	Failed      Outcome = 1 // something of our own failed
	BadScript   Outcome = 2 // usage, script or codes file
	CallRefused Outcome = 3 // a final SIP answer of 3xx to 6xx
	Unreachable Outcome = 4 // no answer, or nobody there
	Unheard     Outcome = 5 // an expected sentence was not heard, or a wrong one was
	EndedEarly  Outcome = 6 // the far end hung up while the script had more to do
	Mute        Outcome = 7 // no audio came
	OutOfTime   Outcome = 8 // the call as a whole took too long
)

// OutcomeOf classifies the error of Dial or Player.Run.
func OutcomeOf(err error) Outcome {
	var refused *Refused
	var unheard *NotHeard
	var hungUp *HungUp
	switch {
	case err == nil:
		return Completed
	case errors.As(err, &unheard):
		return Unheard
	case errors.As(err, &hungUp), errors.Is(err, ErrEnded):
		return EndedEarly
	case errors.Is(err, ErrNoMedia):
		return Mute
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return OutOfTime
	case errors.As(err, &refused):
		return CallRefused
	case errors.Is(err, ErrNoAnswer), errors.Is(err, ErrUnreachable):
		return Unreachable
	case errors.Is(err, ErrScript), errors.Is(err, ErrOptions), errors.Is(err, ErrKeys), errors.Is(err, ErrNoEvents):
		return BadScript
	}
	return Failed
}
