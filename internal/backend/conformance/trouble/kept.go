package trouble

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// Kept is a value in a fake's memory of which a new one may show late. It is no more safe
// for concurrent use than its fake's lock makes it.
type Kept[T any] struct {
	Last   T // in force, whether it shows or not
	before T
	from   time.Time // when Last shows
}

// Set takes a value that shows after a time.
func (k *Kept[T]) Set(value T, late time.Duration) {
	k.before, k.Last, k.from = *k.Shown(), value, time.Now().Add(late)
}

// Shown is what a reader sees now.
func (k *Kept[T]) Shown() *T {
	if time.Now().Before(k.from) {
		return &k.before
	}
	return &k.Last
}

// Lateness is how late the next write of an op shall show; 0: at once.
func (o *Orders) Lateness(op string) time.Duration {
	if late := o.Asked(op, Late); late.Kind == Late {
		return late.Delay
	}
	return 0
}

// Trivial is the rule by that name of Cisco's systems: at least three different digits,
// none more than twice in a row, no repeated group, no run, no straight lines of keys, no
// number of the owner either way, and no name spelt on the keys.
func Trivial(digits []byte, numbers, names []string) bool {
	for _, n := range numbers {
		number := []byte(n)
		reverse := slices.Clone(number)
		slices.Reverse(reverse)
		if n != "" && (bytes.Contains(digits, number) || bytes.Contains(digits, reverse)) {
			return true
		}
	}
	for _, name := range names {
		if name != "" && string(digits) == spelt(name) {
			return true
		}
	}
	seen := map[byte]bool{}
	for i, c := range digits {
		seen[c] = true
		if i > 1 && digits[i-1] == c && digits[i-2] == c {
			return true
		}
	}
	return len(seen) < 3 || repeats(digits) || isRun(digits, 1) || isRun(digits, -1) || isLines(digits)
}

// spelt is a name on the keypad (ITU-T E.161).
func spelt(name string) string {
	letters := "22233344455566677778889999"
	return strings.Map(func(c rune) rune {
		if c < 'a' || c > 'z' {
			return -1
		}
		return rune(letters[c-'a'])
	}, strings.ToLower(name))
}

// repeats tells whether the whole is a shorter block repeated, as 408408.
func repeats(d []byte) bool {
	for n := 1; n <= len(d)/2; n++ {
		if len(d)%n == 0 && bytes.Equal(d[n:], d[:len(d)-n]) {
			return true
		}
	}
	return false
}

func isRun(d []byte, step int) bool {
	for i := 1; i < len(d); i++ {
		if int(d[i])-int(d[i-1]) != step {
			return false
		}
	}
	return true
}

var lines = []string{
	"123", "456", "789", "147", "258", "369", "580", "2580", "159", "357",
	"321", "654", "987", "741", "852", "963", "085", "0852", "951", "753",
}

// isLines tells whether the whole is straight lines of keys.
func isLines(d []byte) bool {
	if len(d) == 0 {
		return true
	}
	return slices.ContainsFunc(lines, func(l string) bool {
		return bytes.HasPrefix(d, []byte(l)) && isLines(d[len(l):])
	})
}
