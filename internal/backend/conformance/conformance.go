// Package conformance is the suite of cases that every backend passes: the
// contract of mailbox.Store, proved from outside by calling it, in good weather and
// with every trouble that the system behind it can have.
package conformance

import (
	"testing"
	"time"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Harness is a backend under test: the Store, and a way to put a mailbox into
// the system behind it that does not depend on the Store itself.
type Harness struct {
	Store mailbox.Store
	// Put makes a mailbox of a's Extension, Domain, Name, Language, Numbers, User and
	// Flags with the given code, empty for none, and returns it as Lookup shall find it.
	// It skips the test if the system behind cannot hold such a mailbox.
	Put func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account
	// OtherDomain is the name of a second tenant; empty if the system has no tenants.
	OtherDomain string
	// NoCode says that the system cannot hold a mailbox without a code.
	NoCode bool
	// Doubles says that two mailboxes of the system can have one extension.
	Doubles bool
	// Sample replaces the codes of the cases where the system refuses them.
	Sample Sample
	// Lacks names cases, each with its reason, that the system's nature rules out, as
	// "Change back", or one trouble of a case, as "Change in trouble: 401".
	Lacks map[string]string

	// Has tells from the memory of a fake whether code is the mailbox's. Nil: the Store
	// is asked. A Store whose system has NoCheck is tested behind it.
	Has func(a mailbox.Account, code pin.PIN) bool
	// Forgive makes the system forget wrong codes, so that its own lock-out does not
	// disturb. It is needed where Traits say a Limit.
	Forgive func(t *testing.T, a mailbox.Account)
	// Orders are the fake's troubles and Ops the names of its requests; nil: it has none.
	Orders *trouble.Orders
	Ops    Ops
	// NoHTTP says that the fake makes troubles by Order.Reply, not by trouble.Handler.
	NoHTTP bool
	// Behind opens another Store that meets a server with such a certificate, or host key,
	// and trusts the CAFile that comes with it. It returns nil where there is no such thing.
	// Nil: the system proves nothing.
	Behind func(t *testing.T, k trouble.Trust) mailbox.Store
	// Said is all that the adapter has logged, at debug; nil: it has no log.
	Said func() string
}

// Sample is the codes that the cases use. No two share four digits in a row, and none
// is in the blocklist of a system. An empty one is as in DefaultSample.
type Sample struct {
	First, Second, Third string
	Zeros                string // begins with two zeros
}

// DefaultSample suits the strict systems too.
func DefaultSample() Sample {
	return Sample{First: "482915", Second: "739164", Third: "60617238", Zeros: "007294"}
}

// Ops are the names that the fake's Orders know requests by; empty: there is none.
type Ops struct {
	Lookup string // what Lookup asks first
	Verify string // what tells whether a code is right
	Change string // what writes a code
	Login  string // what signs star97 itself in, before the first request of a Store
}

// patience bounds every call of the suite.
const patience = 30 * time.Second

// suiteCase is one row of the suite. What it needs is asked of one harness that no case
// uses: needs returns why the case cannot be, or "".
type suiteCase struct {
	name  string
	needs func(*suite) string // nil: nothing
	run   func(*testing.T, *suite)
	parts bool // run opens harnesses of its own, by again
}

// cases are the suite, in the order of the matrix. The names are unique and stay.
var cases = []suiteCase{
	{name: "Lookup finds none, one, several", run: lookup},
	{name: "Lookup keeps tenants apart", run: tenants, needs: aTenant},
	{name: "Several mailboxes of one extension", run: doubles, needs: twins},
	{name: "Verify right and wrong", run: verify},
	{name: "Verify of what is not there", run: verifyAbsent},
	{name: "Verify of a disabled mailbox", run: verifyDisabled},
	{name: "Verify without a code", run: verifyNoCode, needs: noCode},
	{name: "Change Done is proved", run: changeDone},
	{name: "Change clears must-change", run: changeObeyed, needs: states},
	{name: "Change keeps leading zeros and every length", run: changeShapes},
	{name: "Change with a wrong current code", run: changeWrong},
	{name: "Change without the current code", run: changeClaimed},
	{name: "Change refused by the mailbox's state", run: changeDenied},
	{name: "Change from several calls at once", run: changeRace},
	{name: "Callers of several mailboxes at once", run: crowd},
	{name: "Change back", run: changeBack},
	{name: "An ended context", run: endedContext},
	{name: "Nothing said holds a digit of a code", run: silence},
	{name: "The log tells of every exchange", run: logged, needs: outspoken},
	{name: "The declared traits are true", run: traits, needs: declarer},
	{name: "The system's own lock-out", run: lockOut, needs: limit},
	{name: "Lookup in trouble", run: lookupTrouble, needs: troubled(forLookup), parts: true},
	{name: "Verify in trouble", run: verifyTrouble, needs: troubled(forVerify), parts: true},
	{name: "Verify is sent once", run: verifyOnce, needs: both(troubled(forVerify), native), parts: true},
	{name: "Change in trouble", run: changeTrouble, needs: troubled(forChange), parts: true},
	{name: "Change in trouble is settled", run: settleTrouble, needs: troubled(forChange), parts: true},
	{name: "Change without its proof", run: proofTrouble, needs: both(looksAgain, troubled(forVerify)), parts: true},
	{name: "A system that says yes and does nothing", run: ignored, needs: both(looksAgain, troubled(forChange))},
	{name: "A change that shows late", run: late, needs: troubled(forChange), parts: true},
	{name: "A slow answer ends with the call's patience", run: slow, needs: troubled(forLookup)},
	{name: "Signing in fails", run: loginTrouble, needs: troubled(forLogin), parts: true},
	{name: "A session that is forgotten", run: expired, needs: troubled(forLogin)},
	{name: "Certificates that prove nothing", run: certificates, needs: certified},
	{name: "List", run: list, needs: ability[mailbox.Lister]},
	{name: "Reset", run: reset, needs: ability[mailbox.Resetter]},
	{name: "A first code", run: firstCode, needs: both(noCode, firstUse)},
	{name: "Reset in trouble", run: resetTrouble, needs: both(ability[mailbox.Resetter], troubled(forChange)), parts: true},
	{name: "Unlock", run: unlock, needs: ability[mailbox.Unlocker]},
	{name: "SetFlags", run: setFlags, needs: ability[mailbox.Flagger]},
	{name: "Renumber", run: renumber, needs: ability[mailbox.Renumberer]},
	{name: "ByUser", run: byUser, needs: ability[mailbox.ByUser]},
	{name: "Probe", run: probe, needs: ability[mailbox.Prober]},
	{name: "Add and Remove", run: addRemove, needs: ability[mailbox.Admin]},
	{name: "Edit", run: edit, needs: ability[mailbox.Editor]},
	{name: "Reassign", run: reassign, needs: ability[mailbox.Reassigner]},
}

// Run passes open's Store through every case, a fresh Harness for each, two or more
// at a time: open must not alter what the process has only one of. What came out is
// compared with testdata/conformance (see Report).
func Run(t *testing.T, open func(t *testing.T) Harness) {
	r := newRecord()
	t.Cleanup(func() { r.keep(t) }) // after the last parallel case
	look := newSuite(open(t), open, r)
	look.sound(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			defer r.note(t, c.name)
			s := look.named(c.name)
			if why := s.why(c); why != "" {
				s.skip(t, why)
			}
			if !c.parts {
				s = s.again(t)
				defer s.silent(t)
			}
			c.run(t, s)
		})
	}
}
