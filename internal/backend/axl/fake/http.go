package fake

import (
	"bytes"
	"crypto/rand"
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

const (
	soapSpace = "http://schemas.xmlsoap.org/soap/envelope/"
	axlSpace  = "http://www.cisco.com/AXL/API/"
)

var firstOfBody = regexp.MustCompile(`<\w+:Body>\s*<(?:\w+:)?(\w+)`)

// opOf names the kind of a request, by its body, since old versions name it nowhere else.
func opOf(r *http.Request) string {
	if r.URL.Path == "/cucm-uds/users" {
		return OpDirectory
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if m := firstOfBody.FindSubmatch(body); m != nil {
		return string(m[1])
	}
	return ""
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /axl/{$}", func(w http.ResponseWriter, r *http.Request) {
		if s.enter(w, r) {
			s.soap(w, r)
		}
	})
	mux.HandleFunc("GET /cucm-uds/users", s.directory)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		mux.ServeHTTP(w, r)
	})
}

// sessionCookie carries a session.
const sessionCookie = "JSESSIONIDSSO"

// enter lets a request in by its session, or else by name and password.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) bool {
	if s.orders.Asked(opOf(r), trouble.Expired).Kind == trouble.Expired {
		clear(s.sessions)
		page(w, http.StatusUnauthorized)
		return false
	}
	if c, err := r.Cookie(sessionCookie); err == nil && s.sessions[c.Value] {
		return true
	}
	name, word, ok := r.BasicAuth()
	switch {
	case !ok || name != User || word != s.account.word:
		w.Header().Set("WWW-Authenticate", `Basic realm="Cisco Web Services Realm"`)
		page(w, http.StatusUnauthorized)
		return false
	case s.NoRole:
		page(w, http.StatusForbidden)
		return false
	}
	s.logins++
	id := rand.Text()
	s.sessions[id] = true
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: id, Path: "/", Secure: true, HttpOnly: true})
	return true
}

// page answers with a page for people.
func page(w http.ResponseWriter, status int) {
	send(w, status, "text/html;charset=utf-8", fmt.Appendf(nil, "<html><head><title>Error %d</title></head><body><h1>HTTP Status %d</h1></body></html>", status, status))
}

func send(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone misses nothing
}

// request is one call of a method.
type request struct {
	version string
	method  string
	args    element
}

var action = regexp.MustCompile(`^"CUCM:DB ver=(\d+\.\d)(?: (\w+))?"$`)

// soap reads a request and answers it. The words of its faults are invented where the
// notes give none.
func (s *Server) soap(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "text/xml" {
		page(w, http.StatusUnsupportedMediaType)
		return
	}
	body, _ := io.ReadAll(r.Body)
	defer clear(body)
	said := action.FindStringSubmatch(r.Header.Get("SOAPAction"))
	if said == nil {
		s.fail(w, request{}, fault{words: "the header SOAPAction is missing or wrong"})
		return
	}
	q := request{version: said[1], method: said[2]}
	old := strings.HasPrefix(q.version, "7.")
	if newer(q.version, s.Version) {
		send(w, 599, "text/xml", []byte("unsupported version")) // the body is invented
		return
	}
	var f *fault
	q.args, f = parse(body, q.version)
	if f == nil && !old && q.args.name != q.method || old && q.method != "" {
		f = &fault{words: "the header SOAPAction names another method"}
	}
	if q.method = q.args.name; f != nil {
		s.fail(w, q, *f)
		return
	}
	methods := map[string]func(request) (returned, *fault){
		OpSQL: s.executeSQLQuery, OpUser: s.getUser, OpAuthenticate: s.doAuthenticateUser, OpUpdate: s.updateUser,
		OpPolicy: s.getCredentialPolicy, OpVersion: s.getCCMVersion,
	}
	if !newer("10.0", q.version) {
		methods[OpDefault] = s.getCredentialPolicyDefault
	}
	do := methods[q.method]
	if do == nil {
		s.fail(w, q, fault{words: "the schema has no such method"})
		return
	}
	back, f := do(q)
	if f != nil {
		s.fail(w, q, *f)
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version='1.0' encoding='UTF-8'?><soapenv:Envelope xmlns:soapenv="%s"><soapenv:Body><ns:%sResponse xmlns:ns="%s%s">`,
		soapSpace, q.method, axlSpace, q.version)
	back.xml(&b, "return")
	fmt.Fprintf(&b, "</ns:%sResponse></soapenv:Body></soapenv:Envelope>", q.method)
	send(w, http.StatusOK, "text/xml;charset=UTF-8", b.Bytes())
}

// newer tells whether a version is newer than another.
func newer(a, b string) bool {
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	return x > y
}

// fault is what a method answers with instead.
type fault struct {
	code  int // 0: the schema's, which has no number
	words string
}

func (s *Server) fail(w http.ResponseWriter, q request, f fault) {
	var b, words bytes.Buffer
	_ = xml.EscapeText(&words, []byte(f.words)) // a bytes.Buffer takes everything
	fmt.Fprintf(&b, `<?xml version='1.0' encoding='UTF-8'?><soapenv:Envelope xmlns:soapenv="%s"><soapenv:Body><soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>%s</faultstring>`,
		soapSpace, words.Bytes())
	switch {
	case f.code == 0:
	case s.OldFaults || strings.HasPrefix(q.version, "7."):
		fmt.Fprintf(&b, `<detail><axl:error xmlns:axl="%s%s"><axl:code>%d</axl:code><axl:message>%s</axl:message><request>%s</request></axl:error></detail>`,
			axlSpace, q.version, f.code, words.Bytes(), q.method)
	default:
		fmt.Fprintf(&b, `<detail><axlError><axlcode>%d</axlcode><axlmessage>%s</axlmessage><request>%s</request></axlError></detail>`,
			f.code, words.Bytes(), q.method)
	}
	b.WriteString("</soapenv:Fault></soapenv:Body></soapenv:Envelope>")
	send(w, http.StatusInternalServerError, "text/xml;charset=UTF-8", b.Bytes())
}

// element is one of a request.
type element struct {
	name string
	text string
	in   []element
}

func (e element) get(name string) (string, bool) {
	for _, c := range e.in {
		if c.name == name {
			return c.text, true
		}
	}
	return "", false
}

func (e element) child(name string) (element, bool) {
	i := slices.IndexFunc(e.in, func(c element) bool { return c.name == name })
	if i < 0 {
		return element{}, false
	}
	return e.in[i], true
}

type raw struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Nodes   []raw      `xml:",any"`
}

// parse reads an envelope. Of the elements in it only the method's is in a namespace,
// that of the version.
func parse(body []byte, version string) (element, *fault) {
	var e struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Body    struct {
			Nodes []raw `xml:",any"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	if err := xml.Unmarshal(body, &e); err != nil || len(e.Body.Nodes) != 1 {
		return element{}, &fault{words: "the request is not well formed"}
	}
	top := e.Body.Nodes[0]
	if top.XMLName.Space != axlSpace+version {
		return element{}, &fault{words: "the method's element is in the namespace of another version"}
	}
	for _, inner := range top.Nodes {
		if !inner.plain() {
			return element{}, &fault{words: "an element within the method's is in a namespace"}
		}
	}
	return top.element(), nil
}

func (r raw) plain() bool {
	return r.XMLName.Space == "" && !slices.ContainsFunc(r.Nodes, func(n raw) bool { return !n.plain() })
}

func (r raw) element() element {
	e := element{name: r.XMLName.Local, text: r.Text}
	for _, n := range r.Nodes {
		e.in = append(e.in, n.element())
	}
	return e
}

// ordered checks the elements within e against a sequence of the schema, each once.
func (e element) ordered(sequence []string) *fault {
	at := -1
	for _, c := range e.in {
		i := slices.Index(sequence, c.name)
		if i <= at {
			return &fault{words: "the schema does not have the element " + c.name + " at this place of " + e.name}
		}
		at = i
	}
	return nil
}

// returned is an element of an answer: text, or others in their order.
type returned struct {
	text string
	in   []field
}

type field struct {
	name  string
	value returned
}

func text(format string, args ...any) returned { return returned{text: fmt.Sprintf(format, args...)} }

func (r *returned) add(name, format string, args ...any) {
	r.in = append(r.in, field{name, text(format, args...)})
}

func (r returned) xml(b *bytes.Buffer, name string) {
	if r.text == "" && len(r.in) == 0 {
		fmt.Fprintf(b, "<%s/>", name)
		return
	}
	fmt.Fprintf(b, "<%s>", name)
	_ = xml.EscapeText(b, []byte(r.text)) // a bytes.Buffer takes everything
	for _, f := range r.in {
		f.value.xml(b, f.name)
	}
	fmt.Fprintf(b, "</%s>", name)
}
