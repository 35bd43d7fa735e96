package netsapiens

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/pin"
)

func TestFormsOfACode(t *testing.T) {
	for shown, c := range map[string]struct {
		form   form
		digits string
	}{
		`null`:                              {formNone, ""},
		`""`:                                {formNone, ""},
		`0`:                                 {formNone, ""},
		`"0"`:                               {formText, "0"},
		`"0417"`:                            {formText, "0417"},
		`417`:                               {formNumber, "417"},
		`9007199254740993`:                  {formNumber, "9007199254740993"},
		`4e5`:                               {formOdd, ""},
		`417.0`:                             {formOdd, ""},
		`-417`:                              {formOdd, ""},
		`" 417"`:                            {formOdd, ""},
		`"\u0034"`:                          {formOdd, ""},
		`true`:                              {formOdd, ""},
		`{"a":1}`:                           {formOdd, ""},
		`"` + strings.Repeat("4", 31) + `"`: {formOdd, ""},
	} {
		var g given
		require.NoError(t, json.Unmarshal([]byte(shown), &g))
		require.Equal(t, c.form, g.form, shown)
		require.True(t, g.code.Equal(pointer(code(t, c.digits))), shown)
		require.NotContains(t, fmt.Sprintf("%+v %#v", g, g), "417")
	}
}

func pointer(p pin.PIN) *pin.PIN { return &p }

func TestLocalesAndNames(t *testing.T) {
	people, err := fromJSON([]byte(`[{"user":4001,"domain":"Example.TEST","name-first-name":"Ada","name-last-name":null,"language-token":"en_US","voicemail-enabled":"no","account-status":"Pwd Reset"},
		{"user":"4002","first_name":"Bea","last_name":"Example","language":"<b>","vmail_provisioned":"0"}]`))
	require.NoError(t, err)
	require.Len(t, people, 2)
	require.Equal(t, "4001", people[0].user)
	require.Equal(t, "example.test", people[0].domain)
	require.Equal(t, "Ada", people[0].name)
	require.Equal(t, "en-US", people[0].language)
	require.Equal(t, "Pwd Reset", people[0].status)
	require.True(t, people[0].off)
	require.Equal(t, "Bea Example", people[1].name)
	require.Empty(t, people[1].language)
	require.True(t, people[1].off)
}

func TestXMLWhateverItsElementsAreCalled(t *testing.T) {
	const one = `<user>4001</user><domain>example.test</domain><first_name>Ada</first_name><subscriber_pin>0417</subscriber_pin><vmail_enabled>no</vmail_enabled>`
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"a list":            {`<?xml version="1.0"?><xml><subscriber>` + one + `</subscriber><subscriber>` + one + `</subscriber></xml>`, 2},
		"one":               {`<subscriber>` + one + `</subscriber>`, 1},
		"with spaces":       {"<a>\n <b>\n  " + one + "\n </b>\n</a>", 1},
		"nobody":            {`<xml/>`, 0},
		"somebody nameless": {`<xml><subscriber><domain>example.test</domain></subscriber></xml>`, 0},
		"a page":            {`<html><body><p>` + one + `</p></body></html>`, -1},
		"broken off":        {`<xml><subscriber>` + one, -1},
		"too deep":          {strings.Repeat("<a>", 9) + strings.Repeat("</a>", 9), -1},
		"an entity":         {`<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, -1},
	} {
		people, err := fromXML([]byte(c.body))
		if c.want < 0 {
			require.ErrorIs(t, err, errShape, name)
			continue
		}
		require.NoError(t, err, name)
		require.Len(t, people, c.want, name)
		for _, p := range people {
			require.Equal(t, "4001", p.user)
			require.Equal(t, "Ada", p.name)
			require.True(t, p.off)
			require.True(t, p.given.is(code(t, "0417"), false))
		}
	}
}

// Whatever a server sends: nobody without a name comes out of it, an error quotes
// nothing, a code prints as a word, and what passes as a code stood in the answer.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"user":"4001","voicemail-login-pin":"482915"}`, `[{"user":4001,"voicemail-login-pin":482915},{"user":"x"}]`, `[]`, `{}`, `[null]`,
		`{"user":"4001","user":"4002","voicemail-login-pin":[1]}`, `<xml><s><user>4001</user><subscriber_pin>482915</subscriber_pin></s></xml>`, `<a><b/>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) ([]person, error){fromJSON, fromXML} {
			people, err := read(bytes.Clone(body))
			if err != nil {
				require.Equal(t, errShape, err)
				require.Empty(t, people)
			}
			for _, p := range people {
				require.NotEmpty(t, p.user)
				require.Equal(t, p.given.form == formText || p.given.form == formNumber, !p.given.code.Empty())
				p.given.code.Reveal(func(digits []byte) {
					if json.Valid(body) {
						require.Contains(t, string(body), string(digits))
					}
				})
			}
		}
	})
}

// A body is JSON that says what it should and nothing else, whatever the fields hold.
func FuzzBody(f *testing.F) {
	f.Add("Ada", `E"x\`, "739164")
	f.Add("", "\x00<>", "1")
	f.Fuzz(func(t *testing.T, name, address, digits string) {
		next, err := pin.Parse(digits)
		if err != nil || next.Empty() {
			return
		}
		quoted := func(s string) json.RawMessage { b, _ := json.Marshal(s); return b }
		p := person{four: four{quoted(name), nil, quoted(address), []byte("null")}, given: given{form: formText}}
		v := api2{writeAs: writeSame}
		body := v.body(p, next, true)
		var got struct {
			Code    *string `json:"voicemail-login-pin"`
			First   *string `json:"name-first-name"`
			Address *string `json:"email-address"`
		}
		require.NoError(t, json.Unmarshal(body, &got))
		require.Equal(t, digits, *got.Code)
		for i, got := range map[int]*string{0: got.First, 2: got.Address} {
			var want string
			require.NoError(t, json.Unmarshal(p.four[i], &want))
			require.Equal(t, want, *got)
		}
		var fields map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &fields))
		require.Len(t, fields, 4, "a field that was not read is not written")
		clear(fields)
		require.NoError(t, json.Unmarshal(v.body(p, next, false), &fields))
		require.Len(t, fields, 1)
	})
}
