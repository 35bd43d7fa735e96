// Package prompt names every sentence star97 can say, holds the masters of each
// language and hands out their payload per codec. It does not play anything.
package prompt

// ID names one sentence; manifest.yaml of each language gives its words.
type ID string

// MaxParts is the number of sentences one phrase can join.
const MaxParts = 3

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
	EnterNewCode       ID = "enter-new-code"      // without numbers; "enter-new-code-6-10" and the like exist for likely pairs
	EnterNewCodeLong   ID = "enter-new-code-long" // without numbers; "enter-new-code-long-6-10" and the like exist too
	NewCodeRules       ID = "new-code-rules"      // the short rule list after the second refusal
	RepeatNewCode      ID = "repeat-new-code"
	RepeatNewCodeLong  ID = "repeat-new-code-long"
	Mismatch           ID = "mismatch"
	NoInput            ID = "no-input"
	HelpDesk           ID = "help-desk" // the offer of help before goodbye
	Cleared            ID = "cleared"
	DigitsLost         ID = "digits-lost"
	PleaseWait         ID = "please-wait"
	Changed            ID = "changed"
	Failed             ID = "failed"
	OldCodeWorks       ID = "old-code-works"
	Unconfirmed        ID = "unconfirmed"
	Busy               ID = "busy"
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
