package pin

// longestRun is the length of the longest block in which each next digit is step
// more, or over more (where a sequence goes on at the other end of the digits).
func longestRun(digits []byte, step, over int) int {
	longest, run := 0, 0
	for i, c := range digits {
		if i > 0 {
			if d := int(c) - int(digits[i-1]); d != step && d != over {
				run = 0
			}
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// isOneStep tells whether all neighbours have one difference modulo 10. Two digits always have.
func isOneStep(digits []byte) bool {
	if len(digits) < 3 {
		return false
	}
	step := (digits[1] - digits[0] + 10) % 10
	for i := 2; i < len(digits); i++ {
		if (digits[i]-digits[i-1]+10)%10 != step {
			return false
		}
	}
	return true
}

// isRepeated tells whether the digits are a shorter block over and over.
func isRepeated(digits []byte) bool {
	n := len(digits)
	for block := 1; 2*block <= n; block++ {
		if n%block == 0 && same(digits[block:], digits[:n-block]) {
			return true
		}
	}
	return false
}

// returningGroup is how many digits that come twice are a pattern.
const returningGroup = 3

// hasReturningGroup tells whether a group of digits occurs twice without overlap.
func hasReturningGroup(digits []byte) bool {
	for i := 0; i+2*returningGroup <= len(digits); i++ {
		for j := i + returningGroup; j+returningGroup <= len(digits); j++ {
			if same(digits[i:i+returningGroup], digits[j:j+returningGroup]) {
				return true
			}
		}
	}
	return false
}

// distinct counts different digits.
func distinct(digits []byte) (n int) {
	var seen [10]bool
	for _, c := range digits {
		if !seen[c-'0'] {
			seen[c-'0'] = true
			n++
		}
	}
	return n
}
