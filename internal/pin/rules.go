package pin

// Rule is the id of a rule that refused a code; "refused-" + id is the id of its
// sentence. Ids are kept in audit records: never rename or reuse one.
type Rule string

// The rules. Pass is none.
const (
	Pass         Rule = ""
	TooShort     Rule = "too-short"
	TooLong      Rule = "too-long"
	SameRun      Rule = "same-run"
	Sequence     Rule = "sequence"
	HasOwnNumber Rule = "own-number"
	IsCurrent    Rule = "current"
)

// Rules lists every rule that Check can return, in the order of checking:
// cheapest and easiest to explain first.
func Rules() []Rule {
	ids := make([]Rule, len(rules))
	for i := range rules {
		ids[i] = rules[i].id
	}
	return ids
}

// rule is one row of the table. A new rule is a new row here, its parameter a
// field of Policy, and what it looks at a field of facts.
type rule struct {
	id      Rule
	tighten func(a, b Policy) Policy // a, with this parameter the stricter of both; values: a pointer would put a on the heap
	broken  func(p Policy, f facts) bool
	vectors []vector // what the row's test checks, each with this rule's parameter alone
}

// vector says which codes pass and which are refused under one setting of a rule.
type vector struct {
	policy     Policy
	extension  string
	number     string
	current    string
	ok, broken []string
}

var rules = [...]rule{
	{
		id:      TooShort,
		tighten: func(a, b Policy) Policy { a.MinLen = max(a.MinLen, b.MinLen); return a },
		broken:  func(p Policy, f facts) bool { return f.length < p.MinLen },
		vectors: []vector{
			{policy: Policy{MinLen: 6}, ok: []string{"482915", "4829153"}, broken: []string{"", "4", "48291"}},
		},
	},
	{
		id:      TooLong,
		tighten: func(a, b Policy) Policy { a.MaxLen = least(a.MaxLen, b.MaxLen); return a },
		broken:  func(p Policy, f facts) bool { return over(f.length, p.MaxLen) },
		vectors: []vector{
			{policy: Policy{MaxLen: 10}, ok: []string{"4829153706"}, broken: []string{"48291537064"}},
		},
	},
	{
		id:      SameRun,
		tighten: func(a, b Policy) Policy { a.MaxSameRun = least(a.MaxSameRun, b.MaxSameRun); return a },
		broken:  func(p Policy, f facts) bool { return over(f.sameRun, p.MaxSameRun) },
		vectors: []vector{
			{policy: Policy{MaxSameRun: 5}, ok: []string{"111112", "211111"}, broken: []string{"111111", "2111111", "1111113"}},
			{policy: Policy{MaxSameRun: 2}, ok: []string{"112233"}, broken: []string{"111223", "122233", "122333"}},
			{policy: Policy{MaxSameRun: 1}, ok: []string{"1"}, broken: []string{"11"}},
		},
	},
	{
		id:      Sequence,
		tighten: func(a, b Policy) Policy { a.MaxSequence = least(a.MaxSequence, b.MaxSequence); return a },
		broken:  func(p Policy, f facts) bool { return over(f.sequence, p.MaxSequence) },
		vectors: []vector{
			{
				policy: Policy{MaxSequence: 4},
				ok:     []string{"123497", "432198", "123210", "890123", "234543"},
				broken: []string{"912345", "098765", "567890", "234567", "123459"},
			},
			{policy: Policy{MaxSequence: 1}, ok: []string{"1357", "8"}, broken: []string{"12", "3134", "98"}},
		},
	},
	{
		id:      HasOwnNumber,
		tighten: func(a, b Policy) Policy { a.OwnNumber = stricterMode(a.OwnNumber, b.OwnNumber); return a },
		broken: func(p Policy, f facts) bool {
			return p.OwnNumber != AnyNumber && f.isNumber || p.OwnNumber == NotContained && f.inNumber
		},
		vectors: []vector{
			{
				policy: Policy{OwnNumber: NotContained}, extension: "435", number: "12015550143",
				ok:     []string{"143050", "482915", "201555", "120155"},
				broken: []string{"143500", "905340", "550143", "341055"},
			},
			{policy: Policy{OwnNumber: NotContained}, extension: "43", ok: []string{"943071"}, broken: []string{"43", "34"}},
			{
				policy: Policy{OwnNumber: NotEqual}, extension: "482915", number: "5550143",
				ok:     []string{"4829150", "550143", "829154"},
				broken: []string{"482915", "519284", "5550143", "3410555"},
			},
		},
	},
	{
		id:      IsCurrent,
		tighten: func(a, b Policy) Policy { a.Current = a.Current || b.Current; return a },
		broken:  func(p Policy, f facts) bool { return p.Current && f.isCurrent },
		vectors: []vector{
			{
				policy: Policy{Current: true}, current: "482915",
				ok: []string{"482916", "4829150", "48291", "829154"}, broken: []string{"482915", "519284"},
			},
			{policy: Policy{Current: true}, ok: []string{"482915"}},
		},
	},
}

// over tells whether n breaks a limit of which 0 means none.
func over(n, limit int) bool { return limit > 0 && n > limit }

// least is the smaller of two limits of which 0 means none.
func least(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

func stricterMode(a, b OwnNumber) OwnNumber {
	for i := len(ownNumberModes) - 1; i > 0; i-- {
		if m := ownNumberModes[i]; a == m || b == m {
			return m
		}
	}
	return AnyNumber
}
