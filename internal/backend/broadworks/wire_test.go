package broadworks

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/pin"
	"star97/internal/secret"
)

func TestADocumentIsWrittenAsTheInterfaceHasIt(t *testing.T) {
	doc := document("s97-1", modifyCode, func(m *message) {
		m.put("userId", `j<d>&"o'ë€@example.test`+"\x01\xff")
		m.code("newPasscode", code(t, hers))
	})
	require.Equal(t, `<?xml version="1.0" encoding="ISO-8859-1"?>`+"\n"+
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`+
		`<sessionId xmlns="">s97-1</sessionId><command xsi:type="UserPortalPasscodeModifyRequest" xmlns="">`+
		`<userId>j&#60;d&#62;&#38;&#34;o&#39;&#235;&#8364;@example.test??</userId><newPasscode>482915</newPasscode>`+
		`</command></BroadsoftDocument>`, string(doc))
	require.Contains(t, string(document("s", "VerifySessionIsValidRequest", nil)), `xmlns=""></command>`)
}

// Where a document grew, a part of a code would stay behind.
func TestTheLongestRequestFitsIntoItsFirstPlace(t *testing.T) {
	longest := strings.Repeat("&", longestName)
	nines := code(t, strings.Repeat("9", pin.MaxDigits))
	doc := document(longest, modifyCode, func(m *message) {
		m.put("userId", longest)
		m.code("oldPasscode", nines)
		m.code("newPasscode", nines)
	})
	require.Less(t, len(doc), maxMessage)
	require.Less(t, len((&soap{parameter: "arg0"}).envelope(bytes.Repeat([]byte("&"), maxMessage))), 8*maxMessage)
	enveloped := (&soap{parameter: "arg0"}).envelope(doc)
	require.Equal(t, 4*maxMessage, cap(enveloped), "nor may the envelope grow")
}

// The vectors were computed elsewhere.
func TestAPasswordIsSigned(t *testing.T) {
	require.Equal(t, "809a5d7e9b9b1a47fdcf05015992f2a9", sign("1700000000123", secret.Of("Blue-Harbor7")))
}

const (
	docHead = `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" + `<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><sessionId xmlns="">s</sessionId>`
	docTail = `</BroadsoftDocument>`
)

func TestAnAnswerIsReadInItsOwnCharset(t *testing.T) {
	refusal := `<command type="Error" echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>Ung` + "\xfc" + `ltig &#252;</summary><summaryEnglish>[Error 4962] no</summaryEnglish></command>`
	n, err := answer([]byte(docHead+refusal+docTail), "s", false)
	require.NoError(t, err)
	require.Equal(t, "ErrorResponse", n.kind)
	require.Equal(t, "Error", n.class)
	require.Equal(t, "Ungültig ü", n.of("summary"))

	asUTF8 := strings.ReplaceAll(docHead+refusal+docTail, "\xfc", "ü")
	n, err = answer([]byte(asUTF8), "s", true)
	require.NoError(t, err)
	require.Equal(t, "Ungültig ü", n.of("summary"), "an answer that SOAP brought is decoded already")
	n, err = answer([]byte(strings.Replace(asUTF8, "ISO-8859-1", "UTF-8", 1)), "s", false)
	require.NoError(t, err)
	require.Equal(t, "Ungültig ü", n.of("summary"))
}

func TestACodeIsNoText(t *testing.T) {
	for text, want := range map[string]given{
		"482915":                         {code(t, "482915"), formDigits},
		" 0042\n":                        {code(t, "0042"), formDigits},
		"":                               {},
		"****":                           {form: formOdd},
		"48a1":                           {form: formOdd},
		strings.Repeat("1", 31):          {form: formOdd},
		"<b>482915</b>":                  {},
		"48<!-- c -->2915":               {code(t, "482915"), formDigits},
		"<![CDATA[482915]]>":             {code(t, "482915"), formDigits},
		"&#52;&#56;&#50;&#57;&#49;&#53;": {code(t, "482915"), formDigits},
	} {
		n, err := answer([]byte(docHead+`<command xsi:type="x"><passcode>`+text+`</passcode></command>`+docTail), "s", false)
		require.NoError(t, err, text)
		require.Equal(t, want, n.child("passcode").given, text)
		require.Empty(t, n.of("passcode"))
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	ok := `<command xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/>`
	_, err := answer([]byte(docHead+ok+docTail+"\n"), "s", false)
	require.NoError(t, err)
	deep := strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth)
	for name, doc := range map[string]string{
		"nothing":                    "",
		"half of one":                docHead + ok,
		"another root":               `<a><sessionId>s</sessionId>` + ok + `</a>`,
		"no command":                 docHead + docTail,
		"two commands":               docHead + ok + ok + docTail,
		"a command of no type":       docHead + `<command type="Error"/>` + docTail,
		"another session":            strings.Replace(docHead, ">s<", ">t<", 1) + ok + docTail,
		"two documents":              docHead + ok + docTail + docHead + ok + docTail,
		"text behind it":             docHead + ok + docTail + "x",
		"a document type":            `<!DOCTYPE a>` + docHead + ok + docTail,
		"an entity of its own":       `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "s">]><BroadsoftDocument><sessionId>&e;</sessionId>` + ok + docTail,
		"an external entity":         `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><BroadsoftDocument><sessionId>&e;</sessionId>` + ok + docTail,
		"an entity that nobody made": docHead + `<command xsi:type="x">&e;</command>` + docTail,
		"another charset":            strings.Replace(docHead, "ISO-8859-1", "EBCDIC", 1) + ok + docTail,
		"elements without an end":    docHead + `<command xsi:type="x">` + deep + `</command>` + docTail,
		"a byte that XML forbids":    docHead + "<command xsi:type=\"x\">\x01</command>" + docTail,
		"a page for people":          "<!DOCTYPE html>\n<html><body>Please sign in</body></html>",
	} {
		_, err := answer([]byte(doc), "s", false)
		require.Equal(t, errShape, err, name)
	}
}

// FuzzAnswer claims that what is read can be written and is read the same again, that
// no code stands in a text, and that an error says nothing of what was read.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(docHead+`<command xsi:type="c:ErrorResponse" type="Error"><summary>&lt;[Error 1] `+"\xfc"+`</summary></command>`+docTail), false)
	f.Add([]byte(docHead+`<command xsi:type="x"><passcode>0042</passcode><t><row><col/><col>ü</col></row></t></command>`+docTail), true)
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY e SYSTEM "file:///x">]><a>&e;</a>`), false)
	f.Fuzz(func(t *testing.T, doc []byte, decoded bool) {
		n, err := parse(doc, decoded)
		if err != nil {
			require.Equal(t, errShape, err)
			return
		}
		require.NotContains(t, string(doc), "<!ENTITY")
		var again bytes.Buffer
		written(t, &again, *n)
		m, err := parse(again.Bytes(), true)
		require.NoError(t, err, "%s", again.String())
		require.Equal(t, shape(*n), shape(*m))
	})
}

// written writes a tree.
func written(t *testing.T, b *bytes.Buffer, n node) {
	b.WriteString(`<` + n.name + ` xmlns:xsi="` + xsiSpace + `" xsi:type="`)
	_ = xml.EscapeText(b, []byte(n.kind))
	b.WriteString(`" type="`)
	_ = xml.EscapeText(b, []byte(n.class))
	b.WriteString(`">`)
	if n.name == "passcode" {
		require.Empty(t, n.text)
		if n.given.form == formOdd {
			b.WriteString("*")
		}
		n.given.code.Reveal(func(d []byte) { b.Write(d) })
	}
	_ = xml.EscapeText(b, n.text)
	for _, c := range n.nodes {
		written(t, b, c)
	}
	b.WriteString(`</` + n.name + `>`)
}

// shape is a tree without the difference between no text and an empty one.
func shape(n node) node {
	n.text = append([]byte{}, n.text...)
	n.kind = n.kind[strings.LastIndexByte(n.kind, ':')+1:]
	nodes := []node{}
	for _, c := range n.nodes {
		nodes = append(nodes, shape(c))
	}
	n.nodes = nodes
	return n
}

// fed is what comes of a stream in pieces: the first document or error.
func fed(stream []byte, piece func() int) ([]byte, error) {
	s := splitter{room: make([]byte, 4)}
	for len(stream) > 0 {
		n := copy(s.space(), stream[:min(len(stream), max(1, piece()))])
		stream = stream[n:]
		if doc, err := s.took(n); doc != nil || err != nil {
			return doc, err
		}
	}
	return nil, nil
}

func TestADocumentEndsWithItsRoot(t *testing.T) {
	doc := docHead + "<command/>" + docTail
	for name, c := range map[string]struct {
		stream string
		err    error
	}{
		"a document":                  {doc, nil},
		"with blanks around it":       {"\r\n " + doc + "\n", nil},
		"without a declaration":       {doc[strings.IndexByte(doc, '\n')+1:], nil},
		"a page for people":           {"<!DOCTYPE html>\n<html></html>", errShape},
		"text":                        {"trouble\n", errShape},
		"a byte that no XML may have": {doc[:60] + "\x01" + doc[60:], errShape},
	} {
		for size := 1; size < 40; size++ {
			got, err := fed([]byte(c.stream), func() int { return size })
			require.Equal(t, c.err, err, name)
			if c.err == nil {
				require.Equal(t, strings.TrimRight(c.stream, "\n"), string(got), name)
			}
		}
	}
	_, err := fed([]byte(doc+doc), func() int { return 1 << 20 })
	require.Equal(t, errNotAsked, err)
	_, err = fed([]byte("<BroadsoftDocument>"+strings.Repeat("x", 2*largest)), func() int { return 1 << 12 })
	require.Equal(t, errLong, err)
}

// FuzzSplitter claims that a document is the beginning of the stream up to the first
// closing tag, however the stream is cut, and that where the cuts are decides about
// nothing but what stands behind it.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte(docHead+"<command/>"+docTail+"\n"), []byte{1, 7, 200})
	f.Add([]byte("<BroadsoftDocument></BroadsoftDocument><"), []byte{3})
	f.Add([]byte("<?xml \x01"), []byte{2})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		i := 0
		doc, err := fed(stream, func() int {
			if len(cuts) == 0 {
				return 1
			}
			i++
			return int(cuts[i%len(cuts)])
		})
		one, oneErr := fed(stream, func() int { return 1 })
		if err != nil {
			require.Contains(t, []error{errShape, errLong, errNotAsked}, err)
			require.True(t, err == oneErr || oneErr == nil && slices.Contains([]error{errNotAsked, errShape}, err) && one != nil, "%v, by one byte at a time %v", err, oneErr)
			return
		}
		require.NoError(t, oneErr)
		require.Equal(t, one, doc)
		if doc != nil {
			require.Equal(t, stream[:bytes.Index(stream, endTag)+len(endTag)], doc)
		}
	})
}
