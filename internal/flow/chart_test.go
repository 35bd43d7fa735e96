package flow

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
)

func drawn(t *testing.T, format string) string {
	var b bytes.Buffer
	require.NoError(t, Draw(&b, dialplan.DefaultLayout, format))
	return b.String()
}

func TestDrawingIsTheSameEachTime(t *testing.T) {
	for _, format := range []string{FormatSVG, FormatDOT, FormatText, FormatJSON} {
		first := drawn(t, format)
		for range 20 {
			require.Equal(t, first, drawn(t, format), format)
		}
	}
}

func TestDrawingShowsEveryStateAndEdge(t *testing.T) {
	c := Graph(layout(t))
	require.Len(t, c.Nodes, int(numStates)-1-2, "all but the menu before the sign-in and the transfer, which it does not have")
	svg, dot, text := drawn(t, FormatSVG), drawn(t, FormatDOT), drawn(t, FormatText)
	for _, n := range c.Nodes {
		require.Contains(t, svg, ">"+n.State.String()+"</text>")
		require.Contains(t, dot, `"`+n.State.String()+`" [label=`)
		require.Contains(t, text, n.State.String()+": "+n.Does+"\n")
	}
	var told struct {
		Nodes []struct{ State, Does string }
		Edges []struct{ From, To string }
	}
	require.NoError(t, json.Unmarshal([]byte(drawn(t, FormatJSON)), &told))
	require.Len(t, told.Nodes, len(c.Nodes))
	require.Len(t, told.Edges, len(c.Edges))
	for i, e := range c.Edges {
		require.Equal(t, [2]string{e.From.String(), e.To.String()}, [2]string{told.Edges[i].From, told.Edges[i].To})
		require.Contains(t, dot, `"`+e.From.String()+`" -> "`+e.To.String()+`"`)
	}
	lines := 0
	for _, e := range c.Edges {
		if !slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.State > e.From && n.State < e.To }) && e.To > e.From {
			continue // straight down
		}
		lines++
	}
	require.Equal(t, lines, strings.Count(svg, `stroke="#89a"`), "an edge has no line")
}

func TestTextListsEveryCellThatDoesSomething(t *testing.T) {
	want := 0
	for _, row := range table {
		for _, r := range row {
			want += len(r.to)
		}
	}
	require.Equal(t, want, strings.Count(drawn(t, FormatText), " -> "))
}

func TestSVGIsWellFormed(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(drawn(t, FormatSVG)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else {
			require.NoError(t, err)
		}
	}
}

// Boxes do not overlap, lanes of one side that share rows do not share a column,
// and no line meets a box outside its side.
func TestPictureHasRoom(t *testing.T) {
	p := &picture{chart: Graph(layout(t))}
	p.sort()
	p.place()
	for i, n := range p.chart.Nodes[1:] {
		above := p.chart.Nodes[i].State
		require.Greater(t, p.y[n.State], p.y[above]+p.h[above]+20, "box %v", above)
	}
	for side := range p.lanes {
		for i, a := range p.lanes[side] {
			for _, b := range p.lanes[side][:i] {
				require.False(t, a.column == b.column && a.top <= b.end && b.top <= a.end, "%v and %v", a.to, b.to)
			}
		}
		for s := Ringing; s < numStates; s++ {
			for _, q := range p.ports[side][s] {
				require.True(t, q.y > p.y[s] && q.y < p.y[s]+p.h[s], "%v", s)
			}
		}
	}
}

func TestUnknownFormatIsNamed(t *testing.T) {
	require.EqualError(t, Draw(io.Discard, dialplan.DefaultLayout, "png"), `there is no format "png"; use svg, dot, text or json`)
}

// What one action leads to is told apart in words, or there is but one way.
func TestEveryForkIsExplained(t *testing.T) {
	for _, row := range table {
		for sig := signal(1); sig < numSignals; sig++ {
			plain := 0
			for _, to := range row[sig].to {
				if because[row[sig].do][to] == "" {
					plain++
				}
			}
			require.True(t, plain <= 1 || sig == evLimit || row[sig].do == storeDown, "signal %v", sig)
		}
	}
}
