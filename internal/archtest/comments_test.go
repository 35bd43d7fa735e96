package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

var unfinishedRule = rule{
	check: eachFile(func(f *file) (found []finding) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if w := unfinished.FindString(c.Text); w != "" {
					found = append(found, f.at(c.Pos(), "the comment says %s", w))
				}
			}
		}
		return found
	}),
	remedy: "Do it now, or write down where work is planned; the code says what is, not what might be",
}

func TestCommentsPromiseNothing(t *testing.T) { unfinishedRule.holds(t) }

func TestUnfinishedRuleCanFail(t *testing.T) {
	for _, w := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"} {
		unfinishedRule.refuses(t, "internal/x/x.go", "package x\n\n// "+w+": later\n", w)
		unfinishedRule.refuses(t, "internal/x/x_test.go", "package x\n\n/* later ("+w+") */\n", w)
	}
	unfinishedRule.allows(t, "internal/x/x.go", "package x\n\n// a to-do list of XXXL\nconst a = \"TODO\"\n")
}

var deadCodeRule = rule{
	check: eachFile(func(f *file) (found []finding) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				text, isLine := strings.CutPrefix(c.Text, "//")
				if isLine && isCode(text) {
					found = append(found, f.at(c.Pos(), "the comment is code: %s", strings.TrimSpace(text)))
				}
			}
		}
		return found
	}),
	remedy: "Remove it, git remembers; an example belongs into an indented block of a doc comment or an Example function",
}

// isCode tells whether a comment's line is a statement and not prose: it parses as
// one, or opens a block, and it assigns, calls a method, or returns something
// composed. Indented lines are the examples and drawings of doc comments.
func isCode(text string) bool {
	if strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "  ") {
		return false
	}
	text = strings.TrimSpace(text)
	if open, ok := strings.CutSuffix(text, "{"); ok {
		text = open + "{}"
	}
	if strings.HasPrefix(text, "func ") {
		_, err := parser.ParseFile(token.NewFileSet(), "", "package x\n"+text, 0)
		return err == nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), "", "package x\nfunc _() {\n"+text+"\n}", 0)
	if err != nil {
		return false
	}
	for _, s := range file.Decls[0].(*ast.FuncDecl).Body.List {
		switch s := s.(type) {
		case *ast.AssignStmt:
			return strings.Contains(text, " "+s.Tok.String()+" ")
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.DeferStmt, *ast.GoStmt, *ast.DeclStmt:
			return true
		case *ast.ReturnStmt:
			return len(s.Results) > 1 || strings.ContainsAny(text, "(){}&*")
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			if !ok {
				return false
			}
			_, method := call.Fun.(*ast.SelectorExpr)
			return method
		}
	}
	return false
}

func TestNoCodeInComments(t *testing.T) { deadCodeRule.holds(t) }

func TestDeadCodeRuleCanFail(t *testing.T) {
	for _, code := range []string{
		"x := 1", "x = f(y)", "if err != nil {", "for i := range n {", "return nil, err", "return f(x)",
		"s.close()", "defer mu.Unlock()", "func old() {", "var x int", "fmt.Sprint(a, b)",
	} {
		deadCodeRule.refuses(t, "internal/x/x.go", "package x\n\n// "+code+"\n", "is code")
	}
	for _, prose := range []string{
		"return early", "the zero value is empty", "x is never nil", "see close(2)", "if it fails, ask again",
		"	x := 1 in a block", "RFC 3261 section 8.2", "for each call", "a: b", "digits", "go:embed x", "m= lines", "a,b=c",
	} {
		deadCodeRule.allows(t, "internal/x/x.go", "package x\n\n//"+strings.TrimLeft(" "+prose, "")+"\n")
	}
}
