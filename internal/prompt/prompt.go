// Package prompt names every sentence star97 can say, holds the masters of each
// language and hands out their payload per codec. It does not play anything.
package prompt

import "strings"

// ID names one sentence; manifest.yaml of each language gives its words.
//
//	welcome         the sentence, in the language of the call
//	welcome@pin     the same for routes that say PIN (Words)
//	es-ES/welcome   the Spanish one, whatever the language of the call
type ID string

// Words are what a route calls things. A sentence that names one of them is recorded
// once for each word, as id@WORD; the plain recording is the one for the first word,
// for "" and for a word that nobody recorded.
type Words struct {
	Code      string // access-code, pin, passcode
	Extension string // extension, mailbox, account
}

// MaxParts is the number of sentences one phrase can join: two before a menu, what
// the menu says first, and its eight options.
const MaxParts = 11

// Phrase is what is said in one breath: up to MaxParts sentences in order; the
// first empty ID ends it.
type Phrase [MaxParts]ID

// String is the phrase's sentences, with blanks between them.
func (p Phrase) String() string {
	var words []string
	for _, id := range p {
		if id != "" {
			words = append(words, string(id))
		}
	}
	return strings.Join(words, " ")
}

// Sentences of the default flow. A refused rule's sentence is "refused-" + rule id.
const (
	Welcome            ID = "welcome"
	EnterExtension     ID = "enter-extension"
	EnterExtensionLong ID = "enter-extension-long"
	EnterCode          ID = "enter-code"
	EnterCodeLong      ID = "enter-code-long"
	WrongCode          ID = "wrong-code"
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
	LineCheck          ID = "line-check"        // what the check door does
	AttendantWelcome   ID = "attendant-welcome" // before the menu of who has not signed in
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

// A new code that star97 chooses: the offer, then the code digit by digit.
const (
	OfferChoose    ID = "offer-choose"
	OfferOwn       ID = "offer-own" // right behind OfferChoose
	ChosenCode     ID = "chosen-code"
	ChosenTypeBack ID = "chosen-type-back"
)

// Forgotten codes and the one-time codes that stand in for them.
const (
	ForgottenOffer   ID = "forgotten-offer"
	OneTimeSent      ID = "one-time-sent" // the same whether there is an address or not
	EnterOneTime     ID = "enter-one-time"
	EnterOneTimeLong ID = "enter-one-time-long"
	WrongOneTime     ID = "wrong-one-time"
	OneTimeOver      ID = "one-time-over" // used, too old, or tried too often
)

// States of a mailbox.
const (
	FirstUse              ID = "first-use"
	CodeExpired           ID = "code-expired"
	CodeExpiresSoon       ID = "code-expires-soon"
	LockedByAdministrator ID = "locked-by-administrator"
	MailboxDisabled       ID = "mailbox-disabled"
)

// The short rule list in parts, for a policy of which NewCodeRules is not true, and
// what may follow it.
const (
	RuleSequence  ID = "rule-sequence"
	RuleSameRun   ID = "rule-same-run"
	RuleOwnNumber ID = "rule-own-number"
	RuleCommon    ID = "rule-common" // for a policy with a blocklist, behind the others
)

// MainMenu is the first sentence of the default menu: who hears it has signed in.
const MainMenu = ID("option-change-2")

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
	RefusedTooShort       ID = "refused-too-short"
	RefusedTooLong        ID = "refused-too-long"
	RefusedSameRun        ID = "refused-same-run"
	RefusedSequence       ID = "refused-sequence"
	RefusedWrap           ID = "refused-wrap"
	RefusedConstantStep   ID = "refused-constant-step"
	RefusedRepeatBlock    ID = "refused-repeat-block"
	RefusedReturningGroup ID = "refused-returning-group"
	RefusedMinDistinct    ID = "refused-min-distinct"
	RefusedKeypadLine     ID = "refused-keypad-line"
	RefusedOwnNumber      ID = "refused-own-number"
	RefusedCurrent        ID = "refused-current"
	RefusedNearCurrent    ID = "refused-near-current"
	RefusedDateLike       ID = "refused-date-like"
	RefusedName           ID = "refused-name"
	RefusedBlocklist      ID = "refused-blocklist"
	RefusedUsedBefore     ID = "refused-history"
	RefusedTooSimple      ID = "refused-too-simple" // a voicemail system says no more
)

// required are the sentences every language must have, but for those of newCodeAsks,
// options, lineHeard and digits.
var required = []ID{
	Welcome, EnterExtension, EnterExtensionLong, EnterCode, EnterCodeLong, WrongCode,
	InvalidKey, EnterNewCode, EnterNewCodeLong, NewCodeRules,
	RepeatNewCode, RepeatNewCodeLong, Mismatch, StillDifferent, NoInput, TakeYourTime,
	HelpDesk, Cleared, DigitsLost, PleaseWait, Changed, Failed, OldCodeWorks, Unconfirmed,
	Busy, TooManyTries, Unavailable, Locked, CannotChange, ManagedElsewhere, TooSoon,
	NotAccepted, MustChange, NoCodeYet, Cancelled, TimeLimit, Goodbye,
	AttendantWelcome, Transferring, TransferFailed, LineCheck,
	RetryOneMinute, RetryTenMinutes, RetryOneHour, RetryOneDay,
	RuleSequence, RuleSameRun, RuleOwnNumber, RuleCommon,
	OfferChoose, OfferOwn, ChosenCode, ChosenTypeBack,
	ForgottenOffer, OneTimeSent, EnterOneTime, EnterOneTimeLong, WrongOneTime, OneTimeOver,
	FirstUse, CodeExpired, CodeExpiresSoon, LockedByAdministrator, MailboxDisabled,
	RefusedTooShort, RefusedTooLong, RefusedSameRun, RefusedSequence, RefusedWrap, RefusedConstantStep,
	RefusedRepeatBlock, RefusedReturningGroup, RefusedMinDistinct, RefusedKeypadLine, RefusedOwnNumber,
	RefusedCurrent, RefusedNearCurrent, RefusedDateLike, RefusedName, RefusedBlocklist, RefusedUsedBefore, RefusedTooSimple,
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

// options are the actions of menus and the keys that each is recorded with.
var options = []struct{ name, keys string }{
	{"change", "0123456789"}, {"messages", "1"}, {"operator", "0"}, {"sign-in", "5"},
	{"repeat", "9*"}, {"goodbye", "*#"}, {"back", "*0"},
	{"options", "0"}, {"advanced", "5"}, {"setup", "4"}, {"preferences", "3"},
	{"language", "23456789"},
}

// Option is the sentence "to do this, press that key". name is the action's, or that
// of the menu or target which the key leads to; "language" offers the language of
// whose recordings it is. key is one of 0-9 * #.
func Option(name string, key byte) ID {
	switch key {
	case '*':
		return ID("option-" + name + "-star")
	case '#':
		return ID("option-" + name + "-pound")
	}
	return ID("option-" + name + "-" + string(key))
}

// lineHeard counts keys, from none on; the last stands for every higher number.
var lineHeard = [...]ID{
	"line-heard-0", "line-heard-1", "line-heard-2", "line-heard-3", "line-heard-4", "line-heard-5", "line-heard-6",
	"line-heard-7", "line-heard-8", "line-heard-9", "line-heard-10", "line-heard-11", "line-heard-12", "line-heard-many",
}

// LineHeard says how many keys the check door heard; keys is not negative.
func LineHeard(keys int) ID {
	return lineHeard[min(keys, len(lineHeard)-1)]
}

// digits are the digits of a code that star97 has chosen, each said alone.
var digits = [...]ID{
	"digit-0", "digit-1", "digit-2", "digit-3", "digit-4", "digit-5", "digit-6", "digit-7", "digit-8", "digit-9",
}

// Digit says one digit, '0' to '9'.
func Digit(d byte) ID { return digits[d-'0'] }

// Required lists the sentences every language must have. A menu can need others:
// options with other keys, which a site records itself.
func Required() []ID {
	ids := append([]ID(nil), required...)
	for _, a := range newCodeAsks {
		ids = append(ids, a.short, a.long)
	}
	for _, o := range options {
		for _, key := range []byte(o.keys) {
			ids = append(ids, Option(o.name, key))
		}
	}
	return append(append(ids, lineHeard[:]...), digits[:]...)
}
