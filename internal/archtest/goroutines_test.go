package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

var goroutineRule = rule{
	check: func(d *folder) (found []finding) {
		named := runners(d)
		for _, f := range d.files {
			if f.test {
				continue
			}
			above := commentsByLastLine(f)
			ast.Inspect(f.ast, func(n ast.Node) bool {
				g, ok := n.(*ast.GoStmt)
				if ok && !tellsOwner(above[f.line(g.Pos())-1]) && !runs(g, named) {
					found = append(found, f.at(g.Pos(), "nothing says who starts this goroutine and when it stops"))
				}
				return true
			})
		}
		return found
	},
	remedy: "Say above the go statement, or in the doc comment of the function that it runs: started by, stops when, owns what",
}

func tellsOwner(comment string) bool {
	comment = strings.ToLower(comment)
	return strings.Contains(comment, "started") && strings.Contains(comment, "stop")
}

// runners are the names of a folder's functions whose doc comment tells.
func runners(d *folder) map[string]bool {
	names := map[string]bool{}
	for _, f := range d.files {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && !f.test && tellsOwner(fn.Doc.Text()) {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// runs tells whether a go statement runs one of named, itself or within a literal.
func runs(g *ast.GoStmt, named map[string]bool) (found bool) {
	ast.Inspect(g.Call, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			found = found || named[calledName(call)]
		}
		return !found
	})
	return found
}

func commentsByLastLine(f *file) map[int]string {
	above := map[int]string{}
	for _, group := range f.ast.Comments {
		above[f.line(group.End())] = group.Text()
	}
	return above
}

func calledName(call *ast.CallExpr) string {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		return fn.Sel.Name
	}
	return ""
}

func TestEachGoroutineSaysWhoStartsItAndWhenItStops(t *testing.T) { goroutineRule.holds(t) }

func TestGoroutineRuleCanFail(t *testing.T) {
	const silent = "nothing says"
	goroutineRule.refuses(t, "internal/x/x.go", "package x\n\nfunc f() {\n\tgo func() {}()\n}\n", silent)
	goroutineRule.refuses(t, "internal/x/x.go", "package x\n\nfunc f() {\n\t// It reads.\n\tgo g()\n}\n\n// g reads.\nfunc g() {}\n", silent)
	goroutineRule.refuses(t, "internal/x/x.go", "package x\n\nfunc f() {\n\t// Started by f; stops at once.\n\n\tgo func() {}()\n}\n", silent)
	goroutineRule.allows(t, "internal/x/x.go", "package x\n\nfunc f() {\n\t// Started by f; stops at once;\n\t// owns nothing.\n\tgo func() {}()\n}\n")
	goroutineRule.allows(t, "internal/x/x.go", "package x\n\nfunc f() {\n\tgo g()\n}\n\n// g reads. Started by f; stops at once.\nfunc g() {}\n")
	goroutineRule.allows(t, "internal/x/x.go", "package x\n\nfunc f() {\n\tgo func() { g() }()\n}\n\n// g reads. Started by f; stops at once.\nfunc g() {}\n")
	goroutineRule.allows(t, "internal/x/x_test.go", "package x\n\nfunc f() {\n\tgo func() {}()\n}\n")
}
