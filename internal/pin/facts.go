package pin

// minContained is the shortest extension that a code must not contain: shorter
// ones stand in too many codes.
const minContained = 3

// facts are what the rules look at. They hold no digit, so that they may pass
// through the table's functions by value: a pointer to the digits would move
// them to the heap, a copy of them would stay on the stack.
type facts struct {
	length    int
	sameRun   int  // longest block of equal digits
	sequence  int  // longest block that rises or falls by one
	isNumber  bool // is the extension or an own number, read either way
	inNumber  bool // contains an extension of minContained digits, or ends a number, read either way
	isCurrent bool // is the current code, read either way
}

// look gathers the facts about code in its context.
func look(code *PIN, c *Context) (f facts) {
	var now, old plain
	defer now.wipe()
	defer old.wipe()
	code.open(&now)
	c.Current.open(&old)
	digits, current := now.digits[:now.n], old.digits[:old.n]

	f.length = len(digits)
	f.sameRun = longestRun(digits, 0)
	f.sequence = max(longestRun(digits, 1), longestRun(digits, -1))
	f.isCurrent = len(current) > 0 && equals(digits, current)
	f.number(digits, c.Extension)
	f.inNumber = f.inNumber || len(c.Extension) >= minContained && contains(digits, c.Extension)
	for _, n := range c.Numbers {
		f.number(digits, n)
	}
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

// longestRun is the length of the longest block in which each next digit is step more.
func longestRun(digits []byte, step int) int {
	longest, run := 0, 0
	for i, c := range digits {
		if i == 0 || int(c)-int(digits[i-1]) != step {
			run = 0
		}
		run++
		longest = max(longest, run)
	}
	return longest
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
