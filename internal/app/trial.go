package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"star97/internal/backend"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Trial is how an administrator proves an installation before the first caller does.
type Trial struct {
	Domain    string
	Extension string     // empty: nothing but reaching the stores is tried
	Code      *pin.PIN   // nil: no code is verified
	Next      *pin.PIN   // nil: nothing is changed
	Rules     pin.Policy // the site's, for Next
	By        mailbox.Actor
}

// Finding is what one step of a Trial has shown.
type Finding struct {
	Step string
	Text string // for people, without a digit of a code
	Took time.Duration
	Err  error
}

// trialTime bounds a Trial: far longer than its calls would wait.
const trialTime = 5 * time.Minute

// Try asks every store once, and where a mailbox is named finds it and reads what is
// known of it, verifies its code and changes it, each as a call would: a wrong code
// counts. It ends with the first step that fails, and tells each one as it is over.
func (s *Stores) Try(ctx context.Context, t Trial, tell func(Finding)) bool {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	all := true
	for _, n := range s.Backend.All() {
		all = s.tryReach(ctx, n, tell) && all
	}
	if t.Extension == "" || !all {
		return all
	}
	a, ok := s.tryFind(ctx, t, tell)
	if !ok || t.Code == nil {
		return ok
	}
	at := mailbox.Attempt{Door: mailbox.OwnDoor, Peer: "command line", Caller: string(t.By)}
	traits := s.Backend.Traits(a)
	ok = step(tell, "verify", func() (string, error) {
		return "the code is right, " + checkedBy[traits.Check], s.Trail.Verify(ctx, a, *t.Code, at)
	})
	if !ok || t.Next == nil {
		return ok
	}
	if !step(tell, "rules", func() (string, error) { return "the new code keeps to the rules", t.allows(a) }) {
		return false
	}
	return step(tell, "change", func() (string, error) {
		r := s.Trail.Change(ctx, a, *t.Code, *t.Next, at)
		return "the new code is in force; proved by " + traits.Proof.String(), r.Failed("change")
	})
}

// checkedBy is how a code was checked, for people.
var checkedBy = map[mailbox.Check]string{
	mailbox.Native: "says the system", mailbox.Compare: "compared with what the system hands out",
	mailbox.Delegated: "says who checks for it (verify)",
}

// allows tells which rule, of the site or of the system, the new code breaks.
func (t Trial) allows(a mailbox.Account) error {
	rules := t.Rules
	if a.Rules != nil {
		rules = pin.Stricter(rules, *a.Rules)
	}
	broken := rules.Check(*t.Next, pin.Context{Extension: a.Extension, Numbers: a.Numbers, Current: *t.Code})
	if broken == pin.Pass {
		return nil
	}
	return mailbox.Fail("change", mailbox.PolicyOther, fmt.Errorf("the rule %s refuses the new code", broken))
}

func step(tell func(Finding), name string, do func() (string, error)) bool {
	began := time.Now()
	text, err := do()
	if err != nil {
		text = ""
	}
	tell(Finding{Step: name, Text: text, Took: time.Since(began), Err: err})
	return err == nil
}

func (s *Stores) tryReach(ctx context.Context, n backend.Named, tell func(Finding)) bool {
	name := n.Name
	if name == "" {
		name = backend.DefaultName
	}
	return step(tell, "reach", func() (string, error) {
		prober, ok := n.Backend.(mailbox.Prober)
		if !ok {
			_, err := n.Lookup(ctx, mailbox.Query{Number: "0"})
			return fmt.Sprintf("store %s (%s) answers", name, n.Driver), err
		}
		said, err := prober.Probe(ctx)
		if said != "" {
			said = ": " + said
		}
		return fmt.Sprintf("store %s (%s) answers%s", name, n.Driver, said), err
	})
}

func (s *Stores) tryFind(ctx context.Context, t Trial, tell func(Finding)) (a mailbox.Account, ok bool) {
	ok = step(tell, "find", func() (_ string, err error) {
		a, err = s.Find(ctx, t.Extension, t.Domain)
		return described(a), err
	})
	if !ok {
		return a, false
	}
	return a, step(tell, "rules", func() (string, error) {
		if a.Rules == nil {
			return "the system tells none, those of the configuration hold", nil
		}
		text, err := yaml.MarshalWithOptions(a.Rules, yaml.Flow(true)) // under the names of the configuration
		return strings.TrimSpace(string(text)), err
	})
}

func described(a mailbox.Account) string {
	said := []string{fmt.Sprintf("mailbox %s%s", a.Extension, mailbox.InDomain(a.Domain))}
	for _, part := range []struct{ word, value string }{
		{"name ", a.Name}, {"language ", a.Language}, {"user ", a.User}, {"numbers ", strings.Join(a.Numbers, " ")},
	} {
		if part.value != "" {
			said = append(said, part.word+part.value)
		}
	}
	for _, flag := range []struct {
		set  bool
		word string
	}{
		{a.Flags.Disabled, "disabled"}, {a.Flags.Locked, "locked"}, {a.Flags.NoCode, "without a code"},
		{a.Flags.MustChange, "must change"}, {a.Flags.CannotChange, "cannot change"},
		{a.Flags.Expired, "expired"}, {a.Flags.TooSoon, "too soon to change"},
	} {
		if flag.set {
			said = append(said, flag.word)
		}
	}
	return strings.Join(said, ", ")
}
