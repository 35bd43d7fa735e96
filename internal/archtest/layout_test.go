package archtest

import (
	"bytes"
	"go/ast"
	"go/format"
	"strings"
	"testing"
)

var packageCommentRule = rule{
	check: func(d *folder) (found []finding) {
		var name string
		documented := 0
		for _, f := range d.files {
			if f.test {
				continue
			}
			name = f.ast.Name.Name
			if f.ast.Doc == nil {
				continue
			}
			documented++
			want := "Package " + name + " "
			if name == "main" {
				want = "Command "
			}
			if !strings.HasPrefix(f.ast.Doc.Text(), want) {
				found = append(found, f.at(f.ast.Doc.Pos(), "the package comment does not begin with %q", want))
			}
		}
		switch {
		case name == "":
		case documented == 0:
			found = append(found, finding{d.path, 1, "package " + name + " has no package comment"})
		case documented > 1:
			found = append(found, finding{d.path, 1, "package " + name + " has more than one package comment"})
		}
		return found
	},
	remedy: "Say in one comment above one package clause what the room does, by which RFC and section, and what it does not do",
}

func TestEachFolderHasOnePackageComment(t *testing.T) { packageCommentRule.holds(t) }

func TestPackageCommentRuleCanFail(t *testing.T) {
	packageCommentRule.refuses(t, "internal/x/x.go", "package x", "no package comment")
	packageCommentRule.refuses(t, "internal/x/x.go", "// It does things.\npackage x", "does not begin")
	packageCommentRule.refuses(t, "cmd/x/x.go", "// Package main does things.\npackage main", "does not begin")
	two := folderOf(t, "internal/x/x.go", "// Package x is.\npackage x")
	two.files = append(two.files, two.files[0])
	if len(packageCommentRule.check(two)) != 1 {
		t.Error("two package comments must be found")
	}
	packageCommentRule.allows(t, "internal/x/x.go", "// Package x is.\npackage x")
	packageCommentRule.allows(t, "cmd/x/x.go", "// Command x is.\npackage main")
	packageCommentRule.allows(t, "internal/x/x_test.go", "package x")
}

var gofmtRule = rule{
	check: eachFile(func(f *file) []finding {
		formatted, err := format.Source(f.src)
		if err != nil || !bytes.Equal(formatted, f.src) {
			return []finding{{f.path, 1, "the file is not in gofmt's form"}}
		}
		return nil
	}),
	remedy: "Run gofmt -w on it",
}

func TestFilesAreInGofmtsForm(t *testing.T) { gofmtRule.holds(t) }

func TestGofmtRuleCanFail(t *testing.T) {
	gofmtRule.refuses(t, "internal/x/x.go", "package x\nvar  a = 1\n", "gofmt")
	gofmtRule.allows(t, "internal/x/x.go", "package x\n\nvar a = 1\n")
}

// Longest files and functions, in lines. Tests hold tables and may be longer.
const (
	maxFile         = 450
	maxTestFile     = 600
	maxFunction     = 70
	maxTestFunction = 120
)

func lines(f *file) int { return bytes.Count(f.src, []byte("\n")) }

var fileSizeRule = rule{
	check: eachFile(func(f *file) []finding {
		most := maxFile
		if f.test {
			most = maxTestFile
		}
		if n := lines(f); n > most {
			return []finding{f.at(f.ast.Pos(), "the file has %d lines, the limit is %d", n, most)}
		}
		return nil
	}),
	remedy: "Two ideas share the file: give the second one its own",
}

func TestFilesAreShort(t *testing.T) { fileSizeRule.holds(t) }

func TestFileSizeRuleCanFail(t *testing.T) {
	fileSizeRule.refuses(t, "internal/x/x.go", "package x"+strings.Repeat("\n", maxFile+1), "451 lines")
	fileSizeRule.refuses(t, "internal/x/x_test.go", "package x"+strings.Repeat("\n", maxTestFile+1), "601 lines")
	fileSizeRule.allows(t, "internal/x/x.go", "package x"+strings.Repeat("\n", maxFile))
}

var functionSizeRule = rule{
	check: eachFile(func(f *file) (found []finding) {
		most := maxFunction
		if f.test {
			most = maxTestFunction
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.line(fn.End()) - f.line(fn.Pos()) + 1; n > most {
				found = append(found, f.at(fn.Pos(), "%s has %d lines, the limit is %d", fn.Name.Name, n, most))
			}
		}
		return found
	}),
	remedy: "Give a part of it a name of its own, or make its data a table outside",
}

func TestFunctionsAreShort(t *testing.T) { functionSizeRule.holds(t) }

func TestFunctionSizeRuleCanFail(t *testing.T) {
	body := func(lines int) string { return "package x\nfunc f() {" + strings.Repeat("\n", lines-1) + "}" }
	functionSizeRule.refuses(t, "internal/x/x.go", body(maxFunction+1), "f has 71 lines")
	functionSizeRule.refuses(t, "internal/x/x_test.go", body(maxTestFunction+1), "f has 121 lines")
	functionSizeRule.allows(t, "internal/x/x.go", body(maxFunction))
}
