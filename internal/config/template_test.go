package config

import (
	"bytes"
	"encoding"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"star97/internal/backend"
)

var write = flag.Bool("write", false, "write template.yaml anew")

const templateHead = `## star97's configuration. Every option stands here with its default: what you leave
## commented out is as it is written. To change one, remove the single # before it (in a
## list, before each of its lines) and mind the indentation. Lines with ## explain.
## Durations are numbers with a unit: 200ms, 30s, 5m, 1h. A key that is misspelt is an error.
##
##   star97 check --config FILE    names every mistake with its line
##   kill -HUP PID                 lets the service read the file again and take over
`

// What init writes is made of the comments that the options' owners keep beside
// them, so that there is one text; `make docs` writes it anew.
func TestTheTemplateIsMadeOfTheOwnersComments(t *testing.T) {
	b := &templateBuilder{t: t, docs: map[string]map[string]string{}, keys: map[string]string{}}
	b.learn(reflect.TypeFor[Config]())
	b.text.WriteString(templateHead)
	fmt.Fprintf(&b.text, "##     %s;\n##     what else has changed is named in the log and needs a restart\n", strings.Join(exchanged, ", "))
	b.section(reflect.ValueOf(Default()), 0, "")
	require.Empty(t, b.mute, "options without a comment")
	if *write {
		require.NoError(t, os.WriteFile("template.yaml", b.text.Bytes(), 0o644))
		return
	}
	require.Equal(t, b.text.String(), string(Template), "run make docs")
}

// defaultsAre requires that a file is read to the defaults.
func defaultsAre(t *testing.T, text []byte) {
	t.Helper()
	got, found := Load(written(t, string(text)))
	require.Empty(t, found, "%s", text)
	want, err := Default().YAML()
	require.NoError(t, err)
	is, err := got.YAML()
	require.NoError(t, err)
	require.Equal(t, string(want), string(is))
}

var commentedOut = regexp.MustCompile(`(?m)^( *)#([^#])`)

func TestTheTemplateIsTheDefaults(t *testing.T) {
	defaultsAre(t, Template)
	all := commentedOut.ReplaceAll(Template, []byte("$1$2"))
	require.NotRegexp(t, commentedOut, string(all))
	defaultsAre(t, all)
}

// Each option, alone, can be taken into use by removing its #.
func TestEachLineOfTheTemplateCanBeTakenAlone(t *testing.T) {
	lines := strings.SplitAfter(string(Template), "\n")
	alone := regexp.MustCompile(`^( *)#([a-z0-9_]+: .*\n)$`)
	taken := 0
	for i, line := range lines {
		m := alone.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		taken++
		one := slices.Clone(lines)
		one[i] = m[1] + m[2]
		_, found := Load(written(t, strings.Join(one, "")))
		require.Empty(t, found, line)
	}
	require.Greater(t, taken, 30)
}

// templateBuilder writes one section after the other.
type templateBuilder struct {
	t    *testing.T
	text bytes.Buffer
	docs map[string]map[string]string // by package and type, then field
	keys map[string]string            // by names of fields that are no words of English
	mute []string                     // fields without a comment
	last string                       // the comment written last
}

// learn gathers the keys of all fields, whose comments name them as Go does.
func (b *templateBuilder) learn(t reflect.Type) {
	switch {
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		b.learn(t.Elem())
	case isSection(t):
		for f := range t.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if strings.ContainsRune(key, '_') {
				b.keys[f.Name] = key
			}
			if key != "-" {
				b.learn(f.Type)
			}
		}
	}
}

const templateWidth = 96

// section writes the fields of a struct, each live section with its own indentation.
func (b *templateBuilder) section(v reflect.Value, depth int, path string) {
	indent := strings.Repeat("  ", depth)
	for _, f := range b.fields(v) {
		if depth == 0 {
			b.text.WriteByte('\n')
		}
		at := path + f.key
		b.explain(indent+"## ", f, at)
		switch {
		case isSection(f.value.Type()):
			fmt.Fprintf(&b.text, "%s%s:\n", indent, f.key)
			b.section(f.value, depth+1, at+".")
		case isList(f.value.Type()) && f.value.Len() > 0:
			fmt.Fprintf(&b.text, "%s#%s:\n", indent, f.key)
			b.list(f.value, indent, at)
		default:
			fmt.Fprintf(&b.text, "%s#%s: %s\n", indent, f.key, inline(b.t, f.value))
			if t := f.value.Type(); isList(t) || isNamed(t) {
				b.members(t.Elem(), indent, at)
			}
		}
	}
}

// list writes the items of a default list; the first one is explained.
func (b *templateBuilder) list(v reflect.Value, indent, path string) {
	for i := range v.Len() {
		for n, f := range b.fields(v.Index(i)) {
			if i == 0 {
				b.explain(indent+"##   ", f, path+"."+f.key)
			}
			lead := "  "
			if n == 0 {
				lead = "- "
			}
			fmt.Fprintf(&b.text, "%s#%s%s: %s\n", indent, lead, f.key, inline(b.t, f.value))
		}
	}
}

// members explains what an item of an empty list or map would hold.
func (b *templateBuilder) members(t reflect.Type, indent, path string) {
	for _, f := range b.fields(reflect.New(t).Elem()) {
		b.explain(indent+"##   "+f.key+": ", f, path+"."+f.key)
	}
}

func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func isList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isSection(t.Elem()) }

// isNamed tells a map of sections that are explained nowhere else.
func isNamed(t reflect.Type) bool {
	return t.Kind() == reflect.Map && isSection(t.Elem()) && t.Elem() != reflect.TypeFor[backend.Options]()
}

// inline is a value on one line.
func inline(t *testing.T, v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		return strings.ReplaceAll(strings.ReplaceAll(d.String(), "m0s", "m"), "h0m", "h")
	}
	text, err := yaml.MarshalWithOptions(v.Interface(), yaml.Flow(true))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

type templateField struct {
	key, name, doc string
	value          reflect.Value
}

// fields are those that a file can set, inlined ones in their place.
func (b *templateBuilder) fields(v reflect.Value) (all []templateField) {
	docs := b.comments(v.Type())
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			all = append(all, b.fields(v.Field(i))...)
		case f.IsExported() && key != "-":
			all = append(all, templateField{key, f.Name, docs[f.Name], v.Field(i)})
		}
	}
	for i := range all {
		for _, f := range all { // one word is a field only where a comment begins
			begin := regexp.MustCompile(`^(\w+ and )?` + f.name + `\b`)
			all[i].doc = begin.ReplaceAllString(all[i].doc, "${1}"+f.key)
		}
		for name, key := range b.keys {
			all[i].doc = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllString(all[i].doc, key)
		}
	}
	return all
}

// explain writes a comment in lines that begin with lead.
func (b *templateBuilder) explain(lead string, f templateField, path string) {
	if f.doc == "" {
		b.mute = append(b.mute, path)
	}
	if f.doc == b.last {
		return // one comment for several fields
	}
	b.last = f.doc
	line := ""
	for _, word := range strings.Fields(f.doc) {
		if line != "" && len(lead)+len(line)+1+len(word) > templateWidth {
			b.text.WriteString(lead + line + "\n")
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	b.text.WriteString(lead + line + "\n")
}

// comments are the doc comments of a type's fields, out of the source.
func (b *templateBuilder) comments(t reflect.Type) map[string]string {
	dir := strings.TrimPrefix(t.PkgPath(), "star97/")
	if docs, ok := b.docs[dir+"."+t.Name()]; ok {
		return docs
	}
	files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
	require.NoError(b.t, err)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(b.t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if body, is := typeOf(spec); ok && is {
				b.docs[dir+"."+spec.Name.Name] = fieldComments(body)
			}
			return true
		})
	}
	return b.docs[dir+"."+t.Name()]
}

func typeOf(spec *ast.TypeSpec) (*ast.StructType, bool) {
	if spec == nil {
		return nil, false
	}
	body, ok := spec.Type.(*ast.StructType)
	return body, ok
}

// fieldComments are the comments above fields or behind them. One above several
// lines without a comment of their own speaks for all of them.
func fieldComments(body *ast.StructType) map[string]string {
	docs := map[string]string{}
	last, lastDoc := token.NoPos, ""
	for _, f := range body.Fields.List {
		doc := strings.TrimSpace(f.Doc.Text() + f.Comment.Text())
		if doc == "" && last != token.NoPos && f.Pos()-last < 3 { // the next line
			doc = lastDoc
		}
		for _, name := range f.Names {
			docs[name.Name] = strings.ReplaceAll(doc, "\n", " ")
		}
		last, lastDoc = f.End(), doc
	}
	return docs
}
