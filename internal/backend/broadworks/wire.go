package broadworks

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"star97/internal/pin"
)

const (
	xsiSpace = "http://www.w3.org/2001/XMLSchema-instance"
	rootName = "BroadsoftDocument"

	// maxMessage is room for the longest request, in bytes: it is made at once, so that no
	// part of a code stays behind where it grew.
	maxMessage = 8192
	// maxDepth bounds the elements of an answer that stand in each other.
	maxDepth = 16
)

// message writes a document:
//
//	<BroadsoftDocument protocol="OCI" xmlns="C" ..>
//	 <sessionId xmlns="">..</sessionId>
//	 <command xsi:type="UserPortalPasscodeGetInfoRequest" xmlns=""><userId>..</userId></command>
//	</BroadsoftDocument>
//
// It is declared to be in ISO 8859-1 and consists of ASCII: all else goes as references
// to characters, so that it is the same over every transport.
type message struct{ bytes.Buffer }

// document is the request name with what fill writes into it. Its whole capacity is to
// be cleared after use.
func document(session, name string, fill func(*message)) []byte {
	m := &message{}
	m.Grow(maxMessage)
	m.WriteString(`<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" +
		`<` + rootName + ` protocol="OCI" xmlns="C" xmlns:xsi="` + xsiSpace + `">` +
		`<sessionId xmlns="">`)
	m.text(session)
	m.WriteString(`</sessionId><command xsi:type="` + name + `" xmlns="">`)
	if fill != nil {
		fill(m)
	}
	m.WriteString(`</command></` + rootName + `>`)
	return m.Bytes()
}

// in writes an element around what inner writes.
func (m *message) in(name string, inner func()) {
	m.WriteString("<" + name + ">")
	inner()
	m.WriteString("</" + name + ">")
}

// put writes an element with a text.
func (m *message) put(name, text string) { m.in(name, func() { m.text(text) }) }

// code writes an element with a code.
func (m *message) code(name string, code pin.PIN) {
	m.in(name, func() { code.Reveal(func(digits []byte) { m.Write(digits) }) })
}

// text writes text so that XML 1.0 may carry it; a character that it may not becomes a
// question mark, which no name of the system has.
func (m *message) text(text string) {
	for _, r := range text {
		switch {
		case r == '&' || r == '<' || r == '>' || r == '"' || r == '\'' || r > '~' && isChar(r):
			m.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		case !isChar(r):
			m.WriteByte('?')
		default:
			m.WriteByte(byte(r))
		}
	}
}

// isChar is Char of XML 1.0 section 2.2 without what UTF-8 that is wrong is read as.
func isChar(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r', r >= ' ' && r <= 0xD7FF, r >= 0xE000 && r < 0xFFFD, r >= 0x10000 && r <= 0x10FFFF:
		return true
	}
	return false
}

// node is an element of an answer.
type node struct {
	name  string
	kind  string // its xsi:type without the prefix
	class string // its attribute type: Error, Warning or Info
	text  []byte // empty in passcode, whose text is in given
	given given
	nodes []node
}

// given is a code as the system shows it.
type given struct {
	code pin.PIN
	form form
}

// form is how a system shows a code.
type form uint8

const (
	formNone   form = iota // it shows none
	formDigits             // in clear
	formOdd                // otherwise: stars, a hash
)

func (g *given) set(text []byte) {
	*g = given{}
	code, err := pin.Parse(text)
	switch {
	case len(text) == 0:
	case err != nil:
		g.form = formOdd
	default:
		g.code, g.form = code, formDigits
	}
}

// child is the first element of that name; nil if there is none.
func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	for i := range n.nodes {
		if n.nodes[i].name == name {
			return &n.nodes[i]
		}
	}
	return nil
}

// of is the text of the child of that name; empty if there is none.
func (n *node) of(name string) string {
	c := n.child(name)
	if c == nil {
		return ""
	}
	return string(bytes.TrimSpace(c.text))
}

// truth reads a child that is an xs:boolean.
func (n *node) truth(name string) bool {
	t := n.of(name)
	return t == "true" || t == "1"
}

// number reads a child that is a whole number.
func (n *node) number(name string) (int, bool) {
	i, err := strconv.Atoi(n.of(name))
	return i, err == nil
}

// errShape stands for every error of a decoder, because theirs quote what they read.
var errShape = errors.New("the answer is not a document of the interface")

// answer reads the document that answers a request of session: its one command. decoded
// says that whatever it is declared to be in, it has been made UTF-8 of.
func answer(doc []byte, session string, decoded bool) (*node, error) {
	root, err := parse(doc, decoded)
	if err != nil || root.name != rootName || len(root.nodes) != 2 {
		return nil, errShape
	}
	command := root.child("command")
	if command == nil || command.kind == "" || root.of("sessionId") != session {
		return nil, errShape
	}
	return command, nil
}

// parse reads a document. It knows no entity but XML's own five, and refuses a document
// type declaration.
func parse(doc []byte, decoded bool) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "iso-8859-1", "us-ascii":
		default:
			return nil, errShape
		}
		if decoded {
			return input, nil
		}
		return &latin1{input: input}, nil
	}
	top := &node{}
	if err := top.read(d, 0); err != nil || len(top.nodes) != 1 {
		return nil, errShape
	}
	return &top.nodes[0], nil
}

// read reads what is in n up to its end.
func (n *node) read(d *xml.Decoder, depth int) error {
	var text []byte
	defer func() {
		if n.name == "passcode" {
			n.given.set(bytes.TrimSpace(text))
			clear(text[:cap(text)])
			return
		}
		n.text = text
	}()
	for {
		token, err := d.Token()
		if err == io.EOF && depth == 0 {
			return nil
		}
		if err != nil {
			return errShape
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == maxDepth {
				return errShape
			}
			n.nodes = append(n.nodes, begin(t))
			if err := n.nodes[len(n.nodes)-1].read(d, depth+1); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errShape
			}
			text = append(text, t...)
		case xml.Directive:
			return errShape
		}
	}
}

func begin(t xml.StartElement) node {
	n := node{name: t.Name.Local}
	for _, a := range t.Attr {
		switch a.Name {
		case xml.Name{Space: xsiSpace, Local: "type"}:
			n.kind = a.Value[strings.IndexByte(a.Value, ':')+1:]
		case xml.Name{Local: "type"}:
			n.class = a.Value
		}
	}
	return n
}

// latin1 makes UTF-8 of ISO 8859-1, whose bytes are the first 256 code points.
type latin1 struct {
	input io.Reader
	half  byte // second byte of a character whose first has been given; 0: none
}

func (l *latin1) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if l.half != 0 {
		p[0], l.half = l.half, 0
		return 1, nil
	}
	var b [1]byte
	k, err := l.input.Read(b[:])
	if k == 0 {
		return 0, err
	}
	if b[0] < 0x80 {
		p[0] = b[0]
		return 1, err
	}
	p[0], l.half = 0xC0|b[0]>>6, 0x80|b[0]&0x3F
	return 1, nil
}
