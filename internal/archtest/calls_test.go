package archtest

import (
	"go/ast"
	"path"
	"strconv"
	"strings"
	"testing"
)

// banned calls outside cmd, and what each of them takes away.
var banned = map[string]string{
	"fmt.Print":   "writes past the log",
	"fmt.Printf":  "writes past the log",
	"fmt.Println": "writes past the log",
	"log.*":       "writes past the log's level and form",
	"os.Exit":     "ends the process past every deferred call",
	"panic":       "ends the process for one call's trouble",
	"print":       "writes past the log",
	"println":     "writes past the log",
}

// panics that are allowed, as path: function, each with its reason.
var panics = excused{
	"internal/hashpool/apart.go: apart":        "passes on a panic to the call that it belongs to",
	"internal/dialplan/dialplan.go: Default":   "the embedded file is part of the program, and a test reads it",
	"internal/script/stage/answers.go: befall": "is what a script ordered, to see it survived",
	"internal/uas/dialog.go: attend":           "passes on a panic that it has answered",
}

var bannedCallRule = rule{
	check: func(d *folder) []finding { return bannedCalls(d, map[string]bool{}) },
	remedy: "Return an error; write by the *slog.Logger that you were given; leave exit codes to cmd. A panic " +
		"that says the program itself is wrong goes on the list in calls_test.go with its reason",
}

func bannedCalls(d *folder, used map[string]bool) (found []finding) {
	if strings.HasPrefix(d.path, "cmd/") {
		return nil
	}
	for _, f := range d.files {
		if f.test {
			continue
		}
		names := importNames(f)
		for _, decl := range f.ast.Decls {
			key := f.path
			if fn, ok := decl.(*ast.FuncDecl); ok {
				key += ": " + fn.Name.Name
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				id, name := banReference(n, names, banned)
				why, bad := banned[id]
				if !bad {
					return true
				}
				if id == "panic" && panics[key] != "" {
					used[key] = true
					return true
				}
				found = append(found, f.at(n.Pos(), "%s %s", name, why))
				return true
			})
		}
	}
	return found
}

// banReference names what n refers to as table does: pkg.Func, pkg.* or a builtin
// that is called.
func banReference(n ast.Node, imports, table map[string]string) (id, name string) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		x, ok := n.X.(*ast.Ident)
		if !ok || x.Obj != nil {
			return "", ""
		}
		pkg := imports[x.Name]
		if _, all := table[pkg+".*"]; all {
			return pkg + ".*", pkg + "." + n.Sel.Name
		}
		return pkg + "." + n.Sel.Name, pkg + "." + n.Sel.Name
	case *ast.CallExpr:
		if fn, ok := n.Fun.(*ast.Ident); ok && fn.Obj == nil {
			return fn.Name, fn.Name
		}
	}
	return "", ""
}

// importNames maps the name under which a file knows a package to its path.
func importNames(f *file) map[string]string {
	names := map[string]string{}
	for _, spec := range f.ast.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(to)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = to
	}
	return names
}

func TestRoomsDoNotPrintExitOrPanic(t *testing.T) {
	bannedCallRule.holds(t)
	used := map[string]bool{}
	for _, d := range tree(t) {
		bannedCalls(d, used)
	}
	panics.check(t, used)
}

func TestBannedCallRuleCanFail(t *testing.T) {
	in := func(imports, body string) string { return "package x\n" + imports + "\nfunc g() { " + body + " }" }
	bannedCallRule.refuses(t, "internal/x/x.go", in(`import "fmt"`, `fmt.Println(1)`), "fmt.Println writes past")
	bannedCallRule.refuses(t, "internal/x/x.go", in(`import f "fmt"`, `f.Printf("")`), "fmt.Printf writes past")
	bannedCallRule.refuses(t, "internal/x/x.go", in(`import "log"`, `log.Fatal(1)`), "log.Fatal")
	bannedCallRule.refuses(t, "internal/x/x.go", in(`import "os"`, `os.Exit(1)`), "os.Exit")
	bannedCallRule.refuses(t, "internal/x/x.go", in(`import "os"`, `exit := os.Exit; exit(1)`), "os.Exit")
	bannedCallRule.refuses(t, "internal/x/x.go", in("", `panic(1)`), "panic ends")
	bannedCallRule.refuses(t, "internal/x/x.go", in("", `println(1)`), "println writes")
	bannedCallRule.refuses(t, "internal/x/x.go", "package x\nvar a = func() int { panic(1) }()", "panic ends")
	bannedCallRule.allows(t, "internal/x/x.go", in(`import "fmt"`, `_ = fmt.Sprint(1)`))
	bannedCallRule.allows(t, "internal/x/x.go", in(`import "log/slog"`, `slog.Default().Info("")`))
	bannedCallRule.allows(t, "internal/x/x.go", in(`import "os"`, `_, _ = os.Open("")`))
	bannedCallRule.allows(t, "cmd/x/x.go", in(`import "os"`, `os.Exit(1)`))
}

// stacks are the calls that write whole stacks, in any folder.
var stacks = map[string]string{
	"runtime.Stack":                "shows arguments",
	"runtime/debug.Stack":          "shows arguments",
	"runtime/debug.PrintStack":     "shows arguments",
	"runtime/debug.SetTraceback":   "lets a crash show more",
	"runtime/pprof.*":              "can write the stacks of all goroutines",
	"net/http/pprof.*":             "shows the stacks of all goroutines to whoever asks",
	"runtime/debug.SetCrashOutput": "keeps the stacks of a crash",
}

var stackRule = rule{
	check: eachSource(func(f *file) (found []finding) {
		names := importNames(f)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if id, name := banReference(n, names, stacks); stacks[id] != "" {
				found = append(found, f.at(n.Pos(), "%s %s", name, stacks[id]))
			}
			return true
		})
		return found
	}),
	remedy: "Log call.Survived, which names functions and lines: among the arguments in a stack can be digits of a code",
}

func TestNobodyWritesStacks(t *testing.T) { stackRule.holds(t) }

func TestStackRuleCanFail(t *testing.T) {
	in := func(imports, body string) string { return "package x\n" + imports + "\nfunc g() { " + body + " }" }
	for _, path := range []string{"internal/call/panic.go", "cmd/x/x.go"} {
		stackRule.refuses(t, path, in(`import "runtime/debug"`, `_ = debug.Stack()`), "debug.Stack shows")
		stackRule.refuses(t, path, in(`import d "runtime/debug"`, `d.PrintStack()`), "debug.PrintStack shows")
		stackRule.refuses(t, path, in(`import "runtime"`, `runtime.Stack(nil, true)`), "runtime.Stack shows")
		stackRule.refuses(t, path, in(`import "runtime/pprof"`, `pprof.Lookup("goroutine")`), "pprof.Lookup can write")
		stackRule.allows(t, path, in(`import "runtime"`, `runtime.Callers(0, nil)`))
		stackRule.allows(t, path, in(`import "runtime/debug"`, `debug.ReadBuildInfo()`))
	}
	stackRule.allows(t, "internal/x/x_test.go", in(`import "runtime/debug"`, `_ = debug.Stack()`))
}

// inits that are allowed, by file, each with its reason.
var inits = excused{
	"internal/uas/tune.go": "sipgo keeps its timers as variables that must be set before its first goroutine",
}

var initRule = rule{
	check:  func(d *folder) []finding { return initFindings(d, map[string]bool{}) },
	remedy: "Make it a literal table that the compiler checks, or a constructor that app calls",
}

func initFindings(d *folder, used map[string]bool) (found []finding) {
	for _, f := range d.files {
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || f.test || fn.Recv != nil || fn.Name.Name != "init" {
				continue
			}
			if inits[f.path] != "" {
				used[f.path] = true
				continue
			}
			found = append(found, f.at(fn.Pos(), "init runs unseen at the start of every program that imports the room"))
		}
	}
	return found
}

func TestNoInit(t *testing.T) {
	initRule.holds(t)
	used := map[string]bool{}
	for _, d := range tree(t) {
		initFindings(d, used)
	}
	inits.check(t, used)
}

func TestInitRuleCanFail(t *testing.T) {
	initRule.refuses(t, "internal/x/x.go", "package x\nfunc init() {}", "init runs unseen")
	initRule.allows(t, "internal/x/x.go", "package x\ntype T int\nfunc (T) init() {}")
}
