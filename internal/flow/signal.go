package flow

// signal is what an event means where the call is; each has a column in the table.
type signal uint8

// The signals. Number 0 is none: the event changes nothing.
const (
	evAnswered     signal = iota + 1 // the ACK is in
	evSpoken                         // the phrase is at its end
	evAhead                          // a key came where nobody can use it yet
	evLost                           // a key was lost
	evTyped                          // a digit continues the entry
	evEntered                        // the entry is complete
	evShort                          // a pause in a new code that cannot be complete yet
	evBroken                         // the entry is complete, but a key of it was lost
	evCleared                        // * on an entry
	evBack                           // * on an empty entry; menu key: one menu back
	evNothing                        // # or the timer on an empty entry; the timer of a menu or of a line check
	evSignIn                         // menu key: sign in
	evChange                         // menu key: change the code
	evMenu                           // menu key: another menu
	evLanguage                       // menu key: another language
	evTransfer                       // menu key: connect me elsewhere
	evRepeat                         // menu key: say it again; # on an empty entry of a code that was spelled
	evGoodbye                        // menu key: leave
	evOther                          // a key that the menu does not have
	evWaited                         // the store takes its time
	evFound                          // the mailbox is found; any door: there is an answer
	evNobody                         // own door: the caller has no mailbox, or two
	evNotReady                       // own door: the mailbox cannot be used by telephone
	evDown                           // the store cannot be asked
	evRight                          // the code is right
	evMust                           // the code is right and has to be changed
	evWrong                          // the code is wrong, or the any door says so
	evClosed                         // own door: the store says why it does not look
	evDone                           // proved: changed
	evRefused                        // proved: not changed, the code was not acceptable
	evFailed                         // proved: not changed, for another reason
	evUnknown                        // nobody can say
	evFirst                          // own door: no code yet, and the caller may choose the first one
	evAccept                         // 1 on the offer
	evChosen                         // a code was chosen
	evNoChoice                       // the rules leave no code
	evConnected                      // the caller is connected elsewhere
	evNotConnected                   // the caller is not
	evLimit                          // the time is up
	evGrace                          // the time is up, and for those who type as well
	evHungUp                         // the caller is gone
	numSignals
)

var signalWords = [numSignals]string{
	evAnswered: "answered", evSpoken: "spoken", evAhead: "key", evLost: "losing a key", evTyped: "digit",
	evEntered: "entry complete", evShort: "pause, too short", evBroken: "a key was lost", evCleared: "* on entry", evBack: "*", evNothing: "no input",
	evSignIn: "key sign-in", evChange: "key change", evMenu: "key of a menu", evLanguage: "key of a language",
	evTransfer: "key of a transfer", evRepeat: "again", evGoodbye: "key goodbye", evOther: "other key",
	evWaited: "still waiting", evFound: "found", evNobody: "no mailbox", evNotReady: "mailbox closed", evDown: "store down",
	evRight: "right code", evMust: "right code, must change", evWrong: "wrong code", evClosed: "mailbox locked or closed",
	evDone: "done", evRefused: "code refused", evFailed: "change refused", evUnknown: "unknown",
	evFirst: "no code yet, first use allowed", evAccept: "key 1", evChosen: "chosen", evNoChoice: "no code to choose",
	evConnected: "connected", evNotConnected: "not connected",
	evLimit: "time is up", evGrace: "grace is over", evHungUp: "hung up",
}

// String is the signal's word.
func (s signal) String() string { return signalWords[s] }
