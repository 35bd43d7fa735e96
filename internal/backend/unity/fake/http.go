package fake

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"star97/internal/backend/conformance/trouble"
)

// opOf names the kind of a request.
func opOf(r *http.Request) string {
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/credential/pin") && r.Method == http.MethodPut:
		return OpWrite
	case strings.HasSuffix(path, "/credential/pin"):
		return OpCredential
	case strings.HasSuffix(path, "/alternateextensions"):
		return OpAlternates
	case path == "/vmrest/users" && r.URL.Query().Get("query") != "":
		return OpLookup
	case path == "/vmrest/users":
		return OpUsers
	case strings.HasPrefix(path, "/vmrest/users/"):
		return OpUser
	case strings.HasPrefix(path, "/vmrest/authenticationrules"):
		return OpRules
	case path == "/vmrest/version":
		return OpVersion
	}
	return ""
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request){
		"GET /vmrest/version":                        s.version,
		"GET /vmrest/users":                          s.listUsers,
		"GET /vmrest/users/{id}":                     s.oneUser,
		"GET /vmrest/users/{id}/alternateextensions": s.listAlternates,
		"GET /vmrest/users/{id}/credential/pin":      s.readCredential,
		"PUT /vmrest/users/{id}/credential/pin":      s.writeCredential,
		"GET /vmrest/authenticationrules":            s.listRules,
		"GET /vmrest/authenticationrules/{id}":       s.oneRule,
	} {
		mux.HandleFunc(pattern, serve)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.enter(w, r) {
			mux.ServeHTTP(w, r)
		}
	})
}

// sessionCookie carries a session; the server sets two more with it.
const sessionCookie = "JSESSIONIDSSO"

// enter lets a request in by its session, or else by name and password.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) bool {
	if s.orders.Asked(opOf(r), trouble.Expired).Kind == trouble.Expired {
		clear(s.sessions)
	}
	if c, err := r.Cookie(sessionCookie); err == nil && s.sessions[c.Value] {
		return true
	}
	name, word, ok := r.BasicAuth()
	if !ok || name != User || word != s.account.word {
		w.Header().Set("WWW-Authenticate", `Basic realm="Cisco Unity Connection"`)
		s.fail(w, r, http.StatusUnauthorized, "NOT_AUTHORIZED", "Not Authorized")
		return false
	}
	s.logins++
	id := rand.Text()
	s.sessions[id] = true
	for _, c := range []struct{ name, value string }{
		{sessionCookie, id}, {"JSESSIONID", rand.Text()}, {"REQUEST_TOKEN_KEY", rand.Text()},
	} {
		http.SetCookie(w, &http.Cookie{Name: c.name, Value: c.value, Path: "/vmrest/", Secure: true, HttpOnly: true})
	}
	return true
}

func (s *Server) version(w http.ResponseWriter, r *http.Request) {
	s.single(w, r, "VersionInformation", object{{"name", "vmrest"}, {"version", "12.5.1.0"}})
}

// criterion is the grammar of a query: one column, one operator, one value.
var criterion = regexp.MustCompile(`^\((\w+) (is|startswith) ([^()]+)\)$`)

// indexed are the columns of users that can stand in a criterion.
var indexed = []string{"Alias", "DtmfAccessId", "DisplayName", "ObjectId", "FirstName", "LastName"}

var sorting = regexp.MustCompile(`^\((\w+) (asc|desc)\)$`)

// defaultRows is invented.
const defaultRows = 512

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var found []object
	match := func(object) bool { return true }
	if text := q.Get("query"); text != "" {
		m := criterion.FindStringSubmatch(text)
		if m == nil || !slices.Contains(indexed, m[1]) && !(s.IndexLDAP && m[1] == "LdapCcmUserId") {
			s.fail(w, r, http.StatusBadRequest, "INVALID_PARAMETER", "the query cannot be used")
			return
		}
		column, value := m[1], strings.ToLower(m[3])
		match = func(o object) bool {
			have := strings.ToLower(o.get(column))
			return have == value || m[2] == "startswith" && strings.HasPrefix(have, value)
		}
	}
	for _, u := range s.users {
		if o := u.object(); match(o) {
			found = append(found, o)
		}
	}
	if text := q.Get("sort"); text != "" {
		m := sorting.FindStringSubmatch(text)
		if m == nil {
			s.fail(w, r, http.StatusBadRequest, "INVALID_PARAMETER", "the sort cannot be used")
			return
		}
		slices.SortStableFunc(found, func(a, b object) int {
			if m[2] == "desc" {
				a, b = b, a
			}
			return cmp.Compare(a.get(m[1]), b.get(m[1]))
		})
	}
	rows, page := defaultRows, 1
	for name, into := range map[string]*int{"rowsPerPage": &rows, "pageNumber": &page} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				s.fail(w, r, http.StatusBadRequest, "INVALID_PARAMETER", name+" is no number")
				return
			}
			*into = n
		}
	}
	total := len(found)
	if rows == 0 || page == 0 {
		found, total = nil, max(total, s.Crowd) // the count alone
	} else {
		found = found[min((page-1)*rows, total):min(page*rows, total)]
	}
	s.list(w, r, "User", total, found)
}

func (s *Server) oneUser(w http.ResponseWriter, r *http.Request) {
	if u := s.wanted(w, r); u != nil {
		s.single(w, r, "User", u.object())
	}
}

// wanted is the user in a request's path; nil after an answer of 404.
func (s *Server) wanted(w http.ResponseWriter, r *http.Request) *user {
	u := s.find(r.PathValue("id"))
	if u == nil {
		s.fail(w, r, http.StatusNotFound, "NOT_FOUND", "there is no such object")
	}
	return u
}

func (s *Server) listAlternates(w http.ResponseWriter, r *http.Request) {
	u := s.wanted(w, r)
	if u == nil {
		return
	}
	var all []object
	for i, n := range append([]string{u.Extension}, u.Alternates...) {
		all = append(all, object{
			{"URI", fmt.Sprintf("/vmrest/users/%s/alternateextensions/%d", u.id, i)}, {"IdIndex", i},
			{"DtmfAccessId", n}, {"PartitionObjectId", u.Partition},
		})
	}
	s.list(w, r, "AlternateExtension", len(all), all)
}

func (s *Server) readCredential(w http.ResponseWriter, r *http.Request) {
	if u := s.wanted(w, r); u != nil {
		s.single(w, r, "Credential", s.credential(u))
	}
}

// writeCredential takes a document Credential. Whether the real server refuses fields
// that it does not know is not known; this one does.
func (s *Server) writeCredential(w http.ResponseWriter, r *http.Request) {
	u := s.wanted(w, r)
	if u == nil {
		return
	}
	if u.Administrator {
		s.fail(w, r, http.StatusUnauthorized, "NOT_AUTHORIZED", "Not Authorized")
		return
	}
	body, _ := io.ReadAll(r.Body)
	defer clear(body)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var given map[string]string
	var err error
	switch kind {
	case "application/json":
		given, err = jsonFields(body)
	case "application/xml":
		given, err = xmlFields(body)
	default:
		s.fail(w, r, http.StatusUnsupportedMediaType, "UNSUPPORTED", "unsupported media type")
		return
	}
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, "INVALID_DOCUMENT", "the document cannot be read")
		return
	}
	if token, message := s.apply(u, given); token != "" {
		s.fail(w, r, http.StatusBadRequest, token, message)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// jsonFields reads one object of texts and plain values.
func jsonFields(body []byte) (map[string]string, error) {
	var any map[string]any
	if err := json.Unmarshal(body, &any); err != nil {
		return nil, err
	}
	given := map[string]string{}
	for name, value := range any {
		given[name] = fmt.Sprint(value)
	}
	return given, nil
}

func xmlFields(body []byte) (map[string]string, error) {
	var doc struct {
		XMLName xml.Name `xml:"Credential"`
		Fields  []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, f := range doc.Fields {
		given[f.XMLName.Local] = f.Text
	}
	return given, nil
}

func (s *Server) listRules(w http.ResponseWriter, r *http.Request) {
	s.list(w, r, "AuthenticationRule", 2, []object{s.rule(PhoneRule), s.rule(WebRule)})
}

func (s *Server) oneRule(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, ok := s.rules[id]; !ok {
		s.fail(w, r, http.StatusNotFound, "NOT_FOUND", "there is no such object")
		return
	}
	s.single(w, r, "AuthenticationRule", s.rule(id))
}
