// Package strictyaml reads one YAML document into a struct, refuses unknown and
// doubled keys, and tells every problem with file, line and remedy. It knows no
// option by name: the rooms that own options check their values.
package strictyaml

import (
	"errors"
	"fmt"
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

// Decode reads data strictly into the struct that into points to. A nil *Problem
// means that the syntax and the keys are right; values are the owner's to check.
func Decode(name string, data []byte, into any) (*File, *Problem) {
	root, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, problemOf(name, err)
	}
	err = yaml.NewDecoder(strings.NewReader(string(data)), yaml.Strict()).Decode(into)
	if err != nil && !isEmpty(root) {
		return nil, problemOf(name, err)
	}
	return &File{name: name, root: root}, nil
}

// Problem makes a Problem at the key that path names, as in "$.sip.listen[0]".
// An unknown path yields the file without a line.
func (f *File) Problem(path, text, remedy string) Problem {
	return Problem{File: f.name, Line: f.Line(path), Text: text, Remedy: remedy}
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

func problemOf(name string, err error) *Problem {
	p := &Problem{File: name, Text: err.Error(), Remedy: "Correct the line; `star97 check` reads the file without starting anything."}
	var ye yaml.Error
	if errors.As(err, &ye) {
		p.Text = ye.GetMessage() + "."
		if t := ye.GetToken(); t != nil {
			p.Line = t.Position.Line
		}
	}
	return p
}
