package pin

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
)

const (
	maxListed = 1 << 20 // codes of one list
	maxLine   = 256     // bytes
)

// List is a site's own list of codes to refuse.
type List struct {
	codes [MaxDigits + 1]*table // by length; nil: none
	count int
	name  string
}

// ReadList reads one code a line, digits only; empty lines and lines that begin
// with # are skipped. Errors name the line and quote none.
func ReadList(r io.Reader) (*List, error) {
	l := &List{}
	var found [MaxDigits + 1][]string
	sum := sha256.New()
	lines := bufio.NewScanner(io.TeeReader(r, sum))
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\xef\xbb\xbf")))
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		switch {
		case len(line) > MaxDigits:
			return nil, fmt.Errorf("line %d has more than %d digits: no code is that long", n, MaxDigits)
		case bytes.ContainsFunc(line, func(c rune) bool { return c < '0' || c > '9' }):
			return nil, fmt.Errorf("line %d holds something else than digits: write one code on each line", n)
		case l.count == maxListed:
			return nil, fmt.Errorf("line %d is too many: a list has at most %d codes", n, maxListed)
		}
		found[len(line)] = append(found[len(line)], string(line))
		l.count++
	}
	if err := lines.Err(); err == bufio.ErrTooLong {
		return nil, fmt.Errorf("line %d has more than %d bytes: write one code on each line", n+1, maxLine)
	} else if err != nil {
		return nil, err
	}
	for size, codes := range found {
		if codes != nil {
			l.codes[size] = newTable(size, codes)
		}
	}
	l.name = fmt.Sprintf("%d codes, sha256 %x", l.count, sum.Sum(nil)[:4])
	return l, nil
}

// String tells which list it is, and none of its codes.
func (l *List) String() string { return l.name }

// Len is how many lines with a code the list has.
func (l *List) Len() int { return l.count }

func (l *List) has(digits []byte) bool {
	return l != nil && l.codes[len(digits)] != nil && l.codes[len(digits)].find(digits) >= 0
}
