package prompt

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPhraseEndsAtItsFirstEmptyID(t *testing.T) {
	require.Equal(t, Phrase{"failed", "old-code-works"}, Say(Failed, OldCodeWorks))
	require.Equal(t, Phrase{}, Say())
	var full Phrase
	for i := range full {
		full[i] = LineHeard(i)
	}
	require.Equal(t, full, Say(append(full[:], "x")...), "one part more is not said")
}

// A constant that is not required could be missing from a language unnoticed.
func TestEveryConstantIsRequired(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "prompt.go", nil, 0)
	require.NoError(t, err)
	found := map[ID]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := v.Type.(*ast.Ident); !ok || typ.Name != "ID" {
			return true
		}
		id, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		require.Contains(t, Required(), ID(id), "%s", v.Names[0])
		found[ID(id)] = true
		return true
	})
	for _, id := range required {
		require.Contains(t, found, id)
	}
}

func TestRequiredNamesNothingTwice(t *testing.T) {
	seen := map[ID]bool{}
	for _, id := range Required() {
		require.False(t, seen[id], "%s", id)
		require.Regexp(t, idShape, string(id))
		seen[id] = true
	}
}

func TestNewCodeIsAskedWithNumbersWhereRecorded(t *testing.T) {
	for _, pair := range [][2]int{{4, 8}, {4, 10}, {6, 8}, {6, 10}, {6, 12}, {8, 16}} {
		short, long := NewCodeAsk(pair[0], pair[1])
		numbers := "-" + strconv.Itoa(pair[0]) + "-" + strconv.Itoa(pair[1])
		require.Equal(t, EnterNewCode+ID(numbers), short)
		require.Equal(t, EnterNewCodeLong+ID(numbers), long)
		require.Contains(t, Required(), short)
		require.Contains(t, Required(), long)
	}
	for _, pair := range [][2]int{{5, 9}, {6, 30}, {10, 6}, {0, 0}} {
		short, long := NewCodeAsk(pair[0], pair[1])
		require.Equal(t, EnterNewCode, short)
		require.Equal(t, EnterNewCodeLong, long)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { NewCodeAsk(8, 16) }))
}

func TestOptionsAreNamedByActionAndKey(t *testing.T) {
	require.Equal(t, ID("option-change-2"), Option("change", '2'))
	require.Equal(t, ID("option-goodbye-star"), Option("goodbye", '*'))
	require.Equal(t, ID("option-language-pound"), Option("language", '#'))
	require.Contains(t, Required(), Option("sign-in", '5'))
}

func TestLineCheckCountsToTwelve(t *testing.T) {
	for keys, id := range map[int]ID{0: "line-heard-0", 1: "line-heard-1", 12: "line-heard-12", 13: "line-heard-many", 900: "line-heard-many"} {
		require.Equal(t, id, LineHeard(keys))
		require.Contains(t, Required(), id)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { LineHeard(7) }))
}
