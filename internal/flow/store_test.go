package flow_test

import (
	"time"

	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/script/stage"
)

// fakeStore keeps one mailbox and does what "store" lines say next.
type fakeStore struct {
	account mailbox.Account
	absent  bool
	caller  string // asserted identity; empty: the mailbox's own
	code    string
	sends   int  // one-time codes that went out
	sent    bool // and the last one is not used yet
	proved  bool // it was typed
	answers stage.Answers
	pending map[uint32]string // changes under way, by step: the code they set
}

func newFakeStore() *fakeStore {
	s := &fakeStore{code: stage.Codes["old"], pending: map[uint32]string{}}
	s.set("4001", nil)
	return s
}

func (s *fakeStore) set(extension string, flags []string) {
	s.account = mailbox.Account{ID: "1", Backend: "fake", Extension: extension}
	s.account.Flags, s.absent = stage.Flags(flags)
}

func (s *fakeStore) busy() bool { return len(s.pending) > 0 }

// done is called when an answer is due: a change takes effect then, whether or not
// the caller is still there.
func (s *fakeStore) done(e flow.Event) {
	if next, ok := s.pending[e.Step]; ok {
		delete(s.pending, e.Step)
		s.code = next
	}
}

// send has a one-time code go out, where it is of use and there is none that is good.
func (s *fakeStore) send() {
	if s.sent || s.absent || s.account.Flags.CannotChange {
		return
	}
	s.sent = true
	s.sends++
}

// answer is what the store says to an effect, and how long it takes.
func (s *fakeStore) answer(fx flow.Effect) (time.Duration, flow.Event) {
	switch fx.Kind {
	case flow.Lookup:
		how := s.answers.Take("lookup")
		e := flow.Event{Kind: flow.Found, Step: fx.Step, Code: s.lookup(how, fx)}
		if e.Code == mailbox.OK && fx.Door == mailbox.OwnDoor {
			e.Account = &s.account
		}
		return took(how), e
	case flow.Verify:
		how := s.answers.Take("verify")
		e := flow.Event{Kind: flow.Verified, Step: fx.Step, Code: s.verify(how, fx)}
		if e.Code == mailbox.OK {
			e.Account = &s.account
		}
		return took(how), e
	}
	how := s.answers.Take("change")
	e := flow.Event{Kind: flow.ChangeDone, Step: fx.Step, Result: s.change(how, fx)}
	if e.Result.Outcome == mailbox.Done {
		s.pending[fx.Step] = digits(fx.Next)
	}
	return took(how), e
}

func digits(p pin.PIN) (text string) {
	p.Reveal(func(d []byte) { text = string(d) })
	return text
}

func took(how []string) time.Duration {
	switch how[0] {
	case "slow":
		d, _ := time.ParseDuration(how[1])
		return d
	case "dead":
		return storeDeadline
	}
	return storeTime
}

// beat is when the any door hears of a verification, counted from the complete code.
func beat(d time.Duration) time.Duration {
	const half = 500 * time.Millisecond
	return max(time.Second, (d+half-1)/half*half)
}

// reason is why the store does not do what it is asked to; OK: it does.
func reason(how []string) mailbox.Code {
	switch how[0] {
	case "ok", "slow":
		return mailbox.OK
	case "dead":
		return mailbox.Unavailable
	}
	code, err := stage.Reason(how[len(how)-1])
	if err != nil {
		panic(err)
	}
	return code
}

func (s *fakeStore) lookup(how []string, fx flow.Effect) mailbox.Code {
	if c := reason(how); c != mailbox.OK {
		return c
	}
	if !s.exists(fx) {
		return mailbox.NotFound
	}
	return mailbox.OK
}

func (s *fakeStore) exists(fx flow.Effect) bool {
	number := digits(fx.Number)
	if number == "" {
		number = s.caller
	}
	return !s.absent && (number == "" || number == s.account.Extension)
}

func (s *fakeStore) verify(how []string, fx flow.Effect) mailbox.Code {
	if c := reason(how); c != mailbox.OK {
		return c
	}
	switch {
	case !s.exists(fx):
		return mailbox.NotFound
	case s.account.Flags.Disabled:
		return mailbox.Disabled
	case s.account.Flags.Locked:
		return mailbox.Locked
	case fx.Claim == mailbox.ByOneTime:
		if s.proved = s.sent && digits(fx.Code) == stage.Codes["one-time"]; !s.proved {
			return mailbox.WrongPIN
		}
		s.sent = false
		return mailbox.OK
	case s.account.Flags.NoCode:
		return mailbox.NoCode
	case digits(fx.Code) != s.code:
		return mailbox.WrongPIN
	}
	return mailbox.OK
}

func (s *fakeStore) change(how []string, fx flow.Effect) mailbox.Result {
	switch {
	case how[0] == "dead" || how[0] == "unknown":
		return mailbox.Result{Outcome: mailbox.Unknown, Reason: mailbox.OutcomeUnknown}
	case how[0] == "refused":
		return mailbox.Result{Outcome: mailbox.Refused, Reason: reason(how)}
	}
	right := digits(fx.Code) == s.code
	switch fx.Claim {
	case mailbox.ByOneTime:
		right = s.proved
	case mailbox.ByFirstUse:
		right = s.account.Flags.NoCode
	}
	if !right {
		return mailbox.Refuse(mailbox.WrongPIN)
	}
	return mailbox.Proved()
}
