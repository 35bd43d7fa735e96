package mailbox

// Proved is the Result of a change that is in force.
func Proved() Result { return Result{Outcome: Done} }

// Refuse is the Result of a change that altered nothing. Its reason is err's Code.
func Refuse(err error) Result {
	return Result{Outcome: Refused, Reason: CodeOf(err), Err: err}
}

// Doubt is the Result of a change of which nobody can say yet whether it is in force.
func Doubt(detail error) Result {
	return Result{Reason: OutcomeUnknown, Err: detail}
}

// Failed makes an error of a Result that is not Done, and nil of one that is.
func (r Result) Failed(op string) error {
	if r.Outcome == Done {
		return nil
	}
	return Fail(op, r.Reason, r.Err)
}
