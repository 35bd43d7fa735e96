package strictyaml

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// prune takes the innermost key out of a document whose key or value a token belongs
// to, and returns its path; false if there is none. Of a list it takes all, so that what
// stays keeps its place.
func prune(n ast.Node, path string, at *token.Token) (string, bool) {
	if at == nil {
		return "", false
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		return prune(n.Value, path, at)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			if cut, ok := prune(v, fmt.Sprintf("%s[%d]", path, i), at); ok {
				return cut, true
			}
		}
	case *ast.MappingNode:
		for i, v := range n.Values {
			own := path + "." + v.Key.GetToken().Value
			if cut, ok := prune(v.Value, own, at); ok {
				return cut, true
			}
			if v.Key.GetToken().Position.Offset == at.Position.Offset || holds(v.Value, at) {
				n.Values = slices.Delete(n.Values, i, i+1)
				return own, true
			}
		}
	}
	return "", false
}

// holds says whether a token is a node's own or that of one below.
func holds(n ast.Node, at *token.Token) bool {
	h := holder{at: at.Position.Offset}
	ast.Walk(&h, n)
	return h.found
}

type holder struct {
	at    int
	found bool
}

func (h *holder) Visit(n ast.Node) ast.Visitor {
	if t := n.GetToken(); t != nil && t.Position.Offset == h.at {
		h.found = true
	}
	return h
}

// Spoiled says whether what stands at a path, below it or above it was left out: what
// is said of it may come of that alone.
func (f *File) Spoiled(path string) bool {
	if f == nil {
		return false
	}
	path = strings.ReplaceAll(path, "'", "")
	return slices.ContainsFunc(f.spoiled, func(gone string) bool { return isBelow(path, gone) || isBelow(gone, path) })
}

// misspelt says whether a key right below a path was left out: it may be what is missing
// there.
func (f *File) misspelt(path string) bool {
	path = strings.ReplaceAll(path, "'", "")
	return slices.ContainsFunc(f.spoiled, func(gone string) bool {
		rest, ok := strings.CutPrefix(gone, path+".")
		return ok && !strings.ContainsAny(rest, ".[")
	})
}

// isBelow says whether a path is another or leads on from it.
func isBelow(path, top string) bool {
	rest, ok := strings.CutPrefix(path, top)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Sound are the problems that do not come, or may not, of what DecodeAll has left out.
func Sound(problems []Problem) []Problem {
	return slices.DeleteFunc(problems, func(p Problem) bool { return p.follows })
}
