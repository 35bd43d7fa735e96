package pin

// minContained is the shortest extension that a code must not contain: shorter
// ones stand in too many codes.
const minContained = 3

// ownNumber tells whether the code is, ends or contains one of the owner's
// numbers as Policy.OwnNumber forbids it, forwards or backwards.
func ownNumber(t *trial) bool {
	mode, code := t.policy.OwnNumber, t.code()
	if mode == AnyNumber || len(code) == 0 {
		return false
	}
	if matches(code, t.who.Extension, mode, mode == NotContained && len(t.who.Extension) >= minContained) {
		return true
	}
	for _, n := range t.who.Numbers {
		if matches(code, n, mode, false) {
			return true
		}
	}
	return false
}

func matches(code []byte, number string, mode OwnNumber, contained bool) bool {
	if len(number) == 0 {
		return false
	}
	if contained {
		for i := 0; i+len(number) <= len(code); i++ {
			part := code[i : i+len(number)]
			if same(part, number, false) || same(part, number, true) {
				return true
			}
		}
	}
	if mode == NotContained && len(number) > len(code) {
		number = number[len(number)-len(code):]
	}
	return same(code, number, false) || same(code, number, true)
}

// same compares code with number, read backwards if so asked.
func same[T string | []byte](code []byte, number T, backwards bool) bool {
	if len(code) != len(number) {
		return false
	}
	for i, c := range code {
		j := i
		if backwards {
			j = len(number) - 1 - i
		}
		if c != number[j] {
			return false
		}
	}
	return true
}
