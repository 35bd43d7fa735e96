package pin

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// about is a Context on strings.
type about struct {
	ext, current   string
	numbers, names []string
}

func (a about) context(t testing.TB) Context {
	return Context{Extension: a.ext, Numbers: a.numbers, Names: a.names, Current: parse(t, a.current)}
}

// naive reads the rules as they are written, on strings, mostly by listing every
// forbidden text and looking for it.
var naive = []struct {
	id     Rule
	broken func(p Policy, code string, a about) bool
}{
	{TooShort, func(p Policy, code string, _ about) bool { return len(code) < p.MinLen }},
	{TooLong, func(p Policy, code string, _ about) bool { return p.MaxLen > 0 && len(code) > p.MaxLen }},
	{SameRun, func(p Policy, code string, _ about) bool {
		for d := range 10 {
			one := strconv.Itoa(d)
			if p.MaxSameRun > 0 && strings.Contains(code, strings.Repeat(one, p.MaxSameRun+1)) ||
				p.WholeSameRun && len(code) > 1 && code == strings.Repeat(one, len(code)) {
				return true
			}
		}
		return false
	}},
	{Sequence, func(p Policy, code string, _ about) bool {
		return p.MaxSequence > 0 && containsPart(code, p.MaxSequence+1, "0123456789", "9876543210") ||
			p.WholeSequence && len(code) > 1 && strings.Contains("0123456789 9876543210", code)
	}},
	{Wraps, func(p Policy, code string, _ about) bool {
		return p.Wrap && p.MaxSequence > 0 &&
			containsPart(code, p.MaxSequence+1, strings.Repeat("0123456789", 5), strings.Repeat("9876543210", 5))
	}},
	{ConstantStep, func(p Policy, code string, _ about) bool {
		for first := range 10 {
			for step := range 10 {
				if p.ConstantStep && len(code) > 2 && code == naiveRun(first, step, len(code)) {
					return true
				}
			}
		}
		return false
	}},
	{RepeatBlock, func(p Policy, code string, _ about) bool {
		for times := 2; times <= len(code); times++ {
			if p.RepeatBlock && code == strings.Repeat(code[:len(code)/times], times) {
				return true
			}
		}
		return false
	}},
	{ReturningGroup, func(p Policy, code string, _ about) bool {
		for i := 0; i+3 <= len(code); i++ {
			if p.ReturningGroup && strings.Count(code, code[i:i+3]) > 1 {
				return true
			}
		}
		return false
	}},
	{MinDistinct, func(p Policy, code string, _ about) bool {
		seen := map[rune]bool{}
		for _, c := range code {
			seen[c] = true
		}
		return len(seen) < p.MinDistinct
	}},
	{KeypadLine, func(p Policy, code string, _ about) bool { return p.KeypadLine && code != "" && onlyLines(code) }},
	{HasOwnNumber, func(p Policy, code string, a about) bool { return naiveOwnNumber(p.OwnNumber, code, a) }},
	{IsCurrent, func(p Policy, code string, a about) bool {
		return p.Current && a.current != "" && (code == a.current || code == backwards(a.current))
	}},
	{NearCurrent, func(p Policy, code string, a about) bool { return p.NearCurrent && near(code, a.current) }},
	{DateLike, func(p Policy, code string, _ about) bool { return p.DateLike && naiveDate(code) }},
	{HasName, func(p Policy, code string, a about) bool { return p.Name && naiveName(code, a.names) }},
	{Blocklisted, func(p Policy, code string, _ about) bool {
		at, listed := rankOf(code)
		return listed && at < p.Blocklist
	}},
	{InHistory, func(Policy, string, about) bool { return false }},
}

func containsPart(code string, size int, rows ...string) bool {
	for _, row := range rows {
		for i := 0; i+size <= len(row); i++ {
			if strings.Contains(code, row[i:i+size]) {
				return true
			}
		}
	}
	return false
}

func naiveRun(first, step, size int) (s string) {
	for i := range size {
		s += strconv.Itoa((first + i*step) % 10)
	}
	return s
}

func backwards(s string) (b string) {
	for _, c := range s {
		b = string(c) + b
	}
	return b
}

func onlyLines(code string) bool {
	if code == "" {
		return true
	}
	for _, line := range strings.Fields("123 456 789 147 258 369 159 357 580 2580 321 654 987 741 852 963 951 753 085 0852") {
		if rest, ok := strings.CutPrefix(code, line); ok && onlyLines(rest) {
			return true
		}
	}
	return false
}

func naiveOwnNumber(mode OwnNumber, code string, a about) bool {
	for _, c := range []string{code, backwards(code)} {
		for _, n := range append([]string{a.ext}, a.numbers...) {
			switch {
			case mode == AnyNumber || n == "" || c == "":
			case c == n:
				return true
			case mode == NotContained && strings.HasSuffix(n, c):
				return true
			}
		}
		if mode == NotContained && len(a.ext) >= 3 && strings.Contains(c, a.ext) {
			return true
		}
	}
	return false
}

// near adds and subtracts digit by digit, as on paper: codes may have 30 digits.
func near(code, current string) bool {
	if current == "" {
		return false
	}
	for _, c := range "0123456789" {
		if code == string(c)+current || code == current+string(c) {
			return true
		}
	}
	return code != "" && (code == plusOne(current) || current == plusOne(code))
}

func plusOne(s string) string {
	rest := strings.TrimRight(s, "9")
	if rest == "" {
		return "too big"
	}
	last := rest[len(rest)-1] + 1
	return rest[:len(rest)-1] + string(last) + strings.Repeat("0", len(s)-len(rest))
}

func naiveDate(code string) bool {
	for _, shape := range []string{"020106", "010206", "060102", "200601", "0201", "0102", "2006"} {
		if len(shape) != len(code) {
			continue
		}
		for _, century := range []string{"19", "20"} {
			layout, text := shape, code
			switch {
			case strings.HasPrefix(shape, "2006"):
				if code[:2] != century {
					continue
				}
			case len(shape) == 4: // a day of any year: one with a 29th of February
				layout, text = "2006"+shape, "2000"+code
			default:
				at := strings.Index(shape, "06")
				layout, text = shape[:at]+"2006"+shape[at+2:], code[:at]+century+code[at:]
			}
			if _, err := time.Parse(layout, text); err == nil {
				return true
			}
		}
	}
	return false
}

func naiveName(code string, names []string) bool {
	keys := map[rune]string{}
	for i, letters := range strings.Fields("abc def ghi jkl mno pqrs tuv wxyz") {
		for _, c := range letters {
			keys[c] = strconv.Itoa(i + 2)
		}
	}
	for _, name := range names {
		var words []string
		for _, word := range strings.Fields(strings.ToLower(name)) {
			var typed string
			for _, c := range word {
				typed += keys[c]
			}
			words = append(words, typed)
			if len(typed) >= 4 && strings.Contains(code, typed) {
				return true
			}
		}
		for i := range words {
			if len(code) >= 4 && strings.HasPrefix(strings.Join(words[i:], ""), code) {
				return true
			}
		}
	}
	return false
}

// lists are the ranked lists, made once for the tests, and where each code stands.
var (
	lists = map[int][]string{}
	ranks = map[string]int{}
)

func listOf(size int) []string {
	if lists[size] == nil && size > 0 {
		lists[size] = rank(size)
		for i, code := range lists[size] {
			ranks[code] = i
		}
	}
	return lists[size]
}

func rankOf(code string) (at int, listed bool) {
	listOf(len(code))
	at, listed = ranks[code]
	return at, listed
}

func TestCheckAgreesWithANaiveReading(t *testing.T) {
	r := rand.New(rand.NewPCG(97, 1))
	refused, first := map[Rule]int{}, map[Rule]int{}
	for range 12_000 {
		p, q, a := randomPolicy(r), randomPolicy(r), someone(r)
		code := drawn(r, r.IntN(31), a)
		var want []Rule
		for _, rule := range naive {
			if rule.broken(p, code, a) {
				want = append(want, rule.id)
				refused[rule.id]++
			}
		}
		all, reason := want, Pass
		if want != nil {
			reason = want[0]
		}
		first[reason]++
		c := a.context(t)
		if got := p.Broken(parse(t, code), c); !slices.Equal(all, got) {
			require.Equal(t, all, got, "policy %+v code %q about %+v", p, code, a)
		}
		if got := p.Check(parse(t, code), c); got != reason {
			require.Equal(t, reason, got, "policy %+v code %q about %+v", p, code, a)
		}

		other := q.Check(parse(t, code), c)
		both := Stricter(p, q).Check(parse(t, code), c)
		if reason == Pass && other == Pass {
			require.Contains(t, []Rule{Pass, Wraps}, both, "what both accept")
		} else {
			require.NotEqual(t, Pass, both, "what one refuses")
		}
	}
	for _, rule := range naive {
		if rule.id != InHistory {
			require.Greater(t, refused[rule.id], 80, "the draw must meet %q often", rule.id)
			require.Greater(t, first[rule.id], 8, "and as the reason that is said")
		}
	}
	require.Greater(t, first[Pass], 1000)
}

func TestTheNaiveReadingKnowsEveryRule(t *testing.T) {
	var ids []Rule
	for _, rule := range naive {
		ids = append(ids, rule.id)
	}
	require.Equal(t, Rules(), ids)
}

// What a preset accepts violates none of its rules, at every length that a code can have.
func TestWhatAPresetAcceptsBreaksNoneOfItsRules(t *testing.T) {
	for _, name := range Presets() {
		p := preset(t, name)
		r := rand.New(rand.NewPCG(97, 2))
		accepted := map[int]int{}
		for size := 4; size <= MaxDigits; size++ {
			for range 200 {
				a := someone(r)
				code := drawn(r, size, a)
				if p.Check(parse(t, code), a.context(t)) != Pass {
					continue
				}
				accepted[len(code)]++
				for _, rule := range naive {
					if rule.broken(p, code, a) {
						require.Failf(t, "accepted", "%s accepts %q, which breaks %s: %+v", name, code, rule.id, a)
					}
				}
			}
		}
		for size := p.MinLen; size <= p.MaxLen; size++ {
			require.Positive(t, accepted[size], "%s, %d digits", name, size)
		}
	}
}
