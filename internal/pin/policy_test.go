package pin

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func preset(t testing.TB, name string) Policy {
	t.Helper()
	p, ok := Preset(name)
	require.True(t, ok, name)
	return p
}

// Every row's own vectors, with that row's parameter alone: only its rule can refuse.
func TestVectorsOfEachRule(t *testing.T) {
	for _, r := range rules {
		require.NotEmpty(t, r.vectors, "rule %s needs vectors", r.id)
		refused := 0
		for _, v := range r.vectors {
			c := Context{Extension: v.extension, Names: []string{v.name}, Current: parse(t, v.current)}
			if v.number != "" {
				c.Numbers = []string{"7005551", v.number}
			}
			for _, code := range v.ok {
				require.Equal(t, Pass, v.policy.Check(parse(t, code), c), "%s: %s", r.id, code)
			}
			for _, code := range v.broken {
				require.Equal(t, r.id, v.policy.Check(parse(t, code), c), "%s: %s", r.id, code)
				refused++
			}
		}
		require.NotZero(t, refused, "rule %s needs a vector that it refuses", r.id)
	}
}

// The published vectors of the preset broadworks-6-10.
func TestBroadworksPreset(t *testing.T) {
	p := preset(t, "broadworks-6-10")
	for code, want := range map[string]Rule{
		"482915": Pass, "111112": Pass, "111111": SameRun, "123497": Pass, "912345": Sequence, "432198": Pass,
		"098765": Sequence, "123210": Pass, "121212": Pass, "408408": Pass, "1235123": Pass, "228883": Pass,
		"567890": Sequence, "48291": TooShort, "48291537064": TooLong,
	} {
		require.Equal(t, want, p.Check(parse(t, code), Context{}), code)
	}
	c := Context{Extension: "482915", Numbers: []string{"7005551"}, Current: parse(t, "606172")}
	for code, want := range map[string]Rule{
		"482915": HasOwnNumber, "519284": HasOwnNumber, "4829157": Pass, "7005551": HasOwnNumber, "005551": Pass,
		"606172": IsCurrent, "271606": IsCurrent, "271607": Pass,
	} {
		require.Equal(t, want, p.Check(parse(t, code), c), code)
	}
}

func TestDefaultPolicy(t *testing.T) {
	c := Context{Extension: "435", Numbers: []string{"12015550143"}, Current: parse(t, "606172")}
	for code, want := range map[string]Rule{
		"482915": Pass, "112233": Pass, "111223": SameRun, "123497": Sequence, "123597": Pass, "987624": Sequence, "987524": Pass,
		"143500": HasOwnNumber, "905340": HasOwnNumber, "550143": HasOwnNumber, "341055": HasOwnNumber,
		"606172": IsCurrent, "271606": IsCurrent, "4829": TooShort, "": TooShort, "48291537064": TooLong,
	} {
		require.Equal(t, want, DefaultPolicy().Check(parse(t, code), c), code)
	}
}

func TestTheFirstRuleInTheTableSpeaks(t *testing.T) {
	p := Policy{MinLen: 6, MaxSameRun: 1, MaxSequence: 2, Current: true, OwnNumber: NotContained}
	c := Context{Extension: "112", Current: parse(t, "11234")}
	require.Equal(t, TooShort, p.Check(parse(t, "11234"), c))
	p.MinLen = 0
	require.Equal(t, SameRun, p.Check(parse(t, "11234"), c))
	p.MaxSameRun = 0
	require.Equal(t, Sequence, p.Check(parse(t, "11234"), c))
	p.MaxSequence = 0
	require.Equal(t, HasOwnNumber, p.Check(parse(t, "11234"), c))
	p.OwnNumber = AnyNumber
	require.Equal(t, IsCurrent, p.Check(parse(t, "11234"), c))
}

func TestRuleIDs(t *testing.T) {
	require.Equal(t, []Rule{
		"too-short", "too-long", "same-run", "sequence", "wrap", "constant-step", "repeat-block", "returning-group", "min-distinct",
		"keypad-line", "own-number", "current", "near-current", "date-like", "name", "blocklist", "history",
	}, Rules())
}

func TestPresetsAreValid(t *testing.T) {
	require.Contains(t, Presets(), DefaultPreset)
	for _, name := range Presets() {
		require.NoError(t, preset(t, name).Validate(), name)
	}
	_, ok := Preset("no-such-preset")
	require.False(t, ok)
}

func TestValidateNamesTheField(t *testing.T) {
	for want, p := range map[string]Policy{
		"min_length is -1":                             {MinLen: -1},
		"max_length is 31":                             {MaxLen: 31},
		"max_same_run is 99":                           {MaxSameRun: 99},
		"max_sequence is -2":                           {MaxSequence: -2},
		"min_length 8 is greater than max_length 6":    {MinLen: 8, MaxLen: 6},
		`own_number is "reversed": use "equal", "cont`: {OwnNumber: "reversed"},
	} {
		require.ErrorContains(t, p.Validate(), want)
	}
	require.NoError(t, Policy{}.Validate())
}

func TestStricterTakesTheStricterOfEachRule(t *testing.T) {
	a := Policy{MinLen: 4, MaxLen: 10, MaxSameRun: 0, MaxSequence: 4, OwnNumber: NotContained}
	b := Policy{MinLen: 6, MaxLen: 0, MaxSameRun: 5, MaxSequence: 3, OwnNumber: NotEqual, Current: true}
	want := Policy{MinLen: 6, MaxLen: 10, MaxSameRun: 5, MaxSequence: 3, OwnNumber: NotContained, Current: true}
	require.Equal(t, want, Stricter(a, b))
	require.Equal(t, want, Stricter(b, a))
	require.Equal(t, Policy{}, Stricter(Policy{}, Policy{}))
	require.ErrorContains(t, Stricter(Policy{MaxLen: 6}, Policy{MinLen: 8}).Validate(), "no code could pass")
}

// randomPolicy and randomCode are drawn so that every rule refuses often and passes often.
func randomPolicy(r *rand.Rand) Policy {
	lo := r.IntN(6)
	return Policy{
		MinLen: lo, MaxLen: []int{0, lo + r.IntN(6), 10}[r.IntN(3)], MaxSameRun: r.IntN(4), MaxSequence: r.IntN(4),
		OwnNumber: ownNumberModes[r.IntN(len(ownNumberModes))], Current: r.IntN(2) == 0,
	}
}

func randomDigits(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("0123456789"[r.IntN(1+r.IntN(10))])
	}
	return b.String()
}

func TestCheckAgreesWithANaiveReading(t *testing.T) {
	r := rand.New(rand.NewPCG(97, 1))
	seen := map[Rule]int{}
	for range 60_000 {
		p := randomPolicy(r)
		code, ext := randomDigits(r, r.IntN(9)), randomDigits(r, r.IntN(5))
		numbers := []string{randomDigits(r, r.IntN(12)), randomDigits(r, r.IntN(4))}
		current := randomDigits(r, r.IntN(6))
		switch r.IntN(4) {
		case 0:
			current = code
		case 1:
			current = backwards(code)
		}
		want := naive(p, code, ext, numbers, current)
		got := p.Check(parse(t, code), Context{Extension: ext, Numbers: numbers, Current: parse(t, current)})
		if want != got {
			require.Equal(t, want, got, "policy %+v code %q ext %q numbers %q current %q", p, code, ext, numbers, current)
		}
		seen[got]++

		q := randomPolicy(r)
		both := Stricter(p, q).Check(parse(t, code), Context{Extension: ext, Numbers: numbers, Current: parse(t, current)})
		other := naive(q, code, ext, numbers, current)
		if want == Pass && other == Pass {
			require.Equal(t, Pass, both, "what both accept")
		} else {
			require.NotEqual(t, Pass, both, "what one refuses")
		}
	}
	for _, id := range append(Rules(), Pass) {
		require.Greater(t, seen[id], 300, "the draw must meet %q often", id)
	}
}

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// naive reads the rules as they are written, on strings, by looking for every forbidden text.
func naive(p Policy, code, ext string, numbers []string, current string) Rule {
	switch {
	case len(code) < p.MinLen:
		return TooShort
	case p.MaxLen > 0 && len(code) > p.MaxLen:
		return TooLong
	}
	if p.MaxSameRun > 0 {
		for d := range 10 {
			if strings.Contains(code, strings.Repeat(string(rune('0'+d)), p.MaxSameRun+1)) {
				return SameRun
			}
		}
	}
	if n := p.MaxSequence + 1; n > 1 {
		for _, row := range []string{"0123456789", "9876543210"} {
			for i := 0; i+n <= len(row); i++ {
				if strings.Contains(code, row[i:i+n]) {
					return Sequence
				}
			}
		}
	}
	if naiveOwnNumber(p.OwnNumber, code, ext, numbers) {
		return HasOwnNumber
	}
	if p.Current && current != "" && (code == current || code == backwards(current)) {
		return IsCurrent
	}
	return Pass
}

func naiveOwnNumber(mode OwnNumber, code, ext string, numbers []string) bool {
	for _, c := range []string{code, backwards(code)} {
		for _, n := range append([]string{ext}, numbers...) {
			switch {
			case mode == AnyNumber || n == "" || c == "":
			case c == n:
				return true
			case mode == NotContained && strings.HasSuffix(n, c):
				return true
			}
		}
		if mode == NotContained && len(ext) >= 3 && strings.Contains(c, ext) {
			return true
		}
	}
	return false
}
