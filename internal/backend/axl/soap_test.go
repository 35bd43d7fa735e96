package axl

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/axl/fake"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

func bare(version string) *Store {
	o := DefaultOptions()
	o.Version = version
	return &Store{o: o}
}

func TestARequestIsWrittenAsTheSchemaHasIt(t *testing.T) {
	s := bare("12.5")
	require.Equal(t, `"CUCM:DB ver=12.5 doAuthenticateUser"`, s.action(authenticate))
	require.Equal(t, `"CUCM:DB ver=7.1"`, bare("7.1").action(authenticate))
	body := s.message(authenticate, func(m *message) {
		m.put("userid", `j<d>&"oe`)
		m.bytes("pin", []byte(hers))
	})
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?>`+
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:axl="http://www.cisco.com/AXL/API/12.5">`+
		`<soapenv:Body><axl:doAuthenticateUser><userid>j&lt;d&gt;&amp;&#34;oe</userid><pin>482915</pin></axl:doAuthenticateUser></soapenv:Body>`+
		`</soapenv:Envelope>`, string(body))
	require.Equal(t, "<axl:getCCMVersion></axl:getCCMVersion>", inBody(t, s.message("getCCMVersion", nil)))
}

func inBody(t *testing.T, message []byte) string {
	_, rest, ok := strings.Cut(string(message), "<soapenv:Body>")
	require.True(t, ok)
	inner, _, ok := strings.Cut(rest, "</soapenv:Body>")
	require.True(t, ok)
	return inner
}

// Where a body grew, a part of a code would stay behind.
func TestTheLongestRequestFitsIntoItsFirstPlace(t *testing.T) {
	for _, version := range versions {
		s := bare(version)
		for range 3 {
			body := s.message(update, func(m *message) {
				m.put("userid", strings.Repeat("&", maxUser))
				m.bytes("pin", []byte(strings.Repeat("9", 30)))
				m.in("returnedTags", func() { s.tags(m) })
			})
			require.Less(t, len(body), maxMessage)
		}
		allocs := testing.AllocsPerRun(20, func() {
			s.message("x", func(m *message) { m.WriteString(strings.Repeat("y", maxMessage-500)) })
		})
		require.LessOrEqual(t, allocs, float64(8), "one place, and what strings take")
	}
}

// Version 10 moved the telephone number within the sequence; the fake refuses what is not
// in the order of its version.
func TestEveryVersionAsksInItsOwnOrder(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			f, s := start(t, func(o *Options) { o.Version = version })
			f.Put(fake.Person{Extension: "2041", Status: 1, Telephone: "+1 (201) 555-0143", Policy: fake.DefaultPolicy}, code(t, hers))
			a := found(t, s, "2041")
			require.Equal(t, []string{"12015550143"}, a.Numbers)
			require.Equal(t, 6, a.Rules.MinLen)
			require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
			gone := mailbox.Account{ID: "gone"}
			require.Equal(t, mailbox.NotFound, mailbox.CodeOf(verify(t, s, gone, hers)), "5007 in either form")
			require.Equal(t, mailbox.NotFound, mailbox.CodeOf(s.Unlock(t.Context(), gone, "test", "")), "5003 in either form")
			said, err := s.Probe(t.Context())
			require.NoError(t, err)
			require.Equal(t, "Unified Communications Manager 12.5.1.11900-146, asked by AXL "+version, said)
		})
	}
}

func TestOldFaultsAreRead(t *testing.T) {
	f, s := start(t, nil)
	f.OldFaults = true
	require.Equal(t, mailbox.NotFound, mailbox.CodeOf(verify(t, s, mailbox.Account{ID: "gone"}, hers)))
	require.Equal(t, mailbox.NotFound, mailbox.CodeOf(s.Unlock(t.Context(), mailbox.Account{ID: "gone"}, "test", "")))
}

func TestAVersionThatTheServerDoesNotKnow(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Version = "15.0" })
	f.Version = "12.5"
	id := f.Put(fake.Person{Extension: "2041", Status: 1}, code(t, hers))
	_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "the system does not know AXL 15.0 (599)")
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(verify(t, s, mailbox.Account{ID: id}, hers)), "nothing was tried")
	r := change(t, s, mailbox.Account{ID: id}, hers, fresh)
	require.Equal(t, mailbox.Refused, r.Outcome)
}

func TestStarsOwnAccountIsRefused(t *testing.T) {
	f, s := start(t, nil)
	f.NoRole = true
	_, err := s.Probe(t.Context())
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "403")
	f.NoRole = false
	_, err = s.Probe(t.Context())
	require.NoError(t, err)

	o := reach(f)
	o.User = "other"
	_, err = openTo(t, o).Probe(t.Context())
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err), "the page that comes with 401 is no answer")
	require.ErrorContains(t, err, "401")
}

// A session saves the system a login; one that it has forgotten costs one, and nobody notices.
func TestSessions(t *testing.T) {
	f, s := start(t, nil)
	f.Put(fake.Person{Extension: "2041", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
	require.Equal(t, 1, f.Logins())
	for i, op := range []string{fake.OpSQL, fake.OpUser, fake.OpAuthenticate, fake.OpUpdate} {
		f.Orders().Give(op, trouble.Order{Kind: trouble.Expired})
		require.Equal(t, a, found(t, s, "2041"))
		next := []string{hers, fresh}[i%2]
		require.Equal(t, mailbox.Done, s.Reset(t.Context(), a, code(t, third), false, "test", "").Outcome)
		require.NoError(t, verify(t, s, a, third))
		f.SetPolicy(fake.DefaultPolicy, func(p *fake.Policy) { p.History = 0 })
		require.Equal(t, mailbox.Done, s.Reset(t.Context(), a, code(t, next), false, "test", "").Outcome)
		require.Zero(t, f.Orders().Due(), op)
	}
	require.Equal(t, 5, f.Logins())

	g, u := start(t, func(o *Options) { o.Cookies = false })
	g.Put(fake.Person{Extension: "2041", Status: 1}, code(t, hers))
	found(t, u, "2041")
	require.Equal(t, 4, g.Logins(), "each request by itself")
}

// Too many changes: the system says 503 and has not done it.
func TestAChangeIsThrottled(t *testing.T) {
	for after, want := range map[string]time.Duration{"": 5 * time.Second, "7": 7 * time.Second, "-1": 5 * time.Second, "86400": 5 * time.Minute} {
		f, s := start(t, nil)
		id := f.Put(fake.Person{Extension: "2041", Status: 1}, code(t, hers))
		f.Orders().Give(fake.OpUpdate, trouble.Order{Kind: trouble.Status, Status: 503, RetryAfter: after})
		r := change(t, s, found(t, s, "2041"), hers, fresh)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.Throttled, r.Reason)
		var l *httpapi.Later
		require.ErrorAs(t, r.Err, &l)
		require.Equal(t, want, l.After)
		require.True(t, f.Has(id, code(t, hers)))
	}
}

func TestFaults(t *testing.T) {
	const (
		client = `<faultcode>soapenv:Client</faultcode>`
		server = `<faultcode>soapenv:Server</faultcode>`
	)
	now := func(code, words string) string {
		return client + `<faultstring>x</faultstring><detail><axlError><axlcode>` + code + `</axlcode><axlmessage>` + words + `</axlmessage><request>updateUser</request></axlError></detail>`
	}
	old := func(code, words string) string {
		return client + `<faultstring>x</faultstring><detail><a:error xmlns:a="http://www.cisco.com/AXL/API/7.1"><a:code>` + code + `</a:code><a:message>` + words + `</a:message></a:error></detail>`
	}
	for name, c := range map[string]struct {
		inner      string
		ask, write mailbox.Code
		says       string
	}{
		"5007":                       {now("5007", "not found"), mailbox.NotFound, mailbox.NotFound, "fault 5007: not found"},
		"5003":                       {now("5003", "not found"), mailbox.NotFound, mailbox.NotFound, "fault 5003"},
		"5007 in the old form":       {old("5007", "not found"), mailbox.NotFound, mailbox.NotFound, "fault 5007: not found"},
		"too large":                  {now("-1", "Query request too large. Total rows matched: 9912 rows. Suggestive Row Fetch: less than 501 rows"), mailbox.Unavailable, mailbox.Unavailable, "fault -1: Query request too large. Total rows matched: # rows"},
		"duplicate key":              {now("-239", "duplicate value"), mailbox.Unavailable, mailbox.Unavailable, "fault -239"},
		"referential":                {now("-691", "missing key"), mailbox.Unavailable, mailbox.Unavailable, "fault -691"},
		"SQL syntax":                 {now("201", "A syntax error has occurred."), mailbox.Unavailable, mailbox.Unavailable, "let find be uds or userid"},
		"unknown column":             {now("217", "Column not found"), mailbox.Unavailable, mailbox.Unavailable, "let find be uds or userid"},
		"the self-care page's words": {now("5050", "Length of the PIN is less than what the administrator has mandated"), mailbox.Unavailable, mailbox.TooShort, "fault 5050"},
		"trivial":                    {now("5050", "TRIVIAL credential"), mailbox.Unavailable, mailbox.Trivial, ""},
		"history":                    {now("5050", "in the history"), mailbox.Unavailable, mailbox.InHistory, ""},
		"too soon":                   {now("5050", "changed recently"), mailbox.Unavailable, mailbox.TooSoon, ""},
		"too long":                   {now("5050", "maximum length"), mailbox.Unavailable, mailbox.TooLong, ""},
		"words of the database":      {now("-1", "the credential is trivial"), mailbox.Unavailable, mailbox.Trivial, ""},
		"words that say nothing":     {now("5050", "no"), mailbox.Unavailable, mailbox.PolicyOther, "fault 5050: no"},
		"a quoted code":              {now("5050", "4829 15 is no good, 482915"), mailbox.Unavailable, mailbox.PolicyOther, "fault 5050: # # is no good, #"},
		"a number as long as a code": {now("482915", "no"), mailbox.Unavailable, mailbox.PolicyOther, "fault #: no"},
		"the schema's, no number":    {client + `<faultstring>cvc-pattern-valid</faultstring>`, mailbox.Unavailable, mailbox.Unavailable, "a fault: cvc-pattern-valid"},
		"a server that broke down":   {server + `<faultstring>NullPointerException</faultstring>`, mailbox.Unavailable, mailbox.OutcomeUnknown, "a fault: NullPointerException"},
		"nothing in it":              {"", mailbox.Unavailable, mailbox.OutcomeUnknown, "a fault"},
		"a number that is none":      {now("many", "no"), mailbox.Unavailable, mailbox.Unavailable, "a fault: x"},
	} {
		t.Run(name, func(t *testing.T) {
			s := bare("12.5")
			body := []byte(`<s:Envelope xmlns:s="` + soapSpace + `"><s:Body><s:Fault>` + c.inner + `</s:Fault></s:Body></s:Envelope>`)
			for _, status := range []int{200, 500} {
				_, err := s.read(httpapi.Answer{Status: status, Body: body}, "lookup", sqlQuery, mailbox.Unavailable)
				require.Equal(t, c.ask, mailbox.CodeOf(err))
				require.ErrorContains(t, err, c.says)
				_, err = s.read(httpapi.Answer{Status: status, Body: body}, "change", update, mailbox.OutcomeUnknown)
				require.Equal(t, c.write, mailbox.CodeOf(err))
				require.NotContains(t, err.Error(), "4829")
			}
		})
	}
}

// The fake refuses what the real one would.
func TestTheFakeKeepsToTheSchema(t *testing.T) {
	f, s := start(t, nil)
	f.Put(fake.Person{Extension: "2041", Status: 1}, code(t, hers))
	password, err := s.o.Password.Read()
	require.NoError(t, err)
	const envelope = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="http://www.cisco.com/AXL/API/12.5"><e:Body>%</e:Body></e:Envelope>`
	good := `<a:updateUser><userid>user2041</userid><pin>739164</pin><pinCredentials><pinCredUserMustChange>false</pinCredUserMustChange><pinResetHackCount>true</pinResetHackCount></pinCredentials></a:updateUser>`
	for name, c := range map[string]struct {
		action, inner string
		status        int
		says          string
	}{
		"no action":           {"", good, 500, "SOAPAction is missing"},
		"another version":     {`"CUCM:DB ver=11.5 updateUser"`, good, 500, "namespace of another version"},
		"a version to come":   {`"CUCM:DB ver=99.0 updateUser"`, good, 599, "unsupported"},
		"another method":      {`"CUCM:DB ver=12.5 getUser"`, good, 500, "another method"},
		"pin behind the rest": {"", `<a:updateUser><userid>user2041</userid><pinCredentials/><pin>739164</pin></a:updateUser>`, 500, "element pin at this place"},
		"states out of order": {"", `<a:updateUser><userid>user2041</userid><pinCredentials><pinResetHackCount>true</pinResetHackCount><pinCredUserMustChange>false</pinCredUserMustChange></pinCredentials></a:updateUser>`, 500, "at this place of pinCredentials"},
		"in a namespace":      {"", `<a:updateUser><a:userid>user2041</a:userid></a:updateUser>`, 500, "is in a namespace"},
		"a short PIN":         {"", `<a:doAuthenticateUser><userid>user2041</userid><pin>482</pin></a:doAuthenticateUser>`, 500, "pattern of the type of pin"},
		"no user":             {"", `<a:updateUser><pin>739164</pin></a:updateUser>`, 500, "uuid or userid first"},
		"tags out of order":   {"", `<a:getUser><userid>user2041</userid><returnedTags><status/><userid/></returnedTags></a:getUser>`, 500, "element userid at this place"},
		"another statement":   {"", `<a:executeSQLQuery><sql>select * from enduser</sql></a:executeSQLQuery>`, 500, "syntax error"},
		"an unknown method":   {"", `<a:removeUser><userid>user2041</userid></a:removeUser>`, 500, "no such method"},
		"the right one":       {"", good, 200, "<return>{"},
	} {
		t.Run(name, func(t *testing.T) {
			method, _, _ := strings.Cut(strings.TrimPrefix(c.inner, "<a:"), ">")
			if c.action == "" && name != "no action" {
				c.action = `"CUCM:DB ver=12.5 ` + method + `"`
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+"/axl/", strings.NewReader(strings.Replace(envelope, "%", c.inner, 1)))
			require.NoError(t, err)
			r.SetBasicAuth(fake.User, password.Reveal())
			r.Header.Set("Content-Type", "text/xml")
			r.Header.Set("SOAPAction", c.action)
			transport := &http.Transport{TLSClientConfig: f.ClientTLS(t)}
			defer transport.CloseIdleConnections()
			answer, err := transport.RoundTrip(r)
			require.NoError(t, err)
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, answer.StatusCode, "%s", body)
			require.Contains(t, string(body), c.says)
		})
	}
}

// Whatever the text, a message has the elements that were written, and the text is what
// another parser finds in it.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{"jdoe", `<a>&amp;"']]>`, "", "\x00", "\xff", "\r\n", "日本", "</userid><pin>1234</pin>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if len(id) > 1000 {
			return
		}
		body := bare("12.5").message(authenticate, func(m *message) {
			m.put("userid", id)
			m.bytes("pin", []byte(hers))
		})
		var e struct {
			Body struct {
				Nodes []node `xml:",any"`
			} `xml:"Body"`
		}
		require.NoError(t, xml.Unmarshal(body, &e), "%s", body)
		require.Len(t, e.Body.Nodes, 1)
		n := e.Body.Nodes[0]
		require.Equal(t, xml.Name{Space: axlSpace + "API/12.5", Local: authenticate}, n.XMLName)
		require.Len(t, n.Nodes, 2)
		require.Equal(t, hers, n.child("pin").text())
		if isUser(id) {
			require.Equal(t, id, n.child("userid").text())
		}
	})
}

// An answer is a return of the method that was asked, or an error; an error holds no
// figure of more than four and nothing that a log could not.
func FuzzRead(f *testing.F) {
	wrap := func(inner string) []byte {
		return []byte(`<s:Envelope xmlns:s="` + soapSpace + `"><s:Body>` + inner + `</s:Body></s:Envelope>`)
	}
	f.Add(wrap(`<a:doAuthenticateUserResponse xmlns:a="http://www.cisco.com/AXL/API/12.5"><return><userAuthenticated>true</userAuthenticated><code>0</code></return></a:doAuthenticateUserResponse>`), 200)
	f.Add(wrap(`<s:Fault><faultcode>s:Client</faultcode><faultstring>482915 no</faultstring><detail><axlError><axlcode>5007</axlcode></axlError></detail></s:Fault>`), 500)
	f.Add(wrap(`<a:getUserResponse xmlns:a="http://www.cisco.com/AXL/API/12.5"><return/></a:getUserResponse>`), 200)
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>`+string(wrap(`<a:doAuthenticateUserResponse xmlns:a="http://www.cisco.com/AXL/API/12.5"><return>&e;</return></a:doAuthenticateUserResponse>`))), 200)
	f.Add([]byte(strings.Repeat("<x>", 20000)), 200)
	f.Add([]byte("<html><body>Sign in</body></html>"), 500)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		answer, err := bare("12.5").read(httpapi.Answer{Status: status, Body: body}, "verify", authenticate, mailbox.OutcomeUnknown)
		if err == nil {
			require.Equal(t, 200, status)
			require.Contains(t, string(body), authenticate+"Response")
			require.NotNil(t, answer.node)
			return
		}
		require.Nil(t, answer.node)
		require.NotEqual(t, mailbox.OK, mailbox.CodeOf(err))
		require.NotEqual(t, mailbox.WrongPIN, mailbox.CodeOf(err), "nothing but an answer tells that a code is wrong")
		for _, r := range err.Error() {
			require.True(t, r >= ' ' && r <= '~')
		}
		require.NotContains(t, err.Error(), hers)
	})
}
