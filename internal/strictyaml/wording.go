package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

const lookAgain = "Correct the line."

// describe says what the library means in the words of somebody who edits a file.
func describe(err error) *Problem {
	p := &Problem{Text: sentence(err.Error()), Remedy: lookAgain}
	var told yaml.Error
	if !errors.As(err, &told) {
		return p
	}
	p.Text = sentence(told.GetMessage())
	if t := told.GetToken(); t != nil {
		p.Line = t.Position.Line
	}
	switch e := told.(type) {
	case *yaml.SyntaxError:
		p.syntax(e.Message)
	case *yaml.UnknownFieldError:
		p.Text = fmt.Sprintf("The key %q is not known here.", keyOf(e.Token))
	case *yaml.DuplicateKeyError:
		p.syntax(e.Message)
	case *yaml.TypeError:
		p.Text = "This must be " + kindOf(e.DstType) + "."
		if e.DstType == timeSpan {
			p.Remedy = spanRemedy
		}
	case *yaml.OverflowError:
		p.Text = "The number is out of range" + rangeOf(e.DstType) + "."
	case *yaml.UnexpectedNodeTypeError:
		p.Text = fmt.Sprintf("This must be %s, not %s.", nodeWord(e.Expected), nodeWord(e.Actual))
		if e.Expected == ast.MappingType {
			p.Remedy = "Write each key as `key: value`, with a space after the colon."
		}
	}
	return p
}

// syntaxWords has a sentence and a remedy for what the parser says.
var syntaxWords = []struct{ has, text, remedy string }{
	{"found character '\t'", "A tab stands in the indentation.", "Indent with spaces."},
	{"mapping value is not allowed", "A colon stands where none can be.", "Put the text in quotation marks, or the key on a line of its own."},
	{"value is not allowed in this context", "This does not fit the indentation of the lines above.", "Give keys of one level the same number of spaces."},
	{"non-map value is specified", "This is no `key: value`, or its indentation is wrong.", "Give keys of one level the same number of spaces, and a colon with a space after it."},
	{"sequence end token ']' not found", "A list that begins with [ is not closed.", "Add the ]."},
	{"could not find flow map", "A group that begins with { is not closed.", "Add the }."},
	{"could not find end character", "A quotation mark is not closed.", "Add the second quotation mark."},
}

// starred is what the library makes of *97 without quotation marks: an alias, YAML
// 1.2.2 section 7.1.
var starred = regexp.MustCompile(`could not find alias "(.*)"`)

var doubled = regexp.MustCompile(`mapping key (".*") already defined at \[(\d+):`)

func (p *Problem) syntax(message string) {
	if m := doubled.FindStringSubmatch(message); m != nil {
		p.Text = "The key " + m[1] + " stands here a second time; the first is in line " + m[2] + "."
		p.Remedy = "Remove one of the two."
		return
	}
	if m := starred.FindStringSubmatch(message); m != nil {
		p.Text = "A text that begins with * must stand in quotation marks."
		p.Remedy = fmt.Sprintf(`Write "*%s".`, m[1])
		return
	}
	for _, w := range syntaxWords {
		if strings.Contains(message, w.has) {
			p.Text, p.Remedy = w.text, w.remedy
			return
		}
	}
}

// bareKey is a key like *97 or # without quotation marks: the library takes the one
// for an alias and the other for a comment, and says something else of what follows.
var bareKey = regexp.MustCompile(`(?:^|[{,])\s*([*#][^\s:,{}]*)\s*:(?:\s|$)`)

// bareKey says so where it is what is wrong with the problem's line.
func (p *Problem) bareKey(data []byte) {
	lines := bytes.Split(data, []byte("\n"))
	if p.Line < 1 || p.Line > len(lines) {
		return
	}
	if m := bareKey.FindSubmatch(lines[p.Line-1]); m != nil {
		p.Text = "A key that begins with " + string(m[1][:1]) + " must stand in quotation marks."
		p.Remedy = fmt.Sprintf(`Write %q.`, m[1])
	}
}

func keyOf(t *token.Token) string {
	if t == nil {
		return ""
	}
	return t.Value
}

func kindOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == timeSpan:
		return "a length of time"
	case isWhole(t.Kind()):
		return "a whole number"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a group of keys"
	}
	return "a text"
}

// rangeOf is ": use 0 to 255" for the small whole numbers.
func rangeOf(t reflect.Type) string {
	switch {
	case t.Kind() >= reflect.Int8 && t.Kind() <= reflect.Int32:
		low := int64(math.MinInt64) >> (64 - t.Bits())
		return fmt.Sprintf(": use %d to %d", low, -(low + 1))
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		return fmt.Sprintf(": use 0 to %d", uint64(math.MaxUint64)>>(64-t.Bits()))
	}
	return ""
}

func nodeWord(n ast.NodeType) string {
	switch n {
	case ast.MappingType, ast.MappingValueType:
		return "a group of keys"
	case ast.SequenceType:
		return "a list"
	case ast.NullType:
		return "empty"
	case ast.StringType, ast.LiteralType:
		return "a text"
	case ast.IntegerType, ast.FloatType:
		return "a number"
	case ast.BoolType:
		return "true or false"
	}
	return "a " + n.YAMLName()
}

// sentence gives a library's words a capital and a full stop, on one line.
func sentence(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + strings.TrimRight(s[size:], ".") + "."
}

// placed tells whether err knows where it belongs.
func placed(err error) bool { return placeOf(err) != nil }

// placeOf is where err belongs; nil if it does not know.
func placeOf(err error) *token.Token {
	var told yaml.Error
	if !errors.As(err, &told) {
		return nil
	}
	return told.GetToken()
}

// unknownKey is the token of the key that err complains about, or nil.
func unknownKey(err error) *token.Token {
	var e *yaml.UnknownFieldError
	if errors.As(err, &e) {
		return e.Token
	}
	return nil
}

// notText is the problem of a file that is not UTF-8.
func notText(data []byte) *Problem {
	for rest, line := data, 1; len(rest) > 0; {
		c, size := utf8.DecodeRune(rest)
		if c == utf8.RuneError && size == 1 || c == 0 {
			return &Problem{Line: line, Text: "This is not UTF-8 text.", Remedy: "Save the file in UTF-8, without other bytes."}
		}
		line += bytes.Count(rest[:size], []byte("\n"))
		rest = rest[size:]
	}
	return nil
}

// secondDocument is the problem of a file with more than one, since only the
// first would be read.
func secondDocument(root *ast.File) *Problem {
	for _, d := range root.Docs[min(1, len(root.Docs)):] {
		if d.Body != nil {
			return &Problem{Line: d.Body.GetToken().Position.Line, Text: "A second document begins here, after `---`.", Remedy: "Keep one document in a file."}
		}
	}
	return nil
}
