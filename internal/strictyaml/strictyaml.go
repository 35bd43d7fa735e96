// Package strictyaml reads one YAML document into a struct, refuses unknown and
// doubled keys, and tells every problem with file, line and remedy. It knows no
// option by name: the rooms that own options check their values.
package strictyaml

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problem is one thing wrong with a file, and what to do about it.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"` // 1-based; 0 if the problem has no line
	Text   string `json:"problem"`
	Remedy string `json:"remedy,omitempty"`
}

// Error is "file:line: sentence Remedy".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": " + p.Text)
	if p.Remedy != "" {
		b.WriteString(" " + p.Remedy)
	}
	return b.String()
}

// File is a parsed document that can still say where each key stood.
type File struct {
	name string
	root *ast.File
}

// Decode reads data strictly into the struct that into points to; keys that are
// not there leave its fields as they are. A nil *Problem means that the syntax,
// the keys and the kinds of the values are right; values are the owner's to check.
func Decode(name string, data []byte, into any) (*File, *Problem) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // a byte order mark, YAML 1.2.2 section 5.2
	if p := notText(data); p != nil {
		return nil, p.in(name)
	}
	root, err := parser.ParseBytes(data, 0)
	if err != nil {
		p := describe(err)
		p.bareKey(data)
		return nil, p.in(name)
	}
	if p := secondDocument(root); p != nil {
		return nil, p.in(name)
	}
	if isEmpty(root) {
		return &File{name: name, root: root}, nil // the library would empty into
	}
	err = yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(into)
	shape := shape{unknown: unknownKey(err)}
	found := shape.walk(root.Docs[0].Body, reflect.TypeOf(into))
	switch {
	case err == nil && found == nil:
		return &File{name: name, root: root}, nil
	case found != nil && !placed(err):
		return nil, found.in(name)
	}
	p := describe(err)
	if shape.known != nil {
		p.Remedy = "Known keys here are: " + strings.Join(shape.known, ", ") + "."
	}
	return nil, p.in(name)
}

// Problem makes a Problem at the key that path names, as in "$.sip.listen[0]".
// Of a path that is not there it is at the nearest key above; without one, it is the
// file without a line.
func (f *File) Problem(path, text, remedy string) Problem {
	line := f.Line(path)
	for line == 0 {
		end := strings.LastIndexAny(path, ".[")
		if end <= len("$") {
			break
		}
		path = path[:end]
		line = f.Line(path)
	}
	return Problem{File: f.name, Line: line, Text: text, Remedy: remedy}
}

// Line is where the value at path stands, 0 if there is none.
func (f *File) Line(path string) int {
	p, err := yaml.PathString(path)
	if err != nil {
		return 0
	}
	node, err := p.FilterFile(f.root)
	if err != nil || node == nil || node.GetToken() == nil {
		return 0
	}
	return node.GetToken().Position.Line
}

func isEmpty(root *ast.File) bool {
	for _, d := range root.Docs {
		if d.Body != nil {
			return false
		}
	}
	return true
}

func (p *Problem) in(name string) *Problem {
	p.File = name
	return p
}
