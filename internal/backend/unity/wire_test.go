package unity

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/httpapi"
)

func answerOf(kind, body string) httpapi.Answer {
	return httpapi.Answer{Status: 200, Header: http.Header{"Content-Type": {kind}}, Body: []byte(body)}
}

func TestEveryFormOfAnAnswerIsTheSameList(t *testing.T) {
	const j, x = "application/json", "application/xml"
	ada, bob := record{"Alias": "ada", "Language": "1033", "Inactive": "false"}, record{"Alias": "bob", "Language": "1031", "Inactive": "true"}
	for name, c := range map[string]struct {
		kind, body string
		want       []record
		total      int
	}{
		"one is an object":          {j, `{"@total":"1","User":{"Alias":"ada","Language":"1033","Inactive":"false"}}`, []record{ada}, 1},
		"two are an array":          {j, `{"@total":"2","User":[{"Alias":"ada","Language":"1033","Inactive":"false"},{"Alias":"bob","Language":"1031","Inactive":"true"}]}`, []record{ada, bob}, 2},
		"an array of one":           {j, `{"@total":"1","User":[{"Alias":"ada","Language":"1033","Inactive":"false"}]}`, []record{ada}, 1},
		"none has no key":           {j, `{"@total":"0"}`, nil, 0},
		"none is an empty array":    {j, `{"@total":0,"User":[]}`, nil, 0},
		"the count alone":           {j, `{"@total":"137"}`, nil, 137},
		"the other wrapper":         {j, `{"Users":{"-total":"1","User":{"Alias":"ada","Language":"1033","Inactive":"false"}}}`, []record{ada}, 1},
		"the other wrapper, none":   {j, `{"Users":{"-total":"0"}}`, nil, 0},
		"numbers and booleans":      {j, `{"@total":1,"User":{"Alias":"ada","Language":1033,"Inactive":false}}`, []record{ada}, 1},
		"one alone":                 {j, `{"Alias":"ada","Language":"1033","Inactive":"false"}`, []record{ada}, 1},
		"a part of many":            {j, `{"@total":"7","User":{"Alias":"ada","Language":"1033","Inactive":"false"}}`, []record{ada}, 7},
		"without a total":           {j, `{"User":{"Alias":"ada","Language":"1033","Inactive":"false"}}`, []record{ada}, 1},
		"with a charset":            {j + ";charset=UTF-8", `{"@total":"0"}`, nil, 0},
		"another type":              {"application/octet-stream", ` {"@total":"0"}`, nil, 0},
		"XML, one":                  {x, `<?xml version="1.0" encoding="UTF-8"?><Users total="1"><User><Alias>ada</Alias><Language>1033</Language><Inactive>false</Inactive></User></Users>`, []record{ada}, 1},
		"XML, two":                  {"text/xml", `<Users total="2"><User><Alias>ada</Alias><Language>1033</Language><Inactive>false</Inactive></User><User><Alias>bob</Alias><Language>1031</Language><Inactive> true </Inactive></User></Users>`, []record{ada, bob}, 2},
		"XML, none":                 {x, `<Users total="0"/>`, nil, 0},
		"XML, one alone":            {x, `<User><Alias>ada</Alias><Language>1033</Language><Inactive>false</Inactive></User>`, []record{ada}, 1},
		"XML under another type":    {"", "\n<Users total=\"0\"></Users>", nil, 0},
		"XML with an empty element": {x, `<User><Alias>ada</Alias><Language>1033</Language><Inactive>false</Inactive><Credentials/></User>`, []record{{"Alias": "ada", "Language": "1033", "Inactive": "false", "Credentials": ""}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := parse(answerOf(c.kind, c.body), "User")
			require.NoError(t, err)
			require.Equal(t, c.want, found.items)
			require.Equal(t, c.total, found.total)
		})
	}
}

func TestWhatIsNoAnswerOfTheInterfaceIsNoList(t *testing.T) {
	for _, a := range []httpapi.Answer{
		answerOf("application/json", ""), answerOf("application/xml", ""), answerOf("", ""),
		answerOf("application/json", "null"), answerOf("application/json", "[]"), answerOf("application/json", `"User"`),
		answerOf("application/json", `{"@total":"1","User":{"Alias":"ada"}`),
		answerOf("application/json", `{"@total":"0"}{"@total":"0"}`),
		answerOf("application/json", `{"@total":"1","User":"ada"}`), answerOf("application/json", `{"@total":"1","User":[1]}`),
		answerOf("application/xml", `{"@total":"0"}`), answerOf("application/json", `<Users total="0"/>`),
		answerOf("application/xml", `<Users total="1"><User>`), answerOf("application/xml", `<Folks total="0"/>`),
		answerOf("text/html", `<!DOCTYPE html><html><body><p>Sign in</p></body></html>`),
		answerOf("application/xhtml+xml", `<html><body><p>Sign in</p></body></html>`),
	} {
		found, err := parse(a, "User")
		require.Error(t, err, "%s %s", a.Header, a.Body)
		require.Empty(t, found.items)
	}
}

func TestTheServersClockCounts(t *testing.T) {
	a := answerOf("application/json", `{"@total":"0"}`)
	a.Header.Set("Date", "Tue, 05 Mar 2013 11:24:33 GMT")
	found, err := parse(a, "User")
	require.NoError(t, err)
	require.Equal(t, time.Date(2013, 3, 5, 11, 24, 33, 0, time.UTC), found.now.UTC())
	a.Header.Set("Date", "yesterday")
	found, err = parse(a, "User")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), found.now, time.Minute)
}

// FuzzFormsAgree claims that a user reads the same from JSON and XML, alone, in a list of
// one and in a list of two, whatever stands in the fields.
func FuzzFormsAgree(f *testing.F) {
	f.Add("ada", "2041", "Ada <Example> & \"Co\"")
	f.Add("", "0", "\u00e4\u6f22 ]]>")
	f.Add("@total", "-total", "User")
	f.Fuzz(func(t *testing.T, alias, extension, name string) {
		want := record{}
		fields := []struct{ name, value string }{{"Alias", alias}, {"DtmfAccessId", extension}, {"DisplayName", name}}
		var x strings.Builder
		x.WriteString("<User>")
		for _, field := range fields {
			// Neither format can carry every byte, and XML takes line ends for one.
			value := strings.TrimSpace(strings.Map(printable, strings.ToValidUTF8(field.value, "")))
			want[field.name] = value
			x.WriteString("<" + field.name + ">")
			require.NoError(t, xml.EscapeText(&x, []byte(value)))
			x.WriteString("</" + field.name + ">")
		}
		x.WriteString("</User>")
		j, err := json.Marshal(want)
		require.NoError(t, err)
		one, two := []record{want}, []record{want, want}
		for body, want := range map[string][]record{
			string(j): one,
			`{"@total":"1","User":` + string(j) + `}`:                             one,
			`{"Users":{"-total":2,"User":[` + string(j) + "," + string(j) + `]}}`: two,
			x.String(): one,
			`<Users total="1">` + x.String() + `</Users>`:              one,
			`<Users total="2">` + x.String() + x.String() + `</Users>`: two,
		} {
			found, err := parse(answerOf("", body), "User")
			require.NoError(t, err, body)
			require.Equal(t, want, found.items)
			require.Equal(t, len(want), found.total)
		}
	})
}

func printable(r rune) rune {
	if r < ' ' || r == 0xfffd || r == 0xfffe || r == 0xffff {
		return -1
	}
	return r
}

// FuzzParse claims that no answer makes more objects than it says there are, and that no
// error quotes it.
func FuzzParse(f *testing.F) {
	f.Add("application/json", `{"@total":"1","User":{"Alias":"ada","Credentials":"739164"}}`)
	f.Add("application/xml", `<Users total="1"><User><Alias>739164</Alias></User></Users>`)
	f.Add("text/html", `<html>739164`)
	f.Add("", `{"@total":739164,"User":[739164]}`)
	f.Fuzz(func(t *testing.T, kind, body string) {
		found, err := parse(answerOf(kind, body), "User")
		if err != nil {
			require.NotContains(t, err.Error(), "739164")
			require.Empty(t, found.items)
		}
		require.LessOrEqual(t, len(found.items), found.total)
		for _, r := range found.items {
			require.GreaterOrEqual(t, r.number("Language"), 0)
			require.GreaterOrEqual(t, r.minutes("Language"), time.Duration(0))
		}
	})
}

func TestAWrittenBodyIsWhatTheInterfaceTakes(t *testing.T) {
	for format, want := range map[Format]string{
		JSON: `{"Credentials":"739164","CredMustChange":"false","TimeHacked":""}`,
		XML:  `<Credential><Credentials>739164</Credentials><CredMustChange>false</CredMustChange><TimeHacked></TimeHacked></Credential>`,
	} {
		w := (&Store{o: Options{Format: format}}).fields()
		w.add("Credentials", []byte("739164"))
		w.add("CredMustChange", truth(false))
		w.add("TimeHacked", nil)
		body := w.end()
		require.Equal(t, want, string(body))
		require.Equal(t, maxFields, cap(body), "it has not grown and left a copy behind")
	}
}
