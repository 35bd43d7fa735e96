package conformance

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kinds are the toy's ways to check and to prove; the native one has every ability.
var kinds = map[string]mailbox.Traits{
	"native":  {System: "Toy", AtRest: "clear text", Check: mailbox.Native, Proof: mailbox.ByAnswer, Limit: 3, Flags: true},
	"compare": {System: "Toy", AtRest: "clear text", Check: mailbox.Compare, Proof: mailbox.ByReadBack, Flags: true},
	"none":    {System: "Toy", AtRest: "clear text", Check: mailbox.NoCheck, Proof: mailbox.ByAnswer, Flags: true},
}

func openToy(kind, wrong string) func(t *testing.T) Harness {
	return func(t *testing.T) Harness {
		h, s := toyHarness(t, kind, wrong)
		if kind == "native" {
			makeAble(&h, s)
		}
		return h
	}
}

func toyHarness(t *testing.T, kind, wrong string) (Harness, *toySystem) {
	tr := kinds[kind]
	s := newToySystem(t, trouble.Good, tr.Limit)
	store := newToy(t, s.Server, s.Addr, tr, wrong)
	h := Harness{
		Store: store, Said: store.said.String, Put: s.put, OtherDomain: "tenant.example", NoCode: true, Doubles: true,
		Has: s.has, Orders: &s.orders, Ops: Ops{Lookup: "find", Verify: "check", Change: "write", Login: "token"},
		Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
			s := newToySystem(t, k, tr.Limit)
			return newToy(t, s.Server, s.Addr, tr, wrong)
		},
	}
	switch tr.Check {
	case mailbox.Native:
		h.Forgive = s.forgive
	case mailbox.Compare:
		h.Ops.Verify = "read"
	case mailbox.NoCheck:
		h.Ops.Verify = ""
	}
	return h, s
}

func TestARightAdapterPasses(t *testing.T) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) { Run(t, openToy(kind, "")) })
	}
}

// The suite is run in a process of its own for each mistake, and must fail there.
func TestEachMistakeIsFound(t *testing.T) {
	const variable = "STAR97_TOY"
	if mistake := os.Getenv(variable); mistake != "" {
		kind, wrong, _ := strings.Cut(mistake, ": ")
		Run(t, openToy(kind, wrong))
		return
	}
	for mistake, found := range map[string]string{
		"native: done by no answer":    "Change_in_trouble/cut_before",
		"native: refused by no answer": "Change_in_trouble/cut_after",
		"native: writes twice":         "Change_in_trouble_is_settled/500",
		"native: asks twice":           "Verify_is_sent_once/cut_after",
		"native: wrong by no answer":   "Verify_in_trouble/empty",
		"native: none by no answer":    "Lookup_in_trouble/a_page_with_200",
		"native: says the code":        "Nothing_said_holds_a_digit_of_a_code",
		"native: code in the address":  "Verify_right_and_wrong",
		"native: everybody signs in":   "Callers_of_several_mailboxes_at_once",
		"compare: no look again":       "A_system_that_says_yes_and_does_nothing",

		"native: logs the request":   "The_log_tells_of_every_exchange",
		"native: asks about no code": "Change_without_the_current_code",

		"native: sets every state":           "SetFlags",
		"native: reset refused by no answer": "Reset_in_trouble/cut_after",
	} {
		t.Run(mistake, func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(found, "/")
			again := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestEachMistakeIsFound$/^"+name+"$")
			again.Env = append(os.Environ(), variable+"="+mistake)
			said, err := again.CombinedOutput()
			require.Error(t, err, "nobody noticed:\n%s", said)
			require.Contains(t, string(said), "--- FAIL: TestEachMistakeIsFound/"+found)
		})
	}
}

func openFaulty(kind, wrong string) func(t *testing.T, through Through) Harness {
	return func(t *testing.T, through Through) Harness {
		h, s := toyHarness(t, kind, wrong)
		short := newToy(t, s.Server, through(s.Addr, s.Cert), kinds[kind], wrong)
		short.http.Timeout = 1500 * time.Millisecond
		h.Store = short
		return h
	}
}

func TestFaultRun(t *testing.T) {
	for _, kind := range []string{"native", "compare"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			FaultRun(t, openFaulty(kind, ""), 97, Changes())
		})
	}
}

func TestFaultRunFindsALie(t *testing.T) {
	for wrong, lie := range map[string]string{
		"done by no answer":    "done, was said, and it was not",
		"refused by no answer": "refused, was said, and it was done",
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(20) {
				if lies := strings.Join(faultRun(t, openFaulty("native", wrong), seed, 64).lies, "\n"); strings.Contains(lies, lie) {
					return
				}
			}
			t.Fatal("nobody noticed")
		})
	}
}
