package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// shape holds a document against the type that it is read into, for what the
// library does not tell: the line of a value that its own type refuses, a
// fraction cut down to a whole number, and the keys that would have been known.
type shape struct {
	unknown *token.Token // the key that the library does not know; nil: none
	known   []string     // the keys known in its place
	at      *token.Token // of the value that walk has returned
}

var (
	timeSpan   = reflect.TypeFor[time.Duration]()
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
)

const spanRemedy = "Write a number with its unit, such as 30s, 5m or 1h."

// walk returns the first value that t cannot hold.
func (s *shape) walk(n ast.Node, t reflect.Type) *Problem {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		return s.walk(n.Value, t)
	case *ast.MappingNode:
		return s.mapping(n.Values, t)
	case *ast.MappingValueNode:
		return s.mapping([]*ast.MappingValueNode{n}, t)
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return nil
		}
		for _, v := range n.Values {
			if p := s.walk(v, t.Elem()); p != nil {
				return p
			}
		}
	case ast.ScalarNode:
		p := scalar(n, t)
		if p != nil {
			s.at = n.GetToken()
		}
		return p
	}
	return nil
}

func (s *shape) mapping(values []*ast.MappingValueNode, t reflect.Type) *Problem {
	if reflect.PointerTo(t).Implements(textReader) {
		return nil
	}
	for _, v := range values {
		var at reflect.Type
		switch t.Kind() {
		case reflect.Map:
			at = t.Elem()
		case reflect.Struct:
			fields := fieldsOf(t)
			if s.unknown != nil && v.Key.GetToken().Position.Offset == s.unknown.Position.Offset {
				s.known = namesOf(fields)
			}
			at = fields[v.Key.GetToken().Value]
		}
		if at == nil {
			continue
		}
		if p := s.walk(v.Value, at); p != nil {
			return p
		}
	}
	return nil
}

// scalar is the problem of one value, nil if t can hold it or the library tells.
func scalar(n ast.ScalarNode, t reflect.Type) *Problem {
	at, isText := n.GetToken().Position.Line, n.Type() == ast.StringType
	switch {
	case t == timeSpan:
		if _, err := time.ParseDuration(n.GetToken().Value); isText && err != nil {
			return &Problem{Line: at, Text: "This must be a length of time.", Remedy: spanRemedy}
		}
	case isText && reflect.PointerTo(t).Implements(textReader):
		value := reflect.New(t).Interface().(encoding.TextUnmarshaler)
		if err := value.UnmarshalText([]byte(n.GetToken().Value)); err != nil {
			return &Problem{Line: at, Text: sentence(err.Error()), Remedy: "Correct the value."}
		}
	case n.Type() == ast.FloatType && isWhole(t.Kind()):
		return &Problem{Line: at, Text: "This must be a whole number.", Remedy: "Write it without a decimal point."}
	case t.Kind() == reflect.String && (n.Type() == ast.IntegerType || n.Type() == ast.FloatType):
		return altered(n)
	}
	return nil
}

// altered is the problem of a number that stands for a text and would lose signs: a
// + before it, zeros after a decimal point.
func altered(n ast.ScalarNode) *Problem {
	written := n.GetToken().Value
	var read string
	if err := yaml.NodeToValue(n, &read); err != nil || read == written {
		return nil
	}
	return &Problem{Line: n.GetToken().Position.Line, Text: fmt.Sprintf("Without quotation marks this is the number %s.", read), Remedy: fmt.Sprintf("Write %q.", written)}
}

func isWhole(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Uint64 }

// fieldsOf maps the keys of a struct to the types of their values, inlined
// structs included.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case slices.Contains(strings.Split(options, ","), "inline"):
			for k, v := range fieldsOf(f.Type) {
				fields[k] = v
			}
		case name == "":
			fields[strings.ToLower(f.Name)] = f.Type
		default:
			fields[name] = f.Type
		}
	}
	return fields
}

func namesOf(fields map[string]reflect.Type) (names []string) {
	for k := range fields {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}
