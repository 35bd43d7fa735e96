package axl

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

// The names of the interface.
const (
	soapSpace = "http://schemas.xmlsoap.org/soap/envelope/"
	axlSpace  = "http://www.cisco.com/AXL/"
	axlPath   = "/axl/"

	update       = "updateUser"
	authenticate = "doAuthenticateUser"
)

// maxMessage is room for the longest request, in bytes: it is made at once, so that no
// part of a code stays behind where it grew.
const maxMessage = 8192

// message writes a request. Of its elements only the outermost is in a namespace
// (elementFormDefault is unqualified), and their order is the schema's.
type message struct{ bytes.Buffer }

func (s *Store) message(method string, fill func(*message)) []byte {
	m := &message{}
	m.Grow(maxMessage)
	m.WriteString(`<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="` + soapSpace +
		`" xmlns:axl="` + axlSpace + "API/" + s.o.Version + `"><soapenv:Body>`)
	m.in("axl:"+method, func() {
		if fill != nil {
			fill(m)
		}
	})
	m.WriteString("</soapenv:Body></soapenv:Envelope>")
	return m.Bytes()
}

// in writes an element around what inner writes.
func (m *message) in(name string, inner func()) {
	m.WriteString("<" + name + ">")
	inner()
	m.WriteString("</" + name + ">")
}

// put writes an element with a text.
func (m *message) put(name, text string) { m.bytes(name, []byte(text)) }

func (m *message) bytes(name string, text []byte) {
	m.in(name, func() { _ = xml.EscapeText(m, text) }) // a bytes.Buffer takes everything
}

func (m *message) flag(name string, value bool) { m.put(name, strconv.FormatBool(value)) }

// old tells whether a version is one of before 8.
func old(version string) bool { return strings.HasPrefix(version, "7") }

// action is the header SOAPAction (SOAP 1.1 section 6.1.1). Before version 8 it named the
// version alone.
func (s *Store) action(method string) string {
	if old(s.o.Version) {
		return `"CUCM:DB ver=` + s.o.Version + `"`
	}
	return `"CUCM:DB ver=` + s.o.Version + " " + method + `"`
}

// reply is what stands in the element return of an answer.
type reply struct {
	*node
	now time.Time // the server's clock, or this machine's where the answer does not tell
}

// ask sends a request that changes nothing and counts nowhere.
func (s *Store) ask(ctx context.Context, op, method string, fill func(*message)) (reply, error) {
	return s.call(ctx, op, method, true, fill)
}

// call sends a request. Its errors are NotFound for a user who is not there, what a fault
// says about a new code, and those of httpapi; OutcomeUnknown is for requests that are
// not safe and may have been carried out.
func (s *Store) call(ctx context.Context, op, method string, safe bool, fill func(*message)) (reply, error) {
	body := s.message(method, fill)
	defer clear(body[:cap(body)])
	header := http.Header{}
	header.Set("Content-Type", "text/xml; charset=utf-8")
	header.Set("Accept", "text/xml")
	header.Set("SOAPAction", s.action(method))
	known := []int{http.StatusInternalServerError, statusVersion}
	if method == update {
		known = append(known, http.StatusServiceUnavailable)
	}
	a, err := s.api.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodPost, Path: axlPath, Header: header, Body: body, Safe: safe, Want: "xml", AllowStatus: known,
	})
	if err != nil {
		return reply{}, err
	}
	unclear := mailbox.Unavailable
	if !safe {
		unclear = mailbox.OutcomeUnknown
	}
	switch a.Status {
	case http.StatusOK, http.StatusInternalServerError:
		return s.read(a, op, method, unclear)
	case http.StatusServiceUnavailable:
		return reply{}, mailbox.Fail(op, mailbox.Throttled, &httpapi.Later{After: later(a.Header)})
	case statusVersion:
		return reply{}, mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf(
			"the system does not know AXL %s (599): write its own version, or an older one, as version", s.o.Version))
	}
	if a.Status < 300 {
		return reply{}, mailbox.Fail(op, unclear, errShape)
	}
	return reply{}, mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf("the system answered with status %d: check url, and that its AXL service runs", a.Status))
}

// statusVersion is the answer to a version of AXL that the server does not know.
const statusVersion = 599

// later is how long a server wants to be left alone that takes no more changes: it has
// too many notifications of others outstanding.
func later(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		seconds = 5
	}
	return min(time.Duration(seconds)*time.Second, 5*time.Minute)
}

var errShape = errors.New("the answer has another form than the interface's")

// node is an XML element of any name.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// at goes down by names; nil where there is no such element.
func (n *node) at(names ...string) *node {
	for _, name := range names {
		if n = n.child(name); n == nil {
			return nil
		}
	}
	return n
}

func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	for i := range n.Nodes {
		if n.Nodes[i].XMLName.Local == name {
			return &n.Nodes[i]
		}
	}
	return nil
}

// text is that of the element alone; empty for nil.
func (n *node) text() string {
	if n == nil {
		return ""
	}
	return strings.TrimSpace(n.Text)
}

// truth reads a boolean of the schema.
func (n *node) truth() bool {
	switch strings.ToLower(n.text()) {
	case "true", "t", "1":
		return true
	}
	return false
}

// number reads a whole number.
func (n *node) number() (int, bool) {
	i, err := strconv.Atoi(n.text())
	return i, err == nil
}

// read reads an answer to method: what it returns, or its fault.
func (s *Store) read(a httpapi.Answer, op, method string, unclear mailbox.Code) (reply, error) {
	var envelope struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Body    struct {
			Nodes []node `xml:",any"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	if err := a.XML(&envelope); err != nil {
		return reply{}, mailbox.Fail(op, unclear, err)
	}
	for i := range envelope.Body.Nodes {
		n := &envelope.Body.Nodes[i]
		switch {
		case n.XMLName == xml.Name{Space: soapSpace, Local: "Fault"}:
			return reply{}, s.faulted(op, method, faultOf(n), unclear)
		case a.Status == http.StatusOK && n.XMLName.Local == method+"Response" && strings.HasPrefix(n.XMLName.Space, axlSpace):
			returned := n.child("return")
			if returned == nil {
				return reply{}, mailbox.Fail(op, unclear, errShape)
			}
			now, err := http.ParseTime(a.Header.Get("Date"))
			if err != nil {
				now = time.Now()
			}
			return reply{returned, now}, nil
		}
	}
	return reply{}, mailbox.Fail(op, unclear, errShape)
}
