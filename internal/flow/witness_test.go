package flow

import (
	"slices"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// node is a call and what an onlooker knows of it.
type node struct {
	state State
	truth witness
}

// witness remembers what the store was asked and said, to judge effects by.
type witness struct {
	asked   pin.PIN       // the code of the Verify that is not answered
	claimed mailbox.Claim // what that was said to be
	right   pin.PIN       // the code that the store called right
	by      mailbox.Claim // what that is
	wanted  pin.PIN       // the code of the Change that is not answered
	chosen  pin.PIN       // what the shell chose
	sent    bool          // a one-time code was asked for since the last Lookup
	missed  uint8         // wrong one-time codes
}

// after is what the onlooker knows after the step to s.
func (w witness) after(before, s *State, e Event, out Effects) witness {
	answered := before.asking != 0 && e.Step == before.asking
	switch {
	case e.Kind == Verified && answered && e.Code == mailbox.OK && before.at == Verifying && (before.door == mailbox.OwnDoor || !isClosed(e.Account)):
		w.right, w.by = w.asked, w.claimed
	case e.Kind == Verified && answered && e.Code == mailbox.WrongPIN && before.at == Verifying && w.claimed == mailbox.ByOneTime:
		w.missed++
	case e.Kind == ChangeDone && answered && e.Result.Outcome == mailbox.Done && before.at == Changing:
		w.right, w.by = w.wanted, mailbox.ByCode
	case e.Kind == Chosen && answered && before.at == Choosing:
		w.chosen = e.Choice
	}
	if s.at != Verifying {
		w.asked, w.claimed = pin.PIN{}, 0
	}
	if s.at != Changing {
		w.wanted = pin.PIN{}
	}
	if s.at != TypeBack {
		w.chosen = pin.PIN{}
	}
	for _, fx := range out.List[:out.N] {
		switch fx.Kind {
		case Lookup:
			w.sent = false
		case Send:
			w.sent = true
		case Verify:
			w.asked, w.claimed = fx.Code, fx.Claim
		case Change:
			w.wanted = fx.Next
		}
	}
	return w
}

// breaks names the first rule that a step breaks, or is empty.
func breaks(before node, e Event, after node, out Effects) string {
	s := &after.state
	count := map[EffectKind]int{}
	for i, fx := range out.List[:out.N] {
		count[fx.Kind]++
		switch {
		case count[fx.Kind] > 1:
			return "an effect is asked for twice in one step"
		case fx.Step == 0:
			return "an effect has no step"
		case fx.Kind == Say && fx.Phrase[0] == "":
			return "a phrase is empty"
		case fx.Kind == Say && says(fx, prompt.Changed) && !(e.Kind == ChangeDone && e.Result.Outcome == mailbox.Done):
			return "success is spoken without proof"
		case fx.Kind == Say && says(fx, prompt.OldCodeWorks) && (before.truth.right.Empty() || before.truth.by != mailbox.ByCode || disproved(before, e, true)):
			return "the old code is promised without proof"
		case fx.Kind == Say && says(fx, prompt.Unavailable) && disproved(before, e, false):
			return "nothing was changed, it is said, and nobody knows"
		case fx.Kind == Change && (fx.Code != before.truth.right || !fx.Code.Empty() && fx.Claim != before.truth.by):
			return "a change with a code that was not verified"
		case fx.Kind == Change && (fx.Code.Empty() != (fx.Claim == mailbox.ByFirstUse) || fx.Next.Empty()):
			return "a change without a code"
		case fx.Kind == Change && fx.Claim == mailbox.ByFirstUse && (!s.firstUse || fx.Door != mailbox.OwnDoor || s.account == nil):
			return "a first code where nobody may choose one"
		case fx.Kind == Change && before.state.at != Confirm && before.state.at != TypeBack && before.state.at != Announcing:
			return "a change without a confirmation"
		case fx.Kind == Say && (says(fx, prompt.ChosenCode) == fx.Spell.Empty() || fx.Spell != s.first && !fx.Spell.Empty()):
			return "a code is spelled where none was chosen"
		case fx.Kind != Say && !fx.Spell.Empty():
			return "a code is spelled by the wrong effect"
		case fx.Kind == Say && says(fx, prompt.ChosenCode) && fx.Spell != after.truth.chosen:
			return "a code is spelled that was not chosen"
		case fx.Kind == Send && (before.truth.sent || !s.oneTime && (!s.forgotten || fx.Door != mailbox.OwnDoor || s.wrong == 0)):
			return "a one-time code that nobody asked for"
		case fx.Kind == Verify && fx.Claim == mailbox.ByOneTime && before.truth.missed >= oneTimeTries:
			return "a try too many at a one-time code"
		case fx.Kind == Say && s.door != mailbox.OwnDoor && (says(fx, prompt.ForgottenOffer) || says(fx, prompt.FirstUse)):
			return "the any door offers what only the own door has"
		case fx.Kind == End && i != out.N-1:
			return "something is asked for after the end"
		case fx.Kind == End && e.Kind != HungUp && before.state.at != Ringing && (before.state.at != Leaving || e.Kind != Spoken) &&
			(before.state.at != Transferring || !e.OK):
			return "the call ends without a last sentence"
		case fx.Kind == Transfer && (before.state.at != Transferring || e.Kind != Spoken && e.Kind != Key || fx.Target == ""):
			return "a transfer that nobody heard of"
		case fx.Kind == Transfer && fx.Target == "messages" && before.truth.right.Empty():
			return "a transfer to the messages without a code"
		case s.door == mailbox.CheckDoor && (fx.Kind == Lookup || fx.Kind == Verify || fx.Kind == Change || fx.Kind == Transfer):
			return "the check door asks for something"
		}
	}
	switch {
	case before.state.at == Ended && out.N > 0:
		return "something happens after the end"
	case before.state.at == Ringing && e.Kind != Answered && e.Kind != LimitHit && e.Kind != GraceOver && e.Kind != HungUp && out.N > 0:
		return "something happens before the ACK"
	case s.at != Ringing && s.at != Ended && s.saying == 0 && s.timing == 0:
		return "nothing will ever happen again"
	case (s.at == Leaving || s.at == Ended) && !secretFree(s):
		return "a code outlives its use"
	case s.door == mailbox.AnyDoor && before.truth.right.Empty() && after.truth.right.Empty() && s.account != nil:
		return "the any door knows a mailbox before its code was verified"
	case after.truth.right.Empty() && !s.chose && s.claim != mailbox.ByFirstUse && (s.language != before.state.language || s.slow != before.state.slow):
		return "something of the mailbox shows before its code was verified"
	case e.Kind == GraceOver && before.state.at != Ringing && s.at < Leaving && s.at != Changing && s.at != Announcing:
		return "the call goes on when the grace is over"
	case e.Kind == LimitHit && s.at == Leaving && (!before.state.entry.Empty() || before.state.patient):
		return "somebody who is typing is cut off"
	case s.broken && (!s.entry.Empty() || !s.ahead.Empty()):
		return "what a key is missing from is kept"
	case s.claim == mailbox.ByFirstUse && s.door != mailbox.OwnDoor:
		return "a first code at the any door"
	case s.rounds > uint8(s.layout.limits.NewCodeRounds)+1:
		return "more rounds than there are"
	case s.at != Confirm && s.at != TypeBack && s.at != Changing && !s.first.Empty():
		return "the first entry outlives the confirmation"
	}
	return ""
}

func says(fx Effect, id prompt.ID) bool { return slices.Contains(fx.Phrase[:], id) }

// disproved tells whether it is untrue, or not known, that a change which is under
// way changed nothing and, if still, that the old code still opens the mailbox.
func disproved(before node, e Event, still bool) bool {
	if before.state.at != Changing {
		return false
	}
	if e.Kind != ChangeDone || e.Result.Outcome != mailbox.Refused {
		return true
	}
	switch e.Result.Reason {
	case mailbox.WrongPIN, mailbox.NotFound, mailbox.Ambiguous, mailbox.NoCode, mailbox.Disabled, mailbox.Locked:
		return still
	}
	return false
}

func secretFree(s *State) bool {
	return s.number.Empty() && s.current.Empty() && s.first.Empty() && s.entry.Empty() && s.ahead.Empty()
}
