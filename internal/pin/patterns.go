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

// keypadLines are the straight lines of three and four keys; each is pressed in
// either direction.
//
//	1 2 3
//	4 5 6
//	7 8 9
//	  0
var keypadLines = [...]string{"123", "456", "789", "147", "258", "369", "580", "2580", "159", "357"}

// isKeypadLines tells whether the digits split into keypad lines without a rest.
func isKeypadLines(digits []byte) bool {
	var splits [MaxDigits + 1]bool // up to here
	splits[0] = true
	for i := range digits {
		for _, line := range keypadLines {
			if end := i + len(line); splits[i] && end <= len(digits) && equals(digits[i:end], line) {
				splits[end] = true
			}
		}
	}
	return len(digits) > 0 && splits[len(digits)]
}
