package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is the import path that go.mod declares.
const module = "star97"

// folder is one directory with Go files, path relative to the module's root.
type folder struct {
	path  string
	files []*file
}

// file is one parsed Go file, path relative to the module's root.
type file struct {
	path string
	test bool
	src  []byte
	set  *token.FileSet
	ast  *ast.File
}

func parse(path string, src []byte) (*file, error) {
	f := &file{path: path, test: strings.HasSuffix(path, "_test.go"), src: src, set: token.NewFileSet()}
	var err error
	f.ast, err = parser.ParseFile(f.set, path, src, parser.ParseComments)
	return f, err
}

func (f *file) line(p token.Pos) int { return f.set.Position(p).Line }

// finding is one place that breaks a rule.
type finding struct {
	path string
	line int
	what string
}

func (f *file) at(p token.Pos, format string, args ...any) finding {
	return finding{f.path, f.line(p), fmt.Sprintf(format, args...)}
}

// rule is one house rule over a folder, and what to do where it is broken.
type rule struct {
	check  func(*folder) []finding
	remedy string
}

// holds runs r over the whole tree.
func (r rule) holds(t *testing.T) {
	t.Helper()
	for _, d := range tree(t) {
		for _, f := range r.check(d) {
			t.Errorf("%s:%d: %s. %s", f.path, f.line, f.what, r.remedy)
		}
	}
}

// refuses proves that r finds what, and nothing else, in a file made of src.
func (r rule) refuses(t *testing.T, path, src, what string) {
	t.Helper()
	found := r.check(folderOf(t, path, src))
	require.Len(t, found, 1, "the rule must find one thing in:\n%s", src)
	require.Contains(t, found[0].what, what)
}

// allows proves that r finds nothing in a file made of src.
func (r rule) allows(t *testing.T, path, src string) {
	t.Helper()
	require.Empty(t, r.check(folderOf(t, path, src)), "the rule must accept:\n%s", src)
}

func folderOf(t *testing.T, name, src string) *folder {
	t.Helper()
	f, err := parse(name, []byte(src))
	require.NoError(t, err)
	return &folder{path: path.Dir(name), files: []*file{f}}
}

// eachFile makes a rule over folders of one over files.
func eachFile(check func(*file) []finding) func(*folder) []finding {
	return func(d *folder) (found []finding) {
		for _, f := range d.files {
			found = append(found, check(f)...)
		}
		return found
	}
}

// eachSource is eachFile without test files.
func eachSource(check func(*file) []finding) func(*folder) []finding {
	return eachFile(func(f *file) []finding {
		if f.test {
			return nil
		}
		return check(f)
	})
}

func tree(t *testing.T) []*folder {
	t.Helper()
	folders, err := load()
	require.NoError(t, err)
	require.Greater(t, len(folders), 20, "the walk must find the rooms")
	return folders
}

var load = sync.OnceValues(func() ([]*folder, error) {
	byPath := map[string]*folder{}
	err := walk(func(name string) error {
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := read(name)
		if err != nil {
			return err
		}
		f, err := parse(name, src)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byPath[dir] == nil {
			byPath[dir] = &folder{path: dir}
		}
		byPath[dir].files = append(byPath[dir].files, f)
		return nil
	})
	var folders []*folder
	for _, d := range byPath {
		folders = append(folders, d)
	}
	slices.SortFunc(folders, func(a, b *folder) int { return strings.Compare(a.path, b.path) })
	return folders, err
})

// root is the folder of go.mod, seen from this package.
const root = "../.."

func read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
}

// notOurs are folders that hold no source of the project.
var notOurs = []string{".git", "bin", "node_modules", "star97-data"}

// walk visits each regular file of the project by its slash path from the root.
func walk(visit func(name string) error) error {
	return fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(notOurs, d.Name()):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		return visit(name)
	})
}

func TestTheWalkStartsAtTheModule(t *testing.T) {
	mod, err := read("go.mod")
	require.NoError(t, err)
	require.Contains(t, string(mod), "module "+module+"\n")
}

// excused is a list of places where a rule does not apply, each with its reason.
// An entry that excuses nothing any more is itself an error.
type excused map[string]string

// check reports entries without a reason and those not in seen.
func (e excused) check(t *testing.T, seen map[string]bool) {
	t.Helper()
	for key, reason := range e {
		require.NotEmpty(t, reason, "%s is excused without a reason", key)
		if !seen[key] {
			t.Errorf("%s is excused (%s) but needs it no longer: remove the entry", key, reason)
		}
	}
}
