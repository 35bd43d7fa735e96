package flow

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"star97/internal/dialplan"
	"star97/internal/pin"
)

// Chart is the table as nodes and edges, in the order of the states. Two charts
// of the same table and layout are equal.
type Chart struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Node is one state.
type Node struct {
	State StateID  `json:"state"`
	Does  string   `json:"does"`            // what happens here, in a few words
	Stays []string `json:"stays,omitempty"` // why the call comes back here at once
}

// Edge leads from one state to another.
type Edge struct {
	From StateID  `json:"from"`
	To   StateID  `json:"to"`
	Why  []string `json:"why"` // each is one reason
}

// Formats of Draw.
const (
	FormatSVG  = "svg"
	FormatDOT  = "dot"
	FormatText = "text"
	FormatJSON = "json"
)

// Draw writes the flow of a layout of the embedded dialplan: svg, dot (Graphviz), text or json.
func Draw(w io.Writer, layout, format string) error {
	l, err := NewLayout(dialplan.Default(), layout, pin.DefaultPolicy())
	if err != nil {
		return err
	}
	return l.Draw(w, format)
}

// Draw writes the flow of this layout: svg, dot (Graphviz), text or json.
func (l *Layout) Draw(w io.Writer, format string) error {
	write, ok := map[string]func(*Layout) string{
		FormatSVG:  func(l *Layout) string { return Graph(l).svg() },
		FormatDOT:  func(l *Layout) string { return Graph(l).dot() },
		FormatText: (*Layout).text,
		FormatJSON: func(l *Layout) string { return Graph(l).json() },
	}[format]
	if !ok {
		return fmt.Errorf("there is no format %q; use %s, %s, %s or %s", format, FormatSVG, FormatDOT, FormatText, FormatJSON)
	}
	_, err := io.WriteString(w, write(l))
	return err
}

// Graph reads the table. What holds in nearly every state (the caller is gone, the
// time is up) and what only keeps an entry going is left out; text has it all.
func Graph(l *Layout) Chart {
	var c Chart
	for s := Ringing; s < numStates; s++ {
		if !l.has(s, 0) {
			continue
		}
		n := Node{State: s, Does: does[s]}
		var out [numStates]*Edge
		for sig := signal(1); sig < numSignals; sig++ {
			r := table[s][sig]
			if sig == evLimit || sig == evGrace || sig == evHungUp || isUpkeep(r.do) || !l.has(s, sig) {
				continue
			}
			for _, to := range r.to {
				if !l.has(to, 0) || !l.leads(r.do, to) {
					continue
				}
				why := l.reason(s, sig, r.do, to)
				if to == s {
					n.Stays = append(n.Stays, why)
					continue
				}
				if out[to] == nil {
					out[to] = &Edge{From: s, To: to}
				}
				out[to].Why = append(out[to].Why, why)
			}
		}
		c.Nodes = append(c.Nodes, n)
		for _, e := range out {
			if e != nil {
				c.Edges = append(c.Edges, *e)
			}
		}
	}
	return c
}

// has tells whether this layout has the state, and in it the signal if there is one:
// menus before the sign-in and keys are a layout's own.
func (l *Layout) has(s StateID, sig signal) bool {
	switch {
	case s == FirstMenu && l.first == none, s == MainMenu && l.main == none:
		return false
	case s == Transferring:
		return l.offers(false, evTransfer) || l.offers(true, evTransfer)
	case (s == FirstMenu || s == MainMenu) && isKey(sig):
		return l.offers(s == MainMenu, sig)
	}
	return true
}

// leads leaves out where an action never leads in this layout.
func (l *Layout) leads(do action, to StateID) bool {
	switch {
	case do == openMenu && to != MainMenu:
		return l.main == none
	case do == greet && (to == Extension || to == AccessCode || to == OneTimeCode):
		return l.first == none
	case do == speakLanguage && (to == Extension || to == AccessCode || to == OneTimeCode):
		return !l.signIn
	case (do == leaveExtension || do == goBack) && to == Leaving:
		return l.first == none
	}
	return true
}

// isKey tells which signals are keys of a menu.
func isKey(sig signal) bool {
	switch sig {
	case evSignIn, evChange, evMenu, evLanguage, evTransfer, evRepeat, evBack, evGoodbye:
		return true
	}
	return false
}

func isUpkeep(do action) bool {
	switch do {
	case keep, loseAhead, startTimer, spoil, listen, note, count, miscount:
		return true
	}
	return false
}

// does says in a few words what a state is for.
var does = [numStates]string{
	Ringing: "nothing is said before the ACK", FirstMenu: "before the sign-in", Extension: "any door: whose mailbox?", AccessCode: "the current access code?",
	OneTimeCode: "the one-time code that was sent?",
	Finding:     "the mailbox is looked up", Verifying: "the store looks at the code", MainMenu: "what would you like to do?",
	NewCode: "first entry of the new code", Confirm: "second entry of the new code",
	Offering: "may we choose a code?", Choosing: "a code is drawn", TypeBack: "it is spelled: type it back", Changing: "the store changes the code",
	Announcing: "“changed”, heard to its end", Transferring: "connected elsewhere",
	LineCheck: "check door: keys are counted", Leaving: "the last sentence is said", Ended: "BYE",
}

// reason is a signal in the words of this layout, and why it leads there where it
// may lead elsewhere.
func (l *Layout) reason(from StateID, sig signal, do action, to StateID) string {
	word := sig.String()
	if isKey(sig) && (from == FirstMenu || from == MainMenu) {
		keys := l.keysFor(from == MainMenu, sig)
		switch {
		case len(keys) > 0:
			word = "key " + strings.Join(keys, ", ")
		case sig == evBack:
			word = "key back"
		}
	}
	if b := because[do][to]; b != "" {
		return word + " (" + b + ")"
	}
	return word
}

const (
	tooOften     = "too often"
	tooOftenMust = "too often, no menu or must change"
	graceOver    = "grace is over"
	ownOneTime   = "own door, one-time codes"
)

// because tells apart the states to which one action may lead.
var because = [numActions][numStates]string{
	greet:           {FirstMenu: "menu first", Extension: "any door", AccessCode: "own door", OneTimeCode: ownOneTime, LineCheck: "check door"},
	signInNow:       {Extension: "any door", AccessCode: "own door", OneTimeCode: ownOneTime},
	speakLanguage:   {Extension: "nothing else to choose, any door", AccessCode: "nothing else to choose, own door", OneTimeCode: "nothing else to choose, own door, one-time codes"},
	menuBack:        {Leaving: "first menu"},
	leaveExtension:  {FirstMenu: "menu first"},
	goBack:          {FirstMenu: "own door, menu first", Extension: "any door", AccessCode: "forgotten", Leaving: "own door"},
	openMenu:        {NewCode: "no menu", Leaving: "no menu, not allowed"},
	sayNotConnected: {FirstMenu: "before the sign-in"},
	report:          {Leaving: "time is up"},
	endCheck:        {LineCheck: "keys not told yet"},
	cancel:          {Leaving: "no menu, or must change"},
	findMailbox:     {Extension: "no extension", OneTimeCode: "one-time codes", Leaving: "no extension, too often"},
	verify:          {AccessCode: "too long", OneTimeCode: "forgotten: 1, or too long", Finding: "not found yet", Leaving: "store down, or last try"},
	askAgain:        {Leaving: tooOften},
	askWhole:        {Leaving: tooOften},
	sayInvalid:      {Leaving: tooOften},
	bePatient:       {Leaving: "too long"},
	explainClosed:   {AccessCode: "locked by wrong codes, help is offered"},
	sayWrong:        {OneTimeCode: "one-time code", Leaving: "last try"},
	mustChange:      {Leaving: "one-time code, not allowed"},
	sayNoChoice:     {Leaving: "no menu, or must change"},
	spellAgain:      {Leaving: tooOften},
	openChange:      {MainMenu: "not allowed"},
	checkNew:        {NewCode: "refused", Offering: "refused for the third time", MainMenu: "refused " + tooOften, Leaving: "refused " + tooOftenMust},
	compare:         {Changing: "the same", NewCode: "not the same", TypeBack: "not the same", MainMenu: "not the same " + tooOften, Leaving: "not the same " + tooOftenMust},
	announce:        {Leaving: graceOver},
	goOn:            {Leaving: "no menu, or " + graceOver},
	explainRefusal:  {Offering: "for the third time", MainMenu: tooOften, Leaving: tooOftenMust + ", or " + graceOver},
	explainFailure:  {Leaving: "not usable now, no menu, must change, or " + graceOver},
}

// text lists every cell that does something: state, signal, states that may follow.
func (l *Layout) text() string {
	var b strings.Builder
	for s := Ringing; s < numStates; s++ {
		fmt.Fprintf(&b, "%s: %s\n", s, does[s])
		for sig := signal(1); sig < numSignals; sig++ {
			r := table[s][sig]
			for _, to := range r.to {
				fmt.Fprintf(&b, "  %-44s -> %s\n", l.reason(s, sig, r.do, to), to)
			}
		}
	}
	return b.String()
}

// json is the chart for programs.
func (c Chart) json() string {
	text, _ := json.MarshalIndent(c, "", "  ") // words and lists of them
	return string(text) + "\n"
}

// dot is the chart for Graphviz.
func (c Chart) dot() string {
	var b strings.Builder
	b.WriteString("digraph star97 {\n  rankdir=TB;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	for _, n := range c.Nodes {
		fmt.Fprintf(&b, "  %q [label=%s];\n", n.State, dotText(n.State.String(), n.Does))
	}
	for _, e := range c.Edges {
		fmt.Fprintf(&b, "  %q -> %q [label=%s];\n", e.From, e.To, dotText(e.Why...))
	}
	for _, n := range c.Nodes {
		if len(n.Stays) > 0 {
			fmt.Fprintf(&b, "  %q -> %q [label=%s];\n", n.State, n.State, dotText(n.Stays...))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// dotText quotes lines as one label (Graphviz: \n between lines).
func dotText(lines ...string) string {
	return `"` + strings.ReplaceAll(strings.Join(lines, `\n`), `"`, `\"`) + `"`
}
