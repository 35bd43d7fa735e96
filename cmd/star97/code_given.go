package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"star97/internal/pin"
)

const (
	maxCodeLine = 128           // bytes of a line that may hold a code; a longer one is read in parts
	maxParts    = 1 << 20 / 128 // of a line
)

// givenCodes reads one code a line, and keeps none.
type givenCodes struct {
	in     *bufio.Scanner
	buffer []byte
	part   bool // what was scanned last does not end its line
	n      int  // lines so far
}

func newGivenCodes(r io.Reader) *givenCodes {
	l := &givenCodes{in: bufio.NewScanner(r), buffer: make([]byte, maxCodeLine)}
	l.in.Buffer(l.buffer, maxCodeLine)
	l.in.Split(l.split)
	return l
}

func (l *givenCodes) wipe() { clear(l.buffer) }

// split is a bufio.SplitFunc.
func (l *givenCodes) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	end := bytes.IndexByte(data, '\n')
	l.part = end < 0 && len(data) >= maxCodeLine
	switch {
	case end >= 0:
		return end + 1, data[:end], nil
	case l.part, atEOF && len(data) > 0:
		return len(data), data, nil
	}
	return 0, nil, nil
}

// next judges the form of the next line: broken is notDigits, or TooLong for more digits
// than a code can have. io.EOF: there is none.
func (l *givenCodes) next() (code pin.PIN, broken pin.Rule, err error) {
	if !l.in.Scan() {
		return code, "", l.failed()
	}
	l.n++
	line := l.in.Bytes()
	if l.n == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff")) // the mark of an editor
	}
	if l.part {
		broken, err = l.tooLong(isNumber(line))
		return code, broken, err
	}
	line = trimmed(line)
	switch code, err = pin.Parse(line); {
	case errors.Is(err, pin.ErrTooLong) && isNumber(line):
		broken = pin.TooLong
	case err != nil:
		broken = notDigits
	}
	return code, broken, nil
}

// tooLong reads the rest of a line, of which what was read may be all digits.
func (l *givenCodes) tooLong(digits bool) (pin.Rule, error) {
	for parts := 1; l.part; parts++ {
		if parts > maxParts {
			return "", fmt.Errorf("line %d has more than 1 MiB; write one code a line", l.n)
		}
		if !l.in.Scan() {
			break // told by the next line
		}
		digits = digits && isNumber(trimmed(l.in.Bytes()))
	}
	if digits {
		return pin.TooLong, nil
	}
	return notDigits, nil
}

func (l *givenCodes) failed() error {
	switch err := l.in.Err(); {
	case err != nil:
		return fmt.Errorf("standard input cannot be read: %w", err)
	case l.n == 0:
		return errors.New("no code was given; write one a line to standard input")
	}
	return io.EOF
}

func isNumber(line []byte) bool {
	return !slices.ContainsFunc(line, func(c byte) bool { return c < '0' || c > '9' })
}

// trimmed is a line without its end.
func trimmed(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}
