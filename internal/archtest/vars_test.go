package archtest

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// variables of a package that may change, as path: name, each with its reason.
var variables = excused{
	"cmd/star97/main.go: version":                    "the linker sets it (-X)",
	"internal/sqlkit/sqlkittest/postgres.go: shared": "the one server of a test program, started by the first test that needs it",
}

var variableRule = rule{
	check: func(d *folder) []finding { return variableFindings(d, map[string]bool{}) },
	remedy: "State lives in a value that app makes and hands down. A package variable is an error, a table or " +
		"something else that is made where it is declared and never altered; excuse it in vars_test.go with a reason",
}

func variableFindings(d *folder, used map[string]bool) (found []finding) {
	report := func(f *file, p token.Pos, name, what string) {
		if key := f.path + ": " + name; variables[key] != "" {
			used[key] = true
			return
		}
		found = append(found, f.at(p, "%s %s", name, what))
	}
	vars := map[string]*ast.ValueSpec{}
	for _, f := range d.files {
		if f.test {
			continue
		}
		for spec, embedded := range packageVars(f) {
			for i, name := range spec.Names {
				if name.Name == "_" {
					continue
				}
				vars[name.Name] = spec
				if what := mutable(spec, i); what != "" && !embedded {
					report(f, name.Pos(), name.Name, what)
				}
			}
		}
	}
	for _, f := range d.files {
		if f.test {
			continue
		}
		for _, id := range altered(f) {
			if spec := vars[id.Name]; spec != nil && (id.Obj == nil || id.Obj.Decl == spec) {
				report(f, id.Pos(), id.Name, "is a package variable and is altered here")
			}
		}
	}
	return found
}

// packageVars yields each var of a file and whether go:embed fills it.
func packageVars(f *file) func(yield func(*ast.ValueSpec, bool) bool) {
	return func(yield func(*ast.ValueSpec, bool) bool) {
		for _, decl := range f.ast.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				spec := s.(*ast.ValueSpec)
				if !yield(spec, embeds(g.Doc) || embeds(spec.Doc)) {
					return
				}
			}
		}
	}
}

func embeds(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// mutable says why name i of spec is made to change, or nothing.
func mutable(spec *ast.ValueSpec, i int) string {
	if len(spec.Values) == 0 {
		return "has no value where it is declared, so it is meant to change"
	}
	switch v := spec.Values[min(i, len(spec.Values)-1)].(type) {
	case *ast.BasicLit:
		return "is a constant that can change: declare it const"
	case *ast.UnaryExpr:
		if v.Op == token.AND {
			return "points to a value that can change"
		}
	case *ast.CallExpr:
		if fn, ok := v.Fun.(*ast.Ident); ok && (fn.Name == "make" || fn.Name == "new") {
			return "is made empty, so it is meant to change"
		}
	}
	return ""
}

// altered lists the roots of what a file assigns to, increments, takes the address
// of, deletes from or clears.
func altered(f *file) (ids []*ast.Ident) {
	add := func(e ast.Expr) {
		if id := rootOf(e); id != nil {
			ids = append(ids, id)
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					add(e)
				}
			}
		case *ast.IncDecStmt:
			add(n.X)
		case *ast.CallExpr:
			if fn, ok := n.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear") && len(n.Args) > 0 {
				add(n.Args[0])
			}
		}
		return true
	})
	return ids
}

// rootOf is a in a, a[i], a.b, *a and (a); nil if the expression begins elsewhere.
func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func TestPackageVariablesDoNotChange(t *testing.T) {
	variableRule.holds(t)
	used := map[string]bool{}
	for _, d := range tree(t) {
		variableFindings(d, used)
	}
	variables.check(t, used)
}

func TestVariableRuleCanFail(t *testing.T) {
	for name, c := range map[string]struct{ src, what string }{
		"no value":         {"var a int", "has no value"},
		"lock":             {`import "sync"; var a sync.Mutex`, "has no value"},
		"made":             {"var a = make(map[int]int)", "made empty"},
		"pointer":          {"var a = &struct{}{}", "points to"},
		"constant":         {"var a = 5", "declare it const"},
		"assigned":         {"var a = f(); func f() int { a = 2; return 1 }", "altered here"},
		"element assigned": {"var a = []int{1}; func f() { a[0] = 2 }", "altered here"},
		"field assigned":   {"var a = struct{ b int }{}; func f() { a.b = 2 }", "altered here"},
		"counted":          {"var a = [1]int{}; func f() { a[0]++ }", "altered here"},
		"deleted from":     {"var a = map[int]int{}; func f() { delete(a, 1) }", "altered here"},
	} {
		t.Run(name, func(t *testing.T) { variableRule.refuses(t, "internal/x/x.go", "package x; "+c.src, c.what) })
	}
	for name, src := range map[string]string{
		"error":           `import "errors"; var ErrA = errors.New("a")`,
		"table":           `var a = map[string]int{"b": 1}; var c = [...]int{1}; func f() int { return a["b"] + c[0] }`,
		"assertion":       "var _ error = (*t)(nil); type t struct{}; func (*t) Error() string { return \"\" }",
		"local variable":  "var a = []int{1}; func f() { a := 1; a = 2; _ = a }",
		"parameter":       "var a = []int{1}; func f(a []int) { a[0] = 2 }",
		"embedded file":   "import _ \"embed\"\n//go:embed x\nvar a string",
		"computed table":  "var a = f(); func f() [2]int { return [2]int{} }",
		"struct's member": "var a = []int{1}; type t struct{ a int }; func (x *t) f() { x.a = 1 }",
	} {
		t.Run(name, func(t *testing.T) { variableRule.allows(t, "internal/x/x.go", "package x; "+src) })
	}
}
