package caller

import (
	"slices"
	"strings"

	"star97/internal/prompt"
)

// A code that the service chose is spelled to the caller. A telephone that listens for
// a script knows its digits, types them back for {chosen}, and tells nobody: neither
// its time line nor its errors have them, or say how many there were.

// theChosen is the placeholder of a code that was spelled.
const theChosen = "chosen"

// aDigit stands for digits wherever what was heard is told.
const aDigit = "digits"

// plain is a sentence whatever its language.
func plain(id prompt.ID) prompt.ID {
	return id[strings.IndexByte(string(id), '/')+1:]
}

// digitOf is the digit that a sentence is.
func digitOf(id prompt.ID) (digit string, ok bool) {
	return strings.CutPrefix(string(plain(id)), "digit-")
}

// isDigit tells whether a sound is a digit, or may be one.
func (h Heard) isDigit() bool {
	_, yes := digitOf(h.ID)
	return yes || slices.ContainsFunc(h.Among, func(id prompt.ID) bool { _, yes := digitOf(id); return yes })
}

// Spelled is the code that was spelled last, for who types it back: it goes into no
// output. False: none was, or not all of it was understood.
func (p *Player) Spelled() (code string, ok bool) { return spelled(p.Call.media.Heard()) }

// value fills in a placeholder.
func (p *Player) value(name string) (keys string, ok bool) {
	switch {
	case name == theChosen:
		return p.Spelled()
	case p.Value == nil:
		return "", false
	}
	return p.Value(name)
}

// spelled is the code that stands behind the last sentence about one.
func spelled(all []Heard) (code string, ok bool) {
	last := -1
	for i, h := range all {
		if isSentence(plain(h.ID), prompt.ChosenCode) {
			last = i
		}
	}
	if last < 0 {
		return "", false
	}
	for _, h := range all[last+1:] {
		digit, is := digitOf(h.ID)
		switch {
		case !h.Ended:
			continue // its end is told by itself
		case !is || !h.Complete:
			return code, code != ""
		}
		code += digit
	}
	return code, code != ""
}
