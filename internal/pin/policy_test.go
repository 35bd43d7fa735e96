package pin

import (
	"reflect"
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
		require.Equal(t, r.id != InHistory, refused > 0, "rule %s needs a vector that it refuses", r.id)
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

func TestValidateNamesTheField(t *testing.T) {
	for want, p := range map[string]Policy{
		"min_length is -1":                             {MinLen: -1},
		"max_length is 31":                             {MaxLen: 31},
		"max_same_run is 99":                           {MaxSameRun: 99},
		"max_sequence is -2":                           {MaxSequence: -2},
		"min_distinct is 11: use 1 to 10":              {MinDistinct: 11},
		"history is 25":                                {History: 25},
		"blocklist is 50001":                           {Blocklist: 50001},
		"min_distinct 7 is greater than max_length 6":  {MinDistinct: 7, MaxLen: 6},
		"wrap says what a sequence is":                 {Wrap: true},
		"min_length 8 is greater than max_length 6":    {MinLen: 8, MaxLen: 6},
		`own_number is "reversed": use "equal", "cont`: {OwnNumber: "reversed"},
	} {
		require.ErrorContains(t, p.Validate(), want)
	}
	require.NoError(t, Policy{}.Validate())
}

func TestStricterTakesTheStricterOfEachRule(t *testing.T) {
	a := Policy{
		MinLen: 4, MaxLen: 10, MaxSequence: 4, WholeSameRun: true, ConstantStep: true, ReturningGroup: true, MinDistinct: 2,
		OwnNumber: NotContained, NearCurrent: true, Name: true, Blocklist: 100, History: 12,
	}
	b := Policy{
		MinLen: 6, MaxSameRun: 5, MaxSequence: 3, WholeSequence: true, Wrap: true, RepeatBlock: true, MinDistinct: 3, KeypadLine: true,
		OwnNumber: NotEqual, Current: true, DateLike: true, Blocklist: 2000, History: 5,
	}
	want := Policy{
		MinLen: 6, MaxLen: 10, MaxSameRun: 5, WholeSameRun: true, MaxSequence: 3, WholeSequence: true, Wrap: true,
		ConstantStep: true, RepeatBlock: true, ReturningGroup: true, MinDistinct: 3, KeypadLine: true,
		OwnNumber: NotContained, Current: true, NearCurrent: true, DateLike: true, Name: true, Blocklist: 2000, History: 12,
	}
	require.Equal(t, want, Stricter(a, b))
	require.Equal(t, want, Stricter(b, a))
	require.Equal(t, Policy{}, Stricter(Policy{}, Policy{}))
	require.ErrorContains(t, Stricter(Policy{MaxLen: 6}, Policy{MinLen: 8}).Validate(), "no code could pass")

	one, two := &List{name: "one"}, &List{name: "two"}
	require.Same(t, one, Stricter(Policy{Listed: one}, Policy{}).Listed)
	require.Same(t, one, Stricter(Policy{}, Policy{Listed: one}).Listed)
	require.Same(t, one, Stricter(Policy{Listed: one}, Policy{Listed: two}).Listed)
}

// Whoever adds a field has to say how it is joined.
func TestStricterKnowsEveryField(t *testing.T) {
	full := Policy{Listed: &List{}}
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Int:
			f.SetInt(7)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString(string(NotContained))
		}
		require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
	}
	require.Equal(t, full, Stricter(full, Policy{}))
	require.Equal(t, full, Stricter(Policy{}, full))
}

func TestBrokenListsEveryRule(t *testing.T) {
	p := preset(t, "strong")
	require.Equal(t, []Rule{SameRun, RepeatBlock, MinDistinct, Blocklisted}, p.Broken(parse(t, "111111"), Context{}))
	require.Empty(t, p.Broken(parse(t, "482915"), Context{}))
}
