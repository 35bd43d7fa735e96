package pin

import "bytes"

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

// lines are the codes that isKeypadLines finds, up to the length of a telephone number:
// of longer ones there are too many.
func lines(r *ranking) {
	if r.size > 10 {
		return
	}
	var put func(code string)
	put = func(code string) {
		if len(code) >= r.size {
			r.add(code)
			return
		}
		for _, line := range bothWays(keypadLines[:]) {
			put(code + line)
		}
	}
	put("")
}

// place is where a key is.
type place struct{ x, y int }

func keyAt(c byte) place {
	if c == '0' {
		return place{1, 3}
	}
	return place{int(c-'1') % 3, int(c-'1') / 3}
}

// walks lead from key to neighbouring key, aslant too, to none twice, and turn at
// most once in two steps.
func walks(r *ranking) {
	var walk func(code []byte, way place, turns int)
	walk = func(code []byte, way place, turns int) {
		if len(code) == r.size {
			r.add(string(code))
			return
		}
		from := keyAt(code[len(code)-1])
		for c := byte('0'); c <= '9'; c++ {
			to := keyAt(c)
			step := place{to.x - from.x, to.y - from.y}
			if bytes.IndexByte(code, c) >= 0 || max(step.x, -step.x, step.y, -step.y) != 1 {
				continue
			}
			left := turns
			if len(code) > 1 && step != way {
				left--
			}
			if left >= 0 {
				walk(append(code, c), step, left)
			}
		}
	}
	for c := byte('0'); c <= '9'; c++ {
		walk([]byte{c}, place{}, (r.size-1)/2)
	}
}
