package pin

import "strings"

// class is one of the ways in which people make up codes, known from published
// studies of leaked ones (Bonneau, Preibusch, Anderson: A Birthday Present Every
// Eleven Wallets?, 2012; Markert and others: This PIN Can Be Easily Guessed, 2020;
// Wang and others: Understanding Human-Chosen PINs, 2017). No list of others' codes
// is in here: every class is computed.
type class struct {
	name  string
	write func(*ranking) // adds the codes of its length, the likeliest first
}

// classes begin with the likeliest. A code that belongs to several has the rank of the first.
// It is a function because some classes make long codes of the likeliest short ones.
func classes() []class {
	return []class{
		{"one digit, counting up and down, and other constant steps", steps},
		{"lines on the keypad", lines},
		{"a shorter block over and over", blocks},
		{"each digit twice", doubled},
		{"mirrored halves", mirrored},
		{"dates and years of people in the middle of life", dates},
		{"two runs one behind the other", joined},
		{"two runs or lines, digit about digit", zipped},
		{"walks on the keypad with few turns", walks},
		{"a constant step and one more digit", nearSteps},
		{"numbers that count", numbers},
		{"well-known numbers", constants},
		{"common words on the keypad", words},
		{"the digits from 1 in another order", permutations},
		{"other dates and years", otherDates},
	}
}

// digit is the last digit of any number.
func digit(n int) byte { return '0' + byte((n%10+10)%10) }

// run is size digits in constant steps; 0 follows 9.
func run(first, step, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = digit(first + i*step)
	}
	return string(b)
}

func steps(r *ranking) {
	for _, step := range [...]int{1, 0, -1, 2, -2, 3, -3, 5, 4, -4} {
		for first := range 10 {
			r.add(run(first+1, step, r.size))
		}
	}
}

// seeds are short codes that longer ones are made of: all up to three digits, then
// the likeliest, and none of more than five: codes that long are rare.
func (r *ranking) seeds(size int) []string {
	const most = 1000
	made, ok := r.made[size]
	switch {
	case ok || size > 5:
	case size > 3:
		made = rank(size)[:most]
	default:
		made = []string{""}
		for range size {
			var longer []string
			for _, code := range made {
				for d := range 10 {
					longer = append(longer, code+string(digit(d)))
				}
			}
			made = longer
		}
	}
	r.made[size] = made
	return made
}

func blocks(r *ranking) {
	for size := 2; 2*size <= r.size; size++ {
		if size > 3 && r.size%size != 0 {
			continue
		}
		for _, block := range r.seeds(size) {
			r.add(strings.Repeat(block, r.size/size+1)[:r.size])
		}
	}
}

func doubled(r *ranking) {
	if r.size%2 != 0 {
		return
	}
	for _, half := range r.seeds(r.size / 2) {
		var b strings.Builder
		for _, c := range half {
			b.WriteRune(c)
			b.WriteRune(c)
		}
		r.add(b.String())
	}
}

// mirrored halves share the middle digit where the length is odd.
func mirrored(r *ranking) {
	if r.size < 4 {
		return
	}
	for _, half := range r.seeds((r.size + 1) / 2) {
		r.add(half + reversed(half)[r.size%2:])
	}
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// halves are the runs of half a code: one digit, up and down.
func halves(size int) (runs []string) {
	for _, step := range [...]int{1, 0, -1} {
		for first := range 10 {
			runs = append(runs, run(first+1, step, size))
		}
	}
	return runs
}

func joined(r *ranking) {
	for _, a := range halves(r.size / 2) {
		for _, b := range halves(r.size - r.size/2) {
			r.add(a + b)
		}
	}
}

func zipped(r *ranking) {
	zip := func(of []string) {
		for _, a := range of {
			for _, b := range of {
				code := make([]byte, 0, r.size)
				for i := range min(len(a), len(b)) {
					code = append(code, a[i], b[i])
				}
				r.add(string(code))
			}
		}
	}
	if r.size%2 == 0 {
		zip(halves(r.size / 2))
		zip(bothWays(keypadLines[:]))
	}
}

func bothWays(codes []string) (all []string) {
	for _, code := range codes {
		all = append(all, code, reversed(code))
	}
	return all
}

func nearSteps(r *ranking) {
	for _, step := range [...]int{1, 0, -1, 2, -2} {
		for first := range 10 {
			most := run(first+1, step, r.size-1)
			for last := range 10 {
				r.add(most + string(digit(last)))
				r.add(string(digit(last)) + most)
			}
		}
	}
}

// permutations of more digits than six would be too many.
func permutations(r *ranking) {
	if r.size > 6 {
		return
	}
	var put func(code string)
	put = func(code string) {
		if len(code) == r.size {
			r.add(code)
		}
		for c := '1'; c < '1'+rune(r.size); c++ {
			if !strings.ContainsRune(code, c) {
				put(code + string(c))
			}
		}
	}
	put("")
}
