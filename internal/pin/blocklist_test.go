package pin

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestListsAreRankedAndLeaveAChoice(t *testing.T) {
	for _, size := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 17, MaxDigits} {
		codes := listOf(size)
		require.NotEmpty(t, codes)
		require.LessOrEqual(t, len(codes), maxBlocklist)
		require.LessOrEqual(t, float64(len(codes)), math.Pow10(size-1), "a tenth of all")
		seen := map[string]bool{}
		for _, code := range codes {
			if len(code) != size || seen[code] {
				require.Failf(t, "twice, or of another length", "%q, %d digits", code, size)
			}
			seen[code] = true
		}
		if size >= 4 {
			require.Equal(t, naiveRun(1, 1, size), codes[0])
		}
	}
	require.Len(t, listOf(4), 1000)
	require.Len(t, listOf(6), maxBlocklist)
}

// Each class has what it is named after.
func TestEveryClassWritesItsCodes(t *testing.T) {
	want := map[string][]string{
		"one digit":                {"0000", "888888", "654321", "963074", "0246802468"},
		"lines on the keypad":      {"147258", "159753", "789456", "2580147", "085258"},
		"a shorter block":          {"121212", "520520", "1212121", "12312312", "19851985"},
		"each digit twice":         {"1122", "112233", "998800", "11223344"},
		"mirrored halves":          {"1221", "123321", "408804", "1234321", "12344321"},
		"dates and years of peopl": {"1985", "2412", "1224", "241285", "122485", "241205", "198519", "121985", "198512", "198585", "141985", "24121985", "12241985", "19851224"},
		"two runs one behind":      {"123777", "456123", "999123", "123890", "1239999", "12346789"},
		"two runs or lines, digit": {"142536", "192837", "124578", "102938", "171819"},
		"walks on the keypad":      {"147896", "159632", "123698", "123698745"},
		"a constant step and one":  {"246801", "135790", "1111112", "7111111"},
		"numbers that count":       {"101112", "246810", "302010", "510152", "9101112"},
		"well-known numbers":       {"314159", "0314159", "235711"},
		"common words":             {"5683", "732738", "72779673"},
		"the digits from 1":        {"2413", "362514"},
		"other dates":              {"2015", "871231", "901224", "241279"},
	}
	for _, c := range classes() {
		for name, codes := range want {
			if !strings.HasPrefix(c.name, name) {
				continue
			}
			for _, code := range codes {
				r := ranking{size: len(code), most: 1 << 20, seen: map[string]bool{}, made: map[int][]string{}}
				c.write(&r)
				require.True(t, r.seen[code], "%s: %s", c.name, code)
			}
			delete(want, name)
		}
	}
	require.Empty(t, want)
}

func TestNoDateThatDoesNotExistIsOnAList(t *testing.T) {
	r := ranking{size: 8, most: 1 << 20, seen: map[string]bool{}, made: map[int][]string{}}
	dates(&r)
	otherDates(&r)
	require.NotEmpty(t, r.list)
	for _, code := range r.list {
		valid := false
		for _, layout := range []string{"02012006", "01022006", "20060102"} {
			_, err := time.Parse(layout, code)
			valid = valid || err == nil
		}
		require.True(t, valid, code)
	}
}

// On a list of k codes are the first k, and the operator's k counts.
func TestBlocklistTakesTheFirstOfTheList(t *testing.T) {
	for _, size := range []int{4, 6, 8, 10} {
		list := listOf(size)
		for _, k := range []int{1, 2, 500, len(list)} {
			p := Policy{Blocklist: k}
			require.Equal(t, Blocklisted, p.Check(parse(t, list[k-1]), Context{}))
			if k < len(list) {
				require.Equal(t, Pass, p.Check(parse(t, list[k]), Context{}))
			}
		}
	}
	require.Equal(t, Pass, Policy{Blocklist: maxBlocklist}.Check(PIN{}, Context{}))
}

func TestListsAreMadeOnceByManyAtOnce(t *testing.T) {
	p := Policy{MinLen: 5, MaxLen: 7, Blocklist: 10}
	var all sync.WaitGroup
	made := make([]*table, 8)
	for i := range made {
		all.Go(func() {
			p.Prepare()
			made[i] = likely[7]()
		})
	}
	all.Wait()
	for _, one := range made {
		require.Same(t, made[0], one)
	}
	Policy{MinLen: 1}.Prepare()
}

// known are codes that every published list of six-digit codes begins with.
const known = `
123456 654321 111111 000000 123123 666666 121212 112233 555555 789456 999999 159753 222222 987654 123321 888888 456789 123654
777777 101010 131313 147258 696969 333333 444444 159357 456123 010203 147852 789789 321321 232323 212121 420420 456456 202020
252525 741852 520520 102030 111222 151515 141414 987456 369369 852456 789123 963852 012345 987987 753951 951753 246810 135790
456654 258258 123789 159951 258456 147147 741741 321654 123987 202122 101112 111213 121314 131415 171717 181818 191919 242424
696969 909090 786786 313131 010101 050505 112211 332211 445566 778899 998877 134679 142536 124578 147896 963741 200000 100000
300300 500500 700700 909192 198519 198585 199191 200020 852852 951951 357357 753753 258852 852258 147741 369963 123457 654123
`

// leaks are lists as a tester could rank them, made without the code that makes ours:
// people with birthdays around some year in the manner of their country, one in ten of
// them with a code at random, behind the known codes.
func leaks() map[string][]string {
	people := func(year, spread float64, layouts ...string) []string {
		r := rand.New(rand.NewPCG(97, uint64(len(layouts[0]))))
		used := map[string]int{}
		for range 60_000 {
			born := time.Date(int(math.Round(year+spread*r.NormFloat64())), 1, 1+r.IntN(365), 0, 0, 0, 0, time.UTC)
			code := born.Format(layouts[r.IntN(len(layouts))])
			if r.IntN(10) == 0 {
				code = fmt.Sprintf("%06d", r.IntN(1e6))
			}
			if len(code) == 6 {
				used[code]++
			}
		}
		top := strings.Fields(known)
		for i, code := range top {
			used[code] += 1_000_000 - i
		}
		all := make([]string, 0, len(used))
		for code := range used {
			all = append(all, code)
		}
		slices.SortFunc(all, func(a, b string) int {
			if used[a] != used[b] {
				return used[b] - used[a]
			}
			return strings.Compare(a, b)
		})
		return all[:2000]
	}
	return map[string][]string{
		"Europe, twenty years ago":    people(1988, 3, "020106", "020106", "020106", "212006", "200602"),
		"Europe, today":               people(1992, 6, "020106"),
		"America":                     people(1988, 4, "010206", "010206", "010206", "122006", "012006"),
		"both, with the year in full": people(1990, 3, "020106", "010206", "212006", "200612", "012006"),
		"their children's birthdays":  people(2004, 1.5, "020106", "010206"),
		"the year first":              people(1990, 1, "060102"),
		"patterns, without any date":  patterns(),
	}
}

// patterns are made by trying all codes for what strikes the eye.
func patterns() (all []string) {
	all = strings.Fields(known)
	for n := range 1_000_000 {
		c := fmt.Sprintf("%06d", n)
		switch {
		case c[:3] == c[3:], c[:2] == c[2:4] && c[2:4] == c[4:], c == backwards(c), c[0] == c[1] && c[2] == c[3] && c[4] == c[5]:
			if len(all) < 2000 && n%2 == 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

func TestStrongStandsUpToLeakedLists(t *testing.T) {
	p := preset(t, "strong")
	for name, list := range leaks() {
		require.Greater(t, len(list), 1000, name)
		passed := func(first int) (n int) {
			for _, code := range list[:min(first, len(list))] {
				if p.Check(parse(t, code), Context{}) == Pass {
					n++
				}
			}
			return n
		}
		t.Logf("%-30s of the first 100 pass %d, of the first %d pass %d", name, passed(100), len(list), passed(2000))
		require.Zero(t, passed(100), name)
		require.LessOrEqual(t, passed(2000), 40, name)
	}
}

// Every 29th code is a fair sample: 29 has nothing to do with how codes are written.
func TestStrongLeavesRoomToChoose(t *testing.T) {
	p := preset(t, "strong")
	about := Context{Extension: "4001", Numbers: []string{"12125554001"}, Current: parse(t, "606172")}
	refused, all := map[Rule]int{}, 0
	for n := 3; n < 1_000_000; n += 29 {
		refused[p.Check(parse(t, fmt.Sprintf("%06d", n)), about)]++
		all++
	}
	share := 100 - 100*float64(refused[Pass])/float64(all)
	t.Logf("of random codes of six digits are refused %.2f %%: %v", share, refused)
	require.Less(t, share, 7.5)
}
