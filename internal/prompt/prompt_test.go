package prompt

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/prompts"
)

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

// TestOfARecordingThatGoesOnOnlyTheWholeIsKept: what follows is part of it.
func TestOfARecordingThatGoesOnOnlyTheWholeIsKept(t *testing.T) {
	c, problems := Load(prompts.FS)
	require.Empty(t, problems)
	var lead *entry
	for _, e := range c.fallback.entries {
		if e.manifest.Sentences[e.id].Then != "" {
			lead = e
		}
	}
	require.NotNil(t, lead, "no sentence goes on")
	then := lead.manifest.Sentences[lead.id].Then
	whole, own := lead.audio.Load(), c.fallback.entries[then]
	require.Nil(t, own.audio.Load())

	alone, ok := c.Audio(DefaultOptions().Language, then, Words{})
	require.True(t, ok, "who asks for it has it encoded again")
	for _, id := range []codec.ID{codec.PCMU, codec.PCMA, codec.G722} {
		f, _ := codec.ByID(id)
		_, behind, found := bytes.Cut(whole.Payload(id), alone.Payload(id))
		require.True(t, found, "it ends the whole one")
		require.Equal(t, bytes.Repeat([]byte{f.Silence}, len(behind)), behind, "but for what makes up for the head")
	}
}
