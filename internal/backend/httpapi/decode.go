package httpapi

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"star97/internal/mailbox"
)

// JSON decodes the body into a pointer, as encoding/json does, whose errors can quote
// it. The error here does not: Unavailable, or OutcomeUnknown where the request was not
// Safe.
func (a Answer) JSON(into any) error {
	if len(a.Body) == 0 {
		return a.unread("JSON", errors.New("it is empty"))
	}
	err := json.Unmarshal(a.Body, into)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return a.unread("JSON", fmt.Errorf("byte %d of %d is wrong", syntax.Offset, len(a.Body)))
	case errors.As(err, &kind):
		return a.unread("JSON", fmt.Errorf("byte %d of %d has another type", kind.Offset, len(a.Body)))
	}
	return a.unread("JSON", errors.New("a value is of another form"))
}

// XML decodes the body into a pointer, as encoding/xml does, also where it is written in
// ISO 8859-1. The error is that of JSON.
func (a Answer) XML(into any) error {
	if len(a.Body) == 0 {
		return a.unread("XML", errors.New("it is empty"))
	}
	d := xml.NewDecoder(bytes.NewReader(a.Body))
	d.CharsetReader = latin1
	if err := d.Decode(into); err != nil {
		return a.unread("XML", fmt.Errorf("it cannot be read from byte %d of %d on", d.InputOffset(), len(a.Body)))
	}
	return nil
}

func (a Answer) unread(form string, why error) error {
	return mailbox.Fail(a.op, unanswered(!a.safe), fmt.Errorf("an answer %d is not the %s that it should be: %w", a.Status, form, why))
}

// latin1 makes UTF-8 of ISO 8859-1, whose bytes are the first 256 code points.
func latin1(charset string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "us-ascii":
	default:
		return nil, errors.New("another charset")
	}
	text, err := io.ReadAll(input)
	if err != nil {
		return nil, err
	}
	runes := make([]rune, len(text))
	for i, b := range text {
		runes[i] = rune(b)
	}
	return strings.NewReader(string(runes)), nil
}
