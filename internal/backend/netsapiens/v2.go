package netsapiens

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// wire is one version of the system's API.
type wire interface {
	// read returns one user. Errors: NotFound, and those of httpapi.
	read(ctx context.Context, op string, at address) (person, error)
	// write sends a new code for p, who was just read. An error of OutcomeUnknown may
	// have changed it; with every other error nothing was changed. nil says that the
	// system has taken the change, not that it shows.
	write(ctx context.Context, op string, at address, p person, next pin.PIN) error
	// list returns users of a domain from the start'th on, at most limit.
	list(ctx context.Context, domain string, start, limit int) ([]person, error)
	// probe asks for what needs an address, TLS and an account.
	probe(ctx context.Context, domain string) (string, error)
}

// api2 is API v2: JSON, one path for each user.
type api2 struct {
	client  *httpapi.Client
	fields  string
	writeAs string
	keyed   bool // an API key: it can be asked about itself
	wantAll atomic.Bool
}

var forJSON = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}

func domainPath(domain string) string { return "/v2/domains/" + url.PathEscape(domain) }

func (at address) path() string { return domainPath(at.domain) + "/users/" + url.PathEscape(at.user) }

func (v *api2) get(ctx context.Context, op, path string, query url.Values) (httpapi.Answer, error) {
	a, err := v.client.Do(ctx, httpapi.Request{Op: op, Method: http.MethodGet, Path: path, Query: query, Header: forJSON, Safe: true})
	if err == nil && a.Status != http.StatusOK {
		err = refusal(op, a)
	}
	if err != nil {
		clear(a.Body)
	}
	return a, err
}

func (v *api2) read(ctx context.Context, op string, at address) (person, error) {
	a, err := v.get(ctx, op, at.path(), nil)
	if err != nil {
		return person{}, err
	}
	defer clear(a.Body)
	people, err := fromJSON(a.Body)
	if err != nil {
		return person{}, mailbox.Fail(op, mailbox.Unavailable, err)
	}
	return one(op, at, people)
}

// one is the user asked for among those of an answer, which must hold nobody else.
func one(op string, at address, people []person) (person, error) {
	switch {
	case len(people) == 0:
		return person{}, mailbox.Fail(op, mailbox.NotFound, nil)
	case len(people) > 1:
		return person{}, mailbox.Fail(op, mailbox.Unavailable, errors.New("the answer is about several users"))
	}
	p := people[0]
	if p.user != at.user || p.domain != "" && p.domain != at.domain {
		return person{}, mailbox.Fail(op, mailbox.Unavailable, errors.New("the answer is about another user"))
	}
	return p, nil
}

// write sends the code alone, or with the four fields that the description of this call
// marks as required. Whether a server insists on them is not known, hence auto.
func (v *api2) write(ctx context.Context, op string, at address, p person, next pin.PIN) error {
	all := v.fields == fieldsAll || v.fields == fieldsAuto && v.wantAll.Load()
	a, err := v.put(ctx, op, at, p, next, all)
	if err != nil {
		return err
	}
	if a.Status == http.StatusBadRequest && v.fields == fieldsAuto && !all {
		// What is written back should be as fresh as can be: it could undo somebody's edit.
		if p, err = v.read(ctx, op, at); err != nil {
			return err
		}
		if a, err = v.put(ctx, op, at, p, next, true); err != nil {
			return err
		}
		if a.Status < 300 {
			v.wantAll.Store(true)
		}
	}
	return taken(op, a)
}

func (v *api2) put(ctx context.Context, op string, at address, p person, next pin.PIN, all bool) (httpapi.Answer, error) {
	body := v.body(p, next, all)
	defer clear(body)
	return v.client.Do(ctx, httpapi.Request{Op: op, Method: http.MethodPut, Path: at.path(), Header: forJSON, Body: body})
}

// body is {"voicemail-login-pin":"..."}, in the form in which the server gives codes,
// and the four fields where all says so.
func (v *api2) body(p person, next pin.PIN, all bool) []byte {
	size := 128 // of the braces, names and the code: append must not leave copies behind
	for i, name := range fourNames {
		size += len(name) + len(p.four[i]) + 8
	}
	quote := `"`
	if v.writeAs == writeNumber || v.writeAs == writeSame && p.given.form == formNumber {
		quote = ""
	}
	b := append(make([]byte, 0, size), `{"voicemail-login-pin":`+quote...)
	next.Reveal(func(digits []byte) { b = append(b, digits...) })
	b = append(b, quote...)
	for i, name := range fourNames {
		if all && len(p.four[i]) > 0 {
			b = append(b, `,"`+name+`":`...)
			b = append(b, p.four[i]...)
		}
	}
	return append(b, '}')
}

// taken is nil for a change that the system has accepted.
func taken(op string, a httpapi.Answer) error {
	defer clear(a.Body)
	switch {
	case a.Status < 300: // httpapi gives no redirect
		return nil
	case a.Status == http.StatusNotFound:
		return mailbox.Fail(op, mailbox.NotFound, clause(a))
	}
	return mailbox.Fail(op, mailbox.PolicyOther, clause(a))
}

// refusal is the error of a question that was not answered by 200.
func refusal(op string, a httpapi.Answer) error {
	if a.Status == http.StatusNotFound {
		return mailbox.Fail(op, mailbox.NotFound, clause(a))
	}
	return mailbox.Fail(op, mailbox.Unavailable, clause(a))
}

// clause says what the system said: the status, and the message of {code, message}
// unless it has a digit, which could be a code's.
func clause(a httpapi.Answer) error {
	var said struct {
		Message text `json:"message"`
	}
	_ = json.Unmarshal(a.Body, &said) // no message, then
	words := string(said.Message)
	if words == "" || len(words) > 200 || strings.ContainsFunc(words, func(r rune) bool { return unicode.IsDigit(r) || !unicode.IsPrint(r) }) {
		return fmt.Errorf("the system answered %d", a.Status)
	}
	return fmt.Errorf("the system answered %d: %s", a.Status, words)
}

func (v *api2) list(ctx context.Context, domain string, start, limit int) ([]person, error) {
	a, err := v.get(ctx, "list", domainPath(domain)+"/users", url.Values{"start": {strconv.Itoa(start)}, "limit": {strconv.Itoa(limit)}})
	if errors.Is(err, mailbox.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer clear(a.Body)
	people, err := fromJSON(a.Body)
	if err != nil {
		return nil, mailbox.Fail("list", mailbox.Unavailable, err)
	}
	return people, nil
}

// probe asks for the version, which needs no account, for the number of users, which
// does, and for a key's rights.
func (v *api2) probe(ctx context.Context, domain string) (string, error) {
	var is struct {
		Version text `json:"apiversion"`
		Host    text `json:"hostname"`
	}
	if err := v.ask(ctx, "/v2/version", &is); err != nil {
		return "", err
	}
	var users struct {
		Total text `json:"total"`
	}
	if err := v.ask(ctx, domainPath(domain)+"/users/count", &users); err != nil {
		return "", err
	}
	said := fmt.Sprintf("NetSapiens API v2, version %s at %s, domain %s with %s users", printable(is.Version), printable(is.Host), domain, printable(users.Total))
	if !v.keyed {
		return said, nil
	}
	var key struct {
		ReadOnly text `json:"readonly"`
		Scope    text `json:"user-scope"`
	}
	if err := v.ask(ctx, "/v2/apikeys/~", &key); err != nil {
		return said, err
	}
	if key.ReadOnly == "yes" {
		return said, mailbox.Fail("probe", mailbox.ServiceRefused, errors.New("the API key is read only: ask for one that may change users"))
	}
	return said + ", key with scope " + printable(key.Scope), nil
}

func (v *api2) ask(ctx context.Context, path string, into any) error {
	a, err := v.get(ctx, "probe", path, nil)
	if err != nil {
		return err
	}
	if json.Unmarshal(a.Body, into) != nil {
		return mailbox.Fail("probe", mailbox.Unavailable, errShape)
	}
	return nil
}

// printable is a foreign word for a person's terminal.
func printable(t text) string {
	const longest = 64
	return cmp.Or(adapter.Shown(string(t), longest), "not told")
}
