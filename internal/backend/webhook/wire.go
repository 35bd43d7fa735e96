package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// question is the body of a request without its codes.
type question struct {
	Operation  string  `json:"operation"`
	ID         string  `json:"id"`
	Domain     *string `json:"domain,omitempty"`
	Number     string  `json:"number,omitempty"`
	Account    *string `json:"account,omitempty"`
	MustChange *bool   `json:"must_change,omitempty"`
}

// field is a code and the name that it has in a body.
type field struct {
	name string
	code pin.PIN
}

// body is q in JSON with codes at its end. It is made at once, so that no part of a code
// stays behind where it grew; whoever called wipes it.
func (q question) body(codes ...field) []byte {
	head, _ := json.Marshal(q) // texts and truths can always be written
	size := len(head)
	for _, f := range codes {
		size += len(f.name) + len(`,"":""`) + pin.MaxDigits
	}
	b := append(make([]byte, 0, size), head[:len(head)-1]...)
	for _, f := range codes {
		b = append(b, `,"`+f.name+`":"`...)
		f.code.Reveal(func(digits []byte) { b = append(b, digits...) }) // digits need no escape
		b = append(b, '"')
	}
	return append(b, '}')
}

// reply is what every answer has.
type reply struct {
	ID         string `json:"id"`
	Result     string `json:"result"`
	RetryAfter int    `json:"retry_after"` // seconds
}

func (r *reply) head() *reply { return r }

// later is the detail of a result that says when to ask again.
func (r *reply) later() error {
	if r.RetryAfter <= 0 {
		return nil
	}
	return &httpapi.Later{After: time.Duration(min(r.RetryAfter, longestWait)) * time.Second}
}

// longestWait is the longest time that a service can want to be left alone, in seconds.
const longestWait = 300

type headed interface{ head() *reply }

// ask sends a question without codes that changes nothing.
func (s *Store) ask(ctx context.Context, op, path string, q question, into headed) error {
	return s.send(ctx, op, path, q.ID, q.body(), true, into)
}

// send signs and sends a body and reads the answer to the question of that id. Its
// errors are httpapi's, and those for answers that the contract does not know: a status
// from 400 to 499 says by contract that nothing was done, anything else says nothing.
func (s *Store) send(ctx context.Context, op, path, id string, body []byte, safe bool, into headed) error {
	now := s.now()
	a, err := s.client.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodPost, Path: path, Header: s.signer.Header(now, body), Body: body, Safe: safe, Want: "json",
		AllowStatus: []int{http.StatusUnauthorized},
	})
	if err != nil {
		return err
	}
	vague := mailbox.OutcomeUnknown
	if safe {
		vague = mailbox.Unavailable
	}
	switch {
	case a.Status == http.StatusUnauthorized:
		return mailbox.Fail(op, mailbox.ServiceRefused, refusedSignature(a.Header, now))
	case a.Status == http.StatusConflict:
		return mailbox.Fail(op, vague, errAtWork)
	case a.Status >= 400:
		return mailbox.Fail(op, mailbox.ServiceRefused, fmt.Errorf("the web service answers %d at %s: check api.url and paths", a.Status, path))
	case a.Status != http.StatusOK:
		return mailbox.Fail(op, vague, fmt.Errorf("the web service answers %d instead of 200", a.Status))
	}
	if err := a.JSON(into); err != nil {
		return err
	}
	if into.head().ID != id {
		return mailbox.Fail(op, vague, errOtherAnswer)
	}
	return nil
}

var (
	errAtWork      = errors.New("the web service is still at work on it")
	errOtherAnswer = errors.New("the web service's answer does not repeat the id of the request: it belongs to another one")
)

// skew is by how much the clocks of both sides may differ.
const skew = 5 * time.Minute

// refusedSignature tells why a signature may have been refused: by the service's clock,
// if it shows it, or by the key.
func refusedSignature(h http.Header, now time.Time) error {
	if there, err := http.ParseTime(h.Get("Date")); err == nil {
		if off := now.Sub(there).Round(time.Second); off.Abs() > skew {
			return fmt.Errorf("the web service refuses the signature (401), and its clock differs by %v: set both clocks by NTP", off.Abs())
		}
	}
	return errors.New("the web service refuses the signature (401): compare the keys on both sides, and their names")
}

// Results that may be said of an operation, beside ok.
var (
	lookupCodes = []mailbox.Code{mailbox.ServiceRefused, mailbox.Throttled, mailbox.Unavailable}
	// boxCodes say something of a mailbox.
	boxCodes = []mailbox.Code{
		mailbox.WrongPIN, mailbox.Locked, mailbox.NotFound, mailbox.NoCode, mailbox.Disabled, mailbox.OtherChannel,
	}
	verifyCodes = slices.Concat(boxCodes, lookupCodes)
	changeCodes = slices.Concat(verifyCodes, []mailbox.Code{
		mailbox.CannotChange, mailbox.TooSoon, mailbox.TooShort, mailbox.TooLong, mailbox.NotDigits, mailbox.Trivial,
		mailbox.InHistory, mailbox.PolicyOther,
	})
)
