package webex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

// get reads a resource of the organisation. Errors: NotFound for 404, ServiceRefused,
// Throttled, Unavailable.
func (s *Store) get(ctx context.Context, op, path string, query url.Values, into any) (httpapi.Answer, error) {
	a, err := s.api.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodGet, Path: path, Query: s.inOrganisation(query), Safe: true, Want: "json",
		Header: http.Header{"Accept": {"application/json"}},
	})
	switch {
	case err != nil:
		return a, err
	case a.Status == http.StatusNotFound:
		return a, mailbox.Fail(op, mailbox.NotFound, refusal(a).detail())
	case a.Status == http.StatusLocked:
		return a, mailbox.Fail(op, mailbox.Throttled, refusal(a).detail())
	case a.Status != http.StatusOK:
		return a, mailbox.Fail(op, mailbox.Unavailable, refusal(a).detail())
	}
	return a, a.JSON(into)
}

// inOrganisation adds the organisation's id to a query.
func (s *Store) inOrganisation(query url.Values) url.Values {
	if s.o.Organisation == "" || query.Has("orgId") {
		return query
	}
	with := url.Values{"orgId": {s.o.Organisation}}
	for name, values := range query {
		with[name] = values
	}
	return with
}

// maxPages bounds the pages of one list.
const maxPages = 2500

// list reads every page of a list; page is given each one, decoded anew, and ends the
// reading with an error. Where the system wants to be asked later for one but the first,
// it is, so many times.
func list[T any](ctx context.Context, s *Store, op, path string, query url.Values, pauses int, page func(T) error) error {
	for n := range maxPages {
		var one T
		a, err := s.get(ctx, op, path, query, &one)
		for ; n > 0 && pauses > 0 && errors.Is(err, mailbox.Throttled) && waited(ctx, err); pauses-- {
			a, err = s.get(ctx, op, path, query, &one)
		}
		if errors.Is(err, mailbox.NotFound) {
			err = mailbox.Fail(op, mailbox.Unavailable, errNoList)
		}
		if err == nil {
			err = page(one)
		}
		if err != nil {
			return err
		}
		next := nextLink(a.Header.Values("Link"))
		if next == "" {
			return nil
		}
		if path, query, err = s.below(next); err != nil {
			return mailbox.Fail(op, mailbox.Unavailable, err)
		}
	}
	return mailbox.Fail(op, mailbox.Unavailable, errPages)
}

var (
	errNoList = errors.New("the system has no such list (404): check api.url, organisation and location")
	errPages  = fmt.Errorf("a list of the system has more than %d pages", maxPages)
	errLink   = errors.New("the system's link to the next page leads elsewhere: check api.url")
)

// below is the path and query of a link on the same server below api.url: star97's token
// goes nowhere else.
func (s *Store) below(link string) (string, url.Values, error) {
	base, err := url.Parse(s.o.API.URL)
	if err != nil {
		return "", nil, errLink
	}
	u, err := base.Parse(link)
	if err != nil || u.Scheme != base.Scheme || !strings.EqualFold(u.Host, base.Host) {
		return "", nil, errLink
	}
	path, ok := strings.CutPrefix(u.EscapedPath(), strings.TrimRight(base.EscapedPath(), "/"))
	query, err := url.ParseQuery(u.RawQuery)
	if !ok || !strings.HasPrefix(path, "/") || err != nil {
		return "", nil, errLink
	}
	return path, query, nil
}

// nextLink is the target of the first link of relation next (RFC 8288 section 3); empty
// if there is none.
func nextLink(headers []string) string {
	for _, rest := range headers {
		for {
			_, after, ok := strings.Cut(rest, "<")
			target, params, closed := strings.Cut(after, ">")
			if !ok || !closed {
				break
			}
			var one string
			one, rest = untilComma(params)
			if isNext(one) {
				return target
			}
		}
	}
	return ""
}

// untilComma is the text before the first comma that is not quoted, and what is behind it.
func untilComma(s string) (one, rest string) {
	quoted, escaped := false, false
	for i, c := range s {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// isNext tells whether the parameters of a link name the relation next.
func isNext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for r := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
			if strings.EqualFold(r, "next") {
				return true
			}
		}
		return false // RFC 8288 section 3.3: only the first rel counts
	}
	return false
}

// largestError bounds the error numbers that are told.
const largestError = 99999999

// number is a JSON number, or a text of digits.
type number int

// UnmarshalJSON takes what is neither for nothing said.
func (n *number) UnmarshalJSON(b []byte) error {
	i, err := strconv.Atoi(string(bytes.Trim(b, `"`)))
	if err != nil || i < 0 || i > largestError {
		i = 0
	}
	*n = number(i)
	return nil
}

// refused is an answer that refuses.
type refused struct {
	status   int
	tracking string
	numbers  []int
	words    []string // in lower case
}

// refusal reads an answer that refuses. Its body may be of any form.
func refusal(a httpapi.Answer) refused {
	var body struct {
		Message  string `json:"message"`
		Number   number `json:"errorCode"`
		Tracking string `json:"trackingId"`
		Errors   []struct {
			Description string `json:"description"`
			Number      number `json:"errorCode"`
		} `json:"errors"`
	}
	r := refused{status: a.Status, tracking: a.Tracking}
	if json.Unmarshal(a.Body, &body) != nil {
		return r
	}
	if r.tracking == "" && isID(body.Tracking) && strings.ContainsFunc(body.Tracking, unicode.IsLetter) {
		r.tracking = body.Tracking
	}
	add := func(n number, words string) {
		if n != 0 {
			r.numbers = append(r.numbers, int(n))
		}
		r.words = append(r.words, strings.ToLower(words))
	}
	add(body.Number, body.Message)
	for _, e := range body.Errors {
		add(e.Number, e.Description)
	}
	return r
}

// detail says what support asks for, and none of the answer's words: they could hold a
// code. Of error numbers it tells those that are too short for one.
func (r refused) detail() error {
	text := "the system answers " + strconv.Itoa(r.status)
	for _, n := range r.numbers {
		if n <= 99999 {
			text += ", errorCode " + strconv.Itoa(n)
			break
		}
	}
	if r.tracking != "" {
		text += ", trackingId " + r.tracking
	}
	return errors.New(text)
}

// means is what the configuration says of it: the first row that fits.
func (r refused) means(table []Refusal) mailbox.Code {
	for _, row := range table {
		if row.Number != 0 && !slices.Contains(r.numbers, row.Number) {
			continue
		}
		if row.Words != "" && !r.says(row.Words) {
			continue
		}
		if code, err := adapter.Meaning(row.Means, meanings); err == nil {
			return code
		}
	}
	return mailbox.PolicyOther
}

func (r refused) says(words string) bool {
	for _, w := range r.words {
		if strings.Contains(w, strings.ToLower(words)) {
			return true
		}
	}
	return false
}

// maxShown bounds a name or an address, in letters.
const maxShown = 100
