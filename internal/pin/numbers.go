package pin

import "strconv"

// numbers are one number behind the other in constant steps: 101112, 246810, 302010.
func numbers(r *ranking) {
	for _, step := range [...]int{1, 2, 10, -10, -1, 5, 3, 11, -11, 20, 22, 33, 4, 25, -2, -20, -22, -33} {
		for first := range 100 {
			r.add(counted(first, step, r.size, 0))
			r.add(counted(first, step, r.size, 10))
		}
	}
}

// counted writes numbers until there are size digits; it cuts the last one off.
// Below 0 and above 99 it has no more. Numbers below padded get a 0 in front.
func counted(first, step, size, padded int) string {
	code := make([]byte, 0, size+2)
	for n := first; len(code) < size && n >= 0 && n < 100; n += step {
		if n < padded {
			code = append(code, '0')
		}
		code = strconv.AppendInt(code, int64(n), 10)
	}
	if len(code) < size {
		return ""
	}
	return string(code[:size])
}

// constants are the beginnings of numbers and rows that people know by heart.
func constants(r *ranking) {
	for _, known := range [...]string{
		"314159265358979323846264338327", // pi
		"271828182845904523536028747135", // e
		"161803398874989484820458683436", // the golden ratio
		"141421356237309504880168872420", // the square root of 2
		"142857142857142857142857142857", // 1/7
		"112358132134558914423337761098", // Fibonacci
		"235711131719232931374143475359", // primes
		"124816326412825651210242048409", // powers of 2
		"149162536496481100121144169196", // squares
		"100001000010000100001000010000",
		"135798642135798642135798642135",
		"192168192168192168192168192168", // the first private IP address
	} {
		r.add(known[:r.size])
		r.add("0" + known[:r.size-1])
	}
}
