package pin

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
)

const (
	maxListed = 1 << 20 // codes of one list
	maxLine   = 256     // bytes
)

// List is a site's own list of codes to refuse.
type List struct {
	codes [MaxDigits + 1]table // by length
	count int
	name  string
}

// ReadList reads one code a line, digits only; empty lines and lines that begin
// with # are skipped. Errors name the line and quote none.
func ReadList(r io.Reader) (*List, error) {
	l := &List{}
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
		l.codes[len(line)].digits = append(l.codes[len(line)].digits, line...)
		l.count++
	}
	if err := lines.Err(); err == bufio.ErrTooLong {
		return nil, fmt.Errorf("line %d has more than %d bytes: write one code on each line", n+1, maxLine)
	} else if err != nil {
		return nil, err
	}
	for size := range l.codes {
		l.codes[size].sort(size)
	}
	l.name = fmt.Sprintf("%d codes, sha256 %x", l.count, sum.Sum(nil)[:4])
	return l, nil
}

// String tells which list it is, and none of its codes.
func (l *List) String() string { return l.name }

// Len is how many lines with a code the list has.
func (l *List) Len() int { return l.count }

func (l *List) has(digits []byte) bool {
	return l != nil && l.codes[len(digits)].find(digits) >= 0
}

// table holds codes of one length, sorted, without anything between them.
type table struct {
	digits []byte
}

// sort brings the codes, each of size digits, into order.
func (t *table) sort(size int) {
	if len(t.digits) == 0 {
		return
	}
	codes := slices.Collect(slices.Chunk(slices.Clone(t.digits), size))
	slices.SortFunc(codes, bytes.Compare)
	t.digits = bytes.Join(codes, nil)
}

// find is where a code stands; -1: nowhere.
func (t *table) find(digits []byte) int {
	size := len(digits)
	if size == 0 {
		return -1
	}
	low, high := 0, len(t.digits)/size
	for low < high {
		mid := (low + high) / 2
		switch bytes.Compare(t.digits[mid*size:(mid+1)*size], digits) {
		case 0:
			return mid
		case -1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return -1
}
