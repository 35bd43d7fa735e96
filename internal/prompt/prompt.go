// Package prompt names every sentence star97 can say, holds the masters of each
// language and hands out their payload per codec. It does not play anything.
package prompt

// ID names one sentence; manifest.yaml of each language gives its words.
type ID string

// MaxParts is the number of sentences one phrase can join: two before a menu, what
// the menu says first, and its eight options.
const MaxParts = 11

// Phrase is what is said in one breath: up to MaxParts sentences in order; the
// first empty ID ends it.
type Phrase [MaxParts]ID

// Say joins sentences to a phrase.
func Say(ids ...ID) Phrase {
	var p Phrase
	copy(p[:], ids)
	return p
}

// Sentences of the default flow. A refused rule's sentence is "refused-" + rule id.
const (
	Welcome            ID = "welcome"
	EnterExtension     ID = "enter-extension"
	EnterExtensionLong ID = "enter-extension-long"
	EnterCode          ID = "enter-code"
	EnterCodeLong      ID = "enter-code-long"
	WrongCode          ID = "wrong-code"
	MainMenu           ID = "menu"
	MainMenuLong       ID = "menu-long"
	InvalidKey         ID = "invalid-key"
	EnterNewCode       ID = "enter-new-code"      // without numbers; NewCodeAsk finds the one with numbers
	EnterNewCodeLong   ID = "enter-new-code-long" // without numbers; NewCodeAsk finds the one with numbers
	NewCodeRules       ID = "new-code-rules"      // the short rule list after the second refusal
	RepeatNewCode      ID = "repeat-new-code"
	RepeatNewCodeLong  ID = "repeat-new-code-long"
	Mismatch           ID = "mismatch"
	StillDifferent     ID = "still-different" // the last entries differ too
	NoInput            ID = "no-input"
	TakeYourTime       ID = "take-your-time" // instead of the first NoInput, for who needs longer
	HelpDesk           ID = "help-desk"      // the offer of help before goodbye
	Cleared            ID = "cleared"
	DigitsLost         ID = "digits-lost"
	PleaseWait         ID = "please-wait"
	Changed            ID = "changed"
	Failed             ID = "failed"
	OldCodeWorks       ID = "old-code-works"
	Unconfirmed        ID = "unconfirmed"
	Busy               ID = "busy"
	TooManyTries       ID = "too-many-tries" // the limit of this line, not of the mailbox
	Transferring       ID = "transferring"
	TransferFailed     ID = "transfer-failed"
	LineCheck          ID = "line-check" // what the check door does
	Unavailable        ID = "unavailable"
	Locked             ID = "locked"
	CannotChange       ID = "cannot-change"
	ManagedElsewhere   ID = "managed-elsewhere"
	TooSoon            ID = "too-soon"
	NotAccepted        ID = "not-accepted" // "your system did not accept that code"
	MustChange         ID = "must-change"
	NoCodeYet          ID = "no-code-yet"
	Cancelled          ID = "cancelled"
	TimeLimit          ID = "time-limit"
	Goodbye            ID = "goodbye"
)

// How long a lock lasts, said after Locked at the own door: the first that is not
// shorter than the wait.
const (
	RetryOneMinute  ID = "retry-one-minute"
	RetryTenMinutes ID = "retry-ten-minutes"
	RetryOneHour    ID = "retry-one-hour"
	RetryOneDay     ID = "retry-one-day"
)

// One plain reason per refused rule.
const (
	RefusedTooShort   ID = "refused-too-short"
	RefusedTooLong    ID = "refused-too-long"
	RefusedSameRun    ID = "refused-same-run"
	RefusedSequence   ID = "refused-sequence"
	RefusedOwnNumber  ID = "refused-own-number"
	RefusedCurrent    ID = "refused-current"
	RefusedTooSimple  ID = "refused-too-simple"
	RefusedUsedBefore ID = "refused-used-before"
)

// required are the sentences every language must have.
var required = []ID{
	Welcome, EnterExtension, EnterExtensionLong, EnterCode, EnterCodeLong, WrongCode,
	MainMenu, MainMenuLong, InvalidKey, EnterNewCode, EnterNewCodeLong, NewCodeRules,
	RepeatNewCode, RepeatNewCodeLong, Mismatch, NoInput, HelpDesk, Cleared, DigitsLost,
	PleaseWait, Changed, Failed, OldCodeWorks, Unconfirmed, Busy, Unavailable, Locked,
	CannotChange, ManagedElsewhere, TooSoon, NotAccepted, MustChange, NoCodeYet,
	Cancelled, TimeLimit, Goodbye,
	RetryOneMinute, RetryTenMinutes, RetryOneHour, RetryOneDay,
	RefusedTooShort, RefusedTooLong, RefusedSameRun, RefusedSequence, RefusedOwnNumber,
	RefusedCurrent, RefusedTooSimple, RefusedUsedBefore,
}

// newCodeAsks are the lengths that are recorded with their numbers.
var newCodeAsks = []struct {
	min, max    int
	short, long ID
}{
	{4, 8, "enter-new-code-4-8", "enter-new-code-long-4-8"},
	{4, 10, "enter-new-code-4-10", "enter-new-code-long-4-10"},
	{6, 8, "enter-new-code-6-8", "enter-new-code-long-6-8"},
	{6, 10, "enter-new-code-6-10", "enter-new-code-long-6-10"},
	{6, 12, "enter-new-code-6-12", "enter-new-code-long-6-12"},
	{8, 16, "enter-new-code-8-16", "enter-new-code-long-8-16"},
}

// NewCodeAsk returns the short and the long sentence that ask for a new code of
// min to max digits: with the numbers where they are recorded, else without.
func NewCodeAsk(min, max int) (short, long ID) {
	for i := range newCodeAsks {
		if a := &newCodeAsks[i]; a.min == min && a.max == max {
			return a.short, a.long
		}
	}
	return EnterNewCode, EnterNewCodeLong
}

// Required lists the sentences every language must have, those of NewCodeAsk among
// them.
func Required() []ID {
	ids := append([]ID(nil), required...)
	for _, a := range newCodeAsks {
		ids = append(ids, a.short, a.long)
	}
	return ids
}
