package pin

// Reversed is p read backwards.
func (p *PIN) Reversed() (back PIN) {
	p.Reveal(func(digits []byte) {
		for i := range digits {
			_ = back.Push(digits[len(digits)-1-i]) // what came out of one fits into another
		}
	})
	return back
}

// Neighbours are the codes that make p one near the current code (NearCurrent) if one of
// them is the current one: at most four, for who can only ask for one after the other.
func (p *PIN) Neighbours() (all []PIN) {
	p.Reveal(func(digits []byte) {
		for _, step := range [...]struct{ from, to byte }{{'0', '9'}, {'9', '0'}} {
			if next, ok := stepped(digits, step.from, step.to); ok {
				all = append(all, next)
			}
		}
		if len(digits) < 2 {
			return
		}
		for _, shorter := range [][]byte{digits[1:], digits[:len(digits)-1]} {
			next, _ := Parse(shorter) // digits are digits
			all = append(all, next)
		}
	})
	return all
}

// stepped is the number next to digits on the side where from turns to to with a carry:
// 0 to 9 below, 9 to 0 above. There is none beyond the ends.
func stepped(digits []byte, from, to byte) (next PIN, ok bool) {
	last := len(digits) - 1
	for last >= 0 && digits[last] == from {
		last--
	}
	if last < 0 {
		return PIN{}, false
	}
	for i, c := range digits {
		switch {
		case i > last:
			c = to
		case i == last && from == '0':
			c--
		case i == last:
			c++
		}
		_ = next.Push(c) // what came out of one fits into another
	}
	return next, true
}
