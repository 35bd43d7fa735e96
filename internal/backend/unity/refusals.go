package unity

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"regexp"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

// refused reads the reason of an answer of 400, which goes with a document ErrorDetails
// of an inner form that no description shows. Every text in it is looked through. A page
// for people is not the system's own word.
func (s *Store) refused(op string, a httpapi.Answer) error {
	if strings.Contains(strings.ToLower(a.Header.Get("Content-Type")), "html") {
		return mailbox.Fail(op, mailbox.Unavailable, status(a.Status))
	}
	texts := errorTexts(a)
	code, _ := adapter.Refused(s.o.Refusals, strings.Join(texts, "\n"))
	return mailbox.Fail(op, code, token(texts))
}

// tokenShape is a code of the system as IMS_ERROR. It has no digit: what is in the answer
// may hold the code that was refused, and goes into no log.
var tokenShape = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$`)

const longestToken = 60

func token(texts []string) error {
	for _, t := range texts {
		if len(t) <= longestToken && tokenShape.MatchString(t) {
			return errors.New("the system answered 400 with " + t)
		}
	}
	return errors.New("the system answered 400")
}

// errorTexts are the texts of a document of either format, or the whole where it is none.
func errorTexts(a httpapi.Answer) []string {
	var texts []string
	if isXML(a) {
		d := xml.NewDecoder(bytes.NewReader(a.Body))
		for {
			t, err := d.Token()
			if err != nil {
				return texts
			}
			if text, ok := t.(xml.CharData); ok && len(bytes.TrimSpace(text)) > 0 {
				texts = append(texts, string(bytes.TrimSpace(text)))
			}
		}
	}
	var any any
	if json.Unmarshal(a.Body, &any) != nil {
		return []string{string(a.Body)}
	}
	return leaves(any, nil)
}

func leaves(v any, texts []string) []string {
	switch v := v.(type) {
	case string:
		return append(texts, v)
	case []any:
		for _, inner := range v {
			texts = leaves(inner, texts)
		}
	case map[string]any:
		for _, inner := range v {
			texts = leaves(inner, texts)
		}
	}
	return texts
}
