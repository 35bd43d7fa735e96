package webhook

import (
	"encoding/json"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/httpapi"
	"star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
)

// What adapter and fake really say to each other is as the contract has it.
func TestRealTrafficKeepsToTheContract(t *testing.T) {
	t.Parallel()
	d, f := fake.ReadContract(t, Contract()), fake.New(t)
	var mu sync.Mutex
	results := map[string]map[string]int{}
	f.Seen = func(path string, request, answer []byte, status int) {
		mu.Lock()
		defer mu.Unlock()
		d.Holds(t, path, request, answer, status)
		if results[path] == nil {
			results[path] = map[string]int{}
		}
		if status != http.StatusOK {
			results[path][http.StatusText(status)]++
			return
		}
		var said reply
		require.NoError(t, json.Unmarshal(answer, &said))
		results[path][said.Result]++
	}
	f.Limit, f.Rules = 3, map[string]any{"min_length": 4, "own_number": "contained", "not_current": true}
	o := optionsFor(f)
	o.Paths.Policy = "/policy"
	talk(t, openOn(t, o), f)
	require.Equal(t, map[string]map[string]int{
		"/policy": {"ok": 1}, "/find": {"ok": 2},
		"/verify": {"ok": 1, "wrong-pin": 3, "not-found": 1, "locked": 1, "no-code": 1},
		"/set":    {"ok": 3, "wrong-pin": 1, "too-short": 1, "cannot-change": 1},
		"/reset":  {"ok": 1, "not-found": 1},
	}, results)
	for _, head := range f.Orders().Heads() {
		require.Regexp(t, `Star97-Time:\[\d+\]`, head)
	}
}

// talk has every operation done, with several results.
func talk(t *testing.T, s *Store, f *fake.Server) {
	ctx, code := t.Context(), func(digits string) field { return field{code: conformance.Code(t, digits)} }
	first, second, short := code("482915").code, code("739164").code, code("12").code
	box := f.Put(mailbox.Account{Extension: "4001", Name: "Ada", Language: "en-US", Numbers: []string{"12015550143"}}, first)
	shut := f.Put(mailbox.Account{Extension: "4002", Flags: mailbox.Flags{CannotChange: true}}, first)
	empty := f.Put(mailbox.Account{Extension: "4003"}, code("").code)
	found, err := s.Lookup(ctx, mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	_, err = s.Lookup(ctx, mailbox.Query{Number: "4099", Domain: "Tenant.example"})
	require.NoError(t, err)
	at := mailbox.Attempt{}
	require.NoError(t, s.Verify(ctx, box, first, at))
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(s.Verify(ctx, mailbox.Account{}, first, at)))
	require.Equal(t, mailbox.NoCode, mailbox.CodeOf(s.Verify(ctx, empty, first, at)))
	require.Equal(t, mailbox.WrongPIN, s.Change(ctx, box, second, first, at).Reason)
	require.Equal(t, mailbox.TooShort, s.Change(ctx, box, first, short, at).Reason)
	require.Equal(t, mailbox.CannotChange, s.Change(ctx, shut, first, second, at).Reason)
	f.Orders().Give(fake.OpSet, trouble.Order{Kind: trouble.CutAfter})
	require.Equal(t, mailbox.Proved(), s.Change(ctx, box, first, second, at))
	f.Orders().Give(fake.OpSet, trouble.Order{Kind: trouble.CutBefore})
	require.Equal(t, mailbox.Proved(), s.Change(ctx, box, second, first, at))
	require.Equal(t, mailbox.Proved(), s.Reset(ctx, empty, first, true, "admin", "new"))
	require.Equal(t, mailbox.NotFound, s.Reset(ctx, mailbox.Account{ID: "gone"}, first, false, "admin", "new").Reason)
	for range 3 {
		require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(s.Verify(ctx, box, second, at)))
	}
	require.Equal(t, mailbox.Locked, mailbox.CodeOf(s.Verify(ctx, box, first, at)))
}

// What the schemas are for is to refuse what is not of the contract.
func TestTheContractRefusesOtherTraffic(t *testing.T) {
	t.Parallel()
	d := fake.ReadContract(t, Contract())
	const id = `"id":"00112233445566778899aabbccddeeff"`
	for path, bodies := range map[string][]string{
		"/find":   {`{}`, `{"operation":"find",` + id + `,"domain":"","number":"40a1"}`, `{"operation":"find","id":"1","domain":"","number":"1"}`},
		"/verify": {`{"operation":"verify",` + id + `,"domain":"","account":"1"}`, `{"operation":"verify",` + id + `,"domain":"","account":"1","code":482915}`},
		"/set":    {`{"operation":"set",` + id + `,"domain":"","account":"1","current":"","next":"x"}`, `{"operation":"reset",` + id + `,"domain":"","account":"1","current":"","next":"1"}`},
		"/reset":  {`{"operation":"reset",` + id + `,"domain":"","account":"1","next":"1"}`},
		"/policy": {`{"operation":"policy",` + id + `,"more":1}`},
	} {
		for _, body := range bodies {
			require.Error(t, d.Request(t, path).Validate(fake.Decoded(t, []byte(body))), "%s %s", path, body)
		}
		require.Error(t, d.Answer(t, path).Validate(fake.Decoded(t, []byte(`{`+id+`,"result":"well"}`))))
		require.Error(t, d.Answer(t, path).Validate(fake.Decoded(t, []byte(`{"result":"ok"}`))))
	}
	require.Error(t, d.Answer(t, "/find").Validate(fake.Decoded(t, []byte(`{`+id+`,"result":"ok"}`))), "found what?")
	require.NoError(t, d.Answer(t, "/find").Validate(fake.Decoded(t, []byte(`{`+id+`,"result":"throttled","retry_after":3}`))))
}

// The words of results and the paths are the adapter's own.
func TestTheContractHasTheWordsOfTheProgram(t *testing.T) {
	t.Parallel()
	d := fake.ReadContract(t, Contract())
	words := func(codes []mailbox.Code, more ...mailbox.Code) (all []any) {
		for _, c := range append(append([]mailbox.Code{mailbox.OK}, codes...), more...) {
			all = append(all, c.String())
		}
		return all
	}
	for schema, want := range map[string][]any{
		"FindAnswer": words(lookupCodes), "PolicyAnswer": words(lookupCodes), "VerifyAnswer": words(verifyCodes),
		"ChangeAnswer": words(changeCodes, mailbox.OutcomeUnknown),
	} {
		require.ElementsMatch(t, want, d.At(t, "components", "schemas", schema, "properties", "result", "enum"), schema)
	}
	p := DefaultOptions().Paths
	for _, path := range []string{p.Find, p.Verify, p.Set, p.Reset, "/policy"} {
		d.Request(t, path)
	}
	require.Len(t, d.At(t, "paths"), 5)
	require.Equal(t, "3.1.0", d.At(t, "openapi"))
	examples := d.At(t, "paths", "/find", "post").(map[string]any)
	ask := examples["requestBody"].(map[string]any)["content"].(map[string]any)["application/json"].(map[string]any)["example"]
	require.NoError(t, d.Request(t, "/find").Validate(ask))
	said := d.At(t, "paths", "/find", "post", "responses", "200", "content", "application/json", "example")
	require.NoError(t, d.Answer(t, "/find").Validate(said))
}

// The example of a signature in the contract is right, and of the form it describes.
func TestTheContractsExampleOfASignature(t *testing.T) {
	t.Parallel()
	d := fake.ReadContract(t, Contract())
	text := d.At(t, "info", "description").(string)
	part := regexp.MustCompile(`Star97-Time: (\d+)\n\s+Star97-Signature: (\S+)\n\s+(\{.*\})\n`).FindStringSubmatch(text)
	require.Len(t, part, 4)
	k := httpapi.Keys{{ID: fake.KeyID, Secret: keyFile(t, fake.Key)}}
	signed := func(k httpapi.Keys, now time.Time, body string) http.Header {
		s, err := k.Signer()
		require.NoError(t, err)
		return s.Header(now, []byte(body))
	}
	h := signed(k, time.Unix(1764000000, 0), part[3])
	require.Equal(t, []string{part[1]}, h[httpapi.TimeHeader])
	require.Equal(t, []string{part[2]}, h[httpapi.SignatureHeader])
	two := signed(append(k, httpapi.Key{ID: "k-2", Secret: keyFile(t, "another-key-of-16+")}), time.Now(), "")
	for name, header := range map[string]string{"Time": httpapi.TimeHeader, "Signature": httpapi.SignatureHeader} {
		s := d.Schema(t, "components", "parameters", name, "schema")
		require.NoError(t, s.Validate(two.Get(header)))
		require.Error(t, s.Validate("x"))
	}
}
