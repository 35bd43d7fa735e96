package audit

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// Break is the first place where a chain does not hold.
type Break struct {
	Seq  uint64 // the first record that is not as it was written
	What string // one sentence
}

// Error is the sentence.
func (b *Break) Error() string { return b.What }

// Verify reads a chain from its first record and returns its head. The error is a
// *Break that names the first bad record, or that of records. A chain cut off at
// its end is whole in itself: it shows only against heads that were noted earlier and
// kept elsewhere. Each of wants must be in the chain; one of the empty chain always is.
func Verify(records iter.Seq2[Record, error], wants ...Head) (Head, error) {
	return VerifyAfter(Head{}, records, wants...)
}

// VerifyAfter is Verify for the records behind head last, which is believed; no want may
// lie before it.
func VerifyAfter(last Head, records iter.Seq2[Record, error], wants ...Head) (Head, error) {
	wants = slices.SortedFunc(slices.Values(wants), func(a, b Head) int { return cmp.Compare(a.Seq, b.Seq) })
	wants, broken := meet(wants, last)
	if broken != nil {
		return last, broken
	}
	for r, err := range records {
		if err != nil {
			return last, err
		}
		if b := follows(&r, last); b != nil {
			return last, b
		}
		last = r.Head()
		if wants, broken = meet(wants, last); broken != nil {
			return last, broken
		}
	}
	if len(wants) > 0 {
		return last, CutOff(last.Seq, wants[len(wants)-1].Seq)
	}
	return last, nil
}

// meet takes from wants, in the order of their numbers, those that the chain has come to.
func meet(wants []Head, last Head) ([]Head, error) {
	for len(wants) > 0 && wants[0].Seq <= last.Seq {
		if w := wants[0]; w.Seq > 0 && w != last {
			return nil, &Break{w.Seq, fmt.Sprintf("record %d is not the one that was noted: the chain was rewritten at or before it", w.Seq)}
		}
		wants = wants[1:]
	}
	return wants, nil
}

// CutOff is the Break of a chain that ends before record want.
func CutOff(last, want uint64) *Break {
	return &Break{last + 1, fmt.Sprintf("records %d to %d are missing: the chain was cut off after record %d", last+1, want, last)}
}

// Altered is the Break of a record whose content is not what was written.
func Altered(seq uint64) *Break {
	return &Break{seq, fmt.Sprintf("record %d was altered: its content does not match its hash", seq)}
}

// follows is nil if r stands rightly behind last.
func follows(r *Record, last Head) *Break {
	next := last.Seq + 1
	switch {
	case r.Seq > next:
		return &Break{next, fmt.Sprintf("record %d is missing: record %d is followed by record %d", next, last.Seq, r.Seq)}
	case r.Seq < next:
		return &Break{r.Seq, fmt.Sprintf("record %d stands where record %d belongs", r.Seq, next)}
	case r.Form == 0 || r.Form > formNow:
		return &Break{r.Seq, fmt.Sprintf("record %d has form %d, which this star97 does not know: it was altered, or a newer star97 wrote it and can check it", r.Seq, r.Form)}
	case !r.Holds():
		return Altered(r.Seq)
	case r.Prev != last.Hash:
		return &Break{r.Seq, fmt.Sprintf("record %d does not follow record %d: one of them was replaced", r.Seq, last.Seq)}
	}
	return nil
}
