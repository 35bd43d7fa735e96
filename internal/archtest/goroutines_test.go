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
			above, names := commentsByLastLine(f), importNames(f)
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if body := startedBy(n, names); body != nil && !tellsOwner(above[f.line(n.Pos())-1]) && !runs(body, named) {
					found = append(found, f.at(n.Pos(), "nothing says who starts this goroutine and when it stops"))
				}
				return true
			})
		}
		return found
	},
	remedy: "Say above the statement that starts it, or in the doc comment of the function that it runs: started by, stops when, owns what",
}

// startedBy is what a goroutine runs that n starts: by a go statement, a method Go
// of a group, or AfterFunc of time or context. Nil if n starts none.
func startedBy(n ast.Node, imports map[string]string) ast.Node {
	if g, ok := n.(*ast.GoStmt); ok {
		return g.Call
	}
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return nil
	}
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	body := call.Args[len(call.Args)-1]
	switch fn.Sel.Name {
	case "Go":
		if len(call.Args) == 1 {
			return body
		}
	case "AfterFunc":
		if x, ok := fn.X.(*ast.Ident); ok && (imports[x.Name] == "time" || imports[x.Name] == "context") {
			return body
		}
	}
	return nil
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

// runs tells whether body runs one of named: by its name or within a literal.
func runs(body ast.Node, named map[string]bool) (found bool) {
	if fn, ok := body.(ast.Expr); ok && named[nameOf(fn)] {
		return true
	}
	ast.Inspect(body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			found = found || named[nameOf(call.Fun)]
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

func nameOf(fn ast.Expr) string {
	switch fn := fn.(type) {
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

	for _, start := range []string{"w.Go(func() {})", "time.AfterFunc(0, func() {})", "_ = context.AfterFunc(ctx, func() {})", "x := time.AfterFunc(0, g)"} {
		src := func(comment string) string {
			return "package x\n\nimport (\n\t\"context\"\n\t\"time\"\n)\n\nfunc f() {" + comment + "\n\t" + start + "\n}\n"
		}
		goroutineRule.refuses(t, "internal/x/x.go", src(""), silent)
		goroutineRule.allows(t, "internal/x/x.go", src("\n\t// Started by f; stops at once."))
		goroutineRule.allows(t, "internal/x/x_test.go", src(""))
	}
	goroutineRule.allows(t, "internal/x/x.go", "package x\n\nfunc f() {\n\tw.Go(x.g)\n}\n\n// g reads. Started by f; stops at once.\nfunc g() {}\n")
	goroutineRule.allows(t, "internal/x/x.go", "package x\n\nfunc f() {\n\ta.AfterFunc(0, g)\n}\n")
}
