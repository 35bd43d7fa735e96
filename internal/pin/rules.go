package pin

// Rule is the id of a rule that refused a code; "refused-" + id is the id of its
// sentence. Ids are kept in audit records: never rename or reuse one.
type Rule string

// The rules. Pass is none.
const (
	Pass           Rule = ""
	TooShort       Rule = "too-short"
	TooLong        Rule = "too-long"
	SameRun        Rule = "same-run"
	Sequence       Rule = "sequence"
	Wraps          Rule = "wrap"
	ConstantStep   Rule = "constant-step"
	RepeatBlock    Rule = "repeat-block"
	ReturningGroup Rule = "returning-group"
	MinDistinct    Rule = "min-distinct"
	KeypadLine     Rule = "keypad-line"
	HasOwnNumber   Rule = "own-number"
	IsCurrent      Rule = "current"
	NearCurrent    Rule = "near-current"
	DateLike       Rule = "date-like"
	HasName        Rule = "name"
	Blocklisted    Rule = "blocklist"
	InHistory      Rule = "history" // never of Check: the store that keeps the history tells
)

// Rules lists every rule that can refuse a code, in the order of checking:
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
	name       string
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
		id: SameRun,
		tighten: func(a, b Policy) Policy {
			a.MaxSameRun, a.WholeSameRun = least(a.MaxSameRun, b.MaxSameRun), a.WholeSameRun || b.WholeSameRun
			return a
		},
		broken: func(p Policy, f facts) bool {
			return over(f.sameRun, p.MaxSameRun) || p.WholeSameRun && f.length > 1 && f.sameRun == f.length
		},
		vectors: []vector{
			{policy: Policy{MaxSameRun: 5}, ok: []string{"111112", "211111"}, broken: []string{"111111", "2111111", "1111113"}},
			{policy: Policy{MaxSameRun: 2}, ok: []string{"112233"}, broken: []string{"111223", "122233", "122333"}},
			{policy: Policy{MaxSameRun: 1}, ok: []string{"1"}, broken: []string{"11"}},
			{policy: Policy{WholeSameRun: true}, ok: []string{"11112", "21111", "7"}, broken: []string{"1111", "00000000"}},
		},
	},
	{
		id: Sequence,
		tighten: func(a, b Policy) Policy {
			a.MaxSequence, a.WholeSequence = least(a.MaxSequence, b.MaxSequence), a.WholeSequence || b.WholeSequence
			return a
		},
		broken: func(p Policy, f facts) bool {
			return over(f.sequence, p.MaxSequence) || p.WholeSequence && f.length > 1 && f.sequence == f.length
		},
		vectors: []vector{
			{
				policy: Policy{MaxSequence: 4},
				ok:     []string{"123497", "432198", "123210", "890123", "234543"},
				broken: []string{"912345", "098765", "567890", "234567", "123459"},
			},
			{policy: Policy{MaxSequence: 1}, ok: []string{"1357", "8"}, broken: []string{"12", "3134", "98"}},
			{policy: Policy{WholeSequence: true}, ok: []string{"912345", "567890", "1234566", "8"}, broken: []string{"123456", "987654", "0123456789"}},
		},
	},
	{
		id:      Wraps,
		tighten: func(a, b Policy) Policy { a.Wrap = a.Wrap || b.Wrap; return a },
		broken:  func(p Policy, f facts) bool { return p.Wrap && over(f.wrapped, p.MaxSequence) },
		vectors: []vector{
			{
				policy: Policy{Wrap: true, MaxSequence: 4},
				ok:     []string{"890183", "901280", "123497", "432198"}, broken: []string{"890123", "789012", "321098", "109874"},
			},
		},
	},
	{
		id:      ConstantStep,
		tighten: func(a, b Policy) Policy { a.ConstantStep = a.ConstantStep || b.ConstantStep; return a },
		broken:  func(p Policy, f facts) bool { return p.ConstantStep && f.oneStep },
		vectors: []vector{
			{
				policy: Policy{ConstantStep: true},
				ok:     []string{"246801", "135790", "24", "7", "482915"}, broken: []string{"246802", "135791", "963074", "111111", "505050", "890123"},
			},
		},
	},
	{
		id:      RepeatBlock,
		tighten: func(a, b Policy) Policy { a.RepeatBlock = a.RepeatBlock || b.RepeatBlock; return a },
		broken:  func(p Policy, f facts) bool { return p.RepeatBlock && f.repeated },
		vectors: []vector{
			{
				policy: Policy{RepeatBlock: true},
				ok:     []string{"1235123", "1212121", "123321", "7"}, broken: []string{"121212", "123123", "408408", "13571357", "111111", "11"},
			},
		},
	},
	{
		id:      ReturningGroup,
		tighten: func(a, b Policy) Policy { a.ReturningGroup = a.ReturningGroup || b.ReturningGroup; return a },
		broken:  func(p Policy, f facts) bool { return p.ReturningGroup && f.returning },
		vectors: []vector{
			{
				policy: Policy{ReturningGroup: true},
				ok:     []string{"40514085", "1212153", "11111", "48291"}, broken: []string{"408510408", "1235123", "408408", "4085408", "91212121"},
			},
		},
	},
	{
		id:      MinDistinct,
		tighten: func(a, b Policy) Policy { a.MinDistinct = max(a.MinDistinct, b.MinDistinct); return a },
		broken:  func(p Policy, f facts) bool { return f.distinct < p.MinDistinct },
		vectors: []vector{
			{policy: Policy{MinDistinct: 3}, ok: []string{"112233"}, broken: []string{"121212", "112211", "777888", "000000"}},
		},
	},
	{
		id:      KeypadLine,
		tighten: func(a, b Policy) Policy { a.KeypadLine = a.KeypadLine || b.KeypadLine; return a },
		broken:  func(p Policy, f facts) bool { return p.KeypadLine && f.lines },
		vectors: []vector{
			{
				policy: Policy{KeypadLine: true},
				ok:     []string{"1472583690", "14725", "482915", "159752", "14", "0"},
				broken: []string{"147258", "159753", "258369", "789456", "147", "2580", "0852", "1470852", "0852085", "2580147369"},
			},
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
	{
		id:      NearCurrent,
		tighten: func(a, b Policy) Policy { a.NearCurrent = a.NearCurrent || b.NearCurrent; return a },
		broken:  func(p Policy, f facts) bool { return p.NearCurrent && f.isNear },
		vectors: []vector{
			{
				policy: Policy{NearCurrent: true}, current: "482919",
				ok:     []string{"482919", "482917", "48291", "82919", "48291900", "919284"},
				broken: []string{"482918", "482920", "4829190", "4829199", "0482919", "9482919"},
			},
			{policy: Policy{NearCurrent: true}, current: "000999", ok: []string{"999", "000989"}, broken: []string{"001000", "000998"}},
			{policy: Policy{NearCurrent: true}, current: "999999", ok: []string{"000000"}, broken: []string{"999998"}},
			{policy: Policy{NearCurrent: true}, current: "000000", ok: []string{"999999"}, broken: []string{"000001"}},
			{policy: Policy{NearCurrent: true}, ok: []string{"1", "482915"}},
		},
	},
	{
		id:      DateLike,
		tighten: func(a, b Policy) Policy { a.DateLike = a.DateLike || b.DateLike; return a },
		broken:  func(p Policy, f facts) bool { return p.DateLike && f.isDate },
		vectors: []vector{
			{
				policy: Policy{DateLike: true},
				ok:     []string{"331285", "310485", "290285", "001285", "851332", "198513", "189912", "210012", "3113", "2100", "0000", "241285903", "24121"},
				broken: []string{"241285", "122485", "851224", "198512", "209901", "290200", "290284", "000229", "2412", "1224", "2902", "1985", "2099"},
			},
		},
	},
	{
		id:      HasName,
		tighten: func(a, b Policy) Policy { a.Name = a.Name || b.Name; return a },
		broken:  func(p Policy, f facts) bool { return p.Name && f.inName },
		vectors: []vector{
			{
				policy: Policy{Name: true}, name: "Ann Example-Müller",
				ok:     []string{"266915", "482915", "392674", "36983", "266"},
				broken: []string{"266392", "3926753", "939267530", "685537", "6835537", "068553709", "392675"},
			},
			{policy: Policy{Name: true}, name: "李 Ib", ok: []string{"420042", "42"}},
			{policy: Policy{Name: true}, ok: []string{"266392"}},
		},
	},
	{
		id: Blocklisted,
		tighten: func(a, b Policy) Policy {
			a.Blocklist = max(a.Blocklist, b.Blocklist)
			if a.Listed == nil {
				a.Listed = b.Listed
			}
			return a
		},
		broken: func(p Policy, f facts) bool { return f.isListed },
		vectors: []vector{
			{policy: Policy{Blocklist: 1000}, ok: []string{"482915", "7391"}, broken: []string{"123456", "0000", "12345678"}},
		},
	},
	{
		id:      InHistory,
		tighten: func(a, b Policy) Policy { a.History = max(a.History, b.History); return a },
		broken:  func(Policy, facts) bool { return false }, // the old codes are known to their store only
		vectors: []vector{
			{policy: Policy{History: 5}, current: "482915", ok: []string{"482915", "606172"}},
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
