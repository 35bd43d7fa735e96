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
	w := walk{wants: slices.SortedFunc(slices.Values(wants), func(a, b Head) int { return cmp.Compare(a.Seq, b.Seq) })}
	if b := w.come(last); b != nil {
		return last, b
	}
	for r, err := range records {
		if err != nil {
			return last, err
		}
		if b := follows(&r, last); b != nil {
			return last, b
		}
		last = r.Head()
		w.heed(&r)
		if b := w.come(last); b != nil {
			return last, b
		}
	}
	if len(w.wants) > 0 {
		return last, w.explained(CutOff(last.Seq, w.wants[len(w.wants)-1].Seq))
	}
	return last, nil
}

// walk is what a verification has to find still, and what may tell why it does not.
type walk struct {
	wants    []Head // in the order of their numbers
	met      uint64 // the last of them that was found
	restored uint64 // the last record that begins a restoration, and behind which none of them was found; 0: none
}

// heed looks whether r tells of a restoration: heads that were noted between its backup
// and it are not in the chain. Where one is that was noted later, and has records behind
// it, the restoration explains nothing.
func (w *walk) heed(r *Record) {
	switch {
	case r.Action == Restore && r.Stage == Intended:
		w.restored = r.Seq
	case w.restored <= w.met:
		w.restored = 0
	}
}

// come takes from wants those that the chain has come to.
func (w *walk) come(last Head) *Break {
	for len(w.wants) > 0 && w.wants[0].Seq <= last.Seq {
		if want := w.wants[0]; want.Seq > 0 && want != last {
			return w.explained(&Break{want.Seq, fmt.Sprintf("record %d is not the one that was noted: the chain was rewritten at or before it", want.Seq)})
		}
		w.met, w.wants = w.wants[0].Seq, w.wants[1:]
	}
	return nil
}

// explained is b with the restoration that may be its cause.
func (w *walk) explained(b *Break) *Break {
	if w.restored > 0 {
		b.What += fmt.Sprintf("; record %d tells that a backup was restored", w.restored)
	}
	return b
}

// CutOff is the Break of a chain that ends before record want. What stands at its end may
// have been written after it was cut off.
func CutOff(last, want uint64) *Break {
	return &Break{last + 1, fmt.Sprintf("records %d to %d are missing: the chain was cut off after record %d, or before it and written on since", last+1, want, last)}
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
