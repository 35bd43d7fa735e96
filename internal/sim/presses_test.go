package sim

import (
	"cmp"
	"slices"
	"time"
)

// judgeKeys looks whether every code that the store was asked about was typed: its
// digits pressed in a row, no press used twice. A change needs its new code twice, or
// once if it was spelled to this telephone.
func (r *round) judgeKeys(p *phone) {
	r.judgeVerified(p)
	if p.undated() {
		return
	}
	row := rowOf(p)
	at, known := 0, ""
	for _, d := range r.deeds {
		// A change that the lock-out turns away is a verification of nobody's mailbox,
		// with the current code: that was typed before it was first asked about.
		if d.call != p.callID || !d.change && d.box == "" && d.current == known {
			continue
		}
		entries := []string{d.current}
		if d.change {
			entries = []string{d.next, d.next}
			if slices.Contains(p.ear.spelled, d.next) {
				entries = entries[:1]
			}
		}
		for _, entry := range entries {
			end := find(row, at, entry)
			if end < 0 {
				what := "verification of"
				if d.change {
					what = "change to"
				}
				r.broken(keysOnce, "call %c: %s %s was asked for, but after press %d that was not pressed", p.name(), what, entry, at)
				return
			}
			at = end
		}
		if d.right {
			known = cmp.Or(d.next, d.current)
		}
	}
}

// certainty is whether the program must have counted a press.
type certainty uint8

const (
	never certainty = iota // nothing of it arrived
	may                    // it arrived late, or by one of two roads only
	must
)

type pressed struct {
	key byte
	is  certainty
}

// rowOf is what the program could know of the presses of a telephone.
func rowOf(p *phone) []pressed {
	row := make([]pressed, len(p.keys.pressed))
	for i, one := range p.keys.pressed {
		row[i] = pressed{one.key, must}
		switch {
		case one.events.IsZero() && one.info.IsZero():
			row[i].is = never
		case p.plan.road == byBoth && (one.events.IsZero() || one.info.IsZero()), overtaken(p, i):
			row[i].is = may
		}
	}
	return row
}

// overtaken tells whether a later press arrived before press i did.
func overtaken(p *phone, i int) bool {
	for _, next := range p.keys.pressed[i+1:] {
		if before(next.events, p.keys.pressed[i].events) || before(next.info, p.keys.pressed[i].info) {
			return true
		}
	}
	return false
}

// Of dtmf.Merge and the decoder of events.
const (
	copyWindow = 250 * time.Millisecond
	datedBy    = 16 // presses before
)

// undated tells whether an event came so long after the INFO of its press that only
// the timestamps of presses before could date it, and none of them came fast enough.
// It may as well be of a second press then, whose INFO is late.
func (p *phone) undated() bool {
	all := p.keys.pressed
	for i, one := range all {
		if p.plan.road != byBoth || !before(one.info, one.events) {
			continue
		}
		fastest := one.events.Sub(one.at)
		for _, earlier := range all[max(0, i-datedBy):i] {
			if before(earlier.events, one.events) {
				fastest = min(fastest, earlier.events.Sub(earlier.at))
			}
		}
		if one.at.Add(fastest).Sub(one.info) > copyWindow {
			return true
		}
	}
	return false
}

// find is the end of the first place from which code was pressed in a row; -1 if
// there is none.
func find(row []pressed, from int, code string) int {
	for start := from; start < len(row); start++ {
		if row[start].is != never && row[start].key == code[0] {
			if end := follow(row, start, code); end >= 0 {
				return end
			}
		}
	}
	return -1
}

// follow matches code from row[i] on; presses that need not have been counted may be
// left out.
func follow(row []pressed, i int, code string) int {
	if code == "" {
		return i
	}
	if i == len(row) {
		return -1
	}
	if row[i].is != never && row[i].key == code[0] {
		if end := follow(row, i+1, code[1:]); end >= 0 {
			return end
		}
	}
	if row[i].is == must {
		return -1
	}
	return follow(row, i+1, code)
}
