package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"star97/internal/mailbox"
)

// maxLine bounds a line of an export in bytes; the longest record has a sixth of it.
const maxLine = 64 << 10

// WriteLine writes r as one line of JSON. Every record has one form of its own.
func (r *Record) WriteLine(w io.Writer) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record %d cannot be written: %w", r.Seq, err)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// ReadLines reads what WriteLine wrote. A line that is not, byte for byte, what WriteLine
// makes of its record was altered: the error is the *Break that says so, and the end.
func ReadLines(from io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in := bufio.NewReaderSize(from, maxLine)
		for last, n := uint64(0), 1; ; n++ {
			line, err := in.ReadSlice('\n')
			if err == io.EOF && len(line) == 0 {
				return
			}
			r, err := readLine(line, err)
			if what := new(malformed); errors.As(err, what) {
				err = &Break{last + 1, fmt.Sprintf("line %d of the export, where record %d belongs, %s", n, last+1, *what)}
			}
			if !yield(r, err) || err != nil {
				return
			}
			last = r.Seq
		}
	}
}

// malformed says in words what is wrong with a line.
type malformed string

func (m malformed) Error() string { return string(m) }

// readLine reads one line, as the reader returned it with err.
func readLine(line []byte, err error) (Record, error) {
	switch {
	case err == io.EOF:
		return Record{}, malformed("is cut off: the file ends within it")
	case err == bufio.ErrBufferFull:
		return Record{}, malformed("is longer than any record")
	case err != nil:
		return Record{}, err
	}
	var r Record
	if json.Unmarshal(line, &r) != nil {
		return Record{}, malformed("is no record")
	}
	var again bytes.Buffer
	if r.WriteLine(&again) != nil || !bytes.Equal(again.Bytes(), line) {
		return Record{}, malformed("is not as star97 writes it: it was altered")
	}
	return r, nil
}

// UnmarshalJSON reads what MarshalJSON of a Record writes, the closed words included.
func (r *Record) UnmarshalJSON(text []byte) error {
	type plain Record // without this method
	var words struct {
		*plain
		Door    word[mailbox.Door]    `json:"door"`
		Claim   word[mailbox.Claim]   `json:"claim"`
		Action  word[Action]          `json:"action"`
		Stage   word[Stage]           `json:"stage"`
		Outcome word[mailbox.Outcome] `json:"outcome"`
		Result  word[mailbox.Code]    `json:"result"`
	}
	words.plain = (*plain)(r)
	if err := json.Unmarshal(text, &words); err != nil {
		return err
	}
	r.Door, r.Claim, r.Action = words.Door.is, words.Claim.is, words.Action.is
	r.Stage, r.Outcome, r.Result = words.Stage.is, words.Outcome.is, words.Result.is
	// The chain keeps no more of a time than this.
	r.Time, r.Until = r.Time.UTC().Truncate(time.Microsecond), At(Micros(r.Until))
	return nil
}

// word reads a number by its closed word.
type word[T interface {
	~uint8
	fmt.Stringer
}] struct{ is T }

// UnmarshalText reads a closed word.
func (w *word[T]) UnmarshalText(text []byte) error {
	for n := range 256 {
		if w.is = T(n); w.is.String() == string(text) {
			return nil
		}
	}
	return fmt.Errorf("%q is not known", text)
}
