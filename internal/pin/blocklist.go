package pin

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// likely are the ranked lists by length, each made when it is first needed.
var likely = onDemand()

func onDemand() (lists [MaxDigits + 1]func() *table) {
	for size := range lists {
		lists[size] = sync.OnceValue(func() *table { return newTable(size, rank(size)) })
	}
	return lists
}

// isLikely tells whether digits are one of the first k of the ranked list of their length.
func isLikely(digits []byte, k int) bool {
	if len(digits) == 0 {
		return false
	}
	t := likely[len(digits)]()
	at := t.find(digits)
	return at >= 0 && int(t.ranks[at]) < k
}

// Prepare makes the lists that Check will need, so that no caller waits for them.
func (p Policy) Prepare() {
	if p.Blocklist == 0 {
		return
	}
	longest := p.MaxLen
	if longest == 0 {
		longest = MaxDigits
	}
	for size := max(p.MinLen, 1); size <= longest; size++ {
		likely[size]()
	}
}

// listed is how many codes of a length can be on its list: a tenth of all, so that
// the rule leaves a choice where codes are short.
func listed(size int) int {
	tenth := 1
	for range min(size, 8) - 1 {
		tenth *= 10
	}
	return min(tenth, maxBlocklist)
}

// rank makes the list of one length, the likeliest code first.
func rank(size int) []string {
	r := ranking{size: size, most: listed(size), seen: make(map[string]bool, listed(size)), made: map[int][]string{}}
	for _, c := range classes() {
		c.write(&r)
	}
	return r.list
}

// ranking is a list while it is made.
type ranking struct {
	size int
	most int
	list []string
	seen map[string]bool
	made map[int][]string // seeds by length
}

// add puts a code behind the others, if it has the right length and is new.
func (r *ranking) add(code string) {
	if len(code) == r.size && len(r.list) < r.most && !r.seen[code] {
		r.seen[code] = true
		r.list = append(r.list, code)
	}
}

func (r *ranking) full() bool { return len(r.list) == r.most }

// table holds codes of one length, sorted, without anything between them.
type table struct {
	text  []byte
	ranks []uint32 // of each code, from 0
}

// newTable sorts ranked codes of one length.
func newTable(size int, codes []string) *table {
	order := make([]uint32, len(codes))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(codes[a], codes[b]) })
	t := &table{make([]byte, 0, size*len(codes)), order}
	for _, at := range order {
		t.text = append(t.text, codes[at]...)
	}
	return t
}

// find is where a code stands; -1: nowhere.
func (t *table) find(digits []byte) int {
	size := len(digits)
	if size == 0 {
		return -1
	}
	low, high := 0, len(t.text)/size
	for low < high {
		mid := (low + high) / 2
		switch bytes.Compare(t.text[mid*size:(mid+1)*size], digits) {
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
