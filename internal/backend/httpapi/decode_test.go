package httpapi

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// user is what the tests decode.
type user struct {
	Name string `json:"name" xml:"name"`
	ID   int    `json:"id" xml:"id"`
}

func TestAnAnswerIsDecoded(t *testing.T) {
	want := user{"Zoë", 7}
	var got user
	require.NoError(t, Answer{Body: []byte(`{"name":"Zoë","id":7,"more":[]}`)}.JSON(&got))
	require.Equal(t, want, got)
	for _, text := range []string{
		`<user><name>Zoë</name><id>7</id></user>`,
		`<?xml version="1.0" encoding="UTF-8"?><user><id>7</id><name>Zoë</name></user>`,
		"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<user><name>Zo\xeb</name><id>7</id></user>",
	} {
		got = user{}
		require.NoError(t, Answer{Body: []byte(text)}.XML(&got))
		require.Equal(t, want, got)
	}
}

// closed is every sentence of a body that cannot be decoded.
var closed = regexp.MustCompile(`^verify: outcome-unknown: an answer 200 is not the (JSON|XML) that it should be: ` +
	`(it is empty|byte \d+ of \d+ (is wrong|has another type)|a value is of another form|it cannot be read from byte \d+ of \d+ on)$`)

func TestABodyThatCannotBeDecodedIsNotQuoted(t *testing.T) {
	for _, text := range []string{
		"", `{"name":4711}`, `{"id":"4711"}`, `{"id":4711.5}`, `{"id":47114711471147114711}`, `[4711]`, `"4711"`, `4711x`, `{"id":`,
		`<user><id>4711x</id></user>`, `<user><id>4711</user>`, `<user>&x4711;</user>`, `<?xml encoding="x4711"?><user/>`,
	} {
		var into user
		a := Answer{Status: 200, Body: []byte(text), op: "verify"}
		if text == "" || text[0] != '<' {
			require.Regexp(t, closed, a.JSON(&into).Error())
		}
		require.Regexp(t, closed, a.XML(&into).Error())
		safe := Answer{Status: 200, Body: []byte(text), op: "lookup", safe: true}
		require.ErrorIs(t, safe.XML(&into), mailbox.Unavailable)
	}
}

// FuzzDecode claims that a body either decodes as encoding/json says, or that the error
// is one of a few sentences that hold nothing of it.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{"name":"a","id":1}`, `{"id":"4711"}`, `<user><id>1</id></user>`, `<user><id>x</id></user>`, ""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want user
		a := Answer{Status: 200, Body: body, op: "verify"}
		err := a.JSON(&got)
		require.Equal(t, json.Unmarshal(body, &want) == nil, err == nil)
		require.Equal(t, want, got)
		if err != nil {
			require.Regexp(t, closed, err.Error())
		}
		if err := a.XML(&got); err != nil {
			require.Regexp(t, closed, err.Error())
		}
	})
}
