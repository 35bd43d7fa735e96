package flow

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// The drawing: states one below the other; the road goes straight down, other
// steps forward run in lanes on the right, steps back in lanes on the left. All
// edges of a side that lead to one state share its lane. Sizes in pixels.
const (
	boxWidth   = 250
	boxGap     = 46
	slotHeight = 19 // one line of text beside a box
	labelWidth = 272
	laneGap    = 22
	margin     = 16
	lineChars  = 42 // that fit into labelWidth
	minBox     = 58
)

// lane is one vertical line on one side; it carries what leads to one state.
type lane struct {
	to       StateID
	from     []StateID
	column   int // 0 is next to the labels
	top, end int // the rows it spans
}

// port is where a line meets the side of a box.
type port struct {
	other StateID
	in    bool
	text  []string
	y     int
}

// picture is a chart with its places.
type picture struct {
	chart Chart
	y     [numStates]int
	h     [numStates]int
	lanes [2][]*lane           // left, right
	ports [2][numStates][]port // left, right
	down  [numStates][]string  // labels of the road to the next row
	next  [numStates]StateID   // whose row that is
	left  int                  // x of the boxes
}

const (
	leftSide = iota
	rightSide
)

func (c Chart) svg() string {
	p := &picture{chart: c}
	p.sort()
	p.place()
	return p.paint()
}

// sort gives each edge its side, and each lane its column.
func (p *picture) sort() {
	for i, n := range p.chart.Nodes[1:] {
		p.next[p.chart.Nodes[i].State] = n.State
	}
	for _, e := range p.chart.Edges {
		switch {
		case e.To == p.next[e.From]:
			p.down[e.From] = lines(e.Why)
		case e.To > e.From:
			p.join(rightSide, e)
		default:
			p.join(leftSide, e)
		}
	}
	for side, lanes := range p.lanes {
		for _, l := range lanes {
			p.ports[side][l.to] = append(p.ports[side][l.to], port{other: l.to, in: true})
		}
		slices.SortStableFunc(lanes, func(a, b *lane) int { return (a.end - a.top) - (b.end - b.top) })
		for i, l := range lanes {
			for _, other := range lanes[:i] {
				if l.top <= other.end && other.top <= l.end {
					l.column = max(l.column, other.column+1)
				}
			}
		}
	}
}

func (p *picture) join(side int, e Edge) {
	i := slices.IndexFunc(p.lanes[side], func(l *lane) bool { return l.to == e.To })
	if i < 0 {
		i = len(p.lanes[side])
		p.lanes[side] = append(p.lanes[side], &lane{to: e.To, top: int(e.To), end: int(e.To)})
	}
	l := p.lanes[side][i]
	l.from = append(l.from, e.From)
	l.top, l.end = min(l.top, int(e.From)), max(l.end, int(e.From))
	p.ports[side][e.From] = append(p.ports[side][e.From], port{other: e.To, text: lines(e.Why)})
}

// lines puts each reason on a line of its own, and on more if it is long.
func lines(why []string) (list []string) {
	for _, w := range why {
		list = append(list, wrap(w)...)
	}
	return list
}

// wrap breaks a text at blanks.
func wrap(text string) (list []string) {
	for _, word := range strings.Fields(text) {
		last := len(list) - 1
		if last >= 0 && utf8.RuneCountInString(list[last]+" "+word) <= lineChars {
			list[last] += " " + word
			continue
		}
		list = append(list, word)
	}
	return list
}

// stays is the text in a box on why the call comes back to it at once.
func (n Node) stays() []string {
	if len(n.Stays) == 0 {
		return nil
	}
	return wrap("↻ " + strings.Join(n.Stays, " · "))
}

// place stacks the boxes, each as high as what meets its sides.
func (p *picture) place() {
	y := margin
	for _, n := range p.chart.Nodes {
		s := n.State
		h := minBox + 15*len(n.stays())
		for side := range p.ports {
			h = max(h, p.dock(side, s, y))
		}
		p.y[s], p.h[s] = y, h
		y += h + max(boxGap, 26+15*len(p.down[s]))
	}
	columns := 0
	for _, l := range p.lanes[leftSide] {
		columns = max(columns, l.column+1)
	}
	p.left = margin + columns*laneGap + labelWidth
}

// dock gives each port of a side its height and returns the height of the box.
func (p *picture) dock(side int, s StateID, top int) int {
	y := top + 4
	for i := range p.ports[side][s] {
		q := &p.ports[side][s][i]
		y += 4 + 14*max(1, len(q.text))
		q.y = y
		y += 8
	}
	return y - top + 4
}

// laneX is where a lane runs.
func (p *picture) laneX(side int, l *lane) int {
	off := labelWidth + l.column*laneGap + 6
	if side == leftSide {
		return p.left - off
	}
	return p.left + boxWidth + off
}

func (p *picture) paint() string {
	var b strings.Builder
	columns := 0
	for _, l := range p.lanes[rightSide] {
		columns = max(columns, l.column+1)
	}
	width := p.left + boxWidth + labelWidth + columns*laneGap + margin
	height := p.y[Ended] + p.h[Ended] + 4*slotHeight + margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">`+"\n", width, height, width, height)
	b.WriteString(`<title>The flow of a call</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0.5L8 4L0 7.5z" fill="#456"/></marker></defs>
<rect width="100%" height="100%" fill="#fff"/>
`)
	p.paintLanes(&b)
	for _, n := range p.chart.Nodes {
		p.paintRoad(&b, n.State)
		p.paintBox(&b, n)
	}
	for i, line := range []string{
		"In every state: caller hung up → ended; a change that is under way is finished.",
		"Where the caller is asked something: time is up, and nobody is typing → leaving.",
		"In every state after the ACK: the grace for who types is over → leaving; a change that is under way is told first.",
	} {
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#567">%s</text>`+"\n", margin, p.y[Ended]+p.h[Ended]+(i+2)*slotHeight, html.EscapeString(line))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p *picture) paintLanes(b *strings.Builder) {
	for side, lanes := range p.lanes {
		edge, sign := p.left, -1
		if side == rightSide {
			edge, sign = p.left+boxWidth, 1
		}
		for _, l := range lanes {
			x := p.laneX(side, l)
			goal := p.portOf(side, l.to, l.to, true)
			for _, from := range l.from {
				q := p.portOf(side, from, l.to, false)
				turn := 6
				if goal.y < q.y {
					turn = -6
				}
				fmt.Fprintf(b, `<path d="M%d %dH%dQ%d %d %d %dV%dQ%d %d %d %dH%d" fill="none" stroke="#89a" stroke-width="1.3" marker-end="url(#tip)"/>`+"\n",
					edge, q.y, x-sign*6, x, q.y, x, q.y+turn, goal.y-turn, x, goal.y, x-sign*6, goal.y, edge+sign)
				p.paintLabel(b, side, edge+sign*8, q)
			}
		}
	}
}

// paintLabel writes a label above its line.
func (p *picture) paintLabel(b *strings.Builder, side, x int, q port) {
	anchor := "start"
	if side == leftSide {
		anchor = "end"
	}
	for i, line := range q.text {
		y := q.y - 5 - 14*(len(q.text)-1-i)
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" fill="#234">%s</text>`+"\n", x, y, anchor, html.EscapeString(line))
	}
}

func (p *picture) portOf(side int, s, other StateID, in bool) port {
	ports := p.ports[side][s]
	return ports[slices.IndexFunc(ports, func(q port) bool { return q.other == other && q.in == in })]
}

// paintRoad draws the step to the next row.
func (p *picture) paintRoad(b *strings.Builder, s StateID) {
	if len(p.down[s]) == 0 {
		return
	}
	x, y := p.left+boxWidth/2, p.y[s]+p.h[s]
	fmt.Fprintf(b, `<path d="M%d %dV%d" fill="none" stroke="#456" stroke-width="2" marker-end="url(#tip)"/>`+"\n", x, y, p.y[p.next[s]]-1)
	for i, line := range p.down[s] {
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="#234">%s</text>`+"\n", x+10, y+20+15*i, html.EscapeString(line))
	}
}

func (p *picture) paintBox(b *strings.Builder, n Node) {
	s := n.State
	fill := "#f4f6f8"
	m := machine{State: State{at: s}}
	switch {
	case m.listens():
		fill = "#e3f0ff"
	case s == Finding || s == Verifying || s == Changing:
		fill = "#fff3d6"
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" rx="9" fill="%s" stroke="#456"/>`+"\n", p.left, p.y[s], boxWidth, p.h[s], fill)
	x := p.left + boxWidth/2
	stays := n.stays()
	y := p.y[s] + (p.h[s]-minBox-15*len(stays))/2 + 26
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-size="14" font-weight="bold">%s</text>`+"\n", x, y, html.EscapeString(s.String()))
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" fill="#345">%s</text>`+"\n", x, y+17, html.EscapeString(n.Does))
	for i, line := range stays {
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-size="10" fill="#678">%s</text>`+"\n", x, y+34+15*i, html.EscapeString(line))
	}
}
