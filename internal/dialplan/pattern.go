package dialplan

import "strings"

// anyDigit stands for one digit in a pattern.
const anyDigit = 'x'

// maxNumber is the longest number or name that is compared.
const maxNumber = 64

// isPattern tells a pattern from a name: in a name no x is special.
func isPattern(s string) bool {
	return strings.Trim(s, "0123456789*#+x") == ""
}

// match compares a number with a pattern or a name, and returns the digits that
// the x stood for.
func match(pattern, number string) (digits string, ok bool) {
	if len(number) != len(pattern) || len(number) > maxNumber {
		return "", false
	}
	if !isPattern(pattern) {
		return "", pattern == number
	}
	var found [maxNumber]byte
	n := 0
	for i := range len(pattern) {
		switch c := number[i]; {
		case pattern[i] == anyDigit && c >= '0' && c <= '9':
			found[n] = c
			n++
		case pattern[i] == anyDigit || pattern[i] != c:
			return "", false
		}
	}
	return string(found[:n]), true
}

// fill puts the last of digits in the places of the x of a template.
func fill(template, digits string) string {
	digits = digits[len(digits)-strings.Count(template, "x"):]
	var b strings.Builder
	for i := range len(template) {
		if template[i] != anyDigit {
			b.WriteByte(template[i])
			continue
		}
		b.WriteByte(digits[0])
		digits = digits[1:]
	}
	return b.String()
}

func isDigits(s string) bool {
	return s != "" && len(s) <= maxNumber && strings.Trim(s, "0123456789") == ""
}
