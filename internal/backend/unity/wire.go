package unity

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

// The places of the interface.
const (
	root      = "/vmrest"
	usersPath = root + "/users"
	rulesPath = root + "/authenticationrules"
)

func userPath(id string) string       { return usersPath + "/" + url.PathEscape(id) }
func credentialPath(id string) string { return userPath(id) + "/credential/pin" }

// queryFor asks for what meets a criterion, of which the grammar has room for one; empty:
// for everything.
func queryFor(criterion string) url.Values {
	q := url.Values{}
	if criterion != "" {
		q.Set("query", criterion)
	}
	return q
}

// setPage asks for one page, counted from 1, of some rows; 0 rows are the count alone.
func setPage(q url.Values, page, rows int) {
	q.Set("pageNumber", strconv.Itoa(page))
	q.Set("rowsPerPage", strconv.Itoa(rows))
}

// record is one object of an answer: its plain fields as text. JSON and XML give the same.
type record map[string]string

func (r record) text(name string) string { return r[name] }
func (r record) flag(name string) bool   { return strings.EqualFold(r[name], "true") || r[name] == "1" }

// number is 0 for what is no whole number of 0 or more.
func (r record) number(name string) int {
	n, err := strconv.Atoi(r[name])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// minutes bounds what it reads to ten years: nothing overflows then.
func (r record) minutes(name string) time.Duration {
	return time.Duration(min(r.number(name), 10*366*24*60)) * time.Minute
}

// list is what an answer has of one kind of objects.
type list struct {
	total int // in the system; items can be a part
	items []record
	now   time.Time // the server's clock, or this machine's where the answer does not tell
}

func (s *Store) header() http.Header {
	h := http.Header{}
	h.Set("Accept", "application/"+string(s.o.Format))
	return h
}

// get asks for objects named item. NotFound stands for an address that has none. Where
// the address is one mailbox's, 401 among personal keeps a refusal between it and the caller.
func (s *Store) get(ctx context.Context, op, path string, query url.Values, item string, personal ...int) (list, error) {
	answer, err := s.api.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodGet, Path: path, Query: query, Header: s.header(), Safe: true, AllowStatus: personal,
	})
	if err != nil {
		return list{}, err
	}
	switch answer.Status {
	case http.StatusOK:
		found, err := parse(answer, item)
		if err != nil {
			return list{}, mailbox.Fail(op, mailbox.Unavailable, err)
		}
		return found, nil
	case http.StatusUnauthorized:
		return list{}, s.forUser(op)
	case http.StatusNotFound, http.StatusGone:
		return list{}, mailbox.Fail(op, mailbox.NotFound, nil)
	}
	return list{}, mailbox.Fail(op, mailbox.Unavailable, status(answer.Status))
}

// count is the number of users of the system.
func (s *Store) count(ctx context.Context, op string) (int, error) {
	query := queryFor("")
	setPage(query, 1, 0)
	found, err := s.get(ctx, op, usersPath, query, "User")
	return found.total, err
}

// one asks for a single object.
func (s *Store) one(ctx context.Context, op, path, item string) (record, error) {
	found, err := s.get(ctx, op, path, nil, item)
	if err != nil {
		return nil, err
	}
	if len(found.items) != 1 {
		return nil, mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf("the answer has %d objects instead of one", len(found.items)))
	}
	return found.items[0], nil
}

func status(n int) error { return fmt.Errorf("the system answered with status %d", n) }

// parse reads the objects named item, in whichever format they came.
func parse(a httpapi.Answer, item string) (list, error) {
	read := fromJSON
	if isXML(a) {
		read = fromXML
	}
	found, err := read(a, item)
	if found.now, _ = http.ParseTime(a.Header.Get("Date")); found.now.IsZero() {
		found.now = time.Now()
	}
	return found, err
}

// isXML goes by the declared type, and by the first character where that says neither.
func isXML(a httpapi.Answer) bool {
	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	switch {
	case strings.HasSuffix(kind, "json"):
		return false
	case strings.HasSuffix(kind, "/xml"), strings.HasSuffix(kind, "+xml") && kind != "application/xhtml+xml":
		return true
	}
	return bytes.HasPrefix(bytes.TrimLeft(a.Body, " \t\r\n\ufeff"), []byte("<"))
}

var errShape = errors.New("the answer has another form than the interface's")

// fromJSON reads one object, an array, or none at all:
//
//	{"@total":"1","User":{...}}  {"@total":"2","User":[{...},{...}]}  {"@total":"0"}
//	{"Users":{"-total":"1","User":...}}  {"URI":"...","ObjectId":"..."}
func fromJSON(a httpapi.Answer, item string) (list, error) {
	d := json.NewDecoder(bytes.NewReader(a.Body))
	d.UseNumber() // a number that is text elsewhere stays as it was written
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return list{}, errShape // the decoder's own words quote the answer
	}
	if _, err := d.Token(); err != io.EOF || object == nil {
		return list{}, errShape
	}
	if inner, ok := object[item+"s"].(map[string]any); ok {
		object = inner
	}
	var found list
	total, counted := totalOf(object)
	switch value := object[item].(type) {
	case map[string]any:
		found.items = []record{flat(value)}
	case []any:
		for _, v := range value {
			one, ok := v.(map[string]any)
			if !ok {
				return list{}, errShape
			}
			found.items = append(found.items, flat(one))
		}
	case nil:
		if !counted {
			found.items = []record{flat(object)}
		}
	default:
		return list{}, errShape
	}
	found.total = max(total, len(found.items))
	return found, nil
}

func totalOf(object map[string]any) (n int, ok bool) {
	for _, name := range []string{"@total", "-total", "total"} {
		if value, there := object[name]; there {
			n, err := strconv.Atoi(plain(value))
			return max(n, 0), err == nil
		}
	}
	return 0, false
}

// flat keeps the plain fields of an object.
func flat(object map[string]any) record {
	r := make(record, len(object))
	for name, value := range object {
		r[name] = plain(value)
	}
	return r
}

func plain(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// node is an XML element of any name.
type node struct {
	XMLName xml.Name
	Total   string `xml:"total,attr"`
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// fromXML reads <Users total="1"><User>...</User></Users>, or one <User> alone.
func fromXML(a httpapi.Answer, item string) (list, error) {
	var top node
	if err := a.XML(&top); err != nil {
		return list{}, err
	}
	var found list
	switch top.XMLName.Local {
	case item:
		found.items = []record{top.flat()}
	case item + "s":
		for _, n := range top.Nodes {
			if n.XMLName.Local == item {
				found.items = append(found.items, n.flat())
			}
		}
	default:
		return list{}, errShape
	}
	n, _ := strconv.Atoi(top.Total)
	found.total = max(n, len(found.items))
	return found, nil
}

func (n node) flat() record {
	r := make(record, len(n.Nodes))
	for _, field := range n.Nodes {
		if len(field.Nodes) == 0 {
			r[field.XMLName.Local] = strings.TrimSpace(field.Text)
		}
	}
	return r
}
