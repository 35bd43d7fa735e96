package netsapiens

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// api1 is API v1: everything is a form posted to one address, and what is done stands
// in the query. It answers in JSON that says it is text/html, and changes with 200 and
// nothing; without format=json, and on some servers all the same, in XML.
type api1 struct {
	client        *httpapi.Client
	emptyIsNobody bool // an answer with nothing in it says that there is no such user
}

var asForm = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

func (v *api1) post(ctx context.Context, op, action string, form []byte, safe bool) (httpapi.Answer, error) {
	defer clear(form)
	return v.client.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodPost, Path: "/", Header: asForm, Body: form, Safe: safe,
		Query: url.Values{"format": {"json"}, "object": {"subscriber"}, "action": {action}},
	})
}

func (v *api1) read(ctx context.Context, op string, at address) (person, error) {
	people, err := v.people(ctx, op, at.form())
	if err != nil {
		return person{}, err
	}
	return one(op, at, people)
}

func (at address) form() url.Values { return url.Values{"domain": {at.domain}, "user": {at.user}} }

// people are the users in the answer of action=read. How the system says that there is
// none is not known: an empty list and 404 are taken for that, nothing at all by setting.
func (v *api1) people(ctx context.Context, op string, form url.Values) ([]person, error) {
	a, err := v.post(ctx, op, "read", []byte(form.Encode()), true)
	if err != nil {
		return nil, err
	}
	defer clear(a.Body)
	if a.Status != http.StatusOK {
		return nil, refusal(op, a)
	}
	body := bytes.TrimSpace(a.Body)
	if len(body) == 0 && v.emptyIsNobody {
		return nil, nil
	}
	read := fromJSON
	if bytes.HasPrefix(body, []byte("<")) {
		read = fromXML
	}
	people, err := read(body)
	if err != nil {
		return nil, mailbox.Fail(op, mailbox.Unavailable, err)
	}
	return people, nil
}

func (v *api1) write(ctx context.Context, op string, at address, _ person, next pin.PIN) error {
	form := at.form().Encode() + "&subscriber_pin="
	body := append(make([]byte, 0, len(form)+pin.MaxDigits), form...)
	next.Reveal(func(digits []byte) { body = append(body, digits...) })
	a, err := v.post(ctx, op, "update", body, false)
	if err != nil {
		return err
	}
	return taken(op, a)
}

func (v *api1) list(ctx context.Context, domain string, start, limit int) ([]person, error) {
	people, err := v.people(ctx, "list", url.Values{"domain": {domain}, "start": {strconv.Itoa(start)}, "limit": {strconv.Itoa(limit)}})
	if errors.Is(err, mailbox.NotFound) {
		return nil, nil
	}
	return people, err
}

// probe counts the users of the domain.
func (v *api1) probe(ctx context.Context, domain string) (string, error) {
	a, err := v.post(ctx, "probe", "count", []byte(url.Values{"domain": {domain}}.Encode()), true)
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusOK {
		return "", refusal("probe", a)
	}
	var users struct {
		Total text `json:"total"`
	}
	body := bytes.TrimSpace(a.Body)
	if len(body) > 0 && body[0] != '<' && json.Unmarshal(body, &users) != nil {
		return "", mailbox.Fail("probe", mailbox.Unavailable, errShape)
	}
	return fmt.Sprintf("NetSapiens API v1, domain %s with %s users", domain, printable(users.Total)), nil
}
