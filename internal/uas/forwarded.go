package uas

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"star97/internal/dialplan"
)

// Bounds of what a header may tell of a call's way.
const (
	entriesMax = 50 // of a header
	depthMax   = 20 // numbers of an index
)

// diverted is who sent the call on to us: the topmost Diversion (RFC 5806 section 4).
// One that is written otherwise than section 3 has it makes all of them nobody's word.
func diverted(req *sip.Request) party {
	all := values(req, "Diversion")
	if len(all) > entriesMax {
		return party{}
	}
	var first party
	for i, value := range all {
		p, ok := nameAddr(value)
		if !ok {
			return party{}
		}
		if i == 0 {
			first = p
		}
	}
	return first
}

// retargeted is whose call History-Info tells was sent on to us (RFC 7044): where the
// last change to another user (mp, section 10.1) on the way to us came from. Nobody,
// if there was none, if the entries do not tell one story (see story), or if the last of
// them is not where we were called: then whoever sends the call has kept none (section 9.1).
func retargeted(req *sip.Request) party {
	all, ok := story(values(req, "History-Info"))
	if !ok || dialplan.User(all[len(all)-1].who.user) != dialplan.User(uriParty(req.Recipient).user) {
		return party{}
	}
	for at := len(all) - 1; at > 0; {
		from := all[at].from
		if all[at].changed {
			return all[from].who
		}
		at = from
	}
	return party{}
}

// entry is one of History-Info.
type entry struct {
	who     party
	index   []int
	from    int  // place of the entry whose target was replaced by this one; 0 for the first
	changed bool // mp: it is another user's
}

// story reads the entries of History-Info as one tree in its order (section 10.3): the
// first has the index 1, each other one has an index of its own, larger than that before
// and below one that is there, and names by rc, mp or np (section 10.4) an entry before
// it, or else comes from the one above it. Whoever adds an entry that fits none of this,
// or one with the index of another, makes all of it nobody's word.
func story(values []string) (all []entry, ok bool) {
	if len(values) == 0 || len(values) > entriesMax {
		return nil, false
	}
	for i, value := range values {
		var e entry
		if e.who, ok = nameAddr(value); !ok {
			return nil, false
		}
		if e.index, ok = indexOf(value); !ok {
			return nil, false
		}
		if i == 0 {
			if !slices.Equal(e.index, []int{1}) {
				return nil, false
			}
		} else if slices.Compare(all[i-1].index, e.index) >= 0 || !e.descends(value, all) {
			return nil, false
		}
		all = append(all, e)
	}
	return all, true
}

// descends finds the entry that this one comes from; false if it is not there.
func (e *entry) descends(value string, before []entry) bool {
	e.from = placeOf(before, e.index[:len(e.index)-1])
	if e.from < 0 {
		return false
	}
	named := 0
	for _, how := range []string{"rc", "mp", "np"} {
		text, n := soleParam(value, how)
		if n == 0 {
			continue
		}
		named += n
		origin, ok := parseIndex(text)
		if !ok {
			return false
		}
		e.from, e.changed = placeOf(before, origin), how == "mp"
	}
	return named <= 1 && e.from >= 0
}

// placeOf is where an index stands; -1 if nowhere.
func placeOf(all []entry, index []int) int {
	return slices.IndexFunc(all, func(e entry) bool { return slices.Equal(e.index, index) })
}

func indexOf(value string) ([]int, bool) {
	text, n := soleParam(value, "index")
	if n != 1 {
		return nil, false
	}
	return parseIndex(text)
}

// parseIndex reads numbers without leading zeros between dots (section 5, index-val).
func parseIndex(text string) (index []int, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) > depthMax {
		return nil, false
	}
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || strconv.FormatUint(n, 10) != p {
			return nil, false
		}
		index = append(index, int(n))
	}
	return index, true
}

// soleParam is a parameter of a header value, and how often it stands there.
func soleParam(value, name string) (text string, n int) {
	for _, p := range split(value, ';')[1:] {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), name) {
			text, n = cmp.Or(text, strings.TrimSpace(v)), n+1
		}
	}
	return text, n
}

// nameAddr is whom a name-addr names; false if the value is none of a SIP or tel URI, or
// holds more than one address.
func nameAddr(value string) (party, bool) {
	open, closed := 0, 0
	for i, at := range places(value) {
		switch {
		case at == inBrackets && value[i] == '<':
			open++
		case at == inBrackets && value[i] == '>':
			closed++
		}
	}
	if open != 1 || closed != 1 {
		return party{}, false
	}
	p := addressParty(value)
	return p, p.user != "" || p.host != ""
}
