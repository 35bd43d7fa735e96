package audit

import (
	"fmt"
	"iter"
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
// its end is whole in itself: it shows only against want, a head noted earlier or
// kept elsewhere; the zero want asks for nothing.
func Verify(records iter.Seq2[Record, error], want Head) (Head, error) {
	var last Head
	met := want.Seq == 0
	for r, err := range records {
		if err != nil {
			return last, err
		}
		if b := follows(&r, last); b != nil {
			return last, b
		}
		last = r.Head()
		if last.Seq == want.Seq {
			if last.Hash != want.Hash {
				return last, &Break{last.Seq, fmt.Sprintf("record %d is not the one that was noted: the chain was rewritten at or before it", last.Seq)}
			}
			met = true
		}
	}
	if !met {
		return last, &Break{last.Seq + 1, fmt.Sprintf("records %d to %d are missing: the chain was cut off after record %d", last.Seq+1, want.Seq, last.Seq)}
	}
	return last, nil
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
	case r.uncovered() || r.sum() != r.Hash:
		return &Break{r.Seq, fmt.Sprintf("record %d was altered: its content does not match its hash", r.Seq)}
	case r.Prev != last.Hash:
		return &Break{r.Seq, fmt.Sprintf("record %d does not follow record %d: one of them was replaced", r.Seq, last.Seq)}
	}
	return nil
}
