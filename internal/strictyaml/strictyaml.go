// Package strictyaml reads one YAML document into a struct, refuses unknown and
// doubled keys, and tells every problem with file, line and remedy. It knows no
// option by name: the rooms that own options check their values.
package strictyaml

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"weak"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Problem is one thing wrong with a file, and what to do about it.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"` // 1-based; 0 if the problem has no line
	Text   string `json:"problem"`
	Remedy string `json:"remedy,omitempty"`

	follows bool // it may come of another problem: see Sound
}

// Error is "file:line: sentence Remedy", without a file the sentence alone.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(p.Text)
	if p.Remedy != "" {
		b.WriteString(" " + p.Remedy)
	}
	return b.String()
}

// File is a parsed document that can still say where each key stood. It keeps the text
// alone, which takes a tenth of the memory of its tree. It is safe for concurrent use.
type File struct {
	name    string
	data    []byte
	spoiled []string // paths of what DecodeAll has left out

	mu   sync.Mutex
	root weak.Pointer[ast.File] // until the next collection
}

// tree is the document's, parsed again if need be.
func (f *File) tree() *ast.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	root := f.root.Value()
	if root == nil {
		root, _ = parse(f.data) // it was right when f was made
		f.root = weak.Make(root)
	}
	return root
}

// Decode reads data strictly into the struct that into points to; keys that are
// not there leave its fields as they are. A nil *Problem means that the syntax,
// the keys and the kinds of the values are right; values are the owner's to check.
func Decode(name string, data []byte, into any) (*File, *Problem) {
	f, problems := decode(name, data, into, 1)
	if len(problems) > 0 {
		return nil, &problems[0]
	}
	return f, nil
}

// problemsMax bounds what DecodeAll tells.
const problemsMax = 50

// DecodeAll is Decode that tells every problem: where a key or its value is wrong it
// goes on without that key, whose field then is as it was. The File is nil if the syntax
// is wrong: nothing can be read then.
func DecodeAll(name string, data []byte, into any) (*File, []Problem) {
	return decode(name, data, into, problemsMax)
}

func decode(name string, data []byte, into any, most int) (*File, []Problem) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // a byte order mark, YAML 1.2.2 section 5.2
	if p := notText(data); p != nil {
		return nil, []Problem{*p.in(name)}
	}
	root, p := parse(data)
	if p != nil {
		return nil, []Problem{*p.in(name)}
	}
	f := &File{name: name, data: data, root: weak.Make(root)}
	if isEmpty(root) {
		return f, nil // the library would empty into
	}
	whole, _ := parse(data) // to be cut
	body := whole.Docs[0].Body
	var all []Problem
	for len(all) < most {
		p, at := read(body, into)
		if p == nil {
			break
		}
		all = append(all, *p.in(name))
		path, ok := prune(body, "$", at)
		if !ok {
			break
		}
		f.spoiled = append(f.spoiled, path)
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return a.Line - b.Line })
	return f, all
}

func parse(data []byte) (*ast.File, *Problem) {
	root, err := parser.ParseBytes(data, 0)
	if err != nil {
		p := describe(err)
		p.bareKey(data)
		return nil, p
	}
	return root, secondDocument(root)
}

// read reads a document and returns the first problem, and where it is.
func read(body ast.Node, into any) (*Problem, *token.Token) {
	err := yaml.NewDecoder(bytes.NewReader(nil), yaml.Strict()).DecodeFromNode(body, into)
	shape := shape{unknown: unknownKey(err)}
	found := shape.walk(body, reflect.TypeOf(into))
	switch {
	case err == nil && found == nil:
		return nil, nil
	case found != nil && !placed(err):
		return found, shape.at
	}
	p := describe(err)
	if shape.known != nil {
		p.Remedy = "Known keys here are: " + strings.Join(shape.known, ", ") + "."
	}
	return p, placeOf(err)
}

// Problem makes a Problem at the key that path names, as in "$.sip.listen[0]".
// Of a path that is not there it is at the nearest key above; without one, it is the
// file without a line.
func (f *File) Problem(path, text, remedy string) Problem {
	whole, follows := path, f.Spoiled(path)
	line := f.Line(path)
	for line == 0 {
		end := strings.LastIndexAny(path, ".[")
		if end <= len("$") {
			break
		}
		path = path[:end]
		line = f.Line(path)
	}
	follows = follows || path != whole && f.misspelt(path)
	return Problem{File: f.name, Line: line, Text: text, Remedy: remedy, follows: follows}
}

// Line is where the value at path stands, 0 if there is none.
func (f *File) Line(path string) int {
	p, err := yaml.PathString(path)
	if err != nil {
		return 0
	}
	node, err := p.FilterFile(f.tree())
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
