package pin

// minContained is the shortest extension that a code must not contain: shorter
// ones stand in too many codes.
const minContained = 3

// facts are what the rules look at. They hold no digit, so that they may pass
// through the table's functions by value: a pointer to the digits would move
// them to the heap, a copy of them would stay on the stack.
type facts struct {
	length    int
	sameRun   int // longest block of equal digits
	sequence  int // longest block that rises or falls by one
	wrapped   int // the same where 9 and 0 are neighbours
	distinct  int // different digits
	oneStep   bool
	repeated  bool
	returning bool // known where the policy asks
	lines     bool
	isNumber  bool // is the extension or an own number, read either way
	inNumber  bool // contains an extension of minContained digits, or ends a number, read either way
	isCurrent bool // is the current code, read either way
	isNear    bool // is next to the current code
	isDate    bool
	inName    bool // known where the policy asks
	isListed  bool // known where the policy asks
}

// look gathers the facts about code in its context, the costly ones only where p asks for them.
func look(p *Policy, code *PIN, c *Context) (f facts) {
	var now, old plain
	defer now.wipe()
	defer old.wipe()
	code.open(&now)
	c.Current.open(&old)
	digits, current := now.digits[:now.n], old.digits[:old.n]

	f.length = len(digits)
	f.sameRun = longestRun(digits, 0, 0)
	f.sequence = max(longestRun(digits, 1, 1), longestRun(digits, -1, -1))
	f.wrapped = max(f.sequence, longestRun(digits, 1, -9), longestRun(digits, -1, 9))
	f.distinct = distinct(digits)
	f.oneStep = isOneStep(digits)
	f.repeated = isRepeated(digits)
	f.lines = isKeypadLines(digits)
	f.isDate = isDate(digits)
	if len(current) > 0 {
		f.isCurrent = equals(digits, current)
		f.isNear = isNear(digits, current)
	}
	f.number(digits, c.Extension)
	f.inNumber = f.inNumber || len(c.Extension) >= minContained && contains(digits, c.Extension)
	for _, n := range c.Numbers {
		f.number(digits, n)
	}
	f.returning = p.ReturningGroup && hasReturningGroup(digits)
	f.inName = p.Name && spellsName(digits, c.Names)
	f.isListed = p.Listed.has(digits) || p.Blocklist > 0 && isLikely(digits, p.Blocklist)
	return f
}

// number adds what one of the owner's numbers has in common with the digits.
func (f *facts) number(digits []byte, number string) {
	if len(digits) == 0 || len(digits) > len(number) {
		return
	}
	f.isNumber = f.isNumber || equals(digits, number)
	f.inNumber = f.inNumber || equals(digits, number[len(number)-len(digits):])
}

// contains tells whether text stands in digits, read either way.
func contains(digits []byte, text string) bool {
	for i := 0; i+len(text) <= len(digits); i++ {
		if equals(digits[i:i+len(text)], text) {
			return true
		}
	}
	return false
}

// equals compares digits with text read forwards and backwards.
func equals[T string | []byte](digits []byte, text T) bool {
	if len(digits) != len(text) {
		return false
	}
	ahead, back := true, true
	for i, c := range digits {
		ahead = ahead && c == text[i]
		back = back && c == text[len(text)-1-i]
	}
	return ahead || back
}

// isNear tells whether digits are the current code plus or minus 1 of the same
// length, or that code with one digit before or behind it.
func isNear(digits, current []byte) bool {
	switch len(digits) - len(current) {
	case 0:
		return isSuccessor(digits, current) || isSuccessor(current, digits)
	case 1:
		return same(digits[1:], current) || same(digits[:len(current)], current)
	}
	return false
}

// isSuccessor tells whether a is b plus 1, digits of the same number.
func isSuccessor(a, b []byte) bool {
	i := len(a) - 1
	for i >= 0 && b[i] == '9' && a[i] == '0' {
		i--
	}
	return i >= 0 && b[i] != '9' && a[i] == b[i]+1 && same(a[:i], b[:i])
}

func same(a, b []byte) bool { return string(a) == string(b) }
