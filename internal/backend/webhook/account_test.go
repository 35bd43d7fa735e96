package webhook

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func TestMailboxesOfAnAnswer(t *testing.T) {
	full := mailbox.Account{
		ID: "17", Backend: Name, Extension: "4001", Domain: "d", Name: "Ada Example", User: "aexample", Language: "en-US",
		Numbers: []string{"12015550143", "4915112345678"},
		Flags:   mailbox.Flags{Disabled: true, NoCode: true, MustChange: true, CannotChange: true, Slow: true},
		Rules:   &pin.Policy{MinLen: 6, MaxLen: 8, MaxSameRun: 2, MaxSequence: 3, OwnNumber: pin.NotContained, Current: true},
	}
	plain := mailbox.Account{ID: "17", Backend: Name, Extension: "4001", Domain: "d"}
	open := plain
	open.Rules = &pin.Policy{MaxSameRun: 30}
	for in, want := range map[string][]mailbox.Account{
		`[]`:   nil,
		`null`: nil,
		`[{"account":"17","extension":"4001","name":"Ada Example","user":"aexample","language":"en-US","numbers":["+12015550143","4915112345678"],
		"flags":{"disabled":true,"no_code":true,"must_change":true,"cannot_change":true,"slow":true},
		"rules":{"min_length":6,"max_length":8,"max_same_run":2,"max_sequence":3,"own_number":"contained","not_current":true}}]`: {full},
		`[{"account":"17","extension":"4001","language":"english","numbers":["call me",""],"name":"\u0007"}]`:                                {plain},
		`[{"account":"17","extension":"4001","rules":{"min_length":9,"max_length":8,"max_same_run":99,"max_sequence":-1,"own_number":"x"}}]`: {open},
	} {
		var wire []account
		require.NoError(t, json.Unmarshal([]byte(in), &wire))
		got, err := accounts(wire, "d")
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{
		`[{"extension":"4001"}]`, `[{"account":"17"}]`, `[{"account":"17","extension":"40a1"}]`, `[{"account":"1\n7","extension":"4001"}]`,
		`[{"account":"17","extension":"4001"},{"account":"17","extension":"4001"}]`,
		`[{"account":"` + strings.Repeat("x", 201) + `","extension":"4001"}]`,
		`[` + strings.Repeat(`{"account":"17","extension":"4001"},`, 100) + `{"account":"18","extension":"4001"}]`,
	} {
		var wire []account
		require.NoError(t, json.Unmarshal([]byte(in), &wire))
		_, err := accounts(wire, "d")
		require.Error(t, err, in)
	}
}

// Whatever a service answers, each mailbox of it can be told from the others, and what
// is shown can be shown.
func FuzzAccounts(f *testing.F) {
	f.Add([]byte(`[{"account":"17","extension":"4001","numbers":["+1"],"rules":{"min_length":31}}]`), "d")
	f.Fuzz(func(t *testing.T, in []byte, domain string) {
		var wire []account
		if json.Unmarshal(in, &wire) != nil {
			return
		}
		got, err := accounts(wire, domain)
		if err != nil {
			return
		}
		require.Len(t, got, len(wire))
		seen := map[string]bool{}
		for _, a := range got {
			require.False(t, a.ID == "" || seen[a.ID] || !adapter.IsNumber(a.Extension))
			seen[a.ID] = true
			for _, text := range []string{a.ID, a.Name, a.User} {
				require.True(t, utf8.ValidString(text) && len(text) <= maxText && !strings.ContainsAny(text, "\r\n\t\x00"), "%q", text)
			}
			for _, n := range a.Numbers {
				require.True(t, adapter.IsNumber(n))
			}
			if a.Rules != nil {
				require.NoError(t, a.Rules.Validate())
			}
		}
	})
}

// Whatever stands in a question, the body is JSON that says just that, and its room was
// made at once.
func FuzzBody(f *testing.F) {
	f.Add("17", "d", "4001", []byte("482915"))
	f.Add(`"},{"`, "\xff", "\u2028", []byte("007"))
	f.Fuzz(func(t *testing.T, id, domain, number string, digits []byte) {
		code, err := pin.Parse(digits)
		if err != nil {
			return
		}
		body := question{Operation: "set", ID: newID(), Domain: &domain, Account: &id, Number: number}.body(field{"current", code}, field{"next", code})
		var got struct{ Operation, ID, Domain, Account, Number, Current, Next string }
		require.NoError(t, json.Unmarshal(body, &got))
		require.Equal(t, []string{"set", string(digits), string(digits)}, []string{got.Operation, got.Current, got.Next})
		if utf8.ValidString(id) && utf8.ValidString(domain) && utf8.ValidString(number) {
			require.Equal(t, []string{id, domain, number}, []string{got.Account, got.Domain, got.Number})
		}
	})
}

func TestABodyIsMadeAtOnce(t *testing.T) {
	account, domain := "17", ""
	q := question{Operation: "set", ID: newID(), Domain: &domain, Account: &account}
	long := codeOf(t, strings.Repeat("9", pin.MaxDigits))
	body := q.body(field{"current", long}, field{"next", long})
	require.Less(t, len(body), cap(body)+1)
	require.Equal(t, cap(q.body(field{"current", long}, field{"next", codeOf(t, "")})), cap(body), "it never grew")
}

func TestThePolicyIsReadOnceAndBelievedForAWhile(t *testing.T) {
	t.Parallel()
	f := fake.New(t)
	f.Limit, f.Rules = 4, map[string]any{"min_length": 6, "max_length": 10}
	o := optionsFor(f)
	o.Paths.Policy = "/policy"
	s := openOn(t, o)
	current, _ := pair(t)
	f.Put(mailbox.Account{Extension: "4001"}, current)
	require.Zero(t, s.Traits(mailbox.Account{}).Limit, "nothing was read yet")
	for range 3 {
		found, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.NoError(t, err)
		require.Equal(t, &pin.Policy{MinLen: 6, MaxLen: 10}, found[0].Rules)
	}
	require.Equal(t, 1, f.Orders().Seen(fake.OpPolicy))
	require.Equal(t, 4, s.Traits(mailbox.Account{}).Limit)
	require.Equal(t, 10*time.Minute, s.Traits(mailbox.Account{}).Window)
	told, err := s.Probe(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Harbor PBX 3.1", told)
	s.policy.Keep = 0
	f.Orders().Give(fake.OpPolicy, trouble.Order{Kind: trouble.Status, Status: 500, Times: trouble.Always})
	_, err = s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	none, err := s.Lookup(t.Context(), mailbox.Query{Number: "4009"})
	require.NoError(t, err, "nobody's rules are not asked for")
	require.Empty(t, none)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	f := fake.New(t)
	s := openOn(t, optionsFor(f))
	_, err := s.Probe(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, f.Orders().Seen(fake.OpFind), "without policy it looks for nobody")

	o := optionsFor(f)
	o.Paths.Policy = "/policy"
	s = openOn(t, o)
	f.Orders().Give(fake.OpPolicy, trouble.Order{Kind: trouble.Status, Status: 404})
	_, err = s.Probe(t.Context())
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "404 at /policy")
}

// A service that says that it cannot verify is not asked to.
func TestProbeTellsThatTheSettingsContradictTheService(t *testing.T) {
	t.Parallel()
	s, _ := scripted(t, 0, says("ok"))
	s.o.Paths.Policy = "/policy"
	_, err := s.Probe(t.Context())
	require.NoError(t, err)
	s.policy.Set("", policy{})
	contrary, _ := scripted(t, 0, func(w http.ResponseWriter, id string) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "result": "ok", "verify": "none"})
	})
	contrary.o.Paths.Policy = "/policy"
	_, err = contrary.Probe(t.Context())
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "no_verify")
}

// Whatever the service says of a mailbox that does not exist, the caller hears the one
// thing; that the service does not work is no secret.
func TestAMailboxThatDoesNotExistIsAWrongCode(t *testing.T) {
	t.Parallel()
	for result, want := range map[string]mailbox.Code{
		"ok": mailbox.WrongPIN, "wrong-pin": mailbox.WrongPIN, "not-found": mailbox.WrongPIN, "locked": mailbox.WrongPIN,
		"no-code": mailbox.WrongPIN, "disabled": mailbox.WrongPIN, "other-channel": mailbox.WrongPIN,
		"throttled": mailbox.Throttled, "unavailable": mailbox.Unavailable, "service-refused": mailbox.ServiceRefused, "well": mailbox.OutcomeUnknown,
	} {
		s, sc := scripted(t, 0, says(result))
		require.Equal(t, want, mailbox.CodeOf(s.Verify(t.Context(), mailbox.Account{}, codeOf(t, "482915"), mailbox.Attempt{})), result)
		require.Equal(t, 1, sc.asked())
		require.Contains(t, sc.bodies[0], `"account":""`)
	}
}

// What is no number, or no domain, is not asked for.
func TestWhatCannotBeIsNotAskedFor(t *testing.T) {
	t.Parallel()
	f := fake.New(t)
	s := openOn(t, optionsFor(f))
	for _, q := range []mailbox.Query{{}, {Number: "40a1"}, {Number: strings.Repeat("4", 33)}, {Number: "4001", Domain: strings.Repeat("d", 256)}} {
		found, err := s.Lookup(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, found)
	}
	require.Zero(t, f.Orders().Seen(trouble.Any))
}
